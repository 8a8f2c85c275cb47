use std::path::{Path, PathBuf};
use std::time::Instant;

use nuwa_data::shards::{Part, Shards};
use nuwa_models::LanguageModel;
use nuwa_nn::{AdamW, Schedule};
use nuwa_tensor::{Precision, Tape};
use serde::{Deserialize, Serialize};

use crate::checkpoint::{self, Header};
use crate::metrics::MetricsFile;
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
    /// The token that ends documents.
    pub end_of_text: Option<u32>,
    /// Decides initial weights, data order and dropout.
    pub seed: u64,
    /// The weights to begin with, in place of random ones: those of a model of the plan's configuration, in its order.
    pub init: Option<&'a [f32]>,
}

/// What the program does while a run goes on.
pub struct Hooks<'a> {
    /// Draws what happens.
    pub observe: &'a mut dyn FnMut(&TrainEvent),
    /// Lets the model write something.
    pub sample: &'a mut dyn FnMut(&dyn LanguageModel) -> Option<Sample>,
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
    /// Mean loss on all held-back tokens, where there are any.
    pub validation_loss: Option<f64>,
    /// The same per byte, in bits.
    pub bits_per_byte: Option<f64>,
    /// The most memory that tensors used at one time, in bytes.
    pub peak_tensor_bytes: u64,
}

/// Trains as planned, resuming where a checkpoint of the same run is found, and gives the trained model.
///
/// # Errors
/// When the data do not fit the plan, the disk refuses, the loss stops being a number (the state before the refused
/// step is then in the checkpoint), or it was asked to stop.
pub fn pretrain(job: &Job<'_>, hooks: &mut Hooks<'_>) -> Result<(Box<dyn LanguageModel>, Summary)> {
    job.settings.check()?;
    let mut run = Run::start(job)?;
    run.report(hooks, TrainEvent::Started { steps: job.plan.steps, done: run.step })?;
    for kept in std::mem::take(&mut run.kept) {
        run.report(hooks, TrainEvent::Kept(kept))?;
    }
    loop {
        run.look_aside(hooks)?;
        if run.step == job.plan.steps {
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
    seconds: f64,
    saved: Instant,
    last_validation: Option<ValidationLine>,
    /// What of an earlier run got another name.
    kept: Vec<Kept>,
}

/// What a run leaves in its folder, but for its plan.
const RESULTS: [&str; 4] = ["checkpoint.bin", "metrics.jsonl", "model", "pretrain.json"];

impl<'a> Run<'a> {
    fn start(job: &'a Job<'a>) -> Result<Self> {
        let plan = job.plan;
        let loader = Loader::new(Shards::open(job.shards, Part::Train)?, plan.context, job.seed)?;
        let validation =
            Shards::open_if_any(job.shards, Part::Validation)?.filter(|shards| shards.tokens() > 1);
        let model = plan.build(job.seed, job.settings.recompute)?;
        if let Some(weights) = job.init {
            model.parameters().values_mut().copy_from_slice(weights);
        }
        let fingerprint = fingerprint(job)?;
        let found = checkpoint::load(&checkpoint_path(job.out), &fingerprint, model.parameters())?;
        let (step, seconds) = found.as_ref().map_or((0, 0.0), |(header, _)| (header.step, header.seconds));
        let settings = &job.settings.optimizer;
        let earlier = if found.is_none() { keep_earlier(job.out, &RESULTS)? } else { None };
        let optimizer = match found {
            Some((_, state)) => AdamW::resume(settings, state),
            None => AdamW::new(model.parameters(), settings),
        };
        let (metrics, unreadable) = MetricsFile::open(&job.out.join("metrics.jsonl"), step)?;
        let end_of_text = job.end_of_text.filter(|_| job.settings.document_boundaries);
        let sizes = [plan.sequences, plan.accumulation];
        let precision = Precision::from(job.settings.precision);
        let trainer = Trainer::new(
            model,
            optimizer,
            schedule(plan, job.settings),
            sizes,
            end_of_text,
            job.seed,
            precision,
        );
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
            seconds,
            saved: Instant::now(),
            last_validation: None,
            kept: earlier.into_iter().chain(unreadable).collect(),
        })
    }

    fn tokens(&self) -> u64 {
        self.step * self.job.plan.batch_tokens()
    }

    fn report(&mut self, hooks: &mut Hooks<'_>, event: TrainEvent) -> Result<()> {
        self.metrics.write(&event)?;
        (hooks.observe)(&event);
        Ok(())
    }

    fn after_step(&mut self, hooks: &mut Hooks<'_>, outcome: StepOutcome, began: Instant) -> Result<()> {
        self.step += 1;
        let seconds = began.elapsed().as_secs_f64();
        self.seconds += seconds;
        let line = StepLine {
            step: self.step,
            loss: outcome.loss,
            learning_rate: outcome.learning_rate,
            gradient_norm: outcome.gradient_norm,
            tokens: self.tokens(),
            seconds: self.seconds,
            tokens_per_second: self.job.plan.batch_tokens() as f64 / seconds,
        };
        self.report(hooks, TrainEvent::Step(line))?;
        let (step, steps) = (self.step, self.job.plan.steps);
        let (last, stops) = (step == steps, step < steps && (hooks.stop)());
        if last || stops || self.saved.elapsed().as_secs() >= self.job.settings.checkpoint_seconds {
            self.save(hooks)?;
        }
        if stops { Err(Error::Stopped { step, steps }) } else { Ok(()) }
    }

    /// Validates and samples where they are due. A run resumed from the checkpoint of this very step does both again.
    fn look_aside(&mut self, hooks: &mut Hooks<'_>) -> Result<()> {
        let (step, steps) = (self.step, self.job.plan.steps);
        let began = Instant::now();
        if step == steps {
            self.last_validation = self.validate(hooks, u64::MAX)?;
        } else if is_due(step, steps, self.job.settings.validations) {
            self.validate(hooks, self.job.settings.validation_tokens)?;
        }
        if step == steps || is_due(step, steps, self.job.settings.samples) {
            self.sample(hooks)?;
        }
        self.seconds += began.elapsed().as_secs_f64();
        Ok(())
    }

    fn validate(&mut self, hooks: &mut Hooks<'_>, max_tokens: u64) -> Result<Option<ValidationLine>> {
        let Some(shards) = &self.validation else { return Ok(None) };
        let end_of_text = self.trainer.end_of_text;
        let model = &*self.trainer.model;
        let result = validate(
            model,
            &self.silent,
            shards,
            [self.trainer.sequences, self.job.plan.context],
            end_of_text,
            max_tokens,
        )?;
        let line = ValidationLine::new(self.step, self.tokens(), &result);
        self.report(hooks, TrainEvent::Validated(line.clone()))?;
        Ok(Some(line))
    }

    fn sample(&mut self, hooks: &mut Hooks<'_>) -> Result<()> {
        match (hooks.sample)(&*self.trainer.model) {
            Some(sample) => self.report(hooks, TrainEvent::Sampled { step: self.step, sample }),
            None => Ok(()),
        }
    }

    fn save(&mut self, hooks: &mut Hooks<'_>) -> Result<()> {
        let header = Header {
            step: self.step,
            seconds: self.seconds,
            fingerprint: self.fingerprint.clone(),
            elements: self.trainer.model.parameters().values().len(),
            optimizer_steps: self.trainer.optimizer.state().steps,
        };
        self.metrics.sync()?;
        checkpoint::save(
            &checkpoint_path(self.job.out),
            &header,
            self.trainer.model.parameters(),
            &self.trainer.optimizer,
        )?;
        self.saved = Instant::now();
        self.report(hooks, TrainEvent::Saved { step: self.step })
    }

    fn finish(self) -> Result<(Box<dyn LanguageModel>, Summary)> {
        let last = self.last_validation.as_ref();
        let summary = Summary {
            steps: self.step,
            tokens: self.tokens(),
            seconds: self.seconds,
            validation_loss: last.map(|line| line.validation_loss),
            bits_per_byte: last.map(|line| line.bits_per_byte),
            peak_tensor_bytes: self.trainer.held_bytes() as u64,
        };
        Ok((self.trainer.model, summary))
    }
}

fn checkpoint_path(out: &Path) -> PathBuf {
    out.join("checkpoint.bin")
}

/// Whether one of `times` evenly spread events falls on `step`.
fn is_due(step: u64, steps: u64, times: u64) -> bool {
    let before = step.saturating_sub(1) * (times + 1) / steps;
    let after = step * (times + 1) / steps;
    after > before && after <= times
}

fn schedule(plan: &Plan, settings: &PretrainSettings) -> Schedule {
    let share = |share: f64| (share * plan.steps as f64).round() as u64;
    Schedule {
        kind: settings.schedule,
        peak: plan.learning_rate,
        floor: settings.floor,
        warmup: share(settings.warmup),
        decay: share(settings.decay),
        steps: plan.steps,
    }
}

/// Changes with anything that changes the weights.
fn fingerprint(job: &Job<'_>) -> Result<String> {
    let mut parts = vec![
        serde_json::json!([job.plan.what_is_trained(), &job.settings.optimizer, job.end_of_text, job.seed]),
        serde_json::json!([
            job.settings.schedule,
            job.settings.warmup,
            job.settings.decay,
            job.settings.floor,
            job.settings.document_boundaries
        ]),
        serde_json::json!(Precision::from(job.settings.precision) == Precision::Bf16),
    ];
    if let Some(weights) = job.init {
        parts.push(nuwa_files::hash_bytes(bytemuck::cast_slice(weights)).into());
    }
    for path in nuwa_files::files_in(job.shards)? {
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("train-")) {
            parts.push(nuwa_files::hash_file(&path)?.into());
        }
    }
    Ok(nuwa_files::hash_bytes(serde_json::Value::from(parts).to_string().as_bytes()))
}
