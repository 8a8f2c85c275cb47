use std::fmt;
use std::sync::Arc;

use nuwa_models::{
    Batch, Losses, Model, Text, backward, backward_objective, backward_scores, losses, scores,
};
use nuwa_nn::{Context, Dropouts, Optimizer, OptimizerSettings, Probe, Schedule, ScheduleKind};
use nuwa_tensor::ops::batch_norm::MOMENTUM;
use nuwa_tensor::{BatchStatistics, OptimizerState, Parameters, Precision, Random, Tape, on_worker};

use crate::inside::{GradientNoise, LayerSizes};
use crate::steps::{Measured, Steps};
use crate::sum::PassSum;
use crate::{Error, Result};

/// Weights of their own that stand for those of a model in training: adapters.
pub trait Adapters: fmt::Debug + Send + Sync {
    /// What the optimizer changes.
    fn parameters(&self) -> &Parameters;

    /// Turns the gradient of the model's weights, which is cleared, into that of these.
    fn take_gradient(&self, model: &Parameters);

    /// Makes the model's weights what these say.
    fn apply(&self);

    /// Makes the model's weights what they were without these, until [`Adapters::apply`] is called.
    fn lift(&self);
}

/// What one step did.
#[derive(Debug, Clone, PartialEq)]
pub struct StepOutcome {
    /// The loss over all tokens of the step, and other figures.
    pub measured: Measured,
    /// Norm of all gradients before clipping.
    pub gradient_norm: f32,
    /// The learning rate that was used.
    pub learning_rate: f32,
}

/// How a trainer is set up, whatever it is trained towards.
#[derive(Debug, Clone, Default)]
pub struct TrainerSettings {
    /// The optimizer.
    pub optimizer: OptimizerSettings,
    /// What activations and operands of products are kept in.
    pub precision: Precision,
    /// The share of activations dropped, on embeddings and residual branches.
    pub dropout: f32,
    /// What else is dropped, and where a share differs.
    pub dropouts: Dropouts,
    /// The share of each target token that is spread over the whole vocabulary in the loss that is minimised.
    pub label_smoothing: f32,
    /// The coefficient of the z-loss that is added to the loss that is minimised.
    pub z_loss: f32,
    /// What the learning rate of each parameter is multiplied by, in the order of declaration; empty where all are trained at one rate.
    pub rates: Vec<f32>,
    /// Whether only the input of each block is kept and the rest computed again in backward: less memory, one more forward
    /// pass, the same bits.
    pub recompute: bool,
    /// Whether batch norms, where the model has any, normalise by the statistics of each pass, and their running ones follow those of
    /// each step. Else both stay as they are, as it has to be where a model is compared with what it was, or is to be read alone.
    pub batch_statistics: bool,
    /// Decides what dropout drops.
    pub seed: u64,
}

/// A model in training: passes add up to a gradient, an update uses it up.
pub struct Trainer {
    model: Box<dyn Model>,
    adapters: Option<Arc<dyn Adapters>>,
    optimizer: Optimizer,
    settings: TrainerSettings,
    schedule: Schedule,
    sum: PassSum,
    statistics: Arc<BatchStatistics>,
    tape: Tape,
    inference: Tape,
    random: Random,
    label_smoothing: f32,
}

impl Trainer {
    /// Trains all weights of `model`, or adapters on it. Without a [schedule](Trainer::set_schedule) nothing changes.
    pub fn new(
        model: Box<dyn Model>,
        adapters: Option<Arc<dyn Adapters>>,
        settings: TrainerSettings,
    ) -> Self {
        let parameters = adapters.as_ref().map_or(model.parameters(), |adapters| adapters.parameters());
        let optimizer = Optimizer::new(parameters, &settings.optimizer).with_rates(settings.rates.clone());
        let statistics = Arc::new(BatchStatistics::default());
        let tape = Tape::training().with_precision(settings.precision);
        let tape = if settings.batch_statistics { tape.with_batch_statistics(&statistics) } else { tape };
        Self {
            model,
            adapters,
            optimizer,
            schedule: Schedule::new(ScheduleKind::Cosine, 0.0, 1),
            sum: PassSum::default(),
            statistics,
            inference: tape.for_inference(),
            tape,
            random: Random::new(settings.seed).named("dropout"),
            label_smoothing: settings.label_smoothing,
            settings,
        }
    }

    /// The model as it is now.
    pub fn model(&self) -> &dyn Model {
        self.model.as_ref()
    }

    /// The model alone.
    pub fn into_model(self) -> Box<dyn Model> {
        self.model
    }

    /// Sets the learning rate of each step.
    pub fn set_schedule(&mut self, schedule: Schedule) {
        self.schedule = schedule;
    }

    /// Spreads this share of each target token over the whole vocabulary in the loss that is minimised; what is measured without
    /// learning stays the negative log-likelihood.
    pub fn set_label_smoothing(&mut self, share: f32) {
        self.label_smoothing = share;
    }

    /// What the optimizer changes.
    pub fn parameters(&self) -> &Parameters {
        self.adapters.as_ref().map_or(self.model.parameters(), |adapters| adapters.parameters())
    }

    /// The optimizer.
    pub fn optimizer(&self) -> &Optimizer {
        &self.optimizer
    }

    /// Goes on with an optimizer's state from a checkpoint, whose weights are in [`Trainer::parameters`] already.
    pub fn resume(&mut self, state: OptimizerState) {
        self.optimizer =
            Optimizer::resume(&self.settings.optimizer, state).with_rates(self.settings.rates.clone());
        if let Some(adapters) = &self.adapters {
            adapters.apply();
        }
    }

    /// A tape for validation and samples that shares the memory of training.
    pub fn inference_tape(&self) -> &Tape {
        &self.inference
    }

    /// The most memory that tensors used, or kept for the next ones, at one time, in bytes.
    pub fn held_bytes(&self) -> usize {
        self.tape.held_bytes()
    }

    /// Does step `step` (counted from 0) of `source`.
    ///
    /// # Errors
    /// When its data cannot be read, or the loss or the gradient is not finite: the weights then are those of before the step.
    pub fn step(&mut self, source: &mut dyn Steps, step: u64) -> Result<StepOutcome> {
        self.step_of(step, |trainer| source.step(trainer, step))
    }

    /// As [`Trainer::step`], of the passes that `passes` does.
    ///
    /// # Errors
    /// As there.
    pub fn step_of(
        &mut self,
        step: u64,
        passes: impl FnOnce(&mut Self) -> Result<Measured> + Send,
    ) -> Result<StepOutcome> {
        on_worker(|| {
            let measured = match passes(self) {
                Ok(measured) => measured,
                Err(error) => {
                    self.forget();
                    return Err(error);
                }
            };
            if !measured.loss.is_finite() {
                self.forget();
                return Err(Error::Diverged { step, what: "loss", value: measured.loss as f32 });
            }
            let (gradient_norm, learning_rate) = self.update(step);
            if !gradient_norm.is_finite() {
                return Err(Error::Diverged { step, what: "gradient norm", value: gradient_norm });
            }
            Ok(StepOutcome { measured, gradient_norm, learning_rate })
        })
    }

    /// The negative log-likelihood of each target of `batch`, in nats; nothing is learnt.
    ///
    /// # Errors
    /// When an id is outside of the vocabulary, or a position beyond the context.
    pub fn losses(&mut self, batch: &Batch) -> Result<Vec<f32>> {
        Ok(self.measure(batch)?.tokens.rows)
    }

    /// The losses of `batch`, and where the right token was the likeliest; nothing is learnt.
    ///
    /// # Errors
    /// As [`Trainer::losses`].
    pub fn measure(&mut self, batch: &Batch) -> Result<Losses> {
        on_worker(move || Ok(losses(self.model(), &Context::new(&self.inference), batch)?))
    }

    /// As [`Trainer::losses`] of the model without its adapters: what it was before the first step. None where there are none, so
    /// that its weights are those that are trained.
    ///
    /// # Errors
    /// As there.
    pub fn losses_without_adapters(&mut self, batch: &Batch) -> Result<Option<Vec<f32>>> {
        let Some(adapters) = self.adapters.clone() else { return Ok(None) };
        adapters.lift();
        let losses = self.losses(batch);
        adapters.apply();
        losses.map(Some)
    }

    /// The numbers that a model with a head for them ([`Scored`](nuwa_models::Scored)) gives for rows of `text`; nothing is learnt.
    ///
    /// # Errors
    /// When it has none, an id is outside of the vocabulary, or a position beyond the context.
    pub fn scores(&mut self, text: &Text, rows: &[u32]) -> Result<Vec<f32>> {
        on_worker(move || Ok(scores(self.model(), &Context::new(&self.inference), text, rows)?))
    }

    /// Adds the gradient of what `weigh` makes of these numbers, and gives its value; `number` decides what dropout drops.
    ///
    /// # Errors
    /// As [`Trainer::scores`].
    pub fn score_pass(
        &mut self,
        (text, rows): (&Text, &[u32]),
        number: u64,
        weigh: impl FnOnce(&[f32]) -> nuwa_tensor::Objective + Send,
    ) -> Result<f32> {
        on_worker(move || {
            self.begin(number);
            Ok(backward_scores(self.model(), &self.context(), text, rows, weigh)?)
        })
    }

    /// Adds the gradient of the losses of `batch`, and gives these; `number` decides what dropout drops.
    ///
    /// # Errors
    /// As [`Trainer::losses`].
    pub fn pass(&mut self, batch: &Batch, number: u64) -> Result<Losses> {
        on_worker(move || {
            self.begin(number);
            Ok(backward(self.model(), &self.context(), batch)?)
        })
    }

    /// As [`Trainer::pass`], of what `weigh` makes of the negative log-likelihoods of all targets.
    ///
    /// # Errors
    /// As [`Trainer::losses`].
    pub fn objective_pass(
        &mut self,
        batch: &Batch,
        number: u64,
        weigh: impl FnOnce(&[f32]) -> nuwa_tensor::Objective + Send,
    ) -> Result<f32> {
        on_worker(move || {
            self.begin(number);
            Ok(backward_objective(self.model(), &self.context(), batch, weigh)?)
        })
    }

    /// The sizes of activations, gradients and weights of each block in a pass of `batch`, from which nothing is learnt; before the
    /// first pass of a step.
    ///
    /// # Errors
    /// As [`Trainer::losses`].
    pub fn look_inside(&mut self, batch: &Batch, number: u64) -> Result<LayerSizes> {
        on_worker(move || {
            self.begin(number);
            let probe = Probe::default();
            let dropouts = Dropouts { blocks: 0.0, ..self.settings.dropouts };
            let context = self.context().with_dropouts(dropouts).with_probe(Some(&probe));
            let passed = backward(self.model(), &context, batch);
            let sizes = LayerSizes::of(self.model.parameters(), probe.sizes());
            self.forget();
            passed?;
            Ok(sizes)
        })
    }

    /// How much the gradients of batches of so many tokens each differ, from which nothing is learnt; before the first pass of a step. The
    /// weights of each batch sum to 1.
    ///
    /// # Errors
    /// As [`Trainer::losses`].
    pub fn gradient_noise(&mut self, batches: &[Batch], tokens: u64, number: u64) -> Result<GradientNoise> {
        on_worker(move || {
            let measured = self.gradient_norms(batches, number);
            self.forget();
            let [mean_square, square_of_mean] = measured?;
            let (small, count) = (tokens as f64, batches.len() as f64);
            Ok(GradientNoise::of([small, small * count], [mean_square, square_of_mean]))
        })
    }

    /// The mean square of the norms of the gradients of all batches, and the square of the norm of their mean. Each batch is gone through
    /// twice, which takes no memory beside the one block of gradients.
    fn gradient_norms(&mut self, batches: &[Batch], number: u64) -> Result<[f64; 2]> {
        let parameters = self.model.parameters();
        let pass = |batch: &Batch| -> Result<f64> {
            self.tape.set_random(self.random.stream(number));
            backward(self.model(), &self.context(), batch)?;
            Ok(f64::from(parameters.gradient_norm()))
        };
        let (count, mut squares, mut norm_of_sum) = (batches.len() as f64, 0.0, 0.0);
        for batch in batches {
            squares += pass(batch)?.powi(2);
            parameters.clear_gradients();
        }
        for batch in batches {
            norm_of_sum = pass(batch)?;
        }
        Ok([squares / count, (norm_of_sum / count).powi(2)])
    }

    /// Begins a pass: its gradient starts at zero.
    fn begin(&mut self, number: u64) {
        self.sum.begin(self.model.parameters());
        self.tape.set_random(self.random.stream(number));
    }

    fn context(&self) -> Context<'_> {
        Context::new(&self.tape)
            .with_dropout(self.settings.dropout)
            .with_dropouts(self.settings.dropouts)
            .with_z_loss(self.settings.z_loss)
            .with_recompute(self.settings.recompute)
            .with_label_smoothing(self.label_smoothing)
    }

    /// Puts what passes added up to where [`Trainer::parameters`] keeps its gradient. [`Trainer::step`] does so by itself.
    pub fn collect_gradient(&mut self) {
        self.sum.finish(self.model.parameters());
        if let Some(adapters) = &self.adapters {
            adapters.take_gradient(self.model.parameters());
        }
    }

    /// Changes the weights by the gradient, which is used up; gives its norm before clipping and the learning rate. A norm
    /// that is not finite changes nothing.
    fn update(&mut self, step: u64) -> (f32, f32) {
        let rate = self.schedule.rate(step);
        self.collect_gradient();
        let parameters = self.adapters.as_ref().map_or(self.model.parameters(), |own| own.parameters());
        let norm = self.optimizer.step(parameters, rate);
        match norm.is_finite() {
            true => self.statistics.update_running(MOMENTUM),
            false => self.statistics.forget(),
        }
        if let Some(adapters) = &self.adapters {
            adapters.apply();
        }
        (norm, rate)
    }

    /// Forgets the gradient, and the statistics of its passes.
    fn forget(&mut self) {
        self.tape.discard();
        self.sum.forget();
        self.statistics.forget();
        self.model.parameters().clear_gradients();
    }
}
