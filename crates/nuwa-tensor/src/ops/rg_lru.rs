//! The real-gated linear recurrent unit: De et al., "Griffin: Mixing Gated Linear Recurrences with Local Attention" (2024).
//!
//! `i_t = sigmoid(G_t)`, `r_t = sigmoid(R_t)`, `log a_t = -8 r_t softplus(L)`, and elementwise
//! `h_t = a_t h_(t-1) + sqrt(1 - a_t^2) i_t x_t`. `x`, `G` (the input gate before its sigmoid), `R` (that of the recurrence) and `y`, which
//! is `h`, are `[rows, width]`, `L` is `[width]`, the state is `[runs, width]`. Where nothing stands before a run, its first row
//! has `a = 0` and a factor of 1 in place of the root: `h = i x`.
//!
//! Backward goes through each run from its end: `g_t = dy_t + a_(t+1) g_(t+1)`, `dx = g m i`, `di = g m x`, with `m` the root, and
//! `d log a = g h_(t-1) a - g i x a^2 / m`. Near `a = 1` the slope of the root has no bound; as in the authors' program `1 / (2 m)`
//! is kept at or below 1000. `dR = d log a (-8 softplus(L)) r (1 - r)`, `dL = sum over t of d log a (-8 r) sigmoid(L)`.

use super::recurrent::{check_runs, check_state};
use crate::calls::Runs;
use crate::device::RgLruCall;
use crate::ops::rms_norm::check_width;
use crate::{Error, Parameter, Result, Tape, Tensor};

const OPERATION: &str = "rg_lru";

impl Tape {
    /// The states of all rows, and those after the last row of each run in `f32`, which have no gradient; see [the module](self).
    /// `inputs` are `x`, `G` and `R`.
    ///
    /// # Errors
    /// As [`Tape::recurrent`].
    pub fn rg_lru(
        &self,
        inputs: [&Tensor; 3],
        decay: &Parameter,
        runs: &Runs,
        state: Option<&Tensor>,
    ) -> Result<[Tensor; 2]> {
        check(inputs, decay)?;
        let [x, ..] = inputs;
        check_runs(OPERATION, x, runs)?;
        check_state(OPERATION, state, runs, x.width())?;
        let all: Vec<&Tensor> = inputs.into_iter().chain(state).collect();
        let kernels = self.kernels_for(OPERATION, &all, &[decay])?;
        let layer = Layer {
            inputs: inputs.map(Tensor::clone),
            decay: decay.clone(),
            runs: runs.clone(),
            state: state.cloned(),
        };
        let (y, last) = kernels.rg_lru(layer.call());
        let last = self.untracked(OPERATION, &[], [runs.count(), x.width()].into(), last)?;
        let saved = y.clone();
        let y = self.record(OPERATION, &inputs, &[decay], x.shape().clone(), y, move |dy, gradients| {
            let slopes = gradients.kernels().rg_lru_backward(layer.call(), &saved, dy);
            layer.inputs.iter().zip(&slopes).for_each(|(input, slopes)| gradients.share(input, slopes));
            Ok(())
        })?;
        Ok([y, last])
    }
}

struct Layer {
    inputs: [Tensor; 3],
    decay: Parameter,
    runs: Runs,
    state: Option<Tensor>,
}

impl Layer {
    fn call(&self) -> RgLruCall<'_> {
        let inputs = self.inputs.each_ref().map(Tensor::storage);
        let state = self.state.as_ref().map(Tensor::storage);
        RgLruCall { runs: &self.runs, inputs, decay: &self.decay, state }
    }
}

fn check([x, input, recurrent]: [&Tensor; 3], decay: &Parameter) -> Result<()> {
    check_width(OPERATION, x, decay)?;
    for gate in [input, recurrent] {
        if gate.shape() != x.shape() || gate.dtype() != x.dtype() {
            let [shape, own] = [gate, x].map(|tensor| format!("{} in {:?}", tensor.shape(), tensor.dtype()));
            return Err(Error::shape(OPERATION, format!("x has shape {own}, a gate has shape {shape}")));
        }
    }
    Ok(())
}
