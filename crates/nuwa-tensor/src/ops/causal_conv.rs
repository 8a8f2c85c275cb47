//! Causal depthwise convolution along the rows of a run: each feature has taps of its own, and sees itself and the few rows before.
//!
//! `y_t = b + sum over k of w_k x_(t - (taps - 1) + k)`, elementwise: `x` is `[rows, width]`, `w` is `[width, 1, taps]` as PyTorch's
//! `Conv1d` with as many groups as channels has it, `b` is `[width]`. Rows before the first of a run are 0, or those of a state
//! `[runs, (taps - 1) width]`, the oldest first. Backward: `dx_t = sum over k of w_k dy_(t + (taps - 1) - k)`,
//! `dw_k = sum over t of dy_t x_(t - (taps - 1) + k)`, `db = sum over t of dy_t`, all within runs. As in Griffin (De et al. 2024)
//! and Mamba (Gu and Dao 2023).

use super::recurrent::{check_runs, check_state};
use crate::calls::Runs;
use crate::device::ConvCall;
use crate::{Error, Parameter, Result, Tape, Tensor};

const OPERATION: &str = "causal_conv";

impl Tape {
    /// The convolution of all rows, and the last `taps - 1` rows of each run as the state of those that follow; see
    /// [the module](self). `parameters` are the taps and the bias.
    ///
    /// # Errors
    /// As [`Tape::recurrent`].
    pub fn causal_conv(
        &self,
        x: &Tensor,
        parameters: [&Parameter; 2],
        runs: &Runs,
        state: Option<&Tensor>,
    ) -> Result<[Tensor; 2]> {
        let taps = check(x, parameters)?;
        check_runs(OPERATION, x, runs)?;
        let kept = (taps - 1) * x.width();
        check_state(OPERATION, state, runs, kept)?;
        let inputs: Vec<&Tensor> = [x].into_iter().chain(state).collect();
        let kernels = self.kernels_for(OPERATION, &inputs, &parameters)?;
        let layer = Layer {
            x: x.clone(),
            parameters: parameters.map(Parameter::clone),
            runs: runs.clone(),
            state: state.cloned(),
        };
        let (y, last) = kernels.causal_conv(layer.call());
        let last = self.untracked(OPERATION, &[], [runs.count(), kept].into(), last)?;
        let y = self.record(OPERATION, &[x], &parameters, x.shape().clone(), y, move |dy, gradients| {
            let (kernels, dx) = (gradients.kernels(), gradients.slot(&layer.x));
            kernels.causal_conv_backward(layer.call(), dy, dx);
            Ok(())
        })?;
        Ok([y, last])
    }
}

struct Layer {
    x: Tensor,
    parameters: [Parameter; 2],
    runs: Runs,
    state: Option<Tensor>,
}

impl Layer {
    fn call(&self) -> ConvCall<'_> {
        let [weight, bias] = &self.parameters;
        let state = self.state.as_ref().map(Tensor::storage);
        ConvCall { runs: &self.runs, x: self.x.storage(), weight, bias, state }
    }
}

/// The number of taps.
fn check(x: &Tensor, [weight, bias]: [&Parameter; 2]) -> Result<usize> {
    let width = x.width();
    match *weight.shape().axes() {
        [channels, 1, taps] if channels == width && taps > 0 && bias.shape().axes() == [width] => Ok(taps),
        _ => {
            let reason = format!(
                "x has shape {}, {} has shape {}, its bias {}; expected [{width}, 1, taps] and [{width}]",
                x.shape(),
                weight.entry().path(),
                weight.shape(),
                bias.shape()
            );
            Err(Error::shape(OPERATION, reason))
        }
    }
}
