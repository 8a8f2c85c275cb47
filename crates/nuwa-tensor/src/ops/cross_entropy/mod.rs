//! Cross-entropy fused with the output head: the logits of all positions never exist at one time.
//!
//! For hidden rows `h_i`, head `W` `[vocabulary, width]`, targets `t_i` and weights `w_i`:
//! `nll_i = log(sum over v of e^(h_i . W_v)) - h_i . W_(t_i)` and `loss = sum over i of w_i nll_i`. A mean is a sum with
//! weights `1 / n`; a masked position has weight 0. Rows go through in chunks: logits, softmax, loss; while
//! recording also `g_i = w_i (softmax_i - onehot(t_i))`, `dh_i = g_i W` and `dW += g^T h`, so backward needs no
//! logits again. In exchange the loss has to be the root of the backward pass.
//!
//! Objectives that are no weighted sum, such as DPO's, depend on the model through the `nll_i` alone. For such an
//! `L(nll_1, .., nll_n)` the weights are the slopes `w_i = dL / d nll_i` at the present losses: the gradient of the weighted
//! sum is then that of `L`. [`Tape::likelihood_objective`] computes the losses first, asks for value and slopes, and goes
//! through the head a second time.

mod cpu;

use crate::ops::linear::Weight;
use crate::ops::product::{Matrix, Store, product};
use crate::ops::weighted_sum::weighted_sum;
use crate::tensor::{Stored, Values, with_kind, with_values};
use crate::{Error, Parameter, Result, Tape, Tensor};

/// Logits that exist at one time, and bounds of the rows that they belong to: few enough to fit the memory, and enough to
/// make packing the head worth while.
const CHUNK_LOGITS: usize = 1 << 25;
const CHUNK_ROWS: [usize; 2] = [256, 512];

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

/// An objective's value, and its slope in the loss of each row.
#[derive(Debug, Clone)]
pub struct Objective {
    /// What is minimised.
    pub value: f32,
    /// `d value / d nll_i`.
    pub slopes: Vec<f32>,
}

impl Tape {
    /// An objective that `weigh` computes from the negative log-likelihoods of `targets` under `softmax(hidden head^T)`;
    /// see [the module](self).
    ///
    /// # Errors
    /// When the lengths or widths do not fit, or a target is not a row of `head`; and as `weigh` does.
    pub fn likelihood_objective(
        &self,
        hidden: &Tensor,
        head: &Parameter,
        targets: &[u32],
        weigh: impl FnOnce(&[f32]) -> Objective,
    ) -> Result<Loss> {
        let mut losses = vec![0.0; hidden.rows()];
        let ones = vec![1.0; targets.len()];
        let plain = LossRows { targets, weights: &ones };
        check(hidden, head, plain)?;
        let Objective { value, slopes } = with_kind!(hidden.kind(), H => {
            self.chunks(<H as Stored>::of(hidden.values()), head, plain, &mut losses, false);
            weigh(&losses)
        });
        check_lengths(hidden, targets, &slopes)?;
        let rows = LossRows { targets, weights: &slopes };
        let tracked = self.tracks(&[hidden], &[head]);
        let d_hidden = with_kind!(hidden.kind(), H => {
            tracked.then(|| self.chunks(<H as Stored>::of(hidden.values()), head, rows, &mut losses, true)).flatten()
        });
        let total = self.loss_node(hidden, head, value, d_hidden)?;
        Ok(Loss { total, rows: losses })
    }

    /// The weighted negative log-likelihood of `rows.targets` under `softmax(hidden head^T)`; see [the module](self).
    ///
    /// # Errors
    /// When the lengths or widths do not fit, a target is not a row of `head`, or all weights are 0.
    pub fn cross_entropy(&self, hidden: &Tensor, head: &Parameter, rows: LossRows<'_>) -> Result<Loss> {
        check(hidden, head, rows)?;
        let mut losses = vec![0.0; hidden.rows()];
        let d_hidden = with_kind!(hidden.kind(), H => {
            self.chunks(<H as Stored>::of(hidden.values()), head, rows, &mut losses, self.tracks(&[hidden], &[head]))
        });
        let total = self.loss_node(hidden, head, weighted_sum(&losses, rows.weights), d_hidden)?;
        Ok(Loss { total, rows: losses })
    }

    /// Losses and, where `tracked`, gradients, chunk by chunk; gives the gradient of the hidden rows.
    fn chunks<H: Stored>(
        &self,
        hidden: &[H],
        head: &Parameter,
        rows: LossRows<'_>,
        losses: &mut [f32],
        tracked: bool,
    ) -> Option<Values> {
        let (width, vocabulary, context) = (head.width(), head.rows(), self.context());
        let step = (CHUNK_LOGITS / vocabulary).clamp(CHUNK_ROWS[0], CHUNK_ROWS[1]);
        let mut scores = cpu::Scores::new(self.pool(), step.min(losses.len()), vocabulary, self.precision());
        let mut d_hidden = tracked.then(|| self.pool().take::<H>(hidden.len()));
        let packed = self.packed(head, tracked);
        let values = head.values();
        let weight = Weight { values: &values, packed: packed.as_deref(), width };
        for first in (0..losses.len()).step_by(step) {
            let span = first..(first + step).min(losses.len());
            let elements = span.start * width..span.end * width;
            let h = &hidden[elements.clone()];
            scores.fill(context, h, weight);
            let (targets, weights) = (&rows.targets[span.clone()], &rows.weights[span.clone()]);
            scores.losses(targets, weights, &mut losses[span], tracked);
            if let Some(d_hidden) = &mut d_hidden {
                scores.hidden_gradient(context, weight, &mut d_hidden[elements]);
                head.accumulate(|dw| scores.head_gradient(context, h, dw, width));
            }
        }
        d_hidden.map(Values::from)
    }

    /// The scores `hidden head^T` of every vocabulary entry; for sampling, without a gradient.
    ///
    /// # Errors
    /// When the widths differ, or `hidden` needs a gradient.
    pub fn logits(&self, hidden: &Tensor, head: &Parameter) -> Result<Tensor> {
        check_width(hidden, head)?;
        let (rows, vocabulary) = (hidden.rows(), head.rows());
        let mut logits = self.pool().take::<f32>(rows * vocabulary);
        let store = Store::plain(&mut logits, vocabulary);
        let values = head.values();
        let weights = Matrix::new(&values, vocabulary, hidden.width()).transposed();
        with_values!(hidden.values(), hidden_values => {
            let hidden = Matrix::new(hidden_values, rows, hidden.width());
            product(self.pool(), self.precision(), hidden, weights, &store);
        });
        self.untracked("logits", &[hidden], [rows, vocabulary].into(), logits)
    }

    fn loss_node(
        &self,
        hidden: &Tensor,
        head: &Parameter,
        total: f32,
        d_hidden: Option<Values>,
    ) -> Result<Tensor> {
        let mut values = self.pool().take::<f32>(1);
        values[0] = total;
        let saved = hidden.clone();
        self.record("cross_entropy", &[hidden], &[head], [1].into(), values, move |upstream, gradients| {
            if <f32 as Stored>::of(upstream)[0] != 1.0 {
                let reason = "cross_entropy has to be the root of the pass; put factors into the row weights";
                return Err(Error::Backward(reason.into()));
            }
            if let Some(d_hidden) = d_hidden {
                gradients.share(&saved, &d_hidden);
            }
            Ok(())
        })
    }
}

fn check(hidden: &Tensor, head: &Parameter, rows: LossRows<'_>) -> Result<()> {
    check_width(hidden, head)?;
    check_lengths(hidden, rows.targets, rows.weights)?;
    super::embedding::check_ids("cross_entropy", rows.targets, head.rows())?;
    if rows.weights.iter().all(|&weight| weight == 0.0) {
        return Err(Error::EmptyLoss);
    }
    Ok(())
}

fn check_lengths(hidden: &Tensor, targets: &[u32], weights: &[f32]) -> Result<()> {
    if hidden.rows() == targets.len() && hidden.rows() == weights.len() {
        return Ok(());
    }
    let (rows, targets, weights) = (hidden.rows(), targets.len(), weights.len());
    let reason = format!("{rows} rows got {targets} targets and {weights} weights");
    Err(Error::shape("cross_entropy", reason))
}

fn check_width(hidden: &Tensor, head: &Parameter) -> Result<()> {
    if hidden.width() == head.width() {
        return Ok(());
    }
    let reason = format!("hidden has shape {}, the head has shape {}", hidden.shape(), head.shape());
    Err(Error::shape("cross_entropy", reason))
}
