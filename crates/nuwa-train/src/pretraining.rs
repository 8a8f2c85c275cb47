use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use nuwa_models::Batch;
use nuwa_shards::Shards;
use nuwa_tensor::on_worker;

use crate::inside::{self, GradientNoise};
use crate::objectives::Objective;
use crate::steps::{Figures, Measured, Steps};
use crate::validation::{Validation, validate};
use crate::{Error, Loader, Result, Trainer};

/// The share of a batch that a growing one begins with.
const FIRST_SHARE: f64 = 0.25;

/// Most parts that a step is taken in to see how much their gradients differ.
const NOISE_PARTS: u64 = 8;

/// The number of the pass that sizes by block are told of, and of those that tell the noise: dropout of their own.
const ASIDE: u64 = 1 << 63;

/// The steps of pretraining: an objective on windows of text.
pub struct Pretraining {
    loader: Loader,
    objective: Arc<dyn Objective>,
    /// Sequences that go through the model at one time, and such passes a step.
    sizes: [usize; 2],
    /// Of the first steps, while the batch grows: windows and passes before them, and their sizes.
    growing: Vec<StepSizes>,
    /// Whether lines of metrics tell what happens within the model.
    tells: bool,
    held_out: Option<(Shards, u64)>,
    fingerprint: String,
}

/// What a step is made of.
#[derive(Debug, Clone, Copy)]
struct StepSizes {
    /// Windows and passes of all steps before.
    before: [u64; 2],
    /// Sequences a pass, and passes.
    sizes: [usize; 2],
}

impl StepSizes {
    fn next(self, sizes: [usize; 2]) -> Self {
        let Self { before: [windows, passes], sizes: own } = self;
        Self { before: [windows + (own[0] * own[1]) as u64, passes + own[1] as u64], sizes }
    }
}

impl Pretraining {
    /// On the windows of `loader`: so many sequences at one time, so many passes a step.
    pub fn new(loader: Loader, objective: Arc<dyn Objective>, sizes: [usize; 2]) -> Self {
        Self {
            loader,
            objective,
            sizes,
            growing: Vec::new(),
            tells: false,
            held_out: None,
            fingerprint: String::new(),
        }
    }

    /// With a batch that grows evenly over the first `steps`, from a quarter of it.
    #[must_use]
    pub fn growing_over(self, steps: u64) -> Self {
        let mut growing: Vec<StepSizes> = Vec::new();
        for step in 0..steps {
            let sizes = growing_sizes(self.sizes, step as f64 / steps as f64);
            let first = StepSizes { before: [0; 2], sizes };
            growing.push(growing.last().map_or(first, |last| last.next(sizes)));
        }
        Self { growing, ..self }
    }

    /// Telling of some steps the sizes of activations, gradients and weights by block, and the noise of gradients: a few passes more, the
    /// same weights.
    #[must_use]
    pub fn telling(self) -> Self {
        Self { tells: true, ..self }
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

    /// What step `step` is made of.
    fn of_step(&self, step: u64) -> StepSizes {
        if let Some(growing) = self.growing.get(step as usize) {
            return *growing;
        }
        let [windows, passes] = self.growing.last().map_or([0; 2], |last| last.next(self.sizes).before);
        let after = step - self.growing.len() as u64;
        let each = self.sizes.map(|size| size as u64);
        let before = [windows + after * each[0] * each[1], passes + after * each[1]];
        StepSizes { before, sizes: self.sizes }
    }

    /// These windows, whose step has so many passes.
    fn batch(&self, windows: Range<u64>, passes: usize, vocabulary: usize) -> Result<Batch> {
        let batch = self.objective.batch(&self.loader, windows, passes)?;
        let mut ids = batch.source.ids.iter().chain(&batch.targets.ids);
        match ids.find(|&&id| id as usize >= vocabulary) {
            Some(&id) => Err(Error::Vocabulary { id, vocabulary }),
            None => Ok(batch),
        }
    }

    /// How much the gradients of parts of step `step` differ at the present weights; none where a step is one sequence.
    ///
    /// # Errors
    /// As [`Steps::step`].
    pub fn gradient_noise(&self, trainer: &mut Trainer, step: u64) -> Result<Option<GradientNoise>> {
        let StepSizes { before: [first, _], sizes } = self.of_step(step);
        let sequences = (sizes[0] * sizes[1]) as u64;
        let parts = sequences.min(NOISE_PARTS);
        if parts < 2 {
            return Ok(None);
        }
        let each = sequences / parts;
        let vocabulary = trainer.model().vocabulary();
        let windows = (0..parts).map(|part| first + part * each..first + (part + 1) * each);
        let batches: Vec<Batch> =
            windows.map(|windows| self.batch(windows, 1, vocabulary)).collect::<Result<_>>()?;
        let tokens = each * self.loader.context() as u64;
        trainer.gradient_noise(&batches, tokens, ASIDE + step).map(Some)
    }

    /// What is told of a step beside its loss, before it is done.
    fn look_inside(&self, trainer: &mut Trainer, step: u64) -> Result<Figures> {
        let mut figures = Figures::new();
        if self.tells && inside::looks_inside_at(step) {
            let StepSizes { before: [first, _], sizes } = self.of_step(step);
            let batch = self.batch(first..first + sizes[0] as u64, 1, trainer.model().vocabulary())?;
            figures.extend(trainer.look_inside(&batch, ASIDE + step)?.figures());
        }
        if self.tells && inside::measures_noise_at(step) {
            figures
                .extend(self.gradient_noise(trainer, step)?.map(GradientNoise::figures).unwrap_or_default());
        }
        Ok(figures)
    }
}

/// The sizes of a step at this share of the way to the whole batch.
fn growing_sizes([at_once, passes]: [usize; 2], way: f64) -> [usize; 2] {
    let share = FIRST_SHARE + (1.0 - FIRST_SHARE) * way;
    let sequences = ((at_once * passes) as f64 * share).round().max(1.0) as usize;
    let passes = sequences.div_ceil(at_once);
    [sequences.div_ceil(passes), passes]
}

/// The tokens of a run by those of as many steps with the whole batch, where the batch grows over this share of the steps.
pub(crate) fn share_of_tokens(growing: f64) -> f64 {
    1.0 - growing * (1.0 - FIRST_SHARE) / 2.0
}

impl fmt::Debug for Pretraining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pretraining({:?}, {:?})", self.objective, self.sizes)
    }
}

impl Steps for Pretraining {
    fn tokens(&self, step: u64) -> u64 {
        let [at_once, passes] = self.of_step(step).sizes;
        (at_once * passes * self.loader.context()) as u64
    }

    fn step(&mut self, trainer: &mut Trainer, step: u64) -> Result<Measured> {
        let inside = self.look_inside(trainer, step)?;
        let StepSizes { before: [first, passes_before], sizes: [at_once, passes] } = self.of_step(step);
        let (mut loss, mut losses) = (0.0, Vec::new());
        for pass in 0..passes as u64 {
            let start = first + pass * at_once as u64;
            let batch = self.batch(start..start + at_once as u64, passes, trainer.model().vocabulary())?;
            let part = trainer.pass(&batch, passes_before + pass)?;
            loss += part.total();
            losses.push(part);
        }
        let mut figures = self.objective.figures(&losses);
        figures.extend(inside);
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
        self.of_step(step).before[0] >= self.loader.windows()
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_growing_batch_goes_from_a_quarter_to_the_whole() {
        let sizes: Vec<usize> = (0..=8)
            .map(|step| growing_sizes([4, 4], f64::from(step) / 8.0))
            .map(|[at_once, passes]| at_once * passes)
            .collect();
        assert_eq!((sizes[0], sizes[8]), (4, 16));
        assert!(sizes.is_sorted(), "{sizes:?}");
        let share = sizes[..8].iter().sum::<usize>() as f64 / (8.0 * 16.0);
        assert!((share - share_of_tokens(1.0)).abs() < 0.1, "{share}");
        assert_eq!(growing_sizes([1, 1], 0.0), [1, 1]);
    }
}
