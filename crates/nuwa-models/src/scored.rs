//! A linear head on the last hidden states of any family: a reward model and a value function have one output, a classifier one a
//! label.
//!
//! `score_i = s(h_i) W^T + b` with `h` `[n, d]` after the last norm, `s` what the family makes of a row that stands for a text
//! (BERT's pooler; else the row itself) and `W` `[outputs, d]`, summed and kept in `f32` whatever the precision of the tape. A
//! reward model reads the row of an answer's last token (Ouyang et al. 2022), a value function every row of it, a classifier the
//! row that [`LabelHead`] names (transformers' `...ForSequenceClassification`). The heads for tokens are not used: of a decoder
//! whose head is a matrix of its own it is frozen, and in no file; an encoder is built without them.

use nuwa_nn::{Context, CrossAttention, Head, Initialisation, Linear, Scope};
use nuwa_tensor::{DType, Error, Objective, Parameters, ParametersBuilder, Result, Tensor};

use crate::names::{matrix_name, vector_name};
use crate::{Cache, Input, Memory, Model, ModelConfig, Rows, TensorName, Text, config};

/// The parameter of the head.
pub const SCORE: &str = "score.weight";

/// The bias of the head, of families that have one there.
const SCORE_BIAS: &str = "score.bias";

/// The parameter that gives logits of tokens, of models that have one of its own.
const TOKEN_HEAD: &str = "head.weight";

/// The deviation of the first weights of a head for labels, as in transformers: at first no label is much likelier than another.
const LABEL_DEVIATION: f32 = 0.02;

/// How a head for labels sits on the models of a family, as transformers' `...ForSequenceClassification` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelHead {
    /// Its matrix `[outputs, width]` there.
    pub weight: &'static str,
    /// Its bias `[outputs]` there, where it has one.
    pub bias: Option<&'static str>,
    /// The row of a text that it reads.
    pub row: LabelRow,
}

/// Which row stands for a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelRow {
    /// That of the first token, of encoders: each row has seen the whole text.
    First,
    /// That of the last token, of decoders: the only one that has seen the whole text.
    Last,
}

impl LabelHead {
    /// That of decoders.
    pub const OF_LAST_ROW: Self = Self { weight: SCORE, bias: None, row: LabelRow::Last };
}

/// A model that gives numbers for rows.
pub struct Scored {
    model: Box<dyn Model>,
    score: Linear,
}

impl Scored {
    /// A model whose values are all 0, to be overwritten.
    ///
    /// # Errors
    /// When the configuration makes no sense, or the family has no such head.
    pub fn zeros(config: &ModelConfig, outputs: usize) -> config::Result<Self> {
        Self::with(config, outputs, Initialisation::Zeros, ParametersBuilder::zeros())
    }

    /// A model with fresh weights drawn under `seed`. The head starts normal with deviation `1 / sqrt(d + 1)` (Stiennon et al.
    /// 2020).
    ///
    /// # Errors
    /// As [`Scored::zeros`].
    pub fn new(config: &ModelConfig, outputs: usize, seed: u64) -> config::Result<Self> {
        let weights = Initialisation::Normal((config.width() as f32 + 1.0).powf(-0.5));
        Self::with(config, outputs, weights, ParametersBuilder::new(seed))
    }

    /// The same with a head for so many labels, which starts normal with deviation 0.02.
    ///
    /// # Errors
    /// As [`Scored::zeros`].
    pub fn for_labels(config: &ModelConfig, labels: usize, seed: u64) -> config::Result<Self> {
        Self::with(config, labels, Initialisation::Normal(LABEL_DEVIATION), ParametersBuilder::new(seed))
    }

    fn with(
        config: &ModelConfig,
        outputs: usize,
        weights: Initialisation,
        mut builder: ParametersBuilder,
    ) -> config::Result<Self> {
        let config = Self::config_of(config);
        config.validate()?;
        let Some(head) = config.label_head() else {
            let (field, value) = ("architectures", config.architecture().into());
            return Err(config::Error {
                field,
                value,
                expected: "expected a family with a head for labels".into(),
            });
        };
        let (width, bias) = (config.width(), head.bias.is_some());
        let score = Linear::new(Scope::root(&mut builder).child("score"), width, outputs, bias, weights);
        let model = config.build(builder);
        if let Some(head) = model.parameters().get(TOKEN_HEAD) {
            head.entry().set_trainable(false);
        }
        Ok(Self { model, score })
    }

    /// The configuration of such a model that is made of one of `config`: an encoder loses its heads for tokens.
    pub fn config_of(config: &ModelConfig) -> ModelConfig {
        let mut config = config.labelled_as().unwrap_or_else(|| config.clone());
        config.keep_only_labels();
        config
    }

    /// Which tensors at Hugging Face make up each parameter of a model of `config` with so many outputs.
    pub fn names_of(config: &ModelConfig, outputs: usize) -> Vec<TensorName> {
        let config = Self::config_of(config);
        let mut names = config.names();
        names.retain(|name| name.parameter != TOKEN_HEAD);
        if let Some(head) = config.label_head() {
            names.push(matrix_name(SCORE, head.weight, outputs, config.width()));
            names.extend(head.bias.map(|bias| vector_name(SCORE_BIAS, bias, outputs)));
        }
        names
    }

    /// Whether a parameter is one of the head.
    pub fn is_of_head(parameter: &str) -> bool {
        parameter == SCORE || parameter == SCORE_BIAS
    }

    /// The model without its head for numbers.
    pub fn base(&self) -> &dyn Model {
        self.model.as_ref()
    }

    /// How many numbers a row gets.
    pub fn outputs(&self) -> usize {
        self.score.weight().rows()
    }
}

impl Model for Scored {
    fn config(&self) -> ModelConfig {
        self.model.config()
    }

    fn parameters(&self) -> &Parameters {
        self.model.parameters()
    }

    fn names(&self) -> Vec<TensorName> {
        Self::names_of(&self.config(), self.outputs())
    }

    fn hidden(&self, context: &Context<'_>, input: Input<'_>) -> Result<Rows> {
        self.model.hidden(context, input)
    }

    fn encode(&self, context: &Context<'_>, source: &Text) -> Result<Memory> {
        self.model.encode(context, source)
    }

    fn source_layers(&self) -> Vec<&CrossAttention> {
        self.model.source_layers()
    }

    fn head(&self) -> Head<'_> {
        self.model.head()
    }

    fn score(&self) -> Option<&Linear> {
        Some(&self.score)
    }

    fn summary(&self, context: &Context<'_>, rows: Tensor) -> Result<Tensor> {
        self.model.summary(context, rows)
    }

    fn new_cache(&self, capacity: usize, dtype: DType) -> Cache {
        self.model.new_cache(capacity, dtype)
    }
}

/// The numbers that `model` gives for some rows of `text`, one row after the other: `score_i = s(h_i) W^T + b`.
///
/// # Errors
/// When the model has no head for them, or the text does not fit it.
pub fn scores(model: &dyn Model, context: &Context<'_>, text: &Text, rows: &[u32]) -> Result<Vec<f32>> {
    Ok(scored_rows(model, context, text, rows)?.to_host())
}

/// As [`scores`], of what `weigh` makes of the numbers: its gradient is added to those of the parameters where its value is finite.
/// The slopes are those of the value in each number.
///
/// # Errors
/// As [`scores`], and when there is not one slope a number.
pub fn backward_scores(
    model: &dyn Model,
    context: &Context<'_>,
    text: &Text,
    rows: &[u32],
    weigh: impl FnOnce(&[f32]) -> Objective,
) -> Result<f32> {
    let found = scored_rows(model, context, text, rows)?;
    let Objective { value, slopes } = weigh(&found.to_host());
    match value.is_finite() {
        true => context.tape.backward(&context.tape.weighted_sum(&found, &slopes)?)?,
        false => context.tape.discard(),
    }
    Ok(value)
}

fn scored_rows(model: &dyn Model, context: &Context<'_>, text: &Text, rows: &[u32]) -> Result<Tensor> {
    let Some(score) = model.score() else {
        let reason = "the model has no head that scores".into();
        return Err(Error::Shape { operation: "linear_add", reason });
    };
    let tape = context.tape;
    let hidden = model.hidden(context, Input::Text(text))?.hidden;
    let rows = model.summary(context, tape.rows(&hidden, rows)?)?;
    let shape = [rows.rows(), score.weight().rows()];
    let zeros = tape.constant(shape, &vec![0.0; shape[0] * shape[1]])?;
    score.forward_add(tape, &zeros, &rows)
}
