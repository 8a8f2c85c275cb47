//! The GRU language model: Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine
//! Translation" (2014), in PyTorch's form, in the place of the LSTM: an embedding, some layers, a head, with dropout between them.
//!
//! A layer carries one vector along, `h`. One gate says how much of it stays (`z`), one how much of it what is new may look at (`r`):
//!
//! `h_t = (1 - z) n + z h_(t-1)`, `n = tanh(W x_t + b + r (U h_(t-1) + c))`, where `r` and `z` (sigmoid) are affine in `x_t` and
//! `h_(t-1)`. It has three quarters of an LSTM's weights.

mod config;

pub use config::GruConfig;
use nuwa_nn::{Context, Head};
use nuwa_tensor::{DType, Parameters, ParametersBuilder, RecurrentCell, Result};

use crate::recurrent::Stack;
use crate::{Cache, Input, Model, ModelConfig, Rows};

/// The model.
#[derive(Debug)]
pub struct Gru {
    config: GruConfig,
    stack: Stack,
}

impl Gru {
    /// A model with the builder's weights. The configuration has been validated.
    pub(crate) fn new(config: GruConfig, builder: ParametersBuilder) -> Self {
        let stack = Stack::new(&config.stack, RecurrentCell::Gru, builder);
        Self { config, stack }
    }
}

impl Model for Gru {
    fn config(&self) -> ModelConfig {
        ModelConfig::Gru(self.config.clone())
    }

    fn parameters(&self) -> &Parameters {
        self.stack.parameters()
    }

    fn hidden(&self, context: &Context<'_>, input: Input<'_>) -> Result<Rows> {
        self.stack.hidden(context, input)
    }

    fn head(&self) -> Head<'_> {
        self.stack.head()
    }

    fn new_cache(&self, capacity: usize, dtype: DType) -> Cache {
        self.stack.new_cache(capacity, dtype)
    }
}
