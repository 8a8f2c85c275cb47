//! XLM: Lample & Conneau, "Cross-lingual Language Model Pretraining" (2019).
//!
//! An encoder for many languages: the sum of word, position and language embeddings, normalised; post-norm blocks
//! `norm(x + attention(x))`, `norm(x + feed_forward(x))` with GELU, in which every token attends to the whole text; the head for
//! masked words is the embedding with a bias. A text says the language of each of its tokens ([`Text::languages`](crate::Text)).
//! Weights start normal with deviation 0.02, embeddings with `2048^-0.5`, as the authors' code has it for a width of 2048.

mod config;
mod names;
mod presets;

pub use config::{XlmConfig, XlmHead};
use nuwa_nn::{
    Attention, Context, Embedding, FeedForward, Head, Initialisation, LayerInput, LayerNorm, Scope, embed,
    run_blocks,
};
use nuwa_tensor::{DType, Parameter, Parameters, ParametersBuilder, Result, Tensor};

use crate::{Cache, Input, Model, ModelConfig, Rows};

/// The model.
#[derive(Debug)]
pub struct Xlm {
    config: XlmConfig,
    parameters: Parameters,
    tokens: Embedding,
    positions: Embedding,
    languages: Option<Embedding>,
    embedding_norm: LayerNorm,
    blocks: Vec<Block>,
    bias: Option<Parameter>,
}

#[derive(Debug, Clone)]
struct Block {
    attention: Attention,
    attention_norm: LayerNorm,
    feed_forward: FeedForward,
    feed_forward_norm: LayerNorm,
}

impl Xlm {
    /// A model with the builder's weights. The configuration has been validated.
    pub(crate) fn new(config: XlmConfig, mut builder: ParametersBuilder) -> Self {
        let mut root = Scope::root(&mut builder);
        let (width, epsilon) = (config.emb_dim, config.layer_norm_eps);
        let weights = Initialisation::Normal(config.embed_init_std);
        let tokens = Embedding::new(root.child("tokens"), config.vocab_size, width, weights);
        let positions =
            Embedding::new(root.child("positions"), config.max_position_embeddings, width, weights);
        let languages = config
            .has_languages()
            .then(|| Embedding::new(root.child("languages"), config.n_langs, width, weights));
        let embedding_norm = LayerNorm::new(root.child("embedding_norm"), width, epsilon);
        let blocks = (0..config.n_layers)
            .map(|layer| Block::new(root.child(&format!("layers.{layer}")), &config))
            .collect();
        let bias = config
            .head
            .words
            .then(|| root.child("head").parameter("bias", [config.vocab_size], Initialisation::Zeros));
        Self {
            parameters: builder.finish(),
            tokens,
            positions,
            languages,
            embedding_norm,
            blocks,
            bias,
            config,
        }
    }
}

impl Block {
    fn new(mut scope: Scope<'_>, config: &XlmConfig) -> Self {
        let (width, epsilon) = (config.emb_dim, config.layer_norm_eps);
        let weights = [Initialisation::Normal(config.init_std); 2];
        let attention =
            Attention::new(scope.child("attention"), width, config.head_layout(), [true; 2], weights);
        Self {
            attention: attention.with_dropout_of_weights(),
            attention_norm: LayerNorm::new(scope.child("attention_norm"), width, epsilon),
            feed_forward: FeedForward::plain(
                scope.child("feed_forward"),
                [width, 4 * width],
                true,
                config.activation(),
                weights,
            ),
            feed_forward_norm: LayerNorm::new(scope.child("feed_forward_norm"), width, epsilon),
        }
    }

    fn forward(&self, context: &Context<'_>, x: &Tensor, input: LayerInput<'_>) -> Result<Tensor> {
        let x = self.attention.forward(context, x, x, input)?;
        let x = self.attention_norm.forward_residual(context.tape, &x)?;
        let x = self.feed_forward.forward(context, &x, &x)?;
        self.feed_forward_norm.forward_residual(context.tape, &x)
    }
}

impl Model for Xlm {
    fn config(&self) -> ModelConfig {
        ModelConfig::Xlm(self.config.clone())
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn hidden(&self, context: &Context<'_>, input: Input<'_>) -> Result<Rows> {
        let text = input.text()?;
        let mut pass = Input::Text(text).begin();
        let languages = text.languages();
        let mut tables = vec![(&self.tokens, &pass.ids[..]), (&self.positions, &pass.positions[..])];
        tables.extend(self.languages.as_ref().map(|table| (table, &languages[..])));
        let x = self.embedding_norm.forward_residual(context.tape, &embed(context.tape, &tables)?)?;
        let hidden =
            run_blocks(context, &self.blocks, context.embedding_dropout(&x)?, &mut pass, Block::forward)?;
        Ok(hidden.into())
    }

    /// Of a model without a bias, the embedding alone.
    fn head(&self) -> Head<'_> {
        Head { bias: self.bias.as_ref(), ..Head::new(self.tokens.weight()) }
    }

    /// Without a layer: an encoder reads a text as a whole.
    fn new_cache(&self, capacity: usize, dtype: DType) -> Cache {
        Cache::attention(0, self.config.head_layout(), capacity, dtype)
    }
}
