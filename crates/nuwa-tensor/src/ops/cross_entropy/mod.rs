//! Cross-entropy fused with the output head: the logits of all positions never exist at one time.
//!
//! For hidden rows `h_i`, head `W` `[vocabulary, width]`, targets `t_i` and weights `w_i`:
//! `nll_i = log(sum over v of e^(h_i . W_v)) - h_i . W_(t_i)` and `loss = sum over i of w_i nll_i`. A mean is a sum with
//! weights `1 / n`; a masked position has weight 0. Rows go through in chunks: logits, softmax, loss; while
//! recording also `g_i = w_i (softmax_i - onehot(t_i))`, `dh_i = g_i W` and `dW += g^T h`, so backward needs no
//! logits again. In exchange the loss has to be the root of the backward pass.

mod cpu;

use std::sync::Arc;

use crate::ops::weighted_sum::weighted_sum;
use crate::{Error, Parameter, Result, Tape, Tensor};

/// Rows whose logits exist at one time.
const CHUNK_ROWS: usize = 512;

/// What each row is asked to predict and how much it counts.
#[derive(Debug, Clone, Copy)]
pub struct LossRows<'a> {
    /// The id that is right for each row.
    pub targets: &'a [u32],
    /// The weight of each row in the loss.
    pub weights: &'a [f32],
}

/// A loss and what it is the sum of.
#[derive(Debug, Clone)]
pub struct Loss {
    /// The weighted sum, a scalar to go back from.
    pub total: Tensor,
    /// The negative log-likelihood of each row's target in nats, unweighted.
    pub rows: Vec<f32>,
}

impl Tape {
    /// The weighted negative log-likelihood of `rows.targets` under `softmax(hidden head^T)`; see [the module](self).
    ///
    /// # Errors
    /// When the lengths or widths do not fit, a target is not a row of `head`, or all weights are 0.
    pub fn cross_entropy(&self, hidden: &Tensor, head: &Parameter, rows: LossRows<'_>) -> Result<Loss> {
        check(hidden, head, rows)?;
        let tracked = self.tracks(&[hidden], &[head]);
        let mut losses = vec![0.0; hidden.rows()];
        let mut d_hidden = tracked.then(|| self.pool().take(hidden.data().len()));
        let mut logits = self.pool().take(CHUNK_ROWS.min(hidden.rows()) * head.rows());
        let width = hidden.width();
        for first in (0..hidden.rows()).step_by(CHUNK_ROWS) {
            let span = first..(first + CHUNK_ROWS).min(hidden.rows());
            let h = &hidden.data()[span.start * width..span.end * width];
            let logits = &mut logits[..span.len() * head.rows()];
            cpu::logits(h, &head.values(), logits, width);
            let (targets, weights) = (&rows.targets[span.clone()], &rows.weights[span.clone()]);
            cpu::losses(logits, targets, weights, &mut losses[span.clone()], tracked);
            if let Some(d_hidden) = &mut d_hidden {
                cpu::hidden_gradient(
                    logits,
                    &head.values(),
                    &mut d_hidden[span.start * width..span.end * width],
                    width,
                );
                head.accumulate(|dw| cpu::head_gradient(logits, h, dw, width));
            }
        }
        let total = self.loss_node(hidden, head, weighted_sum(&losses, rows.weights), d_hidden)?;
        Ok(Loss { total, rows: losses })
    }

    /// The scores `hidden head^T` of every vocabulary entry; for sampling, without a gradient.
    ///
    /// # Errors
    /// When the widths differ, or `hidden` needs a gradient.
    pub fn logits(&self, hidden: &Tensor, head: &Parameter) -> Result<Tensor> {
        check_width(hidden, head)?;
        let mut logits = self.pool().take(hidden.rows() * head.rows());
        cpu::logits(hidden.data(), &head.values(), &mut logits, hidden.width());
        self.untracked("logits", &[hidden], [hidden.rows(), head.rows()].into(), logits)
    }

    fn loss_node(
        &self,
        hidden: &Tensor,
        head: &Parameter,
        total: f32,
        d_hidden: Option<crate::pool::Buffer>,
    ) -> Result<Tensor> {
        let mut data = self.pool().take(1);
        data[0] = total;
        let saved = hidden.clone();
        self.record(&[hidden], &[head], [1].into(), Arc::new(data), move |upstream, gradients| {
            if upstream[0] != 1.0 {
                let reason = "cross_entropy has to be the root of the pass; put factors into the row weights";
                return Err(Error::Backward(reason.into()));
            }
            if let Some(d_hidden) = d_hidden {
                gradients.share(&saved, &Arc::new(d_hidden));
            }
            Ok(())
        })
    }
}

fn check(hidden: &Tensor, head: &Parameter, rows: LossRows<'_>) -> Result<()> {
    check_width(hidden, head)?;
    if hidden.rows() != rows.targets.len() || hidden.rows() != rows.weights.len() {
        let reason = format!(
            "{} rows got {} targets and {} weights",
            hidden.rows(),
            rows.targets.len(),
            rows.weights.len()
        );
        return Err(Error::shape("cross_entropy", reason));
    }
    super::embedding::check_ids("cross_entropy", rows.targets, head.rows())?;
    if rows.weights.iter().all(|&weight| weight == 0.0) {
        return Err(Error::EmptyLoss);
    }
    Ok(())
}

fn check_width(hidden: &Tensor, head: &Parameter) -> Result<()> {
    if hidden.width() == head.width() {
        return Ok(());
    }
    let reason = format!("hidden has shape {}, the head has shape {}", hidden.shape(), head.shape());
    Err(Error::shape("cross_entropy", reason))
}
