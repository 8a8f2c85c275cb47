//! The one loop of training: steps, validations, samples, checkpoints, for anything that gives [`Steps`].

use std::path::{Path, PathBuf};
use std::time::Instant;

use nuwa_models::Model;
use nuwa_nn::Schedule;
use nuwa_tensor::OptimizerState;

use crate::checkpoint::{self, Found, Header, Trained};
use crate::clock::{Clock, Pace};
use crate::course::{self, Course, Ended, Fall, Verdict};
use crate::metrics::MetricsFile;
use crate::{
    Error, Kept, Result, Sample, StepLine, StepOutcome, Steps, TrainEvent, Trainer, ValidationLine,
    keep_earlier,
};

/// How long a run is, and what it looks at on the way.
#[derive(Debug, Clone)]
pub struct Pacing {
    /// When the learning rate falls, and the run ends with it; none where the clock decides.
    pub fall: Option<Fall>,
    /// Steps that are planned.
    pub steps: u64,
    /// Steps that are worth doing, if time allows.
    pub most_steps: u64,
    /// The share of the steps in which the rate falls, where the clock decides when.
    pub decay: f64,
    /// The time there is.
    pub clock: Option<Clock>,
    /// Steps between two validations at a constant rate.
    pub validate_every: u64,
    /// Validations while the rate falls; a usual number if none.
    pub looks: Option<u64>,
    /// Whether the model is validated before the first step, too.
    pub validate_first: bool,
    /// Samples on the way.
    pub samples: u64,
    /// Whether the best state on held-out data is the result, rather than the last.
    pub keep_best: bool,
    /// Whether a run ends when validations show that going on leads nowhere.
    pub stops_early: bool,
    /// Seconds between checkpoints.
    pub checkpoint_seconds: u64,
}

/// One run.
pub struct Run<'a> {
    /// The folder for checkpoint and metrics.
    pub out: &'a Path,
    /// What a run of this kind leaves there: it is kept aside where another run's is found.
    pub results: &'a [&'a str],
    /// Changes with anything that changes the outcome, but for what the fingerprint of its steps holds.
    pub identity: serde_json::Value,
    /// How long, and what is looked at.
    pub pacing: Pacing,
    /// The learning rate, when it falls then.
    pub schedule: &'a dyn Fn(Option<Fall>) -> Schedule,
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

/// How a run ended. The trainer then has the weights that are the result.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// Steps done.
    pub steps: u64,
    /// Tokens seen.
    pub tokens: u64,
    /// Seconds of training, over all resumptions.
    pub seconds: f64,
    /// The step whose weights are the result.
    pub kept_step: u64,
    /// Held-out data before the first step.
    pub before: Option<ValidationLine>,
    /// Held-out data with the weights that are the result.
    pub after: Option<ValidationLine>,
    /// The steps in which the learning rate fell.
    pub fall: Option<Fall>,
    /// Why it ended.
    pub ended: Ended,
}

/// What a killed run goes on from.
pub const CHECKPOINT: &str = "checkpoint.bin";
/// The best state so far, as a checkpoint.
pub const BEST: &str = "best.bin";
const METRICS: &str = "metrics.jsonl";

/// Does the steps of `source` with `trainer`, going on from a checkpoint of the same run where there is one.
///
/// # Errors
/// When the disk refuses, a checkpoint is damaged, the loss stops being a number (the state before the refused step is then
/// in the checkpoint), or it was asked to stop.
pub fn run(
    run: &Run<'_>,
    trainer: &mut Trainer,
    source: &mut dyn Steps,
    hooks: &mut Hooks<'_>,
) -> Result<Finished> {
    let mut state = State::start(run, trainer, source)?;
    let (steps, done) = (state.expected_steps(source), state.step);
    state.report(hooks, TrainEvent::Started { steps, done })?;
    for kept in std::mem::take(&mut state.kept) {
        state.report(hooks, TrainEvent::Kept(kept))?;
    }
    loop {
        state.decide(trainer, source, hooks)?;
        state.look_aside(trainer, source, hooks)?;
        if state.is_over() {
            return state.finish(trainer, source);
        }
        let began = Instant::now();
        match trainer.step(source, state.step) {
            Ok(outcome) => state.after_step(trainer, source, hooks, outcome, began)?,
            Err(error) => {
                state.save(trainer, source, hooks)?;
                return Err(error);
            }
        }
    }
}

/// Removes the checkpoints of a run whose result has been written: until then they are all there is of the work.
///
/// # Errors
/// When the disk refuses.
pub fn remove_checkpoint(out: &Path) -> Result<()> {
    [CHECKPOINT, BEST].iter().try_for_each(|name| remove(&out.join(name)))
}

/// Removes the best state of a run whose result has been written.
///
/// # Errors
/// When the disk refuses.
pub fn remove_best(out: &Path) -> Result<()> {
    remove(&out.join(BEST))
}

fn remove(path: &Path) -> Result<()> {
    match path.exists() {
        true => Ok(std::fs::remove_file(path).map_err(nuwa_files::Error::write(path))?),
        false => Ok(()),
    }
}

struct State<'a> {
    run: &'a Run<'a>,
    pacing: &'a Pacing,
    metrics: MetricsFile,
    fingerprint: String,
    step: u64,
    tokens: u64,
    course: Course,
    /// Seconds of earlier processes, and when this one began.
    before: f64,
    began: Instant,
    pace: Pace,
    saved: Instant,
    first_validation: Option<ValidationLine>,
    last_validation: Option<ValidationLine>,
    /// Whether validations have shown that going on leads nowhere.
    stopped: bool,
    /// What of an earlier run got another name.
    kept: Vec<Kept>,
}

impl<'a> State<'a> {
    fn start(run: &'a Run<'a>, trainer: &mut Trainer, source: &mut dyn Steps) -> Result<Self> {
        let about = serde_json::json!([run.identity, source.fingerprint()]);
        let fingerprint = nuwa_files::hash_bytes(about.to_string().as_bytes());
        let found = checkpoint::load(&run.out.join(CHECKPOINT), &fingerprint, &models(trainer, source))?;
        let mut header = None;
        let mut earlier = None;
        match found {
            Found::Checkpoint(found, optimizers) => {
                resume(trainer, source, &found, optimizers);
                header = Some(found);
            }
            Found::Nothing | Found::Other => earlier = keep_earlier(run.out, run.results, "")?,
            Found::Older(version) => {
                let why = format!("its checkpoint has the older format {version}");
                earlier = keep_earlier(run.out, run.results, &why)?;
            }
        }
        let (step, before) = header.as_ref().map_or((0, 0.0), |header| (header.step, header.seconds));
        let tokens = header.as_ref().map_or(0, |header| tokens_of(header, source));
        let first_validation = header.as_ref().and_then(|header| header.first_validation.clone());
        let course = header.map_or_else(|| Course::new(run.pacing.fall), |header| header.course);
        let (metrics, unreadable) = MetricsFile::open(&run.out.join(METRICS), step)?;
        trainer.set_schedule((run.schedule)(course.fall));
        Ok(Self {
            run,
            pacing: &run.pacing,
            metrics,
            fingerprint,
            step,
            tokens,
            course,
            before,
            began: Instant::now(),
            pace: Pace::new(step, before),
            saved: Instant::now(),
            first_validation,
            last_validation: None,
            stopped: false,
            kept: earlier.into_iter().chain(unreadable).collect(),
        })
    }

    fn seconds(&self) -> f64 {
        self.before + self.began.elapsed().as_secs_f64()
    }

    fn is_over(&self) -> bool {
        self.stopped || self.course.ends_at(self.step)
    }

    fn report(&mut self, hooks: &mut Hooks<'_>, event: TrainEvent) -> Result<()> {
        self.metrics.write(&event)?;
        (hooks.observe)(&event);
        Ok(())
    }

    /// Steps that are left before the clock wants the end, at the speed of just now; none without a clock.
    fn steps_left(&mut self, source: &dyn Steps) -> Option<u64> {
        let clock = self.pacing.clock?;
        let seconds = self.seconds();
        let each = self.pace.after(self.step, seconds)?;
        let left = clock.left(seconds, each / source.tokens(self.step) as f64);
        Some((left / each).max(0.0) as u64)
    }

    /// All steps, as far as that is known.
    fn expected_steps(&mut self, source: &dyn Steps) -> u64 {
        match (self.course.fall, self.steps_left(source)) {
            (Some(fall), _) => fall.end,
            (None, Some(left)) => (self.step + left).min(self.pacing.most_steps),
            (None, None) => self.pacing.steps,
        }
    }

    /// Lets the rate fall where the clock, or the most steps that the data is worth, asks for it.
    fn decide(&mut self, trainer: &mut Trainer, source: &mut dyn Steps, hooks: &mut Hooks<'_>) -> Result<()> {
        if self.course.fall.is_some() || self.step == 0 {
            return Ok(());
        }
        let worth = self.pacing.most_steps.saturating_sub(self.step);
        let (steps, ended) = match self.steps_left(source) {
            Some(left) if left < worth => (left, Ended::Time),
            _ => (worth, Ended::Planned),
        };
        if steps > course::steps_of_fall(self.step, self.pacing.decay) {
            return Ok(());
        }
        let best = self.course.best.clone().filter(|best| best.step != self.step);
        let now = if best.is_some() { self.validate(trainer, source, hooks)? } else { None };
        match (best, now) {
            (Some(best), Some(now)) if now.validation_loss > best.validation_loss => {
                self.go_back(trainer, source, hooks, ended)
            }
            _ => self.begin_fall(trainer, source, hooks, (self.step, steps), ended),
        }
    }

    /// Lets the rate fall from this state on, as decided when `step` steps were done.
    fn begin_fall(
        &mut self,
        trainer: &mut Trainer,
        source: &dyn Steps,
        hooks: &mut Hooks<'_>,
        (step, steps): (u64, u64),
        ended: Ended,
    ) -> Result<()> {
        let fall = self.course.fall_from(self.step, steps, ended);
        trainer.set_schedule((self.run.schedule)(Some(fall)));
        self.save(trainer, source, hooks)?;
        self.report(hooks, TrainEvent::Falls { step, fall })
    }

    /// Goes back to the best state, and lets the rate fall from there.
    fn go_back(
        &mut self,
        trainer: &mut Trainer,
        source: &mut dyn Steps,
        hooks: &mut Hooks<'_>,
        ended: Ended,
    ) -> Result<()> {
        let (from, left, seconds) = (self.step, self.steps_left(source), self.seconds());
        let Some(header) = self.load_best(trainer, source)? else {
            return self.begin_fall(trainer, source, hooks, (from, 1), ended);
        };
        (self.step, self.tokens) = (header.step, tokens_of(&header, source));
        self.pace = Pace::new(self.step, seconds);
        (self.metrics, _) = MetricsFile::open(&self.run.out.join(METRICS), self.step)?;
        let wanted = course::steps_of_fall(self.step, self.pacing.decay);
        let steps = left.map_or(wanted, |left| left.min(wanted));
        self.begin_fall(trainer, source, hooks, (from, steps), ended)
    }

    /// Takes the best state into the trainer, and gives what is said of it; none where there is none.
    fn load_best(&self, trainer: &mut Trainer, source: &mut dyn Steps) -> Result<Option<Box<Header>>> {
        let found = checkpoint::load(&self.path(BEST), &self.fingerprint, &models(trainer, source))?;
        let Found::Checkpoint(header, optimizers) = found else { return Ok(None) };
        resume(trainer, source, &header, optimizers);
        Ok(Some(header))
    }

    fn after_step(
        &mut self,
        trainer: &Trainer,
        source: &dyn Steps,
        hooks: &mut Hooks<'_>,
        outcome: StepOutcome,
        began: Instant,
    ) -> Result<()> {
        self.step += 1;
        self.tokens += outcome.measured.tokens;
        let took = began.elapsed().as_secs_f64();
        let line = StepLine {
            step: self.step,
            loss: outcome.measured.loss,
            learning_rate: outcome.learning_rate,
            gradient_norm: outcome.gradient_norm,
            tokens: self.tokens,
            seconds: self.seconds(),
            tokens_per_second: outcome.measured.tokens as f64 / took,
            steps: self.expected_steps(source),
            figures: outcome.measured.figures,
        };
        let (step, steps) = (line.step, line.steps);
        self.report(hooks, TrainEvent::Step(line))?;
        if !source.resumes_at(self.step) {
            return Ok(());
        }
        let (last, stops) = (self.is_over(), !self.is_over() && (hooks.stop)());
        if last || stops || self.saved.elapsed().as_secs() >= self.pacing.checkpoint_seconds {
            self.save(trainer, source, hooks)?;
        }
        if stops { Err(Error::Stopped { step, steps }) } else { Ok(()) }
    }

    /// Validates and samples where they are due. A run resumed from the checkpoint of this very step does both again.
    fn look_aside(
        &mut self,
        trainer: &mut Trainer,
        source: &mut dyn Steps,
        hooks: &mut Hooks<'_>,
    ) -> Result<()> {
        if self.validates()
            && let Some(line) = self.validate(trainer, source, hooks)?
            && self.judge(trainer, source, &line)? == Verdict::GoBack
        {
            self.go_back(trainer, source, hooks, Ended::Validation)?;
            return self.look_aside(trainer, source, hooks);
        }
        let steps = self.expected_steps(source);
        if self.is_over() || is_due(self.step, steps, self.pacing.samples) {
            self.sample(trainer, hooks)?;
        }
        Ok(())
    }

    fn validates(&self) -> bool {
        let Pacing { validate_first, validate_every, looks, .. } = *self.pacing;
        (validate_first && self.step == 0) || self.course.validates_at(self.step, validate_every, looks)
    }

    /// What a validation means, once data has been seen more than once.
    fn judge(&mut self, trainer: &Trainer, source: &dyn Steps, line: &ValidationLine) -> Result<Verdict> {
        if !self.pacing.keep_best || !source.repeats(self.step) {
            return Ok(Verdict::GoOn);
        }
        let verdict = self.course.validated(line, self.pacing.stops_early);
        // The last state is at hand.
        if verdict == Verdict::Best && !self.course.ends_at(self.step) {
            self.save_as(trainer, source, &self.path(BEST))?;
        }
        self.stopped = verdict == Verdict::Stop;
        Ok(verdict)
    }

    fn validate(
        &mut self,
        trainer: &mut Trainer,
        source: &mut dyn Steps,
        hooks: &mut Hooks<'_>,
    ) -> Result<Option<ValidationLine>> {
        let Some(measured) = source.validate(trainer)? else { return Ok(None) };
        let line = ValidationLine {
            step: self.step,
            tokens: self.tokens,
            validation_loss: measured.loss,
            figures: measured.figures,
        };
        self.first_validation.get_or_insert_with(|| line.clone());
        self.last_validation = Some(line.clone());
        self.report(hooks, TrainEvent::Validated(line.clone()))?;
        Ok(Some(line))
    }

    fn sample(&mut self, trainer: &Trainer, hooks: &mut Hooks<'_>) -> Result<()> {
        match (hooks.sample)(trainer.model()) {
            Some(sample) => self.report(hooks, TrainEvent::Sampled { step: self.step, sample }),
            None => Ok(()),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.run.out.join(name)
    }

    fn save(&mut self, trainer: &Trainer, source: &dyn Steps, hooks: &mut Hooks<'_>) -> Result<()> {
        if !source.resumes_at(self.step) {
            return Ok(());
        }
        self.metrics.sync()?;
        self.save_as(trainer, source, &self.path(CHECKPOINT))?;
        self.saved = Instant::now();
        self.report(hooks, TrainEvent::Saved { step: self.step })
    }

    fn save_as(&self, trainer: &Trainer, source: &dyn Steps, path: &Path) -> Result<()> {
        let companions = source.companions();
        let trained =
            |trainer: &&'_ Trainer| (trainer.parameters().length(), trainer.optimizer().state().steps());
        let header = Header {
            step: self.step,
            seconds: self.seconds(),
            fingerprint: self.fingerprint.clone(),
            elements: trainer.parameters().length(),
            optimizer_steps: trainer.optimizer().state().steps(),
            optimizer: trainer.optimizer().kind(),
            course: self.course.clone(),
            first_validation: self.first_validation.clone(),
            tokens: self.tokens,
            companions: companions.iter().map(trained).collect(),
            state: source.state(),
        };
        checkpoint::save(path, &header, &models(trainer, source))
    }

    /// Goes back to the best state, where that is not the last.
    fn finish(self, trainer: &mut Trainer, source: &mut dyn Steps) -> Result<Finished> {
        let (mut kept_step, mut after) = (self.step, self.last_validation.clone());
        let best = self.course.best.clone().filter(|best| best.step != self.step);
        if let Some(best) = best
            && let Some(header) = self.load_best(trainer, source)?
        {
            (kept_step, after) = (header.step, Some(best));
        }
        Ok(Finished {
            steps: self.step,
            tokens: self.tokens,
            seconds: self.seconds(),
            kept_step,
            before: self.first_validation.filter(|line| line.step == 0),
            after,
            fall: self.course.fall,
            ended: self.course.ended,
        })
    }
}

/// What a checkpoint keeps: the main model, and those that are trained beside it.
fn models<'a>(trainer: &'a Trainer, source: &'a dyn Steps) -> Vec<Trained<'a>> {
    let all = [trainer].into_iter().chain(source.companions());
    all.map(|trainer| (trainer.parameters(), trainer.optimizer())).collect()
}

/// Goes on with what a checkpoint has kept beside the weights.
fn resume(trainer: &mut Trainer, source: &mut dyn Steps, header: &Header, optimizers: Vec<OptimizerState>) {
    let all = [trainer].into_iter().chain(source.companions_mut());
    all.zip(optimizers).for_each(|(trainer, optimizer)| trainer.resume(optimizer));
    source.restore(&header.state);
}

/// Tokens that were seen when a checkpoint was made; older ones do not say it.
fn tokens_of(header: &Header, source: &dyn Steps) -> u64 {
    match header.tokens {
        0 => (0..header.step).map(|step| source.tokens(step)).sum(),
        tokens => tokens,
    }
}

/// Whether one of `times` evenly spread events falls on `step`.
fn is_due(step: u64, steps: u64, times: u64) -> bool {
    let before = step.saturating_sub(1) * (times + 1) / steps.max(1);
    let after = step * (times + 1) / steps.max(1);
    after > before && after <= times
}
