//! BART: Lewis et al., "BART: Denoising Sequence-to-Sequence Pre-training for Natural Language Generation, Translation, and
//! Comprehension" (2019).
//!
//! The Transformer's encoder and decoder with GELU and learned positions of each, which begin at row 2 of their tables; a norm after
//! the embeddings; post-norm blocks `norm(x + attention(x))`, in the decoder `norm(x + attention(x, source))`,
//! `norm(x + feed_forward(x))` with biases; one matrix is the embedding of both and the head. Weights start normal with deviation
//! 0.02. `final_logits_bias`, which Hugging Face adds to the logits, is read, written and not trained.

mod config;
mod presets;

pub use config::BartConfig;
use nuwa_nn::{Context, CrossAttention, Embedding, Head, Initialisation, LayerNorm, Scope};
use nuwa_tensor::{DType, Parameter, Parameters, ParametersBuilder, Result, Tensor};

use crate::post_norm::{EPSILON, Stacks, head_bias};
use crate::{Cache, Input, Memory, Model, ModelConfig, Rows, Text};

/// Rows of a table of positions before that of the first one.
pub(crate) const OFFSET: usize = 2;

/// The model.
#[derive(Debug)]
pub struct Bart {
    config: BartConfig,
    parameters: Parameters,
    tokens: Embedding,
    encoder: Embeddings,
    decoder: Embeddings,
    stacks: Stacks,
    bias: Option<Parameter>,
}

/// What each of the two adds to the embeddings of tokens.
#[derive(Debug)]
struct Embeddings {
    positions: Embedding,
    norm: LayerNorm,
}

impl Bart {
    /// A model with the builder's weights. The configuration has been validated.
    pub(crate) fn new(config: BartConfig, mut builder: ParametersBuilder) -> Self {
        let mut root = Scope::root(&mut builder);
        let (width, vocabulary) = (config.stacks.d_model, config.stacks.vocab_size);
        let weights = Initialisation::Normal(config.init_std);
        let tokens = Embedding::new(root.child("tokens"), vocabulary, width, weights);
        let [encoder, decoder] = ["encoder", "decoder"].map(|name| {
            let mut scope = root.child(name);
            let rows = config.stacks.max_position_embeddings + OFFSET;
            let positions = Embedding::new(scope.child("positions"), rows, width, weights);
            Embeddings { positions, norm: LayerNorm::new(scope.child("embedding_norm"), width, EPSILON) }
        });
        let stacks = Stacks::new(root.here(), &config.stacks, &|_, _| weights);
        let bias = head_bias(&mut root, &config.stacks);
        Self { parameters: builder.finish(), tokens, encoder, decoder, stacks, bias, config }
    }

    fn embed(
        &self,
        context: &Context<'_>,
        own: &Embeddings,
        ids: &[u32],
        positions: &[u32],
    ) -> Result<Tensor> {
        let (tape, scale) = (context.tape, self.config.stacks.embedding_scale());
        let x = self.tokens.forward(tape, ids)?;
        let x = if scale == 1.0 { x } else { tape.scale(&x, scale)? };
        let rows: Vec<u32> = positions.iter().map(|position| position + OFFSET as u32).collect();
        let x = tape.add(&x, &own.positions.forward(tape, &rows)?)?;
        context.embedding_dropout(&own.norm.forward_residual(tape, &x)?)
    }
}

impl Model for Bart {
    fn config(&self) -> ModelConfig {
        ModelConfig::Bart(self.config.clone())
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn encode(&self, context: &Context<'_>, source: &Text) -> Result<Memory> {
        let pass = Input::Text(source).begin();
        let x = self.embed(context, &self.encoder, &pass.ids, &pass.positions)?;
        self.stacks.encode(context, x, source, pass)
    }

    fn source_layers(&self) -> Vec<&CrossAttention> {
        self.stacks.source_layers()
    }

    fn hidden(&self, context: &Context<'_>, input: Input<'_>) -> Result<Rows> {
        let pass = input.begin_answer()?;
        let x = self.embed(context, &self.decoder, &pass.ids, &pass.positions)?;
        Ok(self.stacks.decode(context, x, pass)?.into())
    }

    fn head(&self) -> Head<'_> {
        Head { bias: self.bias.as_ref(), ..Head::new(self.tokens.weight()) }
    }

    fn new_cache(&self, capacity: usize, dtype: DType) -> Cache {
        self.stacks.new_cache(capacity, dtype)
    }
}
