//! XLM: Lample & Conneau, "Cross-lingual Language Model Pretraining" (2019).
//!
//! An encoder for many languages: the sum of word, position and language embeddings, normalised; post-norm blocks
//! `norm(x + attention(x))`, `norm(x + feed_forward(x))` with GELU, in which every token attends to the whole text; the head for
//! masked words is the embedding with a bias. A text says the language of each of its tokens ([`Text::languages`](crate::Text)).
//! A causal model (CLM) reads texts from left to right, predicts the next token, and writes, in one language at a time.
//! Weights start normal with deviation 0.02, embeddings with `2048^-0.5`, as the authors' code has it for a width of 2048.

mod config;
mod names;
mod presets;

use std::borrow::Cow;

pub use config::{XlmConfig, XlmHead};
use nuwa_nn::{
    Context, Embedding, Head, Initialisation, LayerNorm, PostNorm, PostNormBlock, Scope, embed, run_blocks,
};
use nuwa_tensor::{DType, Parameter, Parameters, ParametersBuilder, Result};

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
    blocks: Vec<PostNormBlock>,
    bias: Option<Parameter>,
    /// That of texts that do not say theirs.
    language: u32,
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
        let shape = PostNorm {
            width,
            inner: 4 * width,
            heads: config.head_layout(),
            activation: config.activation(),
            epsilon,
            weights: &|_, _| Initialisation::Normal(config.init_std),
            reads_source: false,
            drops_weights: true,
        };
        let blocks = (0..config.n_layers)
            .map(|layer| PostNormBlock::new(root.child(&format!("layers.{layer}")), &shape))
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
            language: 0,
            config,
        }
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
        let input = if self.config.causal { input } else { Input::Text(input.text()?) };
        let said = match &input {
            Input::Text(text) => &text.languages[..],
            Input::Answer { .. } | Input::Next(_) => &[],
        };
        let mut pass = input.begin();
        let languages = match said {
            [] => Cow::Owned(vec![self.language; pass.ids.len()]),
            said => Cow::Borrowed(said),
        };
        let mut tables = vec![(&self.tokens, &pass.ids[..]), (&self.positions, &pass.positions[..])];
        tables.extend(self.languages.as_ref().map(|table| (table, &languages[..])));
        let x = self.embedding_norm.forward_residual(context.tape, &embed(context.tape, &tables)?)?;
        let hidden = run_blocks(
            context,
            &self.blocks,
            context.embedding_dropout(&x)?,
            &mut pass,
            PostNormBlock::forward,
        )?;
        pass.finish();
        Ok(hidden.into())
    }

    /// Of a model without a bias, the embedding alone.
    fn head(&self) -> Head<'_> {
        Head { bias: self.bias.as_ref(), ..Head::new(self.tokens.weight()) }
    }

    fn set_language(&mut self, language: u32) {
        self.language = language;
    }

    /// Without a layer where it is an encoder, which reads a text as a whole.
    fn new_cache(&self, capacity: usize, dtype: DType) -> Cache {
        let layers = if self.config.causal { self.blocks.len() } else { 0 };
        Cache::attention(layers, self.config.head_layout(), capacity, dtype)
    }
}
