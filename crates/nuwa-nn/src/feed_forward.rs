use nuwa_tensor::ops::activation::Activation;
use nuwa_tensor::{Result, Tensor};

use crate::{Context, Initialisation, Linear, Scope, residual};

/// The position-wise feed-forward layer (Vaswani et al. 2017), or its gated form (Shazeer, "GLU Variants Improve
/// Transformer", 2020).
#[derive(Debug, Clone)]
pub struct FeedForward {
    up: Linear,
    down: Linear,
    activation: Activation,
    gated: bool,
    drops_inner: bool,
}

impl FeedForward {
    /// `down(f(up(x)))`; parameters `up` `[inner, width]` and `down` `[width, inner]`. `weights` are those of `up`, and of
    /// `down`.
    pub fn plain(
        scope: Scope<'_>,
        [width, inner]: [usize; 2],
        bias: bool,
        activation: Activation,
        weights: [Initialisation; 2],
    ) -> Self {
        Self::new(scope, ("up", inner), [width, inner], bias, activation, weights)
    }

    /// `down(f(gate(x)) * up(x))`; parameters `gate_up` `[2 inner, width]` and `down` `[width, inner]`.
    pub fn gated(
        scope: Scope<'_>,
        [width, inner]: [usize; 2],
        bias: bool,
        activation: Activation,
        weights: [Initialisation; 2],
    ) -> Self {
        let layer = Self::new(scope, ("gate_up", 2 * inner), [width, inner], bias, activation, weights);
        Self { gated: true, ..layer }
    }

    fn new(
        mut scope: Scope<'_>,
        (name, rows): (&str, usize),
        [width, inner]: [usize; 2],
        bias: bool,
        activation: Activation,
        weights: [Initialisation; 2],
    ) -> Self {
        Self {
            up: Linear::new(scope.child(name), width, rows, bias, weights[0]),
            down: Linear::new(scope.child("down"), inner, width, bias, weights[1]),
            activation,
            gated: false,
            drops_inner: false,
        }
    }

    /// The same with dropout of the inner features too.
    #[must_use]
    pub fn with_inner_dropout(self) -> Self {
        Self { drops_inner: true, ..self }
    }

    /// `x + dropout(feed_forward(rows))`.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn forward(&self, context: &Context<'_>, x: &Tensor, rows: &Tensor) -> Result<Tensor> {
        let tape = context.tape;
        let inner = match self.gated {
            true => tape.gated_activation(&self.up.forward(tape, rows)?, self.activation)?,
            false => self.up.forward_activation(tape, rows, self.activation)?,
        };
        let inner = if self.drops_inner { context.dropout(&inner)? } else { inner };
        residual(context, x, &inner, &self.down)
    }
}
