//! RecurrentGemma: Botev et al., "RecurrentGemma: Moving Past Transformers for Efficient Open Language Models" (2024), the model of
//! De et al., "Griffin: Mixing Gated Linear Recurrences with Local Attention for Efficient Language Models" (2024).
//!
//! Two of three blocks carry a state along in place of attention, the third attends within a window: what goes far is
//! remembered, what is near is looked up. Both kinds stand in a pre-norm block, `x + temporal(norm(x))`, then
//! `x + feed_forward(norm(x))`, with RMS norms that multiply by `1 + w` and a feed-forward layer gated by GELU.
//!
//! - Recurrent: `output(rg_lru(conv(input(x))) * gelu(gate(x)))` with a causal convolution over four tokens and the RG-LRU
//!   ([`nuwa_tensor::ops::rg_lru`]), a recurrence without a product from token to token, whose gates look at the input alone.
//! - Attention: heads of queries that share few heads of keys, rotary positions in the first half of each head, a window.
//!
//! Embeddings are multiplied by `sqrt(d)`, rounded to bf16 as in the authors' program; logits become `30 tanh(z / 30)`.

mod config;
mod names;
mod presets;

pub use config::{RecurrentGemmaConfig, TemporalBlock};
use nuwa_nn::{
    Attention, Context, Embedding, FeedForward, Head, Initialisation, LayerInput, Linear, RecurrentBlock,
    RecurrentBlockSizes, RmsNorm, Scope, run_blocks,
};
use nuwa_tensor::ops::activation::Activation;
use nuwa_tensor::{Bf16, DType, Parameters, ParametersBuilder, Result, RotaryTable, Tensor};

use crate::input::Remembers;
use crate::{Cache, Input, Model, ModelConfig, Rows};

/// The model.
#[derive(Debug)]
pub struct RecurrentGemma {
    config: RecurrentGemmaConfig,
    parameters: Parameters,
    tokens: Embedding,
    blocks: Vec<Block>,
    norm: RmsNorm,
    head: Option<Linear>,
}

#[derive(Debug, Clone)]
struct Block {
    temporal_norm: RmsNorm,
    temporal: Temporal,
    feed_forward_norm: RmsNorm,
    feed_forward: FeedForward,
}

/// How a block looks back.
#[derive(Debug, Clone)]
enum Temporal {
    Recurrent(RecurrentBlock),
    Attention(Attention),
}

impl RecurrentGemma {
    /// A model with the builder's weights. The configuration has been validated.
    pub(crate) fn new(config: RecurrentGemmaConfig, mut builder: ParametersBuilder) -> Self {
        let mut root = Scope::root(&mut builder);
        let weights = config.weights();
        let (width, vocabulary) = (config.hidden_size, config.vocab_size);
        let tokens = Embedding::new(root.child("tokens"), vocabulary, width, weights);
        let rotary = config.rotary();
        let blocks = (0..config.num_hidden_layers)
            .map(|layer| Block::new(root.child(&format!("layers.{layer}")), &config, layer, &rotary))
            .collect();
        let norm = RmsNorm::around_one(root.child("norm"), width, config.rms_norm_eps);
        let head = (!config.tie_word_embeddings)
            .then(|| Linear::new(root.child("head"), width, vocabulary, false, weights));
        Self { parameters: builder.finish(), tokens, blocks, norm, head, config }
    }

    fn embed(&self, context: &Context<'_>, ids: &[u32]) -> Result<Tensor> {
        let scale = Bf16::from_f32((self.config.hidden_size as f32).sqrt()).to_f32();
        context.dropout(&context.tape.scale(&self.tokens.forward(context.tape, ids)?, scale)?)
    }
}

impl Block {
    fn new(mut scope: Scope<'_>, config: &RecurrentGemmaConfig, layer: usize, rotary: &RotaryTable) -> Self {
        let (width, epsilon) = (config.hidden_size, config.rms_norm_eps);
        let temporal = match config.block(layer) {
            TemporalBlock::Recurrent => {
                let place = scope.child("recurrent");
                Temporal::Recurrent(RecurrentBlock::new(
                    place,
                    config.recurrence(),
                    config.recurrent_weights(),
                ))
            }
            TemporalBlock::Attention => {
                let (place, heads) = (scope.child("attention"), config.head_layout());
                let biases = [config.attention_bias, true];
                let attention = Attention::new(place, width, heads, biases, config.attention_weights());
                let window = Some(config.attention_window_size);
                Temporal::Attention(attention.with_rotary(rotary).with_window(window))
            }
        };
        Self {
            temporal_norm: RmsNorm::around_one(scope.child("temporal_norm"), width, epsilon),
            temporal,
            feed_forward_norm: RmsNorm::around_one(scope.child("feed_forward_norm"), width, epsilon),
            feed_forward: FeedForward::gated(
                scope.child("feed_forward"),
                [width, config.inner()],
                true,
                Activation::GeluTanh,
                [config.weights(); 2],
            ),
        }
    }

    fn forward(&self, context: &Context<'_>, x: &Tensor, mut input: LayerInput<'_>) -> Result<Tensor> {
        let rows = self.temporal_norm.forward(context.tape, x)?;
        let x = match &self.temporal {
            Temporal::Recurrent(block) => block.forward(context, x, &rows, &mut input.carried)?,
            Temporal::Attention(attention) => attention.forward(context, x, &rows, input)?,
        };
        self.feed_forward.forward(context, &x, &self.feed_forward_norm.forward(context.tape, &x)?)
    }
}

impl RecurrentGemmaConfig {
    /// The first weights of most layers.
    fn weights(&self) -> Initialisation {
        Initialisation::Normal((self.w_init_variance_scale / self.conv1d_width as f32).sqrt())
    }

    /// Those of layers that read the residual stream, and of those that write into it from `inner` features.
    fn around_residual(&self, inner: usize) -> [Initialisation; 2] {
        let into = 2.0 / self.num_hidden_layers as f32;
        [1.0 / self.hidden_size as f32, into / inner as f32]
            .map(|variance| Initialisation::Normal(variance.sqrt()))
    }

    fn attention_weights(&self) -> [Initialisation; 2] {
        self.around_residual(self.hidden_size)
    }

    fn recurrent_weights(&self) -> [Initialisation; 4] {
        let RecurrentBlockSizes { inner, groups, .. } = self.recurrence();
        let [read, write] = self.around_residual(inner);
        let of_gates = (self.w_init_variance_scale * groups as f32 / inner as f32).sqrt();
        [read, self.weights(), Initialisation::Normal(of_gates), write]
    }
}

impl Model for RecurrentGemma {
    fn config(&self) -> ModelConfig {
        ModelConfig::RecurrentGemma(self.config.clone())
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn hidden(&self, context: &Context<'_>, input: Input<'_>) -> Result<Rows> {
        let mut pass = input.begin();
        let x = self.embed(context, &pass.ids)?;
        let x = run_blocks(context, &self.blocks, x, &mut pass, Block::forward)?;
        pass.finish();
        Ok(self.norm.forward(context.tape, &x)?.into())
    }

    fn head(&self) -> Head<'_> {
        let weight = self.head.as_ref().map_or(self.tokens.weight(), Linear::weight);
        Head { softcap: Some(self.config.logits_soft_cap), ..Head::new(weight) }
    }

    fn new_cache(&self, capacity: usize, dtype: DType) -> Cache {
        let layer = |layer| match self.config.block(layer) {
            TemporalBlock::Recurrent => Remembers::State,
            TemporalBlock::Attention => Remembers::Attention(self.config.head_layout()),
        };
        Cache::of_layers((0..self.blocks.len()).map(layer), capacity, dtype)
    }
}
