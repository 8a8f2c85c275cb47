//! The loop of tuning: steps, measurements, checkpoints, for anything that is an [`Objective`].

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use nuwa_nn::AdamW;
use nuwa_train::checkpoint::{self, Header};
use nuwa_train::{Kept, MetricsFile, keep_earlier};
use serde::{Deserialize, Serialize};

use crate::{Result, Tuner, TuningSettings};

/// Figures beside the loss, by name: `accuracy`, `margin`.
pub type Figures = BTreeMap<String, f64>;

/// What a step, or a look at held-back records, came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The mean loss.
    pub loss: f64,
    /// Tokens that went through the model.
    pub tokens: u64,
    /// Other figures.
    pub figures: Figures,
}

/// What a model is tuned towards.
pub trait Objective {
    /// How many steps there are.
    fn steps(&self) -> u64;

    /// Tokens that go through the model in step `step`.
    fn tokens(&self, step: u64) -> u64;

    /// Adds the gradient of step `step` (counted from 0) to `tuner`'s.
    ///
    /// # Errors
    /// When the engine refuses.
    fn step(&mut self, tuner: &mut Tuner, step: u64) -> Result<Measured>;

    /// Measures on what is held back; none where nothing is.
    ///
    /// # Errors
    /// When the engine refuses.
    fn validate(&self, tuner: &mut Tuner) -> Result<Option<Measured>>;

    /// A text that changes with anything that changes the outcome, but for the weights at the start.
    fn fingerprint(&self) -> String;
}

/// Where and how an objective is pursued.
#[derive(Debug)]
pub struct Job<'a> {
    /// The folder for checkpoint and metrics.
    pub out: &'a Path,
    /// What every kind of tuning has in common.
    pub settings: &'a TuningSettings,
    /// Highest learning rate.
    pub learning_rate: f32,
    /// Asked after each step: whether to keep a checkpoint and stop.
    pub stop: fn() -> bool,
}

/// A step, as `metrics.jsonl` holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TuneLine {
    /// Steps done, this one included.
    pub step: u64,
    /// Its mean loss.
    pub loss: f64,
    /// Its learning rate.
    pub learning_rate: f32,
    /// Norm of the gradient before clipping.
    pub gradient_norm: f32,
    /// Seconds so far, over all resumptions.
    pub seconds: f64,
    /// Tokens a second in this step.
    pub tokens_per_second: f64,
    /// Other figures.
    #[serde(flatten)]
    pub figures: Figures,
}

/// A look at held-back records, as `metrics.jsonl` holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ValidationLine {
    /// Steps done.
    pub step: u64,
    /// Mean loss on what is held back.
    pub validation_loss: f64,
    /// Other figures.
    #[serde(flatten)]
    pub figures: Figures,
}

/// What happens, for whoever draws it.
#[derive(Debug, Clone, PartialEq)]
pub enum TuneEvent {
    /// The loop begins: total steps, and those that a checkpoint already holds.
    Started {
        /// All steps.
        steps: u64,
        /// Steps done before.
        done: u64,
    },
    /// Something of an earlier run was in the way and got another name.
    Kept(Kept),
    /// A step was done.
    Step(TuneLine),
    /// A measurement was done.
    Validated(ValidationLine),
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Steps done.
    pub steps: u64,
    /// Seconds, over all resumptions.
    pub seconds: f64,
    /// Held-back records before the first step.
    pub before: Option<ValidationLine>,
    /// Held-back records with the weights that are the result.
    pub after: Option<ValidationLine>,
    /// The step whose weights are the result, where later ones did worse on what is held back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_step: Option<u64>,
}

/// Pursues `objective` with `tuner`, going on from a checkpoint of the same work where there is one.
///
/// # Errors
/// When the disk refuses, a checkpoint is damaged, the loss stops being a number, or it was asked to stop.
pub fn tune(
    job: &Job<'_>,
    tuner: &mut Tuner,
    objective: &mut dyn Objective,
    observe: &mut dyn FnMut(&TuneEvent),
) -> Result<Summary> {
    let mut run = Run::start(job, tuner, objective)?;
    observe(&TuneEvent::Started { steps: run.steps, done: run.step });
    std::mem::take(&mut run.kept).into_iter().for_each(|kept| observe(&TuneEvent::Kept(kept)));
    loop {
        if run.is_due() {
            run.validate(tuner, objective, observe)?;
        }
        if run.step == run.steps {
            return run.finish(tuner);
        }
        run.step(tuner, objective, observe)?;
    }
}

struct Run<'a> {
    job: &'a Job<'a>,
    metrics: MetricsFile,
    fingerprint: String,
    steps: u64,
    step: u64,
    seconds: f64,
    saved: Instant,
    last: Option<ValidationLine>,
    /// The measurement that `best.bin` holds the weights of.
    best: Option<ValidationLine>,
    /// What of an earlier run got another name.
    kept: Vec<Kept>,
}

/// What a run leaves in its folder.
const RESULTS: [&str; 7] = [CHECKPOINT, BEST, "metrics.jsonl", "model", "adapter", "sft.json", "dpo.json"];

/// What a killed run goes on from.
const CHECKPOINT: &str = "checkpoint.bin";

/// The weights that did best so far, as a checkpoint.
const BEST: &str = "best.bin";

impl<'a> Run<'a> {
    fn start(job: &'a Job<'a>, tuner: &mut Tuner, objective: &dyn Objective) -> Result<Self> {
        let about = serde_json::json!([tuner.base(), objective.fingerprint(), job.settings.deciding()]);
        let fingerprint = nuwa_files::hash_bytes(about.to_string().as_bytes());
        let path = job.out.join(CHECKPOINT);
        let found = checkpoint::load(&path, &fingerprint, tuner.parameters())?;
        let (step, seconds) = found.as_ref().map_or((0, 0.0), |(header, _)| (header.step, header.seconds));
        let earlier = if found.is_none() { keep_earlier(job.out, &RESULTS)? } else { None };
        if let Some((_, state)) = found {
            tuner.resume(AdamW::resume(&job.settings.optimizer, state));
        }
        let (metrics, unreadable) = MetricsFile::open(&job.out.join("metrics.jsonl"), step)?;
        let kept = earlier.into_iter().chain(unreadable).collect();
        let steps = objective.steps();
        let best = kept_best(job.out, step)?;
        tuner.set_schedule(job.settings.schedule(job.learning_rate, steps));
        let saved = Instant::now();
        Ok(Self { job, metrics, fingerprint, steps, step, seconds, saved, last: None, best, kept })
    }

    /// Before the first step, after the last, and evenly between.
    fn is_due(&self) -> bool {
        let times = self.job.settings.validations.max(2) - 1;
        let place = |step: u64| step * times / self.steps.max(1);
        self.step == 0 || self.step == self.steps || place(self.step) > place(self.step - 1)
    }

    fn validate(
        &mut self,
        tuner: &mut Tuner,
        objective: &dyn Objective,
        observe: &mut dyn FnMut(&TuneEvent),
    ) -> Result<()> {
        let Some(Measured { loss, figures, .. }) = objective.validate(tuner)? else { return Ok(()) };
        let line = ValidationLine { step: self.step, validation_loss: loss, figures };
        self.metrics.write_line(&serde_json::json!(line))?;
        observe(&TuneEvent::Validated(line.clone()));
        self.last = Some(line.clone());
        if self.job.settings.keep_best
            && self.best.as_ref().is_none_or(|best| line.validation_loss < best.validation_loss)
        {
            self.save_as(BEST, tuner)?;
            self.best = Some(line);
        }
        Ok(())
    }

    fn step(
        &mut self,
        tuner: &mut Tuner,
        objective: &mut dyn Objective,
        observe: &mut dyn FnMut(&TuneEvent),
    ) -> Result<()> {
        let began = Instant::now();
        let Measured { loss, tokens, figures } = objective.step(tuner, self.step)?;
        if !loss.is_finite() {
            tuner.forget();
            return self.diverged(tuner, "loss", loss as f32);
        }
        let (gradient_norm, learning_rate) = tuner.update(self.step);
        if !gradient_norm.is_finite() {
            return self.diverged(tuner, "gradient norm", gradient_norm);
        }
        self.step += 1;
        let took = began.elapsed().as_secs_f64();
        self.seconds += took;
        let (step, seconds) = (self.step, self.seconds);
        let tokens_per_second = tokens as f64 / took;
        let line = TuneLine { step, loss, learning_rate, gradient_norm, seconds, tokens_per_second, figures };
        self.metrics.write_line(&serde_json::json!(line))?;
        observe(&TuneEvent::Step(line));
        let stops = step < self.steps && (self.job.stop)();
        let due = self.saved.elapsed().as_secs() >= self.job.settings.checkpoint_seconds;
        if stops || (due && step < self.steps) {
            self.save(tuner)?;
        }
        let stopped = nuwa_train::Error::Stopped { step, steps: self.steps };
        if stops { Err(stopped.into()) } else { Ok(()) }
    }

    fn diverged(&mut self, tuner: &Tuner, what: &'static str, value: f32) -> Result<()> {
        self.save(tuner)?;
        Err(nuwa_train::Error::Diverged { step: self.step, what, value }.into())
    }

    fn save(&mut self, tuner: &Tuner) -> Result<()> {
        self.metrics.sync()?;
        self.save_as(CHECKPOINT, tuner)?;
        self.saved = Instant::now();
        Ok(())
    }

    fn save_as(&self, name: &str, tuner: &Tuner) -> Result<()> {
        let header = Header {
            step: self.step,
            seconds: self.seconds,
            fingerprint: self.fingerprint.clone(),
            elements: tuner.parameters().length(),
            optimizer_steps: tuner.optimizer().state().steps(),
            course: Default::default(),
        };
        Ok(checkpoint::save(&self.job.out.join(name), &header, tuner.parameters(), tuner.optimizer())?)
    }

    /// Goes back to the best weights, where those are not the last.
    fn finish(self, tuner: &mut Tuner) -> Result<Summary> {
        let before =
            validations(&self.job.out.join("metrics.jsonl"))?.into_iter().find(|line| line.step == 0);
        let mut summary =
            Summary { steps: self.step, seconds: self.seconds, before, after: self.last, kept_step: None };
        let Some(best) = self.best.filter(|best| best.step < self.step) else { return Ok(summary) };
        let path = self.job.out.join(BEST);
        if let Some((_, state)) = checkpoint::load(&path, &self.fingerprint, tuner.parameters())? {
            tuner.resume(AdamW::resume(&self.job.settings.optimizer, state));
            (summary.kept_step, summary.after) = (Some(best.step), Some(best));
        }
        Ok(summary)
    }
}

/// Removes the checkpoints of a run whose result has been written: until then they are all there is of the work.
///
/// # Errors
/// When the disk refuses.
pub fn remove_checkpoint(out: &Path) -> Result<()> {
    for path in [CHECKPOINT, BEST].map(|name| out.join(name)).iter().filter(|path| path.exists()) {
        std::fs::remove_file(path).map_err(nuwa_files::Error::write(path))?;
    }
    Ok(())
}

/// The best measurement up to `step`, where an earlier life of the run kept its weights.
fn kept_best(out: &Path, step: u64) -> Result<Option<ValidationLine>> {
    if !out.join(BEST).exists() {
        return Ok(None);
    }
    let earlier = validations(&out.join("metrics.jsonl"))?.into_iter().filter(|line| line.step <= step);
    Ok(earlier.min_by(|one, other| one.validation_loss.total_cmp(&other.validation_loss)))
}

/// The measurements that were written; a resumed run did some in an earlier life.
fn validations(path: &Path) -> Result<Vec<ValidationLine>> {
    let text = nuwa_files::read_to_string(path)?;
    let problem = |source| nuwa_files::Error::Json { path: path.to_path_buf(), source };
    let mut found = Vec::new();
    for line in text.lines() {
        let value: serde_json::Value = serde_json::from_str(line).map_err(problem)?;
        if value.get("validation_loss").is_some() {
            found.push(serde_json::from_value(value).map_err(problem)?);
        }
    }
    Ok(found)
}
