/// Which recurrent cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecurrentCell {
    /// Long short-term memory; its gates are input, forget, cell, output, its state is the output and the cell.
    Lstm,
    /// The gated recurrent unit; its gates are reset, update, new, its state is the output.
    Gru,
}

impl RecurrentCell {
    /// The number of gates, each as wide as the output.
    pub fn gates(self) -> usize {
        match self {
            Self::Lstm => 4,
            Self::Gru => 3,
        }
    }

    /// How many vectors as wide as the output its state is.
    pub fn states(self) -> usize {
        match self {
            Self::Lstm => 2,
            Self::Gru => 1,
        }
    }
}
