//! The Transformer: Vaswani et al., "Attention Is All You Need" (2017).
//!
//! An encoder reads a source, a decoder writes an answer and attends to both. Embeddings times `sqrt(d)` plus sinusoids; post-norm
//! blocks `norm(x + attention(x))`, in the decoder `norm(x + attention(x, source))`, `norm(x + feed_forward(x))` with biases and
//! ReLU; one matrix is the embedding of both and the head. Dropout on embeddings and on every residual branch. Embeddings start
//! normal with deviation `1 / sqrt(d)`, matrices with that of Glorot and Bengio (2010), as the authors' program has it.
//!
//! At Hugging Face it is `marian` (Junczys-Dowmunt et al. 2018), which orders the features of sinusoids otherwise
//! ([`Sinusoids`]) and adds a bias to the logits, `final_logits_bias`: read, written and not trained.

mod config;
mod presets;

pub use config::MarianConfig;
use nuwa_nn::{Context, CrossAttention, Embedding, Head, Initialisation, Scope, Sinusoids};
use nuwa_tensor::{DType, Parameter, Parameters, ParametersBuilder, Result, Tensor};

use crate::post_norm::{Stacks, head_bias};
use crate::{Cache, Input, Memory, Model, ModelConfig, Rows, Text};

/// The model.
#[derive(Debug)]
pub struct Marian {
    config: MarianConfig,
    parameters: Parameters,
    tokens: Embedding,
    positions: Sinusoids,
    stacks: Stacks,
    bias: Option<Parameter>,
}

impl Marian {
    /// A model with the builder's weights. The configuration has been validated.
    pub(crate) fn new(config: MarianConfig, mut builder: ParametersBuilder) -> Self {
        let mut root = Scope::root(&mut builder);
        let (width, vocabulary) = (config.stacks.d_model, config.stacks.vocab_size);
        let embedding = Initialisation::Normal((width as f32).powf(-0.5));
        let tokens = Embedding::new(root.child("tokens"), vocabulary, width, embedding);
        let stacks = Stacks::new(root.here(), &config.stacks, &Initialisation::glorot);
        let bias = head_bias(&mut root, &config.stacks);
        let positions = Sinusoids::new(config.stacks.max_position_embeddings, width);
        Self { parameters: builder.finish(), tokens, positions, stacks, bias, config }
    }

    fn embed(&self, context: &Context<'_>, ids: &[u32], positions: &[u32]) -> Result<Tensor> {
        let tape = context.tape;
        let x = tape.scale(&self.tokens.forward(tape, ids)?, self.config.stacks.embedding_scale())?;
        context.embedding_dropout(&self.positions.add_to(tape, &x, positions)?)
    }
}

impl Model for Marian {
    fn config(&self) -> ModelConfig {
        ModelConfig::Marian(self.config.clone())
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn encode(&self, context: &Context<'_>, source: &Text) -> Result<Memory> {
        let pass = Input::Text(source).begin();
        let x = self.embed(context, &pass.ids, &pass.positions)?;
        self.stacks.encode(context, x, source, pass)
    }

    fn source_layers(&self) -> Vec<&CrossAttention> {
        self.stacks.source_layers()
    }

    fn hidden(&self, context: &Context<'_>, input: Input<'_>) -> Result<Rows> {
        let pass = input.begin_answer()?;
        let x = self.embed(context, &pass.ids, &pass.positions)?;
        Ok(self.stacks.decode(context, x, pass)?.into())
    }

    fn head(&self) -> Head<'_> {
        Head { bias: self.bias.as_ref(), ..Head::new(self.tokens.weight()) }
    }

    fn new_cache(&self, capacity: usize, dtype: DType) -> Cache {
        self.stacks.new_cache(capacity, dtype)
    }
}
