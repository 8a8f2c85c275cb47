use std::cell::RefCell;

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
    /// Takes note of what a decoder attends to in its source.
    pub source_weights: Option<&'a SourceWeights>,
}

/// What the last layer that attended to a source gave each of its rows: the mean of the weights over heads.
#[derive(Debug, Default)]
pub struct SourceWeights {
    rows: RefCell<Vec<Vec<f32>>>,
}

impl SourceWeights {
    /// Of each row of the decoder, the weight of each row of the source; they add up to 1.
    pub fn rows(self) -> Vec<Vec<f32>> {
        self.rows.into_inner()
    }

    /// Takes note of a layer, in place of the one before it.
    pub(crate) fn note(&self, rows: Vec<Vec<f32>>) {
        *self.rows.borrow_mut() = rows;
    }
}

impl<'a> Context<'a> {
    /// Without dropout and label smoothing, keeping what the backward pass needs.
    pub fn new(tape: &'a Tape) -> Self {
        Self { tape, dropout: 0.0, recompute: false, label_smoothing: 0.0, source_weights: None }
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

    /// The same, where `weights` take note of what a decoder attends to in its source, of whole answers.
    #[must_use]
    pub fn with_source_weights(self, weights: &'a SourceWeights) -> Self {
        Self { source_weights: Some(weights), ..self }
    }

    /// `x` with dropout.
    ///
    /// # Errors
    /// When `x` belongs to an earlier pass.
    pub fn dropout(&self, x: &Tensor) -> Result<Tensor> {
        self.tape.dropout(x, self.dropout)
    }
}
