//! A linear head on the last hidden states of any family: a reward model and a value function have one output, a classifier one a
//! label.
//!
//! `score_i = s(h_i) W^T + b` with `h` `[n, d]` after the last norm, `s` what the family makes of a row that stands for a text
//! (BERT's pooler; else the row itself) and `W` `[outputs, d]`, summed and kept in `f32` whatever the precision of the tape. A
//! reward model reads the row of an answer's last token (Ouyang et al. 2022), a value function every row of it, a classifier the
//! row that [`LabelHead`] names (transformers' `...ForSequenceClassification`). Of an encoder-decoder that is a row of the decoder,
//! which reads the source once more behind its start, as BART does it (Lewis et al. 2019, 3.3): the last token there has seen all.
//! Some families have a layer `tanh(h W^T + b)` in front. The heads for tokens are not used: of a decoder whose head is a matrix
//! of its own it is frozen, and in no file; all others are built without them.

use nuwa_nn::{Context, CrossAttention, Head, Initialisation, Linear, Scope};
use nuwa_tensor::ops::activation::Activation;
use nuwa_tensor::{DType, Error, Objective, Parameters, ParametersBuilder, Result, Tensor};

use crate::names::{matrix_name, vector_name};
use crate::{Cache, Input, Memory, Model, ModelConfig, Rows, TensorName, Text, config};

/// The parameter of the head.
pub const SCORE: &str = "score.weight";

/// The bias of the head, of families that have one there.
const SCORE_BIAS: &str = "score.bias";

/// The layer in front of the head, of families that have one there.
const DENSE: [&str; 2] = ["score.dense.weight", "score.dense.bias"];

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
    /// Matrix `[width, width]` and bias of a layer with tanh in front of it, where there is one that belongs to the head.
    pub dense: Option<[&'static str; 2]>,
    /// The row of a text that it reads.
    pub row: LabelRow,
}

/// Which row stands for a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelRow {
    /// That of the first token, of encoders: each row has seen the whole text.
    First,
    /// That of the last token: of decoders the only one that has seen the whole text.
    Last,
}

impl LabelHead {
    /// That of decoders.
    pub const OF_LAST_ROW: Self = Self { weight: SCORE, bias: None, dense: None, row: LabelRow::Last };

    /// That of encoder-decoders.
    pub const OF_ANSWER: Self = Self {
        weight: "classification_head.out_proj.weight",
        bias: Some("classification_head.out_proj.bias"),
        dense: Some(["classification_head.dense.weight", "classification_head.dense.bias"]),
        row: LabelRow::Last,
    };
}

/// A model that gives numbers for rows.
pub struct Scored {
    model: Box<dyn Model>,
    score: Linear,
    dense: Option<Linear>,
}

impl Scored {
    /// A model whose values are all 0, to be overwritten.
    ///
    /// # Errors
    /// When the configuration makes no sense.
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
        let (head, width) = (config.label_head(), config.width());
        let mut root = Scope::root(&mut builder);
        let score = Linear::new(root.child("score"), width, outputs, head.bias.is_some(), weights);
        // Its sums have deviation 1 at first where the features of a row have, which those behind a norm do.
        let spread = Initialisation::Normal((width as f32).powf(-0.5));
        let dense =
            head.dense.map(|_| Linear::new(root.child("score").child("dense"), width, width, true, spread));
        let model = config.build(builder);
        if let Some(head) = model.parameters().get(TOKEN_HEAD) {
            head.entry().set_trainable(false);
        }
        Ok(Self { model, score, dense })
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
        let (head, width) = (config.label_head(), config.width());
        names.push(matrix_name(SCORE, head.weight, outputs, width));
        names.extend(head.bias.map(|bias| vector_name(SCORE_BIAS, bias, outputs)));
        if let Some([weight, bias]) = head.dense {
            names.push(matrix_name(DENSE[0], weight, width, width));
            names.push(vector_name(DENSE[1], bias, width));
        }
        names
    }

    /// Whether a parameter is one of the head.
    pub fn is_of_head(parameter: &str) -> bool {
        parameter == SCORE || parameter == SCORE_BIAS || DENSE.contains(&parameter)
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
        let rows = self.model.summary(context, rows)?;
        match &self.dense {
            Some(dense) => dense.forward_activation(context.tape, &rows, Activation::Tanh),
            None => Ok(rows),
        }
    }

    fn new_cache(&self, capacity: usize, dtype: DType) -> Cache {
        self.model.new_cache(capacity, dtype)
    }
}

/// The numbers that `model` gives for some rows of `text`, one row after the other: `score_i = s(h_i) W^T + b`. Of an
/// encoder-decoder `text` is the source, and the rows are those of the decoder at the same places.
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
    let hidden = read_through(model, context, text)?;
    let rows = model.summary(context, tape.rows(&hidden, rows)?)?;
    let shape = [rows.rows(), score.weight().rows()];
    let zeros = tape.constant(shape, &vec![0.0; shape[0] * shape[1]])?;
    score.forward_add(tape, &zeros, &rows)
}

/// The last hidden states of `text`: of an encoder-decoder those of its decoder, which reads the source again.
fn read_through(model: &dyn Model, context: &Context<'_>, text: &Text) -> Result<Tensor> {
    let Some(start) = model.config().decoder_start() else {
        return Ok(model.hidden(context, Input::Text(text))?.hidden);
    };
    let memory = model.encode(context, text)?;
    let again = text.again_behind(start);
    Ok(model.hidden(context, Input::Answer { text: &again, memory: &memory })?.hidden)
}
