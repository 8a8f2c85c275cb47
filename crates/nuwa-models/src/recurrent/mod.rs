//! What the families of recurrent layers have in common: embedding, layers one upon the other, head. Between the layers stand no
//! norms and no residual branches; what a layer knows of the text before is its state alone.

mod config;
mod names;

pub use config::RecurrentConfig;
pub(crate) use config::as_recurrent;
use nuwa_nn::{Context, Embedding, Head, Initialisation, LayerInput, Linear, Recurrent, Scope, run_blocks};
use nuwa_tensor::{DType, Parameters, ParametersBuilder, RecurrentCell, Result, Tensor};

use crate::input::Remembers;
use crate::{Cache, Input, Rows};

/// A stack of recurrent layers, from the embedding to the head.
#[derive(Debug)]
pub(crate) struct Stack {
    parameters: Parameters,
    tokens: Embedding,
    layers: Vec<Recurrent>,
    head: Option<Linear>,
}

impl Stack {
    /// With the builder's weights.
    pub fn new(config: &RecurrentConfig, cell: RecurrentCell, mut builder: ParametersBuilder) -> Self {
        let mut root = Scope::root(&mut builder);
        let (vocabulary, width) = (config.vocab_size, config.hidden_size);
        let weights = Initialisation::Normal(config.initializer_range);
        let tokens = Embedding::new(root.child("tokens"), vocabulary, config.embedding_dim(), weights);
        let layers = (0..config.num_hidden_layers)
            .map(|layer| {
                let place = root.child(&format!("layers.{layer}"));
                Recurrent::new(place, cell, [config.input_of(layer), width])
            })
            .collect();
        let head = (!config.tie_word_embeddings)
            .then(|| Linear::new(root.child("head"), width, vocabulary, false, weights));
        Self { parameters: builder.finish(), tokens, layers, head }
    }

    /// All weights.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The rows through all layers, with dropout before the first and after each.
    pub fn hidden(&self, context: &Context<'_>, input: Input<'_>) -> Result<Rows> {
        let mut pass = input.begin();
        let x = context.dropout(&self.tokens.forward(context.tape, &pass.ids)?)?;
        let x = run_blocks(context, &self.layers, x, &mut pass, forward)?;
        pass.finish();
        Ok(x.into())
    }

    /// The head, which may be the embedding.
    pub fn head(&self) -> Head<'_> {
        Head::new(self.head.as_ref().map_or(self.tokens.weight(), Linear::weight))
    }

    /// An empty cache. States are `f32` whatever is asked for.
    pub fn new_cache(&self, capacity: usize, dtype: DType) -> Cache {
        Cache::of_layers(self.layers.iter().map(|_| Remembers::State), capacity, dtype)
    }
}

fn forward(
    layer: &Recurrent,
    context: &Context<'_>,
    x: &Tensor,
    mut input: LayerInput<'_>,
) -> Result<Tensor> {
    context.dropout(&layer.forward(context, x, &mut input.carried)?)
}
