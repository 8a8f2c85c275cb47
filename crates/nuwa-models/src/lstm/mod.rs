//! The LSTM language model: Hochreiter and Schmidhuber, "Long Short-Term Memory" (1997), as Zaremba et al., "Recurrent Neural Network
//! Regularization" (2014) have it: an embedding, some layers, a head, with dropout between them.
//!
//! A layer reads a text from left to right and carries two vectors along: what it says, `h`, and what it remembers, `c`. Gates
//! say how much of the memory stays (`f`), how much of what is new comes in (`i`), and how much is said (`o`):
//!
//! `c_t = f c_(t-1) + i g`, `h_t = o tanh(c_t)`, where `i`, `f`, `o` (sigmoid) and `g` (tanh) are affine in `x_t` and `h_(t-1)`.
//!
//! The state is as large after a million tokens as after one: so are the memory and the time of the next token. It is the order of
//! time that makes training slow, for a token waits for the one before it.

mod config;
mod presets;

pub use config::LstmConfig;
use nuwa_nn::{Context, Head};
use nuwa_tensor::{DType, Parameters, ParametersBuilder, RecurrentCell, Result};

use crate::recurrent::Stack;
use crate::{Cache, Input, Model, ModelConfig, Rows};

/// The model.
#[derive(Debug)]
pub struct Lstm {
    config: LstmConfig,
    stack: Stack,
}

impl Lstm {
    /// A model with the builder's weights. The configuration has been validated.
    pub(crate) fn new(config: LstmConfig, builder: ParametersBuilder) -> Self {
        let stack = Stack::new(&config.stack, RecurrentCell::Lstm, builder);
        Self { config, stack }
    }
}

impl Model for Lstm {
    fn config(&self) -> ModelConfig {
        ModelConfig::Lstm(self.config.clone())
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
