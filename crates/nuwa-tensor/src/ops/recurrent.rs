//! Recurrent cells over packed rows: long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al.
//! 2000) and the gated recurrent unit (Cho et al. 2014), in PyTorch's forms and orders of gates.
//!
//! The gates of the input, `G_t = x_t W_ih^T + b_ih`, are a [`linear`](super::linear) layer of all rows at one time and come in
//! here; `U_t = h_(t-1) W_hh^T + b_hh`. LSTM, whose gates are `[i | f | g | o]`, each of `width` columns, with `s` the sigmoid:
//!
//! `i, f, o = s(G + U)`, `g = tanh(G + U)`, `c_t = f c_(t-1) + i g`, `h_t = o tanh(c_t)`.
//!
//! GRU, whose gates are `[r | z | n]`: `r, z = s(G + U)`, `n = tanh(G_n + r U_n)`, `h_t = (1 - z) n + z h_(t-1)`.
//!
//! `W_hh` is `[gates width, width]`, `b_hh` is `[gates width]`, `y` is `[rows, width]`. The state is `[runs, 2 width]`, `[h | c]`,
//! of the LSTM, and `[runs, width]` of the GRU. Each of the [`Runs`] begins from 0 or from the state that is given for it.
//!
//! A step is one product with `W_hh` for all runs that have not ended. Backward goes from the last step to the first ("through
//! time"): with `dh_t = dy_t + dU_(t+1) W_hh` (of the GRU and `dh_(t+1) z_(t+1)`) the gradients of the gates follow by the chain
//! rule; `dW_hh = sum over t of dU_t^T h_(t-1)` is one product at the end. Kept for it are the gates, the cells and the outputs
//! of the pass, no more.

use crate::calls::{RecurrentCell, Runs};
use crate::device::RecurrentCall;
use crate::ops::linear::with_width;
use crate::{Error, Parameter, Precision, Result, Tape, Tensor};

const OPERATION: &str = "recurrent";

impl Tape {
    /// The outputs of all rows, `[rows, width]`, and the states after the last row of each run, which have no gradient; see
    /// [the module](self). `parameters` are `W_hh` and `b_hh`.
    ///
    /// # Errors
    /// When shapes do not fit, `runs` are not of the rows of `gates`, one of them goes on from a state and none is given, or the
    /// state needs a gradient.
    pub fn recurrent(
        &self,
        cell: RecurrentCell,
        gates: &Tensor,
        parameters: [&Parameter; 2],
        runs: &Runs,
        state: Option<&Tensor>,
    ) -> Result<[Tensor; 2]> {
        let width = check(cell, gates, parameters)?;
        check_runs(OPERATION, gates, runs)?;
        check_state(OPERATION, state, runs, cell.states() * width)?;
        let inputs: Vec<&Tensor> = [gates].into_iter().chain(state).collect();
        let kernels = self.kernels_for(OPERATION, &inputs, &parameters)?;
        let layer = Layer {
            precision: self.precision(),
            cell,
            gates: gates.clone(),
            parameters: parameters.map(Parameter::clone),
            runs: runs.clone(),
            state: state.cloned(),
            is_tracked: self.tracks(&[gates], &parameters),
            batch_invariant: self.is_batch_invariant(),
        };
        let found = kernels.recurrent(layer.call());
        let shape = with_width(gates.shape(), width);
        let last =
            self.untracked(OPERATION, &[], [runs.count(), cell.states() * width].into(), found.last)?;
        let saved = found.saved;
        let rows =
            self.record(OPERATION, &[gates], &parameters, shape, found.rows, move |dy, gradients| {
                let (kernels, d_gates) = (gradients.kernels(), gradients.slot(&layer.gates));
                kernels.recurrent_backward(layer.call(), saved, dy, d_gates);
                Ok(())
            })?;
        Ok([rows, last])
    }
}

/// What backward needs of one layer besides what its kernels kept.
struct Layer {
    precision: Precision,
    cell: RecurrentCell,
    gates: Tensor,
    parameters: [Parameter; 2],
    runs: Runs,
    state: Option<Tensor>,
    is_tracked: bool,
    batch_invariant: bool,
}

impl Layer {
    fn call(&self) -> RecurrentCall<'_> {
        let [weight, bias] = &self.parameters;
        RecurrentCall {
            precision: self.precision,
            cell: self.cell,
            runs: &self.runs,
            gates: self.gates.storage(),
            weight,
            bias,
            state: self.state.as_ref().map(Tensor::storage),
            is_tracked: self.is_tracked,
            batch_invariant: self.batch_invariant,
        }
    }
}

/// The width of the output.
fn check(cell: RecurrentCell, gates: &Tensor, [weight, bias]: [&Parameter; 2]) -> Result<usize> {
    let (width, rows) = (weight.width(), cell.gates() * weight.width());
    if weight.shape().axes() != [rows, width] || bias.shape().axes() != [rows] || gates.width() != rows {
        let reason = format!(
            "{cell:?} of {} gates got rows of shape {}, {} has shape {}, its bias {}",
            cell.gates(),
            gates.shape(),
            weight.entry().path(),
            weight.shape(),
            bias.shape()
        );
        return Err(Error::shape(OPERATION, reason));
    }
    Ok(width)
}

/// An error unless `runs` are of the rows of `x`.
pub(crate) fn check_runs(operation: &'static str, x: &Tensor, runs: &Runs) -> Result<()> {
    if runs.rows() == x.rows() {
        return Ok(());
    }
    Err(Error::shape(operation, format!("{} rows, but the runs have {}", x.rows(), runs.rows())))
}

/// An error unless there is a state of `width` numbers for each run, or every run begins from nothing.
pub(crate) fn check_state(
    operation: &'static str,
    state: Option<&Tensor>,
    runs: &Runs,
    width: usize,
) -> Result<()> {
    let Some(state) = state else {
        return match (0..runs.count()).find(|run| !runs.is_fresh(*run)) {
            None => Ok(()),
            Some(run) => {
                let reason = format!("run {run} goes on from a state, and none is given");
                Err(Error::shape(operation, reason))
            }
        };
    };
    if state.is_tracked() {
        return Err(Error::NoBackward { operation });
    }
    if state.shape().axes() != [runs.count(), width] {
        let reason =
            format!("a state has shape {}, expected {} runs of {width} numbers", state.shape(), runs.count());
        return Err(Error::shape(operation, reason));
    }
    Ok(())
}
