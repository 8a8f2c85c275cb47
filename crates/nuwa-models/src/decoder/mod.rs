//! What LLaMA has in common with the families that follow it: the fields of `config.json`, the model around the blocks, and the
//! pre-norm block `x + attention(norm(x))`, `x + feed_forward(norm(x))` with RMS norm, rotary positions and a gated
//! feed-forward layer (Touvron et al. 2023). Weights start normal with deviation 0.02, the projections back into the residual
//! stream with `0.02 / sqrt(2 layers)`.

mod config;
pub(crate) mod dialect;
pub(crate) mod names;
pub(crate) mod rope;
mod windows;

pub(crate) use config::{ACTIVATIONS, as_decoder};
pub use config::{DecoderConfig, GateActivation};
use nuwa_nn::{
    Attention, Context, Embedding, FeedForward, Head, Initialisation, LayerInput, Linear, RmsNorm, Scope,
    run_blocks,
};
use nuwa_tensor::{
    DType, HeadLayout, Parameters, ParametersBuilder, Result, RotaryTable, RouterCoefficients, RouterLog,
    Tensor,
};
pub(crate) use windows::window_defaults;
pub use windows::{LayerType, Windows};

use crate::{Cache, Input, Rows};

/// A model of blocks `B`, from the embedding to the last norm and the head.
#[derive(Debug)]
pub(crate) struct Decoder<B> {
    parameters: Parameters,
    tokens: Embedding,
    blocks: Vec<B>,
    norm: RmsNorm,
    head: Option<Linear>,
    heads: HeadLayout,
}

impl<B: Clone + Send + 'static> Decoder<B> {
    /// A model with the builder's weights; `block` makes the block of a layer, which has a place and the rotary table.
    pub fn new(
        config: &DecoderConfig,
        mut builder: ParametersBuilder,
        block: impl Fn(Scope<'_>, usize, &RotaryTable) -> B,
    ) -> Self {
        let mut root = Scope::root(&mut builder);
        let weights = Initialisation::Normal(config.initializer_range);
        let (width, vocabulary) = (config.hidden_size, config.vocab_size);
        let tokens = Embedding::new(root.child("tokens"), vocabulary, width, weights);
        let rotary = config.rope.table(config.head_dim, config.max_position_embeddings);
        let blocks = (0..config.num_hidden_layers)
            .map(|layer| block(root.child(&format!("layers.{layer}")), layer, &rotary))
            .collect();
        let norm = RmsNorm::new(root.child("norm"), width, config.rms_norm_eps);
        let head = (!config.tie_word_embeddings)
            .then(|| Linear::new(root.child("head"), width, vocabulary, false, weights));
        Self { parameters: builder.finish(), tokens, blocks, norm, head, heads: config.head_layout() }
    }

    /// All weights.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The rows through all blocks and the last norm.
    pub fn hidden(
        &self,
        context: &Context<'_>,
        input: Input<'_>,
        forward: fn(&B, &Context<'_>, &Tensor, LayerInput<'_>) -> Result<Tensor>,
    ) -> Result<Rows> {
        self.run(context, input, forward).map(|(rows, _)| rows)
    }

    /// The same of blocks with routers, whose losses count so much.
    pub fn routed(
        &self,
        context: &Context<'_>,
        input: Input<'_>,
        forward: fn(&B, &Context<'_>, &Tensor, LayerInput<'_>) -> Result<Tensor>,
        losses: RouterCoefficients,
    ) -> Result<Rows> {
        let (rows, routers) = self.run(context, input, forward)?;
        Ok(rows.with_routers(context.tape, &routers, losses))
    }

    fn run(
        &self,
        context: &Context<'_>,
        input: Input<'_>,
        forward: fn(&B, &Context<'_>, &Tensor, LayerInput<'_>) -> Result<Tensor>,
    ) -> Result<(Rows, RouterLog)> {
        let mut pass = input.begin();
        let x = context.embedding_dropout(&self.tokens.forward(context.tape, &pass.ids)?)?;
        let x = run_blocks(context, &self.blocks, x, &mut pass, forward)?;
        let routers = pass.finish();
        Ok((self.norm.forward(context.tape, &x)?.into(), routers))
    }

    /// The head, which may be the embedding.
    pub fn head(&self) -> Head<'_> {
        Head::new(self.head.as_ref().map_or(self.tokens.weight(), Linear::weight))
    }

    /// An empty cache.
    pub fn new_cache(&self, capacity: usize, dtype: DType) -> Cache {
        Cache::attention(self.blocks.len(), self.heads, capacity, dtype)
    }
}

impl DecoderConfig {
    /// The first weights of a layer: of what leads into it, and of what leads back into the residual stream.
    pub(crate) fn weights(&self) -> [Initialisation; 2] {
        let into_residual = self.initializer_range / (2.0 * self.num_hidden_layers as f32).sqrt();
        [self.initializer_range, into_residual].map(Initialisation::Normal)
    }

    /// Rotary attention; `biases` says whether its projections have one: that of queries, keys and values, that of the output.
    pub(crate) fn attention(&self, scope: Scope<'_>, biases: [bool; 2], rotary: &RotaryTable) -> Attention {
        Attention::new(scope, self.hidden_size, self.head_layout(), biases, self.weights())
            .with_rotary(rotary)
    }
}

/// The pre-norm block.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    attention_norm: RmsNorm,
    attention: Attention,
    feed_forward_norm: RmsNorm,
    feed_forward: FeedForward,
}

impl Block {
    /// With the attention that `attention` makes, and a feed-forward layer with or without biases.
    pub fn new(
        mut scope: Scope<'_>,
        config: &DecoderConfig,
        attention: impl FnOnce(Scope<'_>) -> Attention,
        mlp_bias: bool,
    ) -> Self {
        let (width, epsilon) = (config.hidden_size, config.rms_norm_eps);
        Self {
            attention_norm: RmsNorm::new(scope.child("attention_norm"), width, epsilon),
            attention: attention(scope.child("attention")),
            feed_forward_norm: RmsNorm::new(scope.child("feed_forward_norm"), width, epsilon),
            feed_forward: FeedForward::gated(
                scope.child("feed_forward"),
                [width, config.intermediate_size],
                mlp_bias,
                config.hidden_act.into(),
                config.weights(),
            ),
        }
    }

    /// `x + attention(norm(x))`, then `x + feed_forward(norm(x))`.
    pub fn forward(&self, context: &Context<'_>, x: &Tensor, input: LayerInput<'_>) -> Result<Tensor> {
        let x = self.attention.forward(context, x, &self.attention_norm.forward(context.tape, x)?, input)?;
        self.feed_forward.forward(context, &x, &self.feed_forward_norm.forward(context.tape, &x)?)
    }
}
