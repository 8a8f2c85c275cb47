//! The model families. Each is a folder: its configuration, its model, its names at Hugging Face.
//!
//! Shapes in comments: `n` positions of all sequences together, `d` the model width, `v` the vocabulary.
//!
//! A family is named by `model_type`, with the fields of Hugging Face's `config.json`:
//!
//! ```
//! use nuwa_models::{Batch, Context, ModelConfig, Text, backward, build};
//! use nuwa_tensor::Tape;
//!
//! let config: ModelConfig = serde_json::from_str(
//!     r#"{"model_type": "llama", "vocab_size": 50, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
//!         "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 32}"#,
//! )?;
//! let model = build(&config, 1)?;
//! let (ids, next) = (vec![3, 1, 4, 1, 5], vec![1, 4, 1, 5, 9]);
//! let batch = Batch::of_every_row(Text::causal(ids, 1), next, vec![0.2; 5]);
//! let losses = backward(model.as_ref(), &Context::new(&Tape::training()), &batch)?;
//! assert!((losses.total() - 50_f32.ln()).abs() < 0.5, "untrained, each of the 50 tokens is as likely as another");
//! assert!(model.parameters().iter().all(|parameter| parameter.gradient().iter().any(|g| *g != 0.0)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod bart;
pub mod bert;
pub mod custom;
pub mod decoder;
pub mod falcon;
pub mod gpt2;
pub mod gpt_neo;
pub mod gru;
pub mod lamda;
pub mod llama;
pub mod lstm;
pub mod marian;
pub mod mistral;
pub mod mixtral;
pub mod olmoe;
pub mod post_norm;
pub mod qwen2;
pub mod qwen3;
pub mod qwen3_moe;
pub mod recurrent;
pub mod recurrent_gemma;
pub mod t5;
pub mod unilm;
pub mod xlm;
pub mod xlnet;

mod batch;
mod config;
mod content;
mod experts;
mod input;
mod memory;
mod names;
mod outline;
mod presets;
mod registry;
mod scored;
mod sequences;
mod text;

pub use batch::{Batch, Classes, Losses, Targets, backward, backward_objective, losses};
pub use config::{Config, Error, FamilyConfig, FusedPart, LooksBack, Prediction, Result, Shape, Size};
pub use input::{Cache, Input, NewRows};
pub use memory::{Memory, attention_to_source};
pub use names::{RowOrder, TensorName};
pub use outline::{Outline, OutlineBlock, OutlinePiece, OutlineStack};
pub use presets::{Preset, PresetName};
pub use registry::{Family, ModelConfig, ParseError, Registered};
pub use scored::{LabelHead, LabelRow, SCORE, Scored, backward_scores, scores};
pub use sequences::SequencePair;
pub use text::{Before, Queries, Rows, Text};

use nuwa_nn::Linear;
pub use nuwa_nn::{Context, CrossAttention, Head, Llama3, Rope, RopeScaling, SourceLog, Yarn};
use nuwa_tensor::{DType, Parameters, ParametersBuilder, Tensor};

/// A model: from tokens to hidden rows, and from those to logits.
pub trait Model: Send + Sync {
    /// What `config.json` holds.
    fn config(&self) -> ModelConfig;

    /// All weights, by path.
    fn parameters(&self) -> &Parameters;

    /// Which tensors at Hugging Face make up each parameter.
    fn names(&self) -> Vec<TensorName> {
        self.config().names()
    }

    /// The last hidden states, `[n, d]` for `n` ids, as the head reads them.
    ///
    /// # Errors
    /// When an id is outside the vocabulary, positions go beyond the context, or an encoder is asked to go on with a cache.
    fn hidden(&self, context: &Context<'_>, input: Input<'_>) -> nuwa_tensor::Result<Rows>;

    /// What the encoder makes of `source`, for [`Input::Answer`]; see [`Config::is_encoder_decoder`].
    ///
    /// # Errors
    /// When the model has no encoder apart from a decoder, an id is outside the vocabulary, or positions go beyond the context.
    fn encode(&self, context: &Context<'_>, source: &Text) -> nuwa_tensor::Result<Memory> {
        let _ = (context, source);
        let reason = "the model has no encoder that a decoder reads".into();
        Err(nuwa_tensor::Error::Shape { operation: "encoder", reason })
    }

    /// A cache for an answer to each of `sources`, with room for `capacity` of its positions, kept in this dtype: the encoder runs
    /// once, and each layer keeps the keys and values of the source. The first id of an answer is [`Config::decoder_start`].
    ///
    /// # Errors
    /// As [`Model::encode`], and when a source is empty.
    fn begin(
        &self,
        context: &Context<'_>,
        sources: &[&[u32]],
        capacity: usize,
        dtype: DType,
    ) -> nuwa_tensor::Result<Vec<Cache>> {
        let memory = self.encode(context, &Text::padded(sources)?)?;
        self.new_cache(capacity, dtype).over_memory(context, &memory, &self.source_layers(), dtype)
    }

    /// The layers that read a source, from the first block of the decoder on.
    fn source_layers(&self) -> Vec<&CrossAttention> {
        Vec::new()
    }

    /// From hidden states to the logits of tokens.
    fn head(&self) -> Head<'_>;

    /// From the pooled row of a text to the logits of classes, of models that tell them.
    fn class_head(&self) -> Option<Head<'_>> {
        None
    }

    /// From hidden states to numbers, of reward models and value functions ([`Scored`]).
    fn score(&self) -> Option<&Linear> {
        None
    }

    /// What a head for labels reads of the rows that stand for texts: the rows themselves, or what a pooler makes of them.
    ///
    /// # Errors
    /// When the width differs.
    fn summary(&self, context: &Context<'_>, rows: Tensor) -> nuwa_tensor::Result<Tensor> {
        let _ = context;
        Ok(rows)
    }

    /// Takes texts that do not say their languages for texts in this one, by its number, where the model tells languages apart;
    /// the first one at first.
    fn set_language(&mut self, language: u32) {
        let _ = language;
    }

    /// An empty cache for `capacity` positions of one sequence, kept in this dtype. That of an encoder-decoder comes from
    /// [`Model::begin`].
    fn new_cache(&self, capacity: usize, dtype: DType) -> Cache;

    /// The same model as one of a family that more programs know, where it is one; to be exported.
    fn in_common_family(&self) -> Option<Box<dyn Model>> {
        None
    }

    /// The largest number of positions.
    fn context(&self) -> usize {
        self.config().context()
    }

    /// The number of token ids it knows.
    fn vocabulary(&self) -> usize {
        self.config().vocabulary()
    }
}

/// Builds a model with fresh weights drawn under `seed`.
///
/// # Errors
/// When the configuration makes no sense (zero heads, a width that heads do not divide, ...).
pub fn build(config: &ModelConfig, seed: u64) -> Result<Box<dyn Model>> {
    build_with(config, ParametersBuilder::new(seed))
}

/// Builds a model whose weights are all 0, to be overwritten.
///
/// # Errors
/// As [`build`].
pub fn build_zeros(config: &ModelConfig) -> Result<Box<dyn Model>> {
    build_with(config, ParametersBuilder::zeros())
}

/// Makes a model for inference alone, whose values are still to be overwritten: its matrices are kept in `dtype`.
///
/// # Errors
/// As [`build`].
pub fn build_for_inference(config: &ModelConfig, dtype: DType) -> Result<Box<dyn Model>> {
    build_with(config, ParametersBuilder::inference(dtype))
}

fn build_with(config: &ModelConfig, builder: ParametersBuilder) -> Result<Box<dyn Model>> {
    config.validate()?;
    Ok(config.build(builder))
}
