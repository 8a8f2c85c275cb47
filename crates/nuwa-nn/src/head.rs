use nuwa_tensor::ops::activation::Activation;
use nuwa_tensor::{HeadLoss, LossRows, Parameter, Result, Tape, Tensor};

use crate::{Initialisation, LayerNorm, Linear, Scope};

/// What BERT's head does before the vocabulary: `norm(f(h W^T + b))` (Devlin et al. 2018).
#[derive(Debug)]
pub struct Transform {
    dense: Linear,
    norm: LayerNorm,
    activation: Activation,
}

impl Transform {
    /// Over rows of `width`; parameters `dense` and `norm`.
    pub fn new(
        mut scope: Scope<'_>,
        width: usize,
        activation: Activation,
        epsilon: f32,
        weights: Initialisation,
    ) -> Self {
        Self {
            dense: Linear::new(scope.child("dense"), width, width, true, weights),
            norm: LayerNorm::new(scope.child("norm"), width, epsilon),
            activation,
        }
    }

    /// The same shape.
    ///
    /// # Errors
    /// When the width differs.
    pub fn forward(&self, tape: &Tape, x: &Tensor) -> Result<Tensor> {
        self.norm.forward(tape, &self.dense.forward_activation(tape, x, self.activation)?)
    }
}

/// From hidden rows to logits: `scale transform(h) W^T + b`, or `c tanh` of it `/ c` with a cap `c`.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The matrix `[classes, width]`; the embedding where the two are tied.
    pub weight: &'a Parameter,
    /// The bias, `[classes]`.
    pub bias: Option<&'a Parameter>,
    /// What rows go through first.
    pub transform: Option<&'a Transform>,
    /// What rows are multiplied by.
    pub scale: f32,
    /// The cap of logits, where they have one.
    pub softcap: Option<f32>,
}

impl<'a> Head<'a> {
    /// A matrix alone.
    pub fn new(weight: &'a Parameter) -> Self {
        Self { weight, bias: None, transform: None, scale: 1.0, softcap: None }
    }

    /// A layer with its bias.
    pub fn of(layer: &'a Linear) -> Self {
        Self { bias: layer.bias(), ..Self::new(layer.weight()) }
    }

    /// The rows that the matrix is multiplied by.
    ///
    /// # Errors
    /// When the width differs.
    pub fn rows(&self, tape: &Tape, hidden: &Tensor) -> Result<Tensor> {
        let rows = match self.transform {
            Some(transform) => transform.forward(tape, hidden)?,
            None => hidden.clone(),
        };
        if self.scale == 1.0 { Ok(rows) } else { tape.scale(&rows, self.scale) }
    }

    /// The cross-entropy of what [`Head::rows`] gave.
    pub fn loss<'b>(&self, rows: &'b Tensor, targets: LossRows<'b>) -> HeadLoss<'b>
    where
        'a: 'b,
    {
        HeadLoss { bias: self.bias, softcap: self.softcap, ..HeadLoss::new(rows, self.weight, targets) }
    }

    /// The logits of every class, `[n, classes]`; without a gradient.
    ///
    /// # Errors
    /// When the width differs, or `hidden` needs a gradient.
    pub fn logits(&self, tape: &Tape, hidden: &Tensor) -> Result<Tensor> {
        let rows = self.rows(tape, hidden)?;
        let logits = match self.bias {
            Some(bias) => tape.linear(&rows, self.weight, Some(bias))?,
            None => tape.logits(&rows, self.weight)?,
        };
        match self.softcap {
            Some(cap) => {
                tape.scale(&tape.activation(&tape.scale(&logits, 1.0 / cap)?, Activation::Tanh)?, cap)
            }
            None => Ok(logits),
        }
    }
}
