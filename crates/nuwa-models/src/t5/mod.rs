//! T5: Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer" (2020), and T5 1.1 (Shazeer
//! 2020).
//!
//! Encoder and decoder of pre-norm blocks `x + attention(norm(x))`, in the decoder `x + attention(norm(x), source)`,
//! `x + feed_forward(norm(x))`, with RMS norm and without biases, and a final norm each. Scores are not scaled; positions are a number
//! for each head and bucket of distances, in one table for all layers of the encoder, which has buckets for both sides, and one for
//! those of the decoder. T5 has ReLU, and the embedding is the head, which reads rows times `1 / sqrt(d)`; T5 1.1 has GELU with a gate
//! and a head of its own. Dropout on embeddings, residual branches, weights of attention, inner features and the final rows.
//!
//! First weights are the authors', with which scores need no scale: embeddings have deviation 1, queries `1 / sqrt(d d_kv)`, keys,
//! values, feed-forward layers and tables that of their inputs. A head of its own starts with `1 / sqrt(d)`, which gives the logits
//! that a tied one gives. With a head for labels it has none for tokens.

mod config;
mod names;
mod presets;

pub use config::{T5Config, T5FeedForward};
use nuwa_nn::{
    Attention, Context, CrossAttention, Embedding, FeedForward, Head, Initialisation, LayerInput, Linear,
    PositionBias, RmsNorm, Scope, run_blocks,
};
use nuwa_tensor::ops::activation::Activation;
use nuwa_tensor::{DType, Parameters, ParametersBuilder, Result, Tensor};

use crate::{Cache, Input, Memory, Model, ModelConfig, Rows, Text};

/// The model.
#[derive(Debug)]
pub struct T5 {
    config: T5Config,
    parameters: Parameters,
    tokens: Embedding,
    encoder: Stack,
    decoder: Stack,
    head: Option<Linear>,
}

/// The blocks of the encoder or of the decoder.
#[derive(Debug)]
struct Stack {
    blocks: Vec<Block>,
    norm: RmsNorm,
}

#[derive(Debug, Clone)]
struct Block {
    attention_norm: RmsNorm,
    attention: Attention,
    /// Of the decoder: attention to the source.
    source: Option<(RmsNorm, CrossAttention)>,
    feed_forward_norm: RmsNorm,
    feed_forward: FeedForward,
}

impl T5 {
    /// A model with the builder's weights. The configuration has been validated.
    pub(crate) fn new(config: T5Config, mut builder: ParametersBuilder) -> Self {
        let mut root = Scope::root(&mut builder);
        let (width, vocabulary) = (config.d_model, config.vocab_size);
        let embedding = Initialisation::Normal(config.initializer_factor);
        let tokens = Embedding::new(root.child("tokens"), vocabulary, width, embedding);
        let encoder = Stack::new(root.child("encoder"), &config, false);
        let decoder = Stack::new(root.child("decoder"), &config, true);
        let weights = config.weights(width);
        let head =
            config.has_own_head().then(|| Linear::new(root.child("head"), width, vocabulary, false, weights));
        Self { parameters: builder.finish(), tokens, encoder, decoder, head, config }
    }

    fn embed(&self, context: &Context<'_>, ids: &[u32]) -> Result<Tensor> {
        context.embedding_dropout(&self.tokens.forward(context.tape, ids)?)
    }
}

impl Stack {
    fn new(mut scope: Scope<'_>, config: &T5Config, reads_source: bool) -> Self {
        let (heads, width) = (config.num_heads, config.d_model);
        let rule = config.buckets(!reads_source);
        let distances = PositionBias::buckets(scope.child("distances"), heads, rule, config.weights(width));
        let layers = if reads_source { config.num_decoder_layers } else { config.num_layers };
        let block = |layer: usize| {
            Block::new(scope.child(&format!("layers.{layer}")), config, &distances, reads_source)
        };
        let blocks = (0..layers).map(block).collect();
        Self { blocks, norm: RmsNorm::new(scope.child("norm"), width, config.layer_norm_epsilon) }
    }

    /// The final rows.
    fn finish(&self, context: &Context<'_>, x: &Tensor) -> Result<Tensor> {
        context.dropout(&self.norm.forward(context.tape, x)?)
    }
}

impl Block {
    fn new(mut scope: Scope<'_>, config: &T5Config, distances: &PositionBias, reads_source: bool) -> Self {
        let (width, epsilon, heads) = (config.d_model, config.layer_norm_epsilon, config.head_layout());
        let norm = |scope: Scope<'_>| RmsNorm::new(scope, width, epsilon);
        let output = config.weights(heads.query_width());
        let projections = Initialisation::NormalRows {
            first: heads.query_width(),
            deviations: [config.query_deviation(), config.deviation(width)],
        };
        let attention =
            Attention::new(scope.child("attention"), width, heads, [false; 2], [projections, output]);
        let source = reads_source.then(|| {
            let queries = Initialisation::Normal(config.query_deviation());
            let weights = [queries, config.weights(width), output];
            let attention = CrossAttention::new(scope.child("source"), width, heads, false, weights);
            (norm(scope.child("source_norm")), attention.with_scale(1.0).with_dropout_of_weights())
        });
        Self {
            attention_norm: norm(scope.child("attention_norm")),
            attention: attention.with_scale(1.0).with_bias(distances).with_dropout_of_weights(),
            source,
            feed_forward_norm: norm(scope.child("feed_forward_norm")),
            feed_forward: feed_forward(scope.child("feed_forward"), config).with_inner_dropout(),
        }
    }

    fn forward(&self, context: &Context<'_>, x: &Tensor, mut input: LayerInput<'_>) -> Result<Tensor> {
        let tape = context.tape;
        let memory = self.source.as_ref().map(|_| input.take_source()).transpose()?;
        let mut x = self.attention.forward(context, x, &self.attention_norm.forward(tape, x)?, input)?;
        if let Some(((norm, source), memory)) = self.source.as_ref().zip(memory) {
            x = source.forward(context, &x, &norm.forward(tape, &x)?, &memory)?;
        }
        self.feed_forward.forward(context, &x, &self.feed_forward_norm.forward(tape, &x)?)
    }
}

fn feed_forward(scope: Scope<'_>, config: &T5Config) -> FeedForward {
    let sizes = [config.d_model, config.d_ff];
    let weights = sizes.map(|inputs| config.weights(inputs));
    match config.feed_forward_proj {
        T5FeedForward::Relu => FeedForward::plain(scope, sizes, false, Activation::Relu, weights),
        T5FeedForward::GatedGelu => FeedForward::gated(scope, sizes, false, Activation::GeluTanh, weights),
    }
}

impl Model for T5 {
    fn config(&self) -> ModelConfig {
        ModelConfig::T5(self.config.clone())
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn encode(&self, context: &Context<'_>, source: &Text) -> Result<Memory> {
        let mut pass = Input::Text(source).begin();
        let x = self.embed(context, &pass.ids)?;
        let x = run_blocks(context, &self.encoder.blocks, x, &mut pass, Block::forward)?;
        Ok(Memory::new(self.encoder.finish(context, &x)?, source))
    }

    fn source_layers(&self) -> Vec<&CrossAttention> {
        self.decoder.blocks.iter().filter_map(|block| Some(&block.source.as_ref()?.1)).collect()
    }

    fn hidden(&self, context: &Context<'_>, input: Input<'_>) -> Result<Rows> {
        let mut pass = input.begin_answer()?;
        let x = self.embed(context, &pass.ids)?;
        let x = run_blocks(context, &self.decoder.blocks, x, &mut pass, Block::forward)?;
        pass.finish();
        Ok(self.decoder.finish(context, &x)?.into())
    }

    fn head(&self) -> Head<'_> {
        match &self.head {
            Some(head) => Head::new(head.weight()),
            None => {
                let scale = (self.config.d_model as f32).powf(-0.5);
                Head { scale, ..Head::new(self.tokens.weight()) }
            }
        }
    }

    fn new_cache(&self, capacity: usize, dtype: DType) -> Cache {
        Cache::attention(self.decoder.blocks.len(), self.config.head_layout(), capacity, dtype)
    }
}
