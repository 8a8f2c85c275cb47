//! Tuning: the loop of training, as SFT and DPO go through it.

use std::path::Path;
use std::sync::Arc;

use nuwa_models::{Batch, Model, Targets, Text};
use nuwa_tensor::Precision;
use nuwa_train::course::Fall;
use nuwa_train::{
    Adapters, BEST, CHECKPOINT, Finished, Hooks, Pacing, Run, Sample, Steps, TrainEvent, Trainer,
    TrainerSettings, ValidationLine, run,
};
use serde::{Deserialize, Serialize};

use crate::pack::Example;
use crate::{LoraAdapters, Result, TuningSettings};

/// Where and how a model is tuned.
#[derive(Debug)]
pub struct Job<'a> {
    /// The folder for checkpoint and metrics.
    pub out: &'a Path,
    /// Settings shared by all kinds of fine-tuning.
    pub settings: &'a TuningSettings,
    /// Peak learning rate.
    pub learning_rate: f32,
    /// A hash of the model's weights before anything is changed: a checkpoint that began with others is another run's.
    pub base: &'a str,
    /// Samples that are written on the way.
    pub samples: u64,
    /// Asked after each step: whether to keep a checkpoint and stop.
    pub stop: fn() -> bool,
}

/// What the program does while a model is tuned.
pub struct Watch<'a> {
    /// Draws what happens.
    pub observe: &'a mut dyn FnMut(&TrainEvent),
    /// Lets the model write something.
    pub sample: &'a mut dyn FnMut(&dyn Model) -> Option<Sample>,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Steps done.
    pub steps: u64,
    /// Seconds, over all resumptions.
    pub seconds: f64,
    /// Held-out records before the first step.
    pub before: Option<ValidationLine>,
    /// Held-out records with the weights that are the result.
    pub after: Option<ValidationLine>,
    /// The step whose weights are the result, where later ones did worse on what is held out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_step: Option<u64>,
}

/// Steps of which records make so many.
pub trait RecordSteps: Steps {
    /// How many there are.
    fn count(&self) -> u64;
}

/// What a run leaves in its folder.
const RESULTS: [&str; 10] = [
    CHECKPOINT,
    BEST,
    "metrics.jsonl",
    "model",
    "adapter",
    "sft.json",
    "dpo.json",
    "reward.json",
    "ppo.json",
    "grpo.json",
];

/// A trainer of all weights of `model`, or of adapters on it.
pub fn trainer(
    model: Box<dyn Model>,
    adapters: Option<Arc<LoraAdapters>>,
    settings: &TuningSettings,
    seed: u64,
) -> Trainer {
    let settings = TrainerSettings {
        optimizer: settings.optimizer.clone(),
        precision: Precision::from(settings.precision),
        dropout: settings.dropout(),
        seed,
        ..TrainerSettings::default()
    };
    Trainer::new(model, adapters.map(|adapters| adapters as Arc<dyn Adapters>), settings)
}

/// Examples one after the other in one row, each seeing itself alone; each id that is trained on counts `weight` in the loss,
/// one that shares its place with another as much of it as is left.
pub fn packed<'a>(examples: impl IntoIterator<Item = &'a Example>, weight: f32) -> Batch {
    let examples: Vec<&Example> = examples.into_iter().collect();
    let (mut rows, mut targets, mut weights, mut start) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for example in &examples {
        let next = example.ids.iter().zip(&example.trained).skip(1);
        for (row, (id, _)) in (start..).zip(next).filter(|(_, (_, trained))| **trained) {
            rows.push(row);
            targets.push(*id);
            weights.push(weight);
        }
        start += example.positions() as u32;
        if let (Some((id, share)), Some(last)) = (example.other, weights.last_mut()) {
            *last = weight * (1.0 - share);
            rows.push(start - 1);
            targets.push(id);
            weights.push(weight * share);
        }
    }
    let targets = Targets { rows: Some(rows), ids: targets, weights };
    let source = Text::packed(examples.iter().map(|example| &example.ids[..example.positions()]));
    Batch { source, answer: None, targets, classes: None }
}

/// Does the steps of `source`, going on from a checkpoint of the same work where there is one.
///
/// # Errors
/// When the disk refuses, a checkpoint is damaged, the loss stops being a number, or it was asked to stop.
pub fn tune(
    job: &Job<'_>,
    trainer: &mut Trainer,
    source: &mut dyn RecordSteps,
    observe: &mut dyn FnMut(&TrainEvent),
) -> Result<Summary> {
    tune_watched(job, trainer, source, Watch { observe, sample: &mut |_| None })
}

/// As [`tune`], where the model writes something now and then.
///
/// # Errors
/// As there.
pub fn tune_watched(
    job: &Job<'_>,
    trainer: &mut Trainer,
    source: &mut dyn RecordSteps,
    watch: Watch<'_>,
) -> Result<Summary> {
    let (settings, steps) = (job.settings, source.count());
    let schedule = |_| settings.schedule(job.learning_rate, steps);
    let about = Run {
        out: job.out,
        results: &RESULTS,
        identity: serde_json::json!([job.base, settings.deciding(), job.learning_rate]),
        pacing: Pacing { samples: job.samples, ..pacing(settings, steps) },
        schedule: &schedule,
    };
    let mut hooks = Hooks { observe: watch.observe, sample: watch.sample, stop: &job.stop };
    let Finished { steps, seconds, before, after, kept_step, .. } = run(&about, trainer, source, &mut hooks)?;
    let kept_step = Some(kept_step).filter(|kept| *kept != steps);
    Ok(Summary { steps, seconds, before, after, kept_step })
}

/// Validations before the first step, after the last, and evenly between.
fn pacing(settings: &TuningSettings, steps: u64) -> Pacing {
    Pacing {
        fall: Some(Fall { start: 0, end: steps }),
        steps,
        most_steps: steps,
        decay: 1.0,
        clock: None,
        validate_every: 1,
        looks: Some(settings.validations.max(2) - 1),
        validate_first: true,
        samples: 0,
        keep_best: settings.keep_best,
        stops_early: false,
        checkpoint_seconds: settings.checkpoint_seconds,
    }
}
