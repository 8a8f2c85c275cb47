//! Cross-entropy fused with the output head: the logits of all positions never exist at one time.
//!
//! For hidden rows `h_i`, head `W` `[vocabulary, width]` with an optional bias `b` `[vocabulary]`, targets `t_i`, weights
//! `w_i` and label smoothing `s` (Szegedy et al. 2016): `z_i = h_i W^T + b`, `log p_i = log_softmax(z_i)`,
//! `loss_i = -(1 - s) log p_i[t_i] - s mean over v of log p_i[v]`, and the loss is `sum over i of w_i loss_i`. A mean is a
//! sum with weights `1 / n`. Rows without a target are best left out before ([`Tape::rows`]). With a cap `c` the logits are
//! `c tanh(z_i / c)` in place of `z_i` (Gemma Team 2024), and gradients of logits are multiplied by `1 - tanh(z_i / c)^2`.
//!
//! A z-loss of coefficient `c` (Chowdhery et al., "PaLM", 2022) adds `c l_i^2` to `loss_i`, with `l_i = log sum over v of e^(z_i[v])`, and
//! `2 c l_i softmax_i` to the gradient of the logits: it keeps the logits from drifting.
//!
//! [`Tape::backward_losses`] computes the loss and its gradient in one pass over the head, chunk by chunk of rows: logits,
//! softmax, loss, `g_i = w_i (softmax_i - (1 - s) onehot(t_i) - s / vocabulary)`, `dh_i = g_i W`, `dW += g^T h`,
//! `db += sum of g_i`; then it runs the rest of the tape back. So backward needs no logits again, and a tape that is
//! discarded leaves no gradient behind. [`Tape::cross_entropy`] computes the loss alone.
//!
//! Objectives that are no weighted sum, such as DPO's, depend on the model through the `nll_i` alone. For such an
//! `L(nll_1, .., nll_n)` the weights are the slopes `w_i = dL / d nll_i` at the present losses: the gradient of the weighted
//! sum is then that of `L`. [`Tape::backward_objective`] computes the losses first, asks for value and slopes, and goes
//! through the head a second time.

pub use crate::calls::Loss;
use crate::device::{self, Affine, HeadCall, Storage};
use crate::{Error, Parameter, Result, Tape, Tensor};

/// What each row is asked to predict and how much it counts.
#[derive(Debug, Clone, Copy)]
pub struct LossRows<'a> {
    /// The id that is right for each row.
    pub targets: &'a [u32],
    /// The weight of each row in the loss.
    pub weights: &'a [f32],
}

/// A cross-entropy under an output head, of which several may be added up.
#[derive(Debug, Clone, Copy)]
pub struct HeadLoss<'a> {
    /// The last hidden rows, `[n, width]`.
    pub hidden: &'a Tensor,
    /// The head's matrix, `[vocabulary, width]`.
    pub weight: &'a Parameter,
    /// The head's bias, `[vocabulary]`.
    pub bias: Option<&'a Parameter>,
    /// Targets and weights, one for each hidden row.
    pub rows: LossRows<'a>,
    /// The share of each target that is spread over the whole vocabulary, in `[0, 1)`.
    pub label_smoothing: f32,
    /// The cap `c` of logits, above 0, where they have one.
    pub softcap: Option<f32>,
    /// What the z-loss counts, 0 or more.
    pub z_loss: f32,
    /// What this loss counts in a sum of several.
    pub coefficient: f32,
}

impl<'a> HeadLoss<'a> {
    /// Of a head without bias, without smoothing, alone.
    pub fn new(hidden: &'a Tensor, weight: &'a Parameter, rows: LossRows<'a>) -> Self {
        let (label_smoothing, softcap, z_loss) = (0.0, None, 0.0);
        Self { hidden, weight, bias: None, rows, label_smoothing, softcap, z_loss, coefficient: 1.0 }
    }

    fn check(&self) -> Result<()> {
        check_rows(self.hidden, self.weight, self.rows)?;
        if let Some(bias) = self.bias.filter(|bias| bias.shape().axes() != [self.weight.rows()]) {
            let (rows, shape) = (self.weight.rows(), bias.shape());
            let reason = format!("the head has {rows} rows, its bias has shape {shape}");
            return Err(Error::shape("cross_entropy", reason));
        }
        if !(0.0..1.0).contains(&self.label_smoothing) {
            let reason =
                format!("label_smoothing is {}, expected at least 0 and below 1", self.label_smoothing);
            return Err(Error::Option { operation: "cross_entropy", reason });
        }
        if let Some(cap) = self.softcap.filter(|cap| !(cap.is_finite() && *cap > 0.0)) {
            let reason = format!("softcap is {cap}, expected a number above 0");
            return Err(Error::Option { operation: "cross_entropy", reason });
        }
        if !(self.z_loss >= 0.0 && self.z_loss.is_finite()) {
            let reason = format!("z_loss is {}, expected 0 or more", self.z_loss);
            return Err(Error::Option { operation: "cross_entropy", reason });
        }
        Ok(())
    }

    fn parameters(&self) -> Vec<&'a Parameter> {
        std::iter::once(self.weight).chain(self.bias).collect()
    }

    /// The weights of the rows in the sum of all losses.
    fn weights(&self) -> Vec<f32> {
        self.rows.weights.iter().map(|weight| self.coefficient * weight).collect()
    }
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
    /// The loss, without a gradient; see [the module](self).
    ///
    /// # Errors
    /// When the lengths or widths do not fit, a target is not a row of the head, or all weights are 0.
    pub fn cross_entropy(&self, loss: &HeadLoss<'_>) -> Result<Loss> {
        self.check_loss(loss)?;
        Ok(self.head_pass(loss, None).0)
    }

    /// Adds the gradient of `sum of coefficient * loss` to each trainable parameter it came from, empties the tape, and gives
    /// the losses; see [the module](self). Where the sum is not finite, nothing is run back, and of the gradients only those
    /// of the heads changed, to no use.
    ///
    /// # Errors
    /// As [`Tape::cross_entropy`], and when nothing trainable is behind the losses.
    pub fn backward_losses(&self, losses: &[HeadLoss<'_>]) -> Result<Vec<Loss>> {
        self.backward_losses_and(losses, &[])
    }

    /// As [`Tape::backward_losses`] of a sum to which scalars of this tape are added, each times its coefficient: losses that
    /// the model has of its own.
    ///
    /// # Errors
    /// As [`Tape::backward_losses`], and when one of `others` is no scalar of this pass.
    pub fn backward_losses_and(
        &self,
        losses: &[HeadLoss<'_>],
        others: &[(&Tensor, f32)],
    ) -> Result<Vec<Loss>> {
        losses.iter().try_for_each(|loss| self.check_loss(loss))?;
        self.check_trainable(losses)?;
        let (mut found, mut starts, mut sum) = (Vec::new(), Vec::new(), 0.0);
        for (other, coefficient) in others {
            self.check_pass(other)?;
            sum += coefficient * other.scalar()?;
            starts.push((*other, self.kernels().to_device(&[*coefficient])));
        }
        for loss in losses {
            let (own, d_hidden) = self.head_pass(loss, Some(&loss.weights()));
            sum += loss.coefficient * own.total;
            starts.extend(d_hidden.map(|d_hidden| (loss.hidden, d_hidden)));
            found.push(own);
        }
        match sum.is_finite() {
            true => self.backward_from(starts)?,
            false => self.discard(),
        }
        Ok(found)
    }

    /// As [`Tape::backward_losses`] of an objective that `weigh` computes from the negative log-likelihoods of the targets of `plain`,
    /// whose weights do not count. `total` of the result is its value.
    ///
    /// # Errors
    /// As [`Tape::backward_losses`], and when there is not one slope a row.
    pub fn backward_objective(
        &self,
        plain: &HeadLoss<'_>,
        weigh: impl FnOnce(&[f32]) -> Objective,
    ) -> Result<Loss> {
        let (hidden, targets) = (plain.hidden, plain.rows.targets);
        let ones = vec![1.0; targets.len()];
        let plain = HeadLoss { rows: LossRows { targets, weights: &ones }, ..*plain };
        let Objective { value, slopes } = weigh(&self.cross_entropy(&plain)?.rows);
        check_lengths(hidden, targets, &slopes)?;
        self.check_trainable(&[plain])?;
        let rows = LossRows { targets, weights: &slopes };
        let (loss, d_hidden) = self.head_pass(&HeadLoss { rows, ..plain }, Some(&slopes));
        match value.is_finite() {
            true => self.backward_from(d_hidden.map(|d_hidden| (hidden, d_hidden)).into_iter().collect())?,
            false => self.discard(),
        }
        Ok(Loss { total: value, ..loss })
    }

    fn check_loss(&self, loss: &HeadLoss<'_>) -> Result<()> {
        loss.check()?;
        self.kernels_for("cross_entropy", &[loss.hidden], &loss.parameters())?;
        self.check_pass(loss.hidden)
    }

    fn check_trainable(&self, losses: &[HeadLoss<'_>]) -> Result<()> {
        if losses.iter().any(|loss| self.tracks(&[loss.hidden], &loss.parameters())) {
            return Ok(());
        }
        Err(Error::Backward("the losses do not depend on any trainable parameter of this tape".into()))
    }

    /// The losses of all rows and, where there are weights for it, gradients: those of the head are added up, that of the
    /// hidden rows is given.
    fn head_pass(&self, loss: &HeadLoss<'_>, weights: Option<&[f32]>) -> (Loss, Option<Storage>) {
        let mut found = Loss::empty(loss.hidden.rows());
        let call = HeadCall {
            precision: self.precision(),
            hidden: loss.hidden.storage(),
            weight: loss.weight,
            bias: loss.bias,
            targets: loss.rows.targets,
            gradients: weights,
            smoothing: loss.label_smoothing,
            softcap: loss.softcap,
            z: loss.z_loss,
        };
        let d_hidden = self.kernels().head_loss(&call, &mut found);
        found.total = device::host_weighted_sum(&found.rows, loss.rows.weights);
        self.count("cross_entropy");
        (found, d_hidden)
    }

    /// The logits `hidden head^T` of every vocabulary entry; for sampling, without a gradient.
    ///
    /// # Errors
    /// When the widths differ, or `hidden` needs a gradient.
    pub fn logits(&self, hidden: &Tensor, head: &Parameter) -> Result<Tensor> {
        check_width(hidden, head)?;
        let kernels = self.kernels_for("logits", &[hidden], &[head])?;
        let logits = kernels.logits(Affine {
            precision: self.precision(),
            x: hidden.storage(),
            weight: head,
            bias: None,
            is_tracked: false,
            batch_invariant: self.is_batch_invariant(),
        });
        self.untracked("logits", &[hidden], [hidden.rows(), head.rows()].into(), logits)
    }
}

/// `log(sum over v of e^(logits_v))` of one row: what turns logits into logarithms of probabilities.
pub fn log_sum_exp(logits: &[f32]) -> f32 {
    device::log_sum_exp(logits)
}

fn check_rows(hidden: &Tensor, head: &Parameter, rows: LossRows<'_>) -> Result<()> {
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
