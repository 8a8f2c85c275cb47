use nuwa_tensor::ops::activation::Activation;
use nuwa_tensor::{Parameter, Result, Tensor};

use crate::{Carried, Context, Initialisation, Linear, Scope, residual};

/// The sizes of a [`RecurrentBlock`].
#[derive(Debug, Clone, Copy)]
pub struct RecurrentBlockSizes {
    /// Of the rows that go in and come out.
    pub width: usize,
    /// Of the recurrence.
    pub inner: usize,
    /// Groups of features that the gates are of; they divide `inner`.
    pub groups: usize,
    /// Rows that the convolution sees, its own among them.
    pub taps: usize,
}

/// Griffin's recurrent block (De et al. 2024): `output(rg_lru(conv(input(x))) * gelu(gate(x)))`.
#[derive(Debug, Clone)]
pub struct RecurrentBlock {
    gate: Linear,
    input: Linear,
    /// The taps and their bias.
    conv: [Parameter; 2],
    /// The matrices and biases of the gate of the input and that of the recurrence.
    gates: [[Parameter; 2]; 2],
    decay: Parameter,
    output: Linear,
    inner: usize,
}

impl RecurrentBlock {
    /// With a bias in each layer; `weights` are those of `gate` and `input`, of the taps, of the gates, and of `output`. The decay
    /// begins so that `a^(1/8)`, its gate fully open, lies in `[0.9, 0.999]`.
    pub fn new(mut scope: Scope<'_>, sizes: RecurrentBlockSizes, weights: [Initialisation; 4]) -> Self {
        let RecurrentBlockSizes { width, inner, groups, taps } = sizes;
        let [into, of_taps, of_gates, out] = weights;
        let size = inner / groups;
        let mut affine = |name: &str, axes: [usize; 3], weights| {
            let mut scope = scope.child(name);
            let weight = scope.parameter("weight", axes, weights);
            [weight, scope.parameter("bias", [inner], Initialisation::Zeros)]
        };
        let conv = affine("conv", [inner, 1, taps], of_taps);
        let gates = ["input_gate", "recurrent_gate"].map(|name| affine(name, [groups, size, size], of_gates));
        Self {
            gate: Linear::new(scope.child("gate"), width, inner, true, into),
            input: Linear::new(scope.child("input"), width, inner, true, into),
            conv,
            gates,
            decay: scope.parameter("decay", [inner], Initialisation::Decays { least: 0.9, most: 0.999 }),
            output: Linear::new(scope.child("output"), inner, width, true, out),
            inner,
        }
    }

    /// `x + dropout(block(rows))`.
    ///
    /// # Errors
    /// When shapes do not fit, or a state is that of another model.
    pub fn forward(
        &self,
        context: &Context<'_>,
        x: &Tensor,
        rows: &Tensor,
        carried: &mut Carried<'_>,
    ) -> Result<Tensor> {
        let (tape, [taps, bias]) = (context.tape, &self.conv);
        let gate = self.gate.forward_activation(tape, rows, Activation::GeluTanh)?;
        let inner = self.input.forward(tape, rows)?;
        let kept = (taps.width() - 1) * self.inner;
        let inner = carried
            .through(tape, [0, kept], |runs, state| tape.causal_conv(&inner, [taps, bias], runs, state))?;
        let [input, recurrent] =
            self.gates.each_ref().map(|[weight, bias]| tape.block_linear(&inner, [weight, bias]));
        let (input, recurrent) = (input?, recurrent?);
        let states = carried.through(tape, [1, self.inner], |runs, state| {
            tape.rg_lru([&inner, &input, &recurrent], &self.decay, runs, state)
        })?;
        residual(context, x, &tape.multiply(&states, &gate)?, &self.output)
    }
}
