use std::sync::Arc;

use nuwa_models::{Batch, Losses, Model, backward};
use nuwa_nn::{AdamW, Context, Schedule};
use nuwa_tensor::{Precision, Random, Tape, on_worker};

use crate::objectives::{Figures, Objective};
use crate::{Error, Loader, Result};

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepOutcome {
    /// Mean loss over all tokens of the step, in nats.
    pub loss: f32,
    /// What the objective tells besides.
    pub figures: Option<Figures>,
    /// Norm of all gradients before clipping.
    pub gradient_norm: f32,
    /// The learning rate that was used.
    pub learning_rate: f32,
}

/// Everything one training step needs.
pub struct Trainer {
    /// The model in training.
    pub model: Box<dyn Model>,
    /// What it is trained to do.
    pub objective: Arc<dyn Objective>,
    /// The optimizer with its running means.
    pub optimizer: AdamW,
    /// The learning rate of each step.
    pub schedule: Schedule,
    /// Sequences that go through the model at one time.
    pub sequences: usize,
    /// Such passes a step.
    pub accumulation: usize,
    /// The share of activations dropped.
    pub dropout: f32,
    /// Whether the inside of blocks is computed again in the backward pass.
    pub recompute: bool,
    /// Where dropout comes from.
    pub random: Random,
    tape: Tape,
}

impl Trainer {
    /// A trainer at its first step, without dropout, that keeps what the backward pass needs.
    pub fn new(
        model: Box<dyn Model>,
        objective: Arc<dyn Objective>,
        optimizer: AdamW,
        schedule: Schedule,
        [sequences, accumulation]: [usize; 2],
        seed: u64,
        precision: Precision,
    ) -> Self {
        let random = Random::new(seed).named("dropout");
        let tape = Tape::training().with_precision(precision);
        let (dropout, recompute) = (0.0, false);
        Self {
            model,
            objective,
            optimizer,
            schedule,
            sequences,
            accumulation,
            dropout,
            recompute,
            random,
            tape,
        }
    }

    /// Does step `step` (counted from 0) with the samples that belong to it. Accumulated passes weigh each token alike,
    /// so `sequences * accumulation` alone decides the gradient.
    ///
    /// # Errors
    /// When the loss or the gradient is not finite: the weights then are those of before the step.
    pub fn step(&mut self, loader: &Loader, step: u64) -> Result<StepOutcome> {
        on_worker(|| self.step_here(loader, step))
    }

    fn step_here(&mut self, loader: &Loader, step: u64) -> Result<StepOutcome> {
        let (mut loss, mut losses) = (0.0, Vec::new());
        for pass in 0..self.accumulation {
            let number = step * self.accumulation as u64 + pass as u64;
            let batch = self.batch(loader, number)?;
            self.tape.set_random(self.random.stream(number));
            let part = self.pass(&batch).inspect_err(|_| self.tape.discard())?;
            loss += part.total();
            losses.push(part);
            if !loss.is_finite() {
                self.tape.discard();
                self.model.parameters().clear_gradients();
                return Err(Error::Diverged { step, what: "loss", value: loss });
            }
        }
        let learning_rate = self.schedule.rate(step);
        let gradient_norm = self.optimizer.step(self.model.parameters(), learning_rate);
        if !gradient_norm.is_finite() {
            return Err(Error::Diverged { step, what: "gradient norm", value: gradient_norm });
        }
        let figures = self.objective.figures(&losses);
        Ok(StepOutcome { loss, figures, gradient_norm, learning_rate })
    }

    /// Forward and backward of one pass; gives its part of the mean losses.
    fn pass(&self, batch: &Batch) -> Result<Losses> {
        let context = Context::new(&self.tape).with_dropout(self.dropout).with_recompute(self.recompute);
        Ok(backward(&*self.model, &context, batch)?)
    }

    fn batch(&self, loader: &Loader, number: u64) -> Result<Batch> {
        let sequences = self.sequences as u64;
        let texts = number * sequences..(number + 1) * sequences;
        let batch = self.objective.batch(loader, texts, self.accumulation)?;
        self.check(&batch.source.ids)?;
        self.check(&batch.targets.ids)?;
        Ok(batch)
    }

    fn check(&self, ids: &[u32]) -> Result<()> {
        let vocabulary = self.model.vocabulary();
        match ids.iter().find(|&&id| id as usize >= vocabulary) {
            Some(&id) => Err(Error::Vocabulary { id, vocabulary }),
            None => Ok(()),
        }
    }

    /// A tape for validation and samples that shares the memory of training.
    pub fn silent_tape(&self) -> Tape {
        self.tape.for_inference()
    }

    /// The most memory that tensors used, or kept for the next ones, at one time, in bytes.
    pub fn held_bytes(&self) -> usize {
        self.tape.held_bytes()
    }
}
