use std::sync::{Mutex, PoisonError};

use nuwa_tensor::{Result, Tape, Tensor};

/// What a forward pass runs with, whatever the model.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Where operations run and are recorded.
    pub tape: &'a Tape,
    /// The share of activations dropped while recording, on embeddings and residual branches.
    pub dropout: f32,
    /// What else is dropped, and where a share differs.
    pub dropouts: Dropouts,
    /// Whether recording keeps only the input of each block and computes the rest again in the backward pass: less memory,
    /// one more forward pass, the same bits.
    pub recompute: bool,
    /// The share of each target token that a loss spreads over the whole vocabulary, in `[0, 1)`: label smoothing (Szegedy et al.
    /// 2016).
    pub label_smoothing: f32,
    /// The coefficient of the z-loss of tokens (Chowdhery et al., "PaLM", 2022).
    pub z_loss: f32,
    /// Who is told what blocks give.
    pub probe: Option<&'a Probe>,
}

/// What is dropped while recording beside residual branches, and shares of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Dropouts {
    /// The share of embeddings; that of residual branches where none is said.
    pub embedding: Option<f32>,
    /// The share of the weights of attention; where none is said that of residual branches in families that are published with it, and
    /// 0 in others.
    pub attention: Option<f32>,
    /// The probability with which the last block is skipped, earlier ones in proportion to their place (stochastic depth: Huang et al.
    /// 2016). What is kept is not scaled (Fan et al., "LayerDrop", 2020), so that the model is the same with all of its blocks.
    pub blocks: f32,
}

/// Writes down the size of what each block gives: the root mean square of its numbers.
#[derive(Debug, Default)]
pub struct Probe {
    sizes: Mutex<Vec<f32>>,
}

impl Probe {
    /// Takes down what a block has given.
    pub fn look(&self, x: &Tensor) {
        let values = x.to_host();
        let squares: f64 = values.iter().map(|value| f64::from(*value).powi(2)).sum();
        let size = (squares / values.len().max(1) as f64).sqrt() as f32;
        self.sizes.lock().unwrap_or_else(PoisonError::into_inner).push(size);
    }

    /// The sizes of all blocks, in the order in which they ran.
    pub fn sizes(self) -> Vec<f32> {
        self.sizes.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Context<'a> {
    /// Without dropout, label smoothing and z-loss, keeping what the backward pass needs.
    pub fn new(tape: &'a Tape) -> Self {
        let dropouts = Dropouts { embedding: None, attention: None, blocks: 0.0 };
        Self {
            tape,
            dropout: 0.0,
            dropouts,
            recompute: false,
            label_smoothing: 0.0,
            z_loss: 0.0,
            probe: None,
        }
    }

    /// The same with this share of activations dropped.
    #[must_use]
    pub fn with_dropout(self, dropout: f32) -> Self {
        Self { dropout, ..self }
    }

    /// The same with these shares beside it.
    #[must_use]
    pub fn with_dropouts(self, dropouts: Dropouts) -> Self {
        Self { dropouts, ..self }
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

    /// The same with a z-loss that counts so much.
    #[must_use]
    pub fn with_z_loss(self, z_loss: f32) -> Self {
        Self { z_loss, ..self }
    }

    /// The same, and `probe` is told what blocks give.
    #[must_use]
    pub fn with_probe(self, probe: Option<&'a Probe>) -> Self {
        Self { probe, ..self }
    }

    /// `x` with dropout.
    ///
    /// # Errors
    /// When `x` belongs to an earlier pass.
    pub fn dropout(&self, x: &Tensor) -> Result<Tensor> {
        self.tape.dropout(x, self.dropout)
    }

    /// The rows of an embedding with dropout.
    ///
    /// # Errors
    /// As [`Context::dropout`].
    pub fn embedding_dropout(&self, x: &Tensor) -> Result<Tensor> {
        self.tape.dropout(x, self.dropouts.embedding.unwrap_or(self.dropout))
    }

    /// The share of the weights of attention that is dropped, in a layer that is published with such dropout or without.
    pub fn attention_dropout(&self, is_published: bool) -> f32 {
        let usual = if is_published { self.dropout } else { 0.0 };
        self.dropouts.attention.unwrap_or(usual)
    }

    /// Whether this pass skips block `index` of `count`.
    pub(crate) fn skips(&self, index: usize, count: usize) -> bool {
        let probability = f64::from(self.dropouts.blocks) * (index + 1) as f64 / count.max(1) as f64;
        probability > 0.0 && self.tape.is_recording() && self.tape.draw() < probability
    }
}
