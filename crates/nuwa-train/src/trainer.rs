use nuwa_models::{Input, LanguageModel, Sequences};
use nuwa_nn::{AdamW, Schedule};
use nuwa_tensor::{HeadLoss, LossRows, Precision, Random, Tape, on_worker};

use crate::{Error, Loader, Result};

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepOutcome {
    /// Mean loss over all tokens of the step, in nats.
    pub loss: f32,
    /// Norm of all gradients before clipping.
    pub gradient_norm: f32,
    /// The learning rate that was used.
    pub learning_rate: f32,
}

/// Everything one training step needs.
pub struct Trainer {
    /// The model in training.
    pub model: Box<dyn LanguageModel>,
    /// The optimizer with its running means.
    pub optimizer: AdamW,
    /// The learning rate of each step.
    pub schedule: Schedule,
    /// Sequences that go through the model at one time.
    pub sequences: usize,
    /// Such passes a step.
    pub accumulation: usize,
    /// Where documents end, if attention is to stop there.
    pub end_of_text: Option<u32>,
    /// Where dropout comes from.
    pub random: Random,
    tape: Tape,
}

impl Trainer {
    /// A trainer at its first step.
    pub fn new(
        model: Box<dyn LanguageModel>,
        optimizer: AdamW,
        schedule: Schedule,
        [sequences, accumulation]: [usize; 2],
        end_of_text: Option<u32>,
        seed: u64,
        precision: Precision,
    ) -> Self {
        let random = Random::new(seed).named("dropout");
        Self {
            model,
            optimizer,
            schedule,
            sequences,
            accumulation,
            end_of_text,
            random,
            tape: Tape::training().with_precision(precision),
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
        let context = loader.context();
        let rows = self.sequences * context;
        let weights = vec![1.0 / (rows * self.accumulation) as f32; rows];
        let mut loss = 0.0;
        for pass in 0..self.accumulation {
            let number = step * self.accumulation as u64 + pass as u64;
            let (inputs, targets) = self.batch(loader, number)?;
            self.tape.set_random(self.random.stream(number));
            let part = self.pass(&inputs, LossRows { targets: &targets, weights: &weights }, context);
            loss += part.inspect_err(|_| self.tape.discard())?;
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
        Ok(StepOutcome { loss, gradient_norm, learning_rate })
    }

    /// Forward and backward of one pass; gives its part of the mean loss.
    fn pass(&self, inputs: &[u32], rows: LossRows<'_>, context: usize) -> Result<f32> {
        let sequences = sequences(inputs, self.sequences, context, self.end_of_text);
        let hidden = self.model.hidden(&self.tape, inputs, Input::Sequences(&sequences))?;
        let loss = HeadLoss::new(&hidden, self.model.head(), rows);
        Ok(self.tape.backward_losses(&[loss])?.iter().map(|loss| loss.total).sum())
    }

    fn batch(&self, loader: &Loader, number: u64) -> Result<(Vec<u32>, Vec<u32>)> {
        let context = loader.context();
        let mut window = vec![0; context + 1];
        let (mut inputs, mut targets) = (Vec::new(), Vec::new());
        for sequence in 0..self.sequences as u64 {
            loader.read(number * self.sequences as u64 + sequence, &mut window)?;
            self.check(&window)?;
            inputs.extend_from_slice(&window[..context]);
            targets.extend_from_slice(&window[1..]);
        }
        Ok((inputs, targets))
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

/// Windows of tokens with causal attention, within documents where `end_of_text` is given. The end-of-text token
/// is the first position of what follows it, as it is in generation.
pub(crate) fn sequences(ids: &[u32], count: usize, length: usize, end_of_text: Option<u32>) -> Sequences {
    let sequences = Sequences::causal(count, length);
    let Some(end_of_text) = end_of_text else { return sequences };
    let mut starts = Vec::with_capacity(ids.len());
    for sequence in ids.chunks_exact(length) {
        let mut start = 0;
        starts.extend(sequence.iter().zip(0..).map(|(&id, position)| {
            if id == end_of_text {
                start = position;
            }
            start
        }));
    }
    sequences.within_documents(&starts)
}
