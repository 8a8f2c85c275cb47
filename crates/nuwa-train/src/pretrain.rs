use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use nuwa_data::shards::{Part, Shards};
use nuwa_models::Model;
use nuwa_nn::{AdamW, OptimizerSettings, Schedule, ScheduleKind};
use nuwa_tensor::{Precision, Tape};
use serde::{Deserialize, Serialize};

use crate::checkpoint::{self, Header};
use crate::clock::{Clock, Pace};
use crate::course::{self, Course, Ended, Fall, Verdict};
use crate::metrics::MetricsFile;
use crate::objectives::{Figures, Objective};
use crate::plan::Plan;
use crate::{
    Error, Kept, Loader, PretrainSettings, Result, Sample, StepLine, StepOutcome, TrainEvent, Trainer,
    ValidationLine, keep_earlier, validate,
};

/// One pretraining run.
#[derive(Debug)]
pub struct Job<'a> {
    /// The folder of the shards.
    pub shards: &'a Path,
    /// The folder for checkpoint and metrics.
    pub out: &'a Path,
    /// What to train.
    pub plan: &'a Plan,
    /// How.
    pub settings: &'a PretrainSettings,
    /// What it is trained to do.
    pub objective: &'a Arc<dyn Objective>,
    /// The token that ends documents.
    pub end_of_text: Option<u32>,
    /// Decides initial weights, data order and dropout.
    pub seed: u64,
    /// The weights to begin with, in place of random ones: those of a model of the plan's configuration, in its order.
    pub init: Option<&'a [f32]>,
    /// Says when the learning rate falls, of a plan that leaves this to the clock.
    pub clock: Option<Clock>,
}

/// What the program does while a run goes on.
pub struct Hooks<'a> {
    /// Draws what happens.
    pub observe: &'a mut dyn FnMut(&TrainEvent),
    /// Lets the model write something.
    pub sample: &'a mut dyn FnMut(&dyn Model) -> Option<Sample>,
    /// Asked after each step: whether to keep a checkpoint and stop.
    pub stop: &'a dyn Fn() -> bool,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Steps done.
    pub steps: u64,
    /// Tokens seen.
    pub tokens: u64,
    /// Seconds of training, over all resumptions.
    pub seconds: f64,
    /// Mean loss of the kept model on the validation part, where there is any.
    pub validation_loss: Option<f64>,
    /// Bits a byte of the kept model on the test part, on which nothing was chosen; on the validation part where there is no other.
    pub bits_per_byte: Option<f64>,
    /// What the objective tells of that part besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figures: Option<Figures>,
    /// The most memory that tensors used at one time, in bytes.
    pub peak_tensor_bytes: u64,
    /// Steps done by the model that was kept: fewer than `steps` where the text was repeated too often.
    #[serde(default)]
    pub kept_step: u64,
    /// The steps in which the learning rate fell.
    #[serde(default)]
    pub fall: Option<Fall>,
    /// Why it ended.
    #[serde(default)]
    pub ended: Ended,
}

/// Trains as planned, resuming where a checkpoint of the same run is found, and gives the trained model.
///
/// # Errors
/// When the data do not fit the plan, the disk refuses, the loss stops being a number (the state before the refused
/// step is then in the checkpoint), or it was asked to stop.
pub fn pretrain(job: &Job<'_>, hooks: &mut Hooks<'_>) -> Result<(Box<dyn Model>, Summary)> {
    job.settings.check()?;
    let mut run = Run::start(job)?;
    let (steps, done) = (run.expected_steps(), run.step);
    run.report(hooks, TrainEvent::Started { steps, done })?;
    for kept in std::mem::take(&mut run.kept) {
        run.report(hooks, TrainEvent::Kept(kept))?;
    }
    loop {
        run.decide(hooks)?;
        run.look_aside(hooks)?;
        if run.is_over() {
            return run.finish();
        }
        let began = Instant::now();
        match run.trainer.step(&run.loader, run.step) {
            Ok(outcome) => run.after_step(hooks, outcome, began)?,
            Err(error) => {
                run.save(hooks)?;
                return Err(error);
            }
        }
    }
}

struct Run<'a> {
    job: &'a Job<'a>,
    trainer: Trainer,
    loader: Loader,
    validation: Option<Shards>,
    metrics: MetricsFile,
    silent: Tape,
    fingerprint: String,
    step: u64,
    course: Course,
    /// Seconds of earlier processes, and when this one began.
    before: f64,
    began: Instant,
    pace: Pace,
    saved: Instant,
    last_validation: Option<ValidationLine>,
    /// Whether validations have shown that going on leads nowhere.
    stopped: bool,
    /// What of an earlier run got another name.
    kept: Vec<Kept>,
}

/// What a run leaves in its folder, but for its plan.
const RESULTS: [&str; 5] = ["checkpoint.bin", "best.bin", "metrics.jsonl", "model", "pretrain.json"];

/// Most tokens of the test part that are looked at; the evaluation of a build reads all.
pub const MOST_TEST_TOKENS: u64 = 1 << 18;

impl<'a> Run<'a> {
    fn start(job: &'a Job<'a>) -> Result<Self> {
        let plan = job.plan;
        let loader = Loader::new(Shards::open(job.shards, Part::Train)?, plan.context, job.seed)?;
        let validation = held_back(job, Part::Validation)?;
        let model = plan.build(job.seed)?;
        if let Some(weights) = job.init {
            model.parameters().from_host(weights);
        }
        let fingerprint = fingerprint(job)?;
        let found = checkpoint::load(&checkpoint_path(job.out), &fingerprint, model.parameters())?;
        let settings = optimizer_settings(plan, job.settings);
        let earlier = if found.is_none() { keep_earlier(job.out, &RESULTS)? } else { None };
        let (header, optimizer) = match found {
            Some((header, state)) => (Some(header), AdamW::resume(&settings, state)),
            None => (None, AdamW::new(model.parameters(), &settings)),
        };
        let (step, before) = header.as_ref().map_or((0, 0.0), |header| (header.step, header.seconds));
        let course = header.map_or_else(|| Course::new(planned_fall(job)), |header| header.course);
        let (metrics, unreadable) = MetricsFile::open(&job.out.join("metrics.jsonl"), step)?;
        let sizes = [plan.sequences, plan.accumulation];
        let precision = Precision::from(job.settings.precision);
        let schedule = schedule(plan, job.settings, course.fall);
        let objective = Arc::clone(job.objective);
        let mut trainer = Trainer::new(model, objective, optimizer, schedule, sizes, job.seed, precision);
        plan.set(&mut trainer, job.settings.recompute);
        let silent = trainer.silent_tape();
        Ok(Self {
            job,
            trainer,
            loader,
            validation,
            metrics,
            silent,
            fingerprint,
            step,
            course,
            before,
            began: Instant::now(),
            pace: Pace::new(step, before),
            saved: Instant::now(),
            last_validation: None,
            stopped: false,
            kept: earlier.into_iter().chain(unreadable).collect(),
        })
    }

    fn seconds(&self) -> f64 {
        self.before + self.began.elapsed().as_secs_f64()
    }

    fn tokens(&self) -> u64 {
        self.step * self.job.plan.batch_tokens()
    }

    fn is_over(&self) -> bool {
        self.stopped || self.course.ends_at(self.step)
    }

    /// Whether the text has been seen once, so that the model can begin to know it by heart.
    fn repeats(&self) -> bool {
        let windows = self.step * (self.trainer.sequences * self.trainer.accumulation) as u64;
        windows >= self.loader.windows()
    }

    fn report(&mut self, hooks: &mut Hooks<'_>, event: TrainEvent) -> Result<()> {
        self.metrics.write(&event)?;
        (hooks.observe)(&event);
        Ok(())
    }

    /// Steps that are left before the clock wants the end, at the speed of just now; none without a clock.
    fn steps_left(&mut self) -> Option<u64> {
        let clock = self.job.clock?;
        let seconds = self.seconds();
        let each = self.pace.after(self.step, seconds)?;
        let left = clock.left(seconds, each / self.job.plan.batch_tokens() as f64);
        Some((left / each).max(0.0) as u64)
    }

    /// All steps, as far as that is known.
    fn expected_steps(&mut self) -> u64 {
        match (self.course.fall, self.steps_left()) {
            (Some(fall), _) => fall.end,
            (None, Some(left)) => (self.step + left).min(self.job.plan.most_steps),
            (None, None) => self.job.plan.steps,
        }
    }

    /// Lets the rate fall where the clock, or the most steps that the text is worth, asks for it.
    fn decide(&mut self, hooks: &mut Hooks<'_>) -> Result<()> {
        if self.course.fall.is_some() || self.step == 0 {
            return Ok(());
        }
        let worth = self.job.plan.most_steps.saturating_sub(self.step);
        let (steps, ended) = match self.steps_left() {
            Some(left) if left < worth => (left, Ended::Time),
            _ => (worth, Ended::Planned),
        };
        if steps > course::steps_of_fall(self.step, self.job.settings.decay) {
            return Ok(());
        }
        let best = self.course.best.filter(|best| best.step != self.step);
        let now = if best.is_some() { self.validate(hooks)? } else { None };
        match (best, now) {
            (Some(best), Some(now)) if now.validation_loss > best.loss => self.go_back(hooks, ended),
            _ => self.begin_fall(hooks, self.step, steps, ended),
        }
    }

    /// Lets the rate fall from this state on, as decided when `step` steps were done.
    fn begin_fall(&mut self, hooks: &mut Hooks<'_>, step: u64, steps: u64, ended: Ended) -> Result<()> {
        let fall = self.course.fall_from(self.step, steps, ended);
        self.trainer.schedule = schedule(self.job.plan, self.job.settings, Some(fall));
        self.save(hooks)?;
        self.report(hooks, TrainEvent::Falls { step, fall })
    }

    /// Goes back to the best state, and lets the rate fall from there.
    fn go_back(&mut self, hooks: &mut Hooks<'_>, ended: Ended) -> Result<()> {
        let (from, left, seconds) = (self.step, self.steps_left(), self.seconds());
        let Some((header, state)) = self.load_best()? else { return self.begin_fall(hooks, from, 1, ended) };
        self.trainer.optimizer = AdamW::resume(&optimizer_settings(self.job.plan, self.job.settings), state);
        self.step = header.step;
        self.pace = Pace::new(self.step, seconds);
        (self.metrics, _) = MetricsFile::open(&self.job.out.join("metrics.jsonl"), self.step)?;
        let wanted = course::steps_of_fall(self.step, self.job.settings.decay);
        self.begin_fall(hooks, from, left.map_or(wanted, |left| left.min(wanted)), ended)
    }

    fn load_best(&self) -> Result<Option<(Header, nuwa_tensor::AdamWState)>> {
        checkpoint::load(&best_path(self.job.out), &self.fingerprint, self.trainer.model.parameters())
    }

    fn after_step(&mut self, hooks: &mut Hooks<'_>, outcome: StepOutcome, began: Instant) -> Result<()> {
        self.step += 1;
        let line = StepLine {
            step: self.step,
            loss: outcome.loss,
            figures: outcome.figures,
            learning_rate: outcome.learning_rate,
            gradient_norm: outcome.gradient_norm,
            tokens: self.tokens(),
            seconds: self.seconds(),
            tokens_per_second: self.job.plan.batch_tokens() as f64 / began.elapsed().as_secs_f64(),
            steps: self.expected_steps(),
        };
        let (step, steps) = (line.step, line.steps);
        self.report(hooks, TrainEvent::Step(line))?;
        let (last, stops) = (self.is_over(), !self.is_over() && (hooks.stop)());
        if last || stops || self.saved.elapsed().as_secs() >= self.job.settings.checkpoint_seconds {
            self.save(hooks)?;
        }
        if stops { Err(Error::Stopped { step, steps }) } else { Ok(()) }
    }

    /// Validates and samples where they are due. A run resumed from the checkpoint of this very step does both again.
    fn look_aside(&mut self, hooks: &mut Hooks<'_>) -> Result<()> {
        let plan = self.job.plan;
        let looks = (plan.schedule == ScheduleKind::Cosine).then_some(self.job.settings.validations + 1);
        if self.course.validates_at(self.step, plan.validate_every, looks)
            && let Some(line) = self.validate(hooks)?
            && self.judge(&line)? == Verdict::GoBack
        {
            self.go_back(hooks, Ended::Validation)?;
            return self.look_aside(hooks);
        }
        let steps = self.expected_steps();
        if self.is_over() || is_due(self.step, steps, self.job.settings.samples) {
            self.sample(hooks)?;
        }
        Ok(())
    }

    /// What a validation means, once the text has been seen once.
    fn judge(&mut self, line: &ValidationLine) -> Result<Verdict> {
        if !self.job.settings.keep_best || !self.repeats() {
            return Ok(Verdict::GoOn);
        }
        let verdict = self.course.validated(self.step, line.validation_loss);
        // The last state is at hand.
        if verdict == Verdict::Best && !self.course.ends_at(self.step) {
            self.save_as(&best_path(self.job.out))?;
        }
        self.stopped = verdict == Verdict::Stop;
        Ok(verdict)
    }

    fn validate(&mut self, hooks: &mut Hooks<'_>) -> Result<Option<ValidationLine>> {
        let Some(shards) = &self.validation else { return Ok(None) };
        let line = self.measure(shards, self.job.settings.validation_tokens)?;
        self.last_validation = Some(line.clone());
        self.report(hooks, TrainEvent::Validated(line.clone()))?;
        Ok(Some(line))
    }

    fn measure(&self, shards: &Shards, most_tokens: u64) -> Result<ValidationLine> {
        let shape = [self.trainer.sequences, self.job.plan.context];
        let (model, objective) = (&*self.trainer.model, &*self.trainer.objective);
        let result = validate(model, &self.silent, objective, shards, shape, most_tokens)?;
        Ok(ValidationLine::new(self.step, self.tokens(), &result))
    }

    fn sample(&mut self, hooks: &mut Hooks<'_>) -> Result<()> {
        match (hooks.sample)(&*self.trainer.model) {
            Some(sample) => self.report(hooks, TrainEvent::Sampled { step: self.step, sample }),
            None => Ok(()),
        }
    }

    fn save(&mut self, hooks: &mut Hooks<'_>) -> Result<()> {
        self.metrics.sync()?;
        self.save_as(&checkpoint_path(self.job.out))?;
        self.saved = Instant::now();
        self.report(hooks, TrainEvent::Saved { step: self.step })
    }

    fn save_as(&self, path: &Path) -> Result<()> {
        let header = Header {
            step: self.step,
            seconds: self.seconds(),
            fingerprint: self.fingerprint.clone(),
            elements: self.trainer.model.parameters().length(),
            optimizer_steps: self.trainer.optimizer.state().steps(),
            course: self.course.clone(),
        };
        checkpoint::save(path, &header, self.trainer.model.parameters(), &self.trainer.optimizer)
    }

    /// The best model, measured on text on which nothing was chosen.
    fn finish(mut self) -> Result<(Box<dyn Model>, Summary)> {
        let (steps, tokens) = (self.step, self.tokens());
        let best = self.course.best.filter(|best| best.step != self.step);
        let mut validation_loss = self.last_validation.as_ref().map(|line| line.validation_loss);
        if let Some(best) = best
            && let Some((header, _)) = self.load_best()?
        {
            (self.step, validation_loss) = (header.step, Some(best.loss));
        }
        let reported = match held_back(self.job, Part::Test)? {
            Some(test) => Some(self.measure(&test, MOST_TEST_TOKENS)?),
            None => self.last_validation.clone(),
        };
        let summary = Summary {
            steps,
            tokens,
            seconds: self.seconds(),
            validation_loss,
            bits_per_byte: reported.as_ref().and_then(|line| line.bits_per_byte),
            figures: reported.and_then(|line| line.figures),
            peak_tensor_bytes: self.trainer.held_bytes() as u64,
            kept_step: self.step,
            fall: self.course.fall,
            ended: self.course.ended,
        };
        let best = best_path(self.job.out);
        if best.exists() {
            std::fs::remove_file(&best).map_err(nuwa_files::Error::write(&best))?;
        }
        Ok((self.trainer.model, summary))
    }
}

fn checkpoint_path(out: &Path) -> PathBuf {
    out.join("checkpoint.bin")
}

fn best_path(out: &Path) -> PathBuf {
    out.join("best.bin")
}

/// When the rate falls, where the clock does not decide it.
fn planned_fall(job: &Job<'_>) -> Option<Fall> {
    let plan = job.plan;
    let start = if plan.schedule == ScheduleKind::Cosine { 0 } else { plan.steps.saturating_sub(plan.decay) };
    (!plan.clocked || job.clock.is_none()).then_some(Fall { start, end: plan.steps })
}

/// A part of what is held back, where it can be predicted at all.
fn held_back(job: &Job<'_>, part: Part) -> Result<Option<Shards>> {
    Ok(Shards::open_if_any(job.shards, part)?.filter(|shards| shards.tokens() > 1))
}

fn optimizer_settings(plan: &Plan, settings: &PretrainSettings) -> OptimizerSettings {
    OptimizerSettings { weight_decay: Some(plan.weight_decay), ..settings.optimizer.clone() }
}

/// Whether one of `times` evenly spread events falls on `step`.
fn is_due(step: u64, steps: u64, times: u64) -> bool {
    let before = step.saturating_sub(1) * (times + 1) / steps.max(1);
    let after = step * (times + 1) / steps.max(1);
    after > before && after <= times
}

/// The rate of each step; without a fall it stays at its peak after warm-up.
fn schedule(plan: &Plan, settings: &PretrainSettings, fall: Option<Fall>) -> Schedule {
    let Fall { start, end } = fall.unwrap_or(Fall { start: u64::MAX, end: u64::MAX });
    Schedule {
        kind: plan.schedule,
        peak: plan.learning_rate,
        floor: settings.floor,
        warmup: plan.warmup,
        decay: end - start,
        steps: end,
    }
}

/// Changes with anything that changes the weights.
fn fingerprint(job: &Job<'_>) -> Result<String> {
    let mut parts = vec![
        serde_json::json!([job.plan.what_is_trained(), &job.settings.optimizer, job.end_of_text, job.seed]),
        serde_json::json!([
            job.settings.decay,
            job.settings.floor,
            job.settings.document_boundaries,
            job.settings.validations,
            job.settings.validation_tokens,
            job.settings.keep_best
        ]),
        serde_json::json!(Precision::from(job.settings.precision) == Precision::Bf16),
    ];
    parts.extend(job.objective.settings());
    if let Some(weights) = job.init {
        parts.push(nuwa_files::hash_bytes(bytemuck::cast_slice(weights)).into());
    }
    for path in nuwa_files::files_in(job.shards)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("train-") || name.starts_with("val-") {
            parts.push(nuwa_files::hash_file(&path)?.into());
        }
    }
    Ok(nuwa_files::hash_bytes(serde_json::Value::from(parts).to_string().as_bytes()))
}
