use std::path::Path;
use std::sync::Arc;

use nuwa_models::Model;
use nuwa_nn::{Dropouts, OptimizerSettings, Schedule, ScheduleKind};
use nuwa_shards::{Part, Shards};
use nuwa_tensor::{Parameters, Precision};
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::course::{Ended, Fall};
use crate::inside::GradientNoise;
use crate::objectives::Objective;
use crate::plan::Plan;
use crate::run::{BEST, CHECKPOINT, Finished, Hooks, Pacing, Run, run};
use crate::{
    Figures, LayerShares, Loader, PretrainSettings, Pretraining, Result, StepLine, Trainer, TrainerSettings,
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
    pub eos: Option<u32>,
    /// Decides initial weights, data order and dropout.
    pub seed: u64,
    /// The weights to begin with, in place of random ones: those of a model of the plan's configuration, in its order.
    pub init: Option<&'a [f32]>,
    /// Says when the learning rate falls, of a plan that leaves this to the clock.
    pub clock: Option<Clock>,
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
    #[serde(default, skip_serializing_if = "Figures::is_empty")]
    pub figures: Figures,
    /// How that part was shared among the experts of each layer that has some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub experts: Vec<LayerShares>,
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
    /// The batch, in tokens, at which the noise of the gradient was as large as the gradient itself in the later part of the run, where
    /// that could be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise_scale: Option<f64>,
    /// The share of weights that are exactly 0, where L1 regularisation was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zeros: Option<f64>,
}

/// What a run leaves in its folder, but for its plan.
const RESULTS: [&str; 5] = [CHECKPOINT, BEST, "metrics.jsonl", "model", "pretrain.json"];

/// Most tokens of the test part that are looked at; the evaluation of a build reads all.
pub const MOST_TEST_TOKENS: u64 = 1 << 18;

/// Trains as planned, resuming where a checkpoint of the same run is found, and gives the trained model. Once that is written,
/// [`remove_best`](crate::remove_best) takes away what only a resumed run would need.
///
/// # Errors
/// When the data do not fit the plan, the disk refuses, the loss stops being a number (the state before the refused
/// step is then in the checkpoint), or it was asked to stop.
pub fn pretrain(job: &Job<'_>, hooks: &mut Hooks<'_>) -> Result<(Box<dyn Model>, Summary)> {
    job.settings.check()?;
    let mut steps = steps(job)?;
    let mut trainer = trainer(job)?;
    let (plan, settings) = (job.plan, job.settings);
    let schedule = |fall: Option<Fall>| schedule(plan, settings, fall);
    let about = Run {
        out: job.out,
        results: &RESULTS,
        identity: identity(job),
        pacing: pacing(job),
        schedule: &schedule,
    };
    let Finished { steps: done, tokens, seconds, kept_step, after, fall, ended, .. } =
        run(&about, &mut trainer, &mut steps, hooks)?;
    let (bits_per_byte, figures, experts) = match held_out(job, Part::Test)? {
        Some(test) => {
            let measured = steps.measure(&mut trainer, &test, MOST_TEST_TOKENS)?;
            (measured.bits_per_byte, measured.figures, measured.experts)
        }
        None => {
            let (bits, figures) = split(after.as_ref().map(|line| line.figures.clone()).unwrap_or_default());
            (bits, figures, Vec::new())
        }
    };
    let summary = Summary {
        steps: done,
        tokens,
        seconds,
        validation_loss: after.map(|line| line.validation_loss),
        bits_per_byte,
        figures,
        experts,
        peak_tensor_bytes: trainer.held_bytes() as u64,
        kept_step,
        fall,
        ended,
        noise_scale: noise_scale(job.out)?,
        zeros: (job.settings.optimizer.l1 > 0.0).then(|| share_of_zeros(trainer.parameters())),
    };
    Ok((trainer.into_model(), summary))
}

fn share_of_zeros(parameters: &Parameters) -> f64 {
    let zeros = |values: Vec<f32>| values.iter().filter(|value| **value == 0.0).count();
    let all: usize = parameters.iter().map(|parameter| zeros(parameter.to_host())).sum();
    all as f64 / parameters.count().max(1) as f64
}

/// What the lines of a run's metrics tell of the noise of gradients.
fn noise_scale(out: &Path) -> Result<Option<f64>> {
    let text = nuwa_files::read_to_string(&out.join("metrics.jsonl"))?;
    let lines: Vec<StepLine> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let mean = GradientNoise::mean(lines.iter().map(|line| &line.figures));
    Ok(mean.and_then(GradientNoise::scale))
}

/// Bits a byte, and all other figures.
fn split(mut figures: Figures) -> (Option<f64>, Figures) {
    (figures.remove("bits_per_byte"), figures)
}

fn steps(job: &Job<'_>) -> Result<Pretraining> {
    let plan = job.plan;
    let loader = Loader::new(Shards::open(job.shards, Part::Train)?, plan.context, job.seed)?;
    let held_out = held_out(job, Part::Validation)?;
    Ok(Pretraining::new(loader, Arc::clone(job.objective), [plan.sequences, plan.accumulation])
        .growing_over(plan.ramp)
        .telling()
        .measured_on(held_out, job.settings.validation_tokens)
        .known_as(data_hash(job)?))
}

fn trainer(job: &Job<'_>) -> Result<Trainer> {
    let model = job.plan.build(job.seed)?;
    if let Some(weights) = job.init {
        model.parameters().from_host(weights);
    }
    let settings = trainer_settings(job.plan, job.settings, model.parameters(), job.seed);
    Ok(Trainer::new(model, None, settings))
}

/// How a plan's model is trained.
pub(crate) fn trainer_settings(
    plan: &Plan,
    settings: &PretrainSettings,
    parameters: &Parameters,
    seed: u64,
) -> TrainerSettings {
    TrainerSettings {
        optimizer: OptimizerSettings { weight_decay: Some(plan.weight_decay), ..settings.optimizer.clone() },
        precision: Precision::from(settings.precision),
        dropout: plan.dropout,
        dropouts: Dropouts {
            embedding: settings.embedding_dropout,
            attention: settings.attention_dropout,
            blocks: settings.stochastic_depth,
        },
        label_smoothing: settings.label_smoothing,
        z_loss: settings.z_loss,
        rates: plan.start.rates(parameters, plan.model.width()),
        recompute: plan.recomputes(settings.recompute),
        batch_statistics: true,
        seed,
    }
}

fn pacing(job: &Job<'_>) -> Pacing {
    let (plan, settings) = (job.plan, job.settings);
    Pacing {
        fall: planned_fall(job),
        steps: plan.steps,
        most_steps: plan.most_steps,
        decay: settings.decay,
        clock: job.clock,
        validate_every: plan.validate_every,
        looks: (plan.schedule != ScheduleKind::WarmupStableDecay).then_some(settings.validations + 1),
        validate_first: false,
        samples: settings.samples,
        keep_best: settings.keep_best,
        stops_early: true,
        checkpoint_seconds: settings.checkpoint_seconds,
    }
}

/// When the rate falls, where the clock does not decide it.
fn planned_fall(job: &Job<'_>) -> Option<Fall> {
    let plan = job.plan;
    let start = match plan.schedule {
        ScheduleKind::Cosine
        | ScheduleKind::InverseSquareRoot
        | ScheduleKind::Linear
        | ScheduleKind::Constant
        | ScheduleKind::Cycles => 0,
        ScheduleKind::WarmupStableDecay => plan.steps.saturating_sub(plan.decay),
    };
    (!plan.clocked || job.clock.is_none()).then_some(Fall { start, end: plan.steps })
}

/// A part of what is held out, where it can be predicted at all.
fn held_out(job: &Job<'_>, part: Part) -> Result<Option<Shards>> {
    Ok(Shards::open_if_any(job.shards, part)?.filter(|shards| shards.tokens() > 1))
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
        shape: settings.decay_shape,
        cycles: settings.cycles,
        steps: end,
    }
}

/// Changes with anything but the data that changes the weights.
fn identity(job: &Job<'_>) -> serde_json::Value {
    let init = job.init.map(|weights| nuwa_files::hash_bytes(bytemuck::cast_slice(weights)));
    let settings = job.settings;
    serde_json::json!([
        job.plan.what_is_trained(),
        &job.settings.optimizer,
        job.eos,
        job.seed,
        job.settings.decay,
        job.settings.floor,
        job.settings.document_boundaries,
        job.settings.validations,
        job.settings.validation_tokens,
        job.settings.keep_best,
        Precision::from(job.settings.precision) == Precision::Bf16,
        job.objective.settings(),
        init,
        settings.decay_shape,
        settings.cycles,
        settings.batch_ramp,
        settings.embedding_dropout,
        settings.attention_dropout,
        settings.stochastic_depth,
        settings.label_smoothing,
        settings.z_loss,
    ])
}

/// Changes with the text that is trained and validated on.
fn data_hash(job: &Job<'_>) -> Result<String> {
    let mut parts: Vec<serde_json::Value> = Vec::new();
    for path in nuwa_files::files_in(job.shards)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("train-") || name.starts_with("val-") {
            parts.push(nuwa_files::hash_file(&path)?.into());
        }
    }
    Ok(nuwa_files::hash_bytes(serde_json::Value::from(parts).to_string().as_bytes()))
}
