use std::fmt;
use std::sync::Arc;

use nuwa_models::Batch;
use nuwa_shards::Shards;
use nuwa_tensor::on_worker;

use crate::objectives::Objective;
use crate::steps::{Measured, Steps};
use crate::validation::{Validation, validate};
use crate::{Error, Loader, Result, Trainer};

/// The steps of pretraining: an objective on windows of text.
pub struct Pretraining {
    loader: Loader,
    objective: Arc<dyn Objective>,
    /// Sequences that go through the model at one time, and such passes a step.
    sizes: [usize; 2],
    held_out: Option<(Shards, u64)>,
    fingerprint: String,
}

impl Pretraining {
    /// On the windows of `loader`: so many sequences at one time, so many passes a step.
    pub fn new(loader: Loader, objective: Arc<dyn Objective>, sizes: [usize; 2]) -> Self {
        Self { loader, objective, sizes, held_out: None, fingerprint: String::new() }
    }

    /// Measured on at most so many tokens of `shards`.
    #[must_use]
    pub fn measured_on(self, shards: Option<Shards>, most_tokens: u64) -> Self {
        Self { held_out: shards.map(|shards| (shards, most_tokens)), ..self }
    }

    /// Told from others by this text.
    #[must_use]
    pub fn known_as(self, fingerprint: String) -> Self {
        Self { fingerprint, ..self }
    }

    /// How well the model predicts text, of which at most so many tokens are looked at.
    ///
    /// # Errors
    /// When the shards cannot be read or hold too few tokens.
    pub fn measure(&self, trainer: &mut Trainer, shards: &Shards, most_tokens: u64) -> Result<Validation> {
        let shape = [self.sizes[0], self.loader.context()];
        let objective = &*self.objective;
        on_worker(move || {
            validate(trainer.model(), trainer.inference_tape(), objective, shards, shape, most_tokens)
        })
    }

    /// The windows of pass `number`, counted over all steps.
    fn batch(&self, number: u64, vocabulary: usize) -> Result<Batch> {
        let [sequences, passes] = self.sizes;
        let windows = number * sequences as u64..(number + 1) * sequences as u64;
        let batch = self.objective.batch(&self.loader, windows, passes)?;
        let mut ids = batch.source.ids.iter().chain(&batch.targets.ids);
        match ids.find(|&&id| id as usize >= vocabulary) {
            Some(&id) => Err(Error::Vocabulary { id, vocabulary }),
            None => Ok(batch),
        }
    }
}

impl fmt::Debug for Pretraining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pretraining({:?}, {:?})", self.objective, self.sizes)
    }
}

impl Steps for Pretraining {
    fn tokens(&self, _step: u64) -> u64 {
        (self.sizes[0] * self.sizes[1] * self.loader.context()) as u64
    }

    fn step(&mut self, trainer: &mut Trainer, step: u64) -> Result<Measured> {
        let passes = self.sizes[1] as u64;
        let (mut loss, mut losses) = (0.0, Vec::new());
        for number in step * passes..(step + 1) * passes {
            let batch = self.batch(number, trainer.model().vocabulary())?;
            let part = trainer.pass(&batch, number)?;
            loss += part.total();
            losses.push(part);
        }
        let mut figures = self.objective.figures(&losses);
        if let Some(auxiliary) = losses.iter().filter_map(|part| part.auxiliary).reduce(|a, b| a + b) {
            figures.insert("router_loss".into(), f64::from(auxiliary));
        }
        Ok(Measured { loss: f64::from(loss), tokens: self.tokens(step), figures })
    }

    fn validate(&mut self, trainer: &mut Trainer) -> Result<Option<Measured>> {
        let Some((shards, most_tokens)) = &self.held_out else { return Ok(None) };
        let Validation { loss, bits_per_byte, mut figures, tokens, .. } =
            self.measure(trainer, shards, *most_tokens)?;
        figures.extend(bits_per_byte.map(|bits| ("bits_per_byte".to_string(), bits)));
        Ok(Some(Measured { loss, tokens, figures }))
    }

    fn repeats(&self, step: u64) -> bool {
        step * (self.sizes[0] * self.sizes[1]) as u64 >= self.loader.windows()
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }
}
