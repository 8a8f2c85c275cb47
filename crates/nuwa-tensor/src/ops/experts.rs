//! The feed-forward layer of a mixture of experts: each row goes through the experts it was sent to, and none is dropped.
//!
//! `y_i = sum over j of w_ij D_e (f(gate) * value)` with `[gate | value] = x_i G_e^T`, `e = e_ij` and the weights `w` of
//! [`route`](crate::ops::route). `x` is `[n, width]`, `G` of an expert is `[2 inner, width]`, `D` is `[width, inner]`, `y` is
//! `[n, width]` in `f32` (Shazeer et al., "Outrageously Large Neural Networks", 2017, with the gated layer of Shazeer 2020).
//!
//! Rows are brought into the order of their experts, within an expert by row; each expert that has rows multiplies its part by
//! its two matrices, so others are not even read. A row's `k` results are added in the order of its choices.
//!
//! Backward, of a choice with hidden row `h = f(gate) * value` and `u = dy D`: `dw = h u`, `dh = w u`, `dD = dy^T (w h)`, then
//! as for the gated layer. An expert without rows has a gradient of 0. Of the forward pass `[gate | value]` is kept.

use std::sync::Arc;

use crate::calls::Activation;
use crate::device::{ExpertWeights, ExpertsCall};
use crate::ops::route::Routed;
use crate::{Error, Parameter, Precision, Result, Tape, Tensor};

/// What backward needs of a layer.
struct Layer {
    precision: Precision,
    x: Tensor,
    routed: Routed,
    experts: Arc<[ExpertWeights]>,
    activation: Activation,
    is_tracked: bool,
    batch_invariant: bool,
}

impl Layer {
    fn call(&self) -> ExpertsCall<'_> {
        ExpertsCall {
            precision: self.precision,
            x: self.x.storage(),
            assignment: &self.routed.assignment,
            weights: self.routed.weights.storage(),
            experts: &self.experts,
            activation: self.activation,
            is_tracked: self.is_tracked,
            batch_invariant: self.batch_invariant,
        }
    }
}

impl Tape {
    /// Rows through their experts, in `f32`; see [the module](self).
    ///
    /// # Errors
    /// When the experts are not as many as `routed` knows, or shapes do not fit.
    pub fn experts(
        &self,
        x: &Tensor,
        routed: &Routed,
        experts: &Arc<[ExpertWeights]>,
        activation: Activation,
    ) -> Result<Tensor> {
        check(x, routed, experts)?;
        let parameters: Vec<&Parameter> =
            experts.iter().flat_map(|expert| [&expert.gate_up, &expert.down]).collect();
        let tensors = [x, &routed.weights];
        let kernels = self.kernels_for("experts", &tensors, &parameters)?;
        let layer = Layer {
            precision: self.precision(),
            x: x.clone(),
            routed: routed.clone(),
            experts: Arc::clone(experts),
            activation,
            is_tracked: self.tracks(&tensors, &[]),
            batch_invariant: self.is_batch_invariant(),
        };
        let (y, gate_up) = kernels.experts(&layer.call());
        let shape = x.shape().clone();
        self.record("experts", &tensors, &parameters, shape, y, move |dy, gradients| {
            let (kernels, dx) = (gradients.kernels(), gradients.slot(&layer.x));
            let d_weights = kernels.experts_backward(&layer.call(), gate_up, dy, dx);
            gradients.share(&layer.routed.weights, &d_weights);
            Ok(())
        })
    }
}

fn check(x: &Tensor, routed: &Routed, experts: &[ExpertWeights]) -> Result<()> {
    let (expected, rows) = (routed.assignment.experts(), routed.weights.rows());
    if experts.len() != expected || x.rows() != rows {
        let reason = format!(
            "{} experts and {} rows, expected the {expected} and {rows} that were routed",
            experts.len(),
            x.rows()
        );
        return Err(Error::shape("experts", reason));
    }
    experts.iter().try_for_each(|expert| check_expert(x, expert))
}

fn check_expert(x: &Tensor, ExpertWeights { gate_up, down }: &ExpertWeights) -> Result<()> {
    let fits = gate_up.width() == x.width()
        && down.rows() == x.width()
        && gate_up.rows() == 2 * down.width()
        && [gate_up, down].iter().all(|matrix| matrix.shape().axes().len() == 2);
    if fits {
        return Ok(());
    }
    let reason = format!(
        "x has shape {}, {} has shape {}, {} has shape {}",
        x.shape(),
        gate_up.entry().path(),
        gate_up.shape(),
        down.entry().path(),
        down.shape()
    );
    Err(Error::shape("experts", reason))
}
