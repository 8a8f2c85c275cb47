//! The model families. Each is a folder: its configuration, its model, its names at Hugging Face.
//!
//! Shapes in comments: `n` positions of all sequences together, `d` the model width, `v` the vocabulary.
#![forbid(unsafe_code)]

pub mod gpt2;
pub mod llama;

mod config;
mod input;
mod names;
mod registry;

pub use config::{Config, Error, FamilyConfig, Prediction, Result, Shape, Size};
pub use input::{Cache, Input, LayerInput, NewRows, Sequences};
pub use names::TensorName;
pub use registry::{Family, ModelConfig, ParseError, Registered};

use nuwa_tensor::{Kind, Parameter, Parameters, ParametersBuilder, Tape, Tensor};

/// A model that gives a distribution over the next token at each position.
pub trait LanguageModel: Send + Sync {
    /// What `config.json` holds.
    fn config(&self) -> ModelConfig;

    /// All weights, by path.
    fn parameters(&self) -> &Parameters;

    /// Which tensors at Hugging Face make up each parameter.
    fn names(&self) -> Vec<TensorName> {
        self.config().names()
    }

    /// The last hidden states, normalised: `[n, d]` for `n` ids.
    ///
    /// # Errors
    /// When an id is outside the vocabulary, or positions go beyond the context.
    fn hidden(&self, tape: &Tape, ids: &[u32], input: Input<'_>) -> nuwa_tensor::Result<Tensor>;

    /// The matrix that turns hidden states into scores, `[v, d]`; the embedding where the two are tied.
    fn head(&self) -> &Parameter;

    /// An empty cache for `capacity` positions of one sequence, kept in numbers of this kind.
    fn new_cache(&self, capacity: usize, kind: Kind) -> Cache;

    /// The share of activations dropped while training, on embeddings and residual branches.
    fn set_dropout(&mut self, probability: f32);

    /// Whether training keeps only the input of each block and computes the rest again on the way back: less memory, one
    /// more forward pass, the same bits.
    fn set_recompute(&mut self, recompute: bool);

    /// The largest number of positions.
    fn context(&self) -> usize {
        self.config().context()
    }

    /// The number of token ids it knows.
    fn vocabulary(&self) -> usize {
        self.head().rows()
    }
}

/// Builds a model with fresh weights drawn under `seed`.
///
/// # Errors
/// When the configuration makes no sense (zero heads, a width that heads do not divide, ...).
pub fn build(config: &ModelConfig, seed: u64) -> Result<Box<dyn LanguageModel>> {
    build_with(config, ParametersBuilder::new(seed))
}

/// Builds a model whose weights are all 0, to be overwritten.
///
/// # Errors
/// As [`build`].
pub fn build_zeros(config: &ModelConfig) -> Result<Box<dyn LanguageModel>> {
    build_with(config, ParametersBuilder::zeros())
}

fn build_with(config: &ModelConfig, builder: ParametersBuilder) -> Result<Box<dyn LanguageModel>> {
    config.validate()?;
    Ok(config.build(builder))
}
