use nuwa_tensor::{Result, Tape, Tensor};

/// What a forward pass runs with, whatever the model.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Where operations run and are recorded.
    pub tape: &'a Tape,
    /// The share of activations dropped while recording, on embeddings and residual branches.
    pub dropout: f32,
    /// Whether recording keeps only the input of each block and computes the rest again in the backward pass: less memory,
    /// one more forward pass, the same bits.
    pub recompute: bool,
    /// The share of each target token that a loss spreads over the whole vocabulary, in `[0, 1)`: label smoothing (Szegedy et al.
    /// 2016).
    pub label_smoothing: f32,
}

impl<'a> Context<'a> {
    /// Without dropout and label smoothing, keeping what the backward pass needs.
    pub fn new(tape: &'a Tape) -> Self {
        Self { tape, dropout: 0.0, recompute: false, label_smoothing: 0.0 }
    }

    /// The same with this share of activations dropped.
    #[must_use]
    pub fn with_dropout(self, dropout: f32) -> Self {
        Self { dropout, ..self }
    }

    /// The same with or without computing again.
    #[must_use]
    pub fn with_recompute(self, recompute: bool) -> Self {
        Self { recompute, ..self }
    }

    /// The same with this share of target tokens spread over the vocabulary.
    #[must_use]
    pub fn with_label_smoothing(self, label_smoothing: f32) -> Self {
        Self { label_smoothing, ..self }
    }

    /// `x` with dropout.
    ///
    /// # Errors
    /// When `x` belongs to an earlier pass.
    pub fn dropout(&self, x: &Tensor) -> Result<Tensor> {
        self.tape.dropout(x, self.dropout)
    }
}
