//! BERT: Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding" (2018).
//!
//! The sum of word, position and segment embeddings, normalised; post-norm blocks `norm(x + attention(x))`,
//! `norm(x + feed_forward(x))` in which every token attends to the whole text; a head for masked words (dense, GELU, norm,
//! then the embedding with a bias), and one that tells from the first token, through a pooler `tanh(h W^T + b)`, whether the
//! second sentence follows the first. Weights start normal with deviation 0.02.

mod config;
mod names;
mod presets;

pub use config::{BertConfig, Heads};
use nuwa_nn::{
    Context, Embedding, Head, Initialisation, LayerNorm, Linear, PostNorm, PostNormBlock, Scope, Transform,
    embed, run_blocks,
};
use nuwa_tensor::ops::activation::Activation;
use nuwa_tensor::{DType, Parameter, Parameters, ParametersBuilder, Result, Tensor};

use crate::{Cache, Input, Model, ModelConfig, Rows};

/// The model.
#[derive(Debug)]
pub struct Bert {
    config: BertConfig,
    parameters: Parameters,
    tokens: Embedding,
    positions: Embedding,
    segments: Embedding,
    embedding_norm: LayerNorm,
    blocks: Vec<PostNormBlock>,
    pooler: Option<Linear>,
    words: Option<(Transform, Parameter)>,
    next: Option<Linear>,
}

impl Bert {
    /// A model with the builder's weights. The configuration has been validated.
    pub(crate) fn new(config: BertConfig, mut builder: ParametersBuilder) -> Self {
        let mut root = Scope::root(&mut builder);
        let (width, epsilon) = (config.hidden_size, config.layer_norm_eps);
        let weights = Initialisation::Normal(config.initializer_range);
        let tokens = Embedding::new(root.child("tokens"), config.vocab_size, width, weights);
        let positions =
            Embedding::new(root.child("positions"), config.max_position_embeddings, width, weights);
        let segments = Embedding::new(root.child("segments"), config.type_vocab_size, width, weights);
        let embedding_norm = LayerNorm::new(root.child("embedding_norm"), width, epsilon);
        let shape = PostNorm {
            width,
            inner: config.intermediate_size,
            heads: config.head_layout(),
            activation: config.hidden_act.into(),
            epsilon,
            weights: &|_, _| weights,
            reads_source: false,
            drops_weights: true,
        };
        let blocks = (0..config.num_hidden_layers)
            .map(|layer| PostNormBlock::new(root.child(&format!("layers.{layer}")), &shape))
            .collect();
        let Heads { pooler, words, next } = config.heads;
        let pooler = pooler.then(|| Linear::new(root.child("pooler"), width, width, true, weights));
        let words = words.then(|| {
            let activation = config.hidden_act.into();
            let transform = Transform::new(root.child("head.transform"), width, activation, epsilon, weights);
            let bias = root.child("head").parameter("bias", [config.vocab_size], Initialisation::Zeros);
            (transform, bias)
        });
        let next = next.then(|| Linear::new(root.child("next"), width, 2, true, weights));
        Self {
            parameters: builder.finish(),
            tokens,
            positions,
            segments,
            embedding_norm,
            blocks,
            pooler,
            words,
            next,
            config,
        }
    }

    /// Its configuration, which is another family's too.
    pub(crate) fn own_config(&self) -> &BertConfig {
        &self.config
    }

    /// The row of each text's first token, through the pooler.
    fn pooled(&self, context: &Context<'_>, hidden: &Tensor, first: &[u32]) -> Result<Option<Tensor>> {
        match self.pooler {
            Some(_) => self.summary(context, context.tape.rows(hidden, first)?).map(Some),
            None => Ok(None),
        }
    }
}

impl Model for Bert {
    fn config(&self) -> ModelConfig {
        ModelConfig::Bert(self.config.clone())
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn hidden(&self, context: &Context<'_>, input: Input<'_>) -> Result<Rows> {
        let text = input.text()?;
        let mut pass = Input::Text(text).begin();
        let tables = [
            (&self.tokens, &pass.ids[..]),
            (&self.segments, &text.segments()),
            (&self.positions, &pass.positions),
        ];
        let x = self.embedding_norm.forward_residual(context.tape, &embed(context.tape, &tables)?)?;
        let hidden = run_blocks(
            context,
            &self.blocks,
            context.embedding_dropout(&x)?,
            &mut pass,
            PostNormBlock::forward,
        )?;
        let pooled = self.pooled(context, &hidden, &text.first_rows())?;
        Ok(Rows { pooled, ..hidden.into() })
    }

    /// Of a model without one, the embedding.
    fn head(&self) -> Head<'_> {
        let (transform, bias) = self.words.as_ref().map(|(transform, bias)| (transform, bias)).unzip();
        Head { transform, bias, ..Head::new(self.tokens.weight()) }
    }

    fn class_head(&self) -> Option<Head<'_>> {
        self.next.as_ref().map(Head::of)
    }

    /// Through the pooler, where there is one.
    fn summary(&self, context: &Context<'_>, rows: Tensor) -> Result<Tensor> {
        match &self.pooler {
            Some(pooler) => pooler.forward_activation(context.tape, &rows, Activation::Tanh),
            None => Ok(rows),
        }
    }

    /// Without a layer: an encoder reads a text as a whole.
    fn new_cache(&self, capacity: usize, dtype: DType) -> Cache {
        Cache::attention(0, self.config.head_layout(), capacity, dtype)
    }
}
