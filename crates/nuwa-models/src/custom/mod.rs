//! A family of one's own: blocks that a person puts together, from the layers that the families here are made of.
//!
//! A block is two residual branches. The first looks back: attention to everything before or within a window, an LSTM, a GRU, or the
//! gated linear recurrence of Griffin; what a cell gives is projected back to the width of the model. The second is a feed-forward
//! layer, gated or not, or a mixture of experts, or is left out. Each of the two follows a pattern that begins anew where it ends, so
//! `blocks = ["lstm", "attention"]` has an LSTM between attention. Norms stand before the layers, with one more before the head, or after
//! the branches; positions are added to embeddings, or are attention's own.
//!
//! Where norms are batch norms, a pass whose tape was given statistics to add to (pretraining) is the exception from what else holds of
//! every model here: its positions see the mean and variance of all of them, so that packed text is not as alone, and a position knows a
//! little of what follows. Any other pass normalises by running means: there packed is as alone, and with a cache as whole.
//!
//! Weights start normal with deviation 0.02, the projections back into the residual stream with `0.02 / sqrt(2 layers)`; cells and
//! gates of recurrences start as in their own families. With the settings of GPT-2 or LLaMA such a model is one: it has the same
//! parameters under the same paths, and the same numbers; and is exported as one.
//!
//! No other model of this kind exists at Hugging Face: a folder has `model_type` `custom`, and tensors under the paths of parameters.

mod block;
mod check;
mod common;
mod config;
mod names;
mod settings;
mod size;

use block::{Block, Norm, Places};
pub use config::CustomConfig;
use nuwa_nn::{
    Context, Embedding, Head, Initialisation, Linear, PositionBias, Rope, Scope, Sinusoids, run_blocks,
};
use nuwa_tensor::{DType, Parameters, ParametersBuilder, Result, Tensor};
pub use settings::{
    ActivationKind, BlockKind, CustomSettings, FeedForwardKind, NormKind, NormPlace, PositionKind,
};

use crate::input::Remembers;
use crate::{Cache, Input, Model, ModelConfig, Rows, build_zeros};

/// The model.
#[derive(Debug)]
pub struct Custom {
    config: CustomConfig,
    parameters: Parameters,
    tokens: Embedding,
    added: Added,
    blocks: Vec<Block>,
    /// Before the head, where norms stand before layers.
    norm: Option<Norm>,
    head: Option<Linear>,
}

/// What is added to embeddings.
#[derive(Debug)]
enum Added {
    Nothing,
    Learned(Embedding),
    Sinusoids(Sinusoids),
}

impl Custom {
    /// A model with the builder's weights. The configuration has been validated.
    pub(crate) fn new(config: CustomConfig, mut builder: ParametersBuilder) -> Self {
        let mut root = Scope::root(&mut builder);
        let weights = Initialisation::Normal(config.initializer_range);
        let (width, vocabulary, positions) =
            (config.hidden_size, config.vocab_size, config.max_position_embeddings);
        let tokens = Embedding::new(root.child("tokens"), vocabulary, width, config.of_embedding());
        let added = match config.positions() {
            PositionKind::Learned => {
                Added::Learned(Embedding::new(root.child("positions"), positions, width, weights))
            }
            PositionKind::Sinusoidal => Added::Sinusoids(Sinusoids::new(positions, width)),
            _ => Added::Nothing,
        };
        let places = Places::new(root.here(), &config);
        let blocks = (0..config.num_hidden_layers)
            .map(|layer| Block::new(root.child(&format!("layers.{layer}")), &config, layer, &places))
            .collect();
        let norm =
            (config.custom.norm_place == NormPlace::Before).then(|| Norm::new(root.child("norm"), &config));
        let head = (!config.tie_word_embeddings)
            .then(|| Linear::new(root.child("head"), width, vocabulary, false, weights));
        Self { parameters: builder.finish(), tokens, added, blocks, norm, head, config }
    }

    fn embed(&self, context: &Context<'_>, ids: &[u32], positions: &[u32]) -> Result<Tensor> {
        let tape = context.tape;
        let mut x = self.tokens.forward(tape, ids)?;
        if self.config.custom.scale_embedding {
            x = tape.scale(&x, (self.config.hidden_size as f32).sqrt())?;
        }
        let x = match &self.added {
            Added::Nothing => x,
            Added::Learned(table) => tape.add(&x, &table.forward(tape, positions)?)?,
            Added::Sinusoids(table) => table.add_to(tape, &x, positions)?,
        };
        context.embedding_dropout(&x)
    }
}

impl Places {
    fn new(mut scope: Scope<'_>, config: &CustomConfig) -> Self {
        let heads = config.num_attention_heads;
        match config.positions() {
            PositionKind::Rotary => {
                let (head_dim, positions) = (config.head_layout().head_dim, config.max_position_embeddings);
                let table = Rope::plain(config.custom.theta).table(head_dim, positions);
                Self { rotary: Some(table), bias: None }
            }
            PositionKind::Alibi => Self { rotary: None, bias: Some(PositionBias::alibi(heads, 1.0)) },
            PositionKind::Relative => {
                let weights = Initialisation::Normal(config.initializer_range);
                let bias =
                    PositionBias::buckets(scope.child("distances"), heads, config.distances(), weights);
                Self { rotary: None, bias: Some(bias) }
            }
            PositionKind::Learned | PositionKind::Sinusoidal | PositionKind::None => Self::default(),
        }
    }
}

impl CustomConfig {
    /// The first embeddings: those that are multiplied by the root of the width begin at 1 with that.
    fn of_embedding(&self) -> Initialisation {
        match self.custom.scale_embedding {
            true => Initialisation::Normal((self.hidden_size as f32).powf(-0.5)),
            false => Initialisation::Normal(self.initializer_range),
        }
    }
}

impl Model for Custom {
    fn config(&self) -> ModelConfig {
        ModelConfig::Custom(self.config.clone())
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn hidden(&self, context: &Context<'_>, input: Input<'_>) -> Result<Rows> {
        let mut pass = input.begin();
        let x = self.embed(context, &pass.ids, &pass.positions)?;
        let x = run_blocks(context, &self.blocks, x, &mut pass, Block::forward)?;
        let routers = pass.finish();
        let x = match &self.norm {
            Some(norm) => norm.forward(context, &x)?,
            None => x,
        };
        let rows = Rows::from(x);
        match self.config.custom.feed_forward.contains(&FeedForwardKind::Experts) {
            true => Ok(rows.with_routers(context.tape, &routers, self.config.router_losses())),
            false => Ok(rows),
        }
    }

    fn head(&self) -> Head<'_> {
        Head::new(self.head.as_ref().map_or(self.tokens.weight(), Linear::weight))
    }

    fn new_cache(&self, capacity: usize, dtype: DType) -> Cache {
        let layer = |layer| match self.config.block(layer).attends() {
            true => Remembers::Attention(self.config.head_layout()),
            false => Remembers::State,
        };
        Cache::of_layers((0..self.blocks.len()).map(layer), capacity, dtype)
    }

    /// A GPT-2 or a LLaMA, where the settings are those of one.
    fn in_common_family(&self) -> Option<Box<dyn Model>> {
        let model = build_zeros(&common::common_family(&self.config)?).expect("it has every such shape");
        for own in self.parameters.iter() {
            let there = model.parameters().get(own.entry().path()).expect("it has the same parameters");
            there.from_host(&own.to_host());
        }
        Some(model)
    }
}
