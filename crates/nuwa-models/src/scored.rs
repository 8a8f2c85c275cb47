//! A linear head on the last hidden states of any family: a reward model and a value function have one output, a classifier one a
//! class.
//!
//! `score_i = h_i W^T` with `h` `[n, d]` after the last norm and `W` `[outputs, d]`, summed and kept in `f32` whatever the
//! precision of the tape. A reward model reads the row of an answer's last token (Ouyang et al. 2022; transformers'
//! `...ForSequenceClassification`), a value function every row of it. The head for tokens is not used: of a family whose head is
//! a matrix of its own it is frozen, and in no file.

use nuwa_nn::{Context, CrossAttention, Head, Initialisation, Linear, Scope};
use nuwa_tensor::{DType, Error, Objective, Parameters, ParametersBuilder, Result, Tensor};

use crate::names::matrix_name;
use crate::{Cache, Input, Memory, Model, ModelConfig, Rows, TensorName, Text, config};

/// The parameter of the head, and its tensor at Hugging Face, which only models with such a head have.
pub const SCORE: &str = "score.weight";

/// The parameter that gives logits of tokens, of models that have one of its own.
const TOKEN_HEAD: &str = "head.weight";

/// A model that gives numbers for rows.
pub struct Scored {
    model: Box<dyn Model>,
    score: Linear,
}

impl Scored {
    /// A model whose values are all 0, to be overwritten.
    ///
    /// # Errors
    /// When the configuration makes no sense.
    pub fn zeros(config: &ModelConfig, outputs: usize) -> config::Result<Self> {
        Self::with(config, outputs, ParametersBuilder::zeros())
    }

    /// A model with fresh weights drawn under `seed`. The head starts normal with deviation `1 / sqrt(d + 1)` (Stiennon et al.
    /// 2020).
    ///
    /// # Errors
    /// As [`Scored::zeros`].
    pub fn new(config: &ModelConfig, outputs: usize, seed: u64) -> config::Result<Self> {
        Self::with(config, outputs, ParametersBuilder::new(seed))
    }

    fn with(config: &ModelConfig, outputs: usize, mut builder: ParametersBuilder) -> config::Result<Self> {
        config.validate()?;
        let width = config.width();
        let weights = Initialisation::Normal((width as f32 + 1.0).powf(-0.5));
        let score = Linear::new(Scope::root(&mut builder).child("score"), width, outputs, false, weights);
        let model = config.build(builder);
        if let Some(head) = model.parameters().get(TOKEN_HEAD) {
            head.entry().set_trainable(false);
        }
        Ok(Self { model, score })
    }

    /// Which tensors at Hugging Face make up each parameter of a model of `config` with so many outputs.
    pub fn names_of(config: &ModelConfig, outputs: usize) -> Vec<TensorName> {
        let mut names = config.names();
        names.retain(|name| name.parameter != TOKEN_HEAD);
        names.push(matrix_name(SCORE, SCORE, outputs, config.width()));
        names
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

    fn new_cache(&self, capacity: usize, dtype: DType) -> Cache {
        self.model.new_cache(capacity, dtype)
    }
}

/// The numbers that `model` gives for some rows of `text`, one row after the other: `score_i = h_i W^T`.
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
    let rows = tape.rows(&hidden, rows)?;
    let shape = [rows.rows(), score.weight().rows()];
    let zeros = tape.constant(shape, &vec![0.0; shape[0] * shape[1]])?;
    score.forward_add(tape, &zeros, &rows)
}
