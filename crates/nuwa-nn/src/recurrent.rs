use nuwa_tensor::{Parameter, RecurrentCell, Result, Tensor};

use crate::{Carried, Context, Initialisation, Linear, Scope};

/// A recurrent layer in PyTorch's form: long short-term memory (Hochreiter and Schmidhuber 1997) or the gated recurrent unit (Cho et
/// al. 2014), with two biases.
#[derive(Debug, Clone)]
pub struct Recurrent {
    cell: RecurrentCell,
    /// `W_ih` and `b_ih`.
    input: Linear,
    /// `W_hh` and `b_hh`.
    hidden: [Parameter; 2],
}

impl Recurrent {
    /// From rows of `input` to rows of `width`; parameters `input` `[gates width, input]` and `hidden` `[gates width, width]`, each
    /// with its bias. Matrices begin uniform within `1 / sqrt(width)`, as PyTorch's do; biases at 0, but for that of the forget
    /// gate of the LSTM, which is 1, so that it remembers at first (Jozefowicz et al. 2015).
    pub fn new(mut scope: Scope<'_>, cell: RecurrentCell, [input, width]: [usize; 2]) -> Self {
        let (rows, weights) = (cell.gates() * width, Initialisation::Uniform((width as f32).powf(-0.5)));
        let remembers = match cell {
            RecurrentCell::Lstm => Initialisation::OnesWithin { first: width, end: 2 * width },
            RecurrentCell::Gru => Initialisation::Zeros,
        };
        let input = Linear::with_bias(scope.child("input"), [input, rows], weights, remembers);
        let mut hidden = scope.child("hidden");
        let hidden = [
            hidden.parameter("weight", [rows, width], weights),
            hidden.parameter("bias", [rows], Initialisation::Zeros),
        ];
        Self { cell, input, hidden }
    }

    /// The outputs of all rows, `[rows, width]`.
    ///
    /// # Errors
    /// When shapes do not fit, or a state is that of another model.
    pub fn forward(&self, context: &Context<'_>, rows: &Tensor, carried: &mut Carried<'_>) -> Result<Tensor> {
        let (tape, [weight, bias]) = (context.tape, &self.hidden);
        let gates = self.input.forward(tape, rows)?;
        let state = self.cell.states() * weight.width();
        carried.through(tape, [0, state], |runs, state| {
            tape.recurrent(self.cell, &gates, [weight, bias], runs, state)
        })
    }
}
