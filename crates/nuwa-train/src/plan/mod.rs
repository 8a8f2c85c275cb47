//! From a budget to what is trained: size, tokens, batch, learning rate, and what is to be expected of them.
//!
//! A budget in time becomes a budget in floating-point operations through the measured speed of this machine. How it is
//! split between size and tokens depends on how much text there is ([`sizes::split`]). A pilot run of the chosen model on
//! the real text then gives its real speed and its real loss curve, from which the number of steps and the expected loss
//! follow (`law.rs`).

mod law;
mod micro_batch;
mod ngram;
mod pilot;
pub mod shape;
pub mod sizes;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use nuwa_files::Progress;
use nuwa_models::{Model, ModelConfig, PresetName};
use nuwa_nn::{ModelStart, ScheduleKind};
use nuwa_shards::{Part, Shards};
use serde::{Deserialize, Serialize};

use crate::clock::{Afterwards, LEAST_TRAINING};
use crate::objectives::Objective;
use crate::pretraining::share_of_tokens;
use crate::{Error, MicroBatch, ModelSettings, PretrainSettings, Recompute, Result};
use law::Ahead;
use ngram::SelfPrediction;
use pilot::{FEWEST_STEPS, Pilot};

/// What the user asks for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// As good as it gets in this many seconds on this machine, what follows training included.
    Seconds(f64),
    /// About this many weights and tokens, the same on every machine.
    Sizes {
        /// Weights, the embedding included.
        parameters: u64,
        /// Tokens to train on, repetitions included.
        tokens: u64,
    },
}

/// What a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The folder of the shards.
    pub shards: &'a Path,
    /// Tokens of all the text, where the shards hold only a sample of it.
    pub whole: Option<u64>,
    /// The size of the tokenizer's vocabulary.
    pub vocabulary: usize,
    /// The token that ends documents.
    pub eos: Option<u32>,
    /// What the model is trained to do.
    pub objective: &'a Arc<dyn Objective>,
    /// What is asked for.
    pub goal: Goal,
    /// What follows training within a time that is asked for.
    pub afterwards: Afterwards,
    /// Choices of the user on the model.
    pub model: &'a ModelSettings,
    /// The model that training goes on with, in place of a new one: its shape is kept, and its rate is [`sizes::GENTLER`].
    pub given: Option<&'a ModelConfig>,
    /// Seconds that trying may take, where that is less than [`make`] takes by itself.
    pub pilot_seconds: Option<f64>,
    /// Choices of the user on the training.
    pub pretrain: &'a PretrainSettings,
    /// Bytes of memory that may be used, where that is known.
    pub memory: Option<u64>,
    /// Bytes that the program holds before it trains, where that is known.
    pub resident: Option<u64>,
    /// Decides the pilot's weights and data.
    pub seed: u64,
}

/// What is trained, and what is expected of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The model.
    pub model: ModelConfig,
    /// The published size that it has, where one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<PresetName>,
    /// Its weights.
    pub parameters: u64,
    /// Tokens to train on, repetitions included.
    pub tokens: u64,
    /// How often the text is repeated.
    pub epochs: f64,
    /// Tokens a sequence.
    pub context: usize,
    /// Sequences that go through the model at one time.
    pub sequences: usize,
    /// Such passes a step.
    pub accumulation: usize,
    /// The most sequences that fit the memory at one time, where that was looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub largest: Option<usize>,
    /// All steps; an estimate where the clock decides.
    pub steps: u64,
    /// The most steps that the text is worth, however much time there is.
    #[serde(default)]
    pub most_steps: u64,
    /// Whether the clock decides when the learning rate falls.
    #[serde(default)]
    pub clocked: bool,
    /// Seconds for training and what follows it, of a plan for a time.
    #[serde(default)]
    pub seconds_left: Option<f64>,
    /// Highest learning rate.
    pub learning_rate: f32,
    /// Shape of the learning rate.
    #[serde(default = "planned_in_sizes")]
    pub schedule: ScheduleKind,
    /// Steps in which the learning rate rises.
    #[serde(default)]
    pub warmup: u64,
    /// Steps in which it falls at the end, after it stayed.
    #[serde(default)]
    pub decay: u64,
    /// Steps between two validations while it stays.
    #[serde(default)]
    pub validate_every: u64,
    /// Share of activations dropped.
    pub dropout: f32,
    /// Decoupled weight decay.
    #[serde(default)]
    pub weight_decay: f32,
    /// Steps over which the batch grows.
    #[serde(default)]
    pub ramp: u64,
    /// How the model starts, where that is not as its family is published.
    #[serde(default)]
    pub start: ModelStart,
    /// Whether the inside of blocks is computed again in backward.
    #[serde(default)]
    pub recompute: bool,
    /// What the user asked for.
    pub goal: Goal,
    /// What is expected.
    pub predicted: Prediction,
    /// What was tried to know it.
    pub pilot: Option<PilotResult>,
    /// What n-grams make of the held-out text, where there is any: tokens of training text, and bits a byte.
    #[serde(default)]
    pub ngrams: Vec<(u64, f64)>,
}

/// What a plan expects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Seconds of training.
    pub seconds: f64,
    /// Bytes of memory at the peak.
    pub memory_bytes: u64,
    /// Bits a byte on held-out text.
    pub bits_per_byte: Option<f64>,
    /// Half the width of the range that should hold it in two cases of three.
    pub bits_per_byte_error: Option<f64>,
}

/// What the pilot run found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PilotResult {
    /// Steps it did.
    pub steps: u64,
    /// Tokens of these.
    pub tokens: u64,
    /// Seconds that all its steps took.
    pub seconds: f64,
    /// Its speed after warm-up.
    pub tokens_per_second: f64,
    /// Halfway and at the end: tokens of training, repetitions included, and bits a byte of the held-out text.
    #[serde(default, alias = "held_back")]
    pub held_out: Vec<(u64, f64)>,
    /// The batch, in tokens, at which the noise of the gradient is as large as the gradient after these steps, where that could be told;
    /// it grows while the loss falls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise_scale: Option<f64>,
}

impl Plan {
    /// Tokens a step.
    pub fn batch_tokens(&self) -> u64 {
        (self.context * self.sequences * self.accumulation) as u64
    }

    /// A fresh model of this plan.
    ///
    /// # Errors
    /// When the configuration makes no sense.
    pub(crate) fn build(&self, seed: u64) -> Result<Box<dyn Model>> {
        let model = nuwa_models::build(&self.model, seed)?;
        if self.start.mup_base_width.is_some() && !ModelStart::allows_mup(model.parameters()) {
            return Err(Error::Setting {
                name: "model.parametrization".into(),
                value: "mup".into(),
                expected: "standard: the family has no norm in front of its head".into(),
            });
        }
        self.start.apply(model.parameters(), [self.model.layers(), self.model.width()], seed);
        Ok(model)
    }

    /// Whether blocks are computed again in backward: as planned, or as was said since.
    pub(crate) fn recomputes(&self, said: Recompute) -> bool {
        match said {
            Recompute::Auto => self.recompute,
            said => said == Recompute::On,
        }
    }

    /// The part of the plan that decides the weights, as one value to compare.
    pub fn what_is_trained(&self) -> serde_json::Value {
        let mut decides = serde_json::json!([
            self.model,
            self.context,
            self.sequences,
            self.accumulation,
            self.steps,
            self.most_steps,
            self.clocked,
            self.learning_rate,
            self.schedule,
            self.warmup,
            self.decay,
            self.validate_every,
            self.dropout,
            self.weight_decay
        ]);
        // Plans of versions that did not know these are none other.
        if let (Some(decides), true) = (decides.as_array_mut(), (self.ramp, self.start) != Default::default())
        {
            decides.extend([serde_json::json!(self.ramp), serde_json::json!(self.start)]);
        }
        decides
    }
}

/// What an older plan, which does not say it, has.
fn planned_in_sizes() -> ScheduleKind {
    ScheduleKind::Cosine
}

/// Share of the time that the pilot may take, and its bounds in seconds.
const PILOT_SHARE: f64 = 0.035;
const PILOT_SECONDS: [f64; 2] = [1.0, 120.0];

/// Bounds of its steps where the plan is given in sizes.
const PILOT_STEPS: [usize; 2] = [FEWEST_STEPS, 200];

/// Share of the time for validations, samples and checkpoints during training.
const ASIDE_SHARE: f64 = 0.03;

/// Tokens that n-grams look at for each second that is asked for.
const LOOKED_AT_PER_SECOND: f64 = 10_000.0;

/// Share of the training time that validations may take where text is repeated, and the cost of looking at a token by that of learning
/// from it.
const VALIDATION_SHARE: f64 = 0.03;
const FORWARD_SHARE: f64 = 0.33;

/// The least training worth doing, in seconds.
const SHORTEST: f64 = 5.0;

/// Makes the plan; `progress` hears of the steps that are tried for it.
///
/// # Errors
/// When the text is too short, the budget too small, a setting out of range, or the memory too small.
pub fn make(request: &Request<'_>, progress: &mut dyn FnMut(Progress)) -> Result<Plan> {
    request.pretrain.check()?;
    request.model.check()?;
    if request.model.preset.is_some() && request.given.is_none() {
        check(request)?;
    }
    let shards = Shards::open(request.shards, Part::Train)?;
    let [held_out, tested] = [Part::Validation, Part::Test]
        .map(|part| Shards::open_if_any(request.shards, part).map(|part| part.map_or(0, |it| it.tokens())));
    let tokens = request.whole.unwrap_or(shards.tokens());
    let text = Text { tokens, held_out: held_out?, tested: tested? };
    let began = Instant::now();
    let itself = predict_itself(request, &shards)?;
    let goal = match request.goal {
        Goal::Seconds(seconds) => Goal::Seconds(seconds - began.elapsed().as_secs_f64()),
        sizes @ Goal::Sizes { .. } => sizes,
    };
    let mut plan = match goal {
        Goal::Sizes { parameters, tokens } => for_sizes(request, text, [parameters, tokens], progress)?,
        Goal::Seconds(seconds) => for_seconds(request, text, seconds, progress)?,
    };
    expect(&mut plan, request, text, itself.as_ref());
    check_memory(plan.predicted.memory_bytes, request.memory)?;
    Ok(plan)
}

/// What can be known before there is text: whether the settings make a model that fits the memory, and the time is enough for any
/// training at all. The shards of the request need not be there.
///
/// # Errors
/// As [`make`].
pub fn check(request: &Request<'_>) -> Result<()> {
    request.pretrain.check()?;
    request.model.check()?;
    let (parameters, tokens) = match request.goal {
        Goal::Seconds(left) if left < SHORTEST => return Err(Error::Budget { left }),
        Goal::Seconds(_) => (1, 1),
        Goal::Sizes { parameters, tokens } => (parameters, tokens),
    };
    let plenty = u64::from(u32::MAX);
    let text = Text { tokens: plenty, held_out: plenty, tested: plenty };
    refuse_too_large(request, &draft(request, text, parameters, tokens)?)
}

/// How much text there is to train on.
#[derive(Debug, Clone, Copy)]
struct Text {
    tokens: u64,
    /// Tokens of the validation part.
    held_out: u64,
    /// Tokens of the test part.
    tested: u64,
}

/// A plan for a search of settings: of these sizes, as near as widths allow, without trying anything and without expectations.
///
/// # Errors
/// When the text is too short, a setting is out of range, or the memory too small.
pub fn for_trial(request: &Request<'_>, parameters: u64, tokens: u64) -> Result<Plan> {
    request.pretrain.check()?;
    request.model.check()?;
    let train = Shards::open(request.shards, Part::Train)?;
    let held_out = Shards::open_if_any(request.shards, Part::Validation)?;
    let text = Text { tokens: train.tokens(), held_out: held_out.map_or(0, |part| part.tokens()), tested: 0 };
    let model = shape::finer(request.model, parameters, request.vocabulary, request.eos, text.tokens);
    let request = &Request { model: &model, ..*request };
    let mut plan = draft(request, text, parameters, tokens)?;
    plan.most_steps = plan.steps;
    refuse_too_large(request, &plan)?;
    Ok(plan)
}

/// Tokens a second in which a model of so many weights is trained here, by a few steps.
///
/// # Errors
/// As [`for_trial`].
pub fn speed(request: &Request<'_>, parameters: u64, progress: &mut dyn FnMut(Progress)) -> Result<f64> {
    let plan = for_trial(request, parameters, 12 * parameters)?;
    let mut pilot = Pilot::start(request, &plan)?;
    pilot.run_steps(2 * FEWEST_STEPS, progress)?;
    Ok(pilot.tokens_per_second())
}

/// The plan does not depend on the machine; the steps that are tried only say how long it will take and how good it will
/// be.
fn for_sizes(
    request: &Request<'_>,
    text: Text,
    [parameters, tokens]: [u64; 2],
    progress: &mut dyn FnMut(Progress),
) -> Result<Plan> {
    let mut plan = draft(request, text, parameters, tokens)?;
    refuse_too_large(request, &plan)?;
    micro_batch::probe(&mut plan, request, text, progress)?;
    let mut pilot = Pilot::start(request, &plan)?;
    let share = (plan.steps as f64 * PILOT_SHARE) as usize;
    let steps = share.clamp(PILOT_STEPS[0], PILOT_STEPS[1]);
    for part in [steps / 2, steps.div_ceil(2)] {
        pilot.run_steps(part, progress)?;
        pilot.measure()?;
    }
    plan.most_steps = plan.steps;
    plan.predicted = foreseen(&plan, request, &pilot);
    plan.pilot = Some(pilot.result());
    Ok(plan)
}

fn for_seconds(
    request: &Request<'_>,
    text: Text,
    seconds: f64,
    progress: &mut dyn FnMut(Progress),
) -> Result<Plan> {
    if seconds < SHORTEST {
        return Err(Error::Budget { left: seconds });
    }
    let began = Instant::now();
    let most = request.pilot_seconds.unwrap_or(PILOT_SECONDS[1]);
    let pilot_seconds = (seconds * PILOT_SHARE).clamp(PILOT_SECONDS[0], most.max(PILOT_SECONDS[0]));
    let operations = operations(request, text, seconds, pilot_seconds, progress)?;
    let [parameters, tokens] = sizes::split(operations, text.tokens);
    let mut plan = draft(request, text, parameters, tokens)?;
    refuse_too_large(request, &plan)?;
    micro_batch::probe(&mut plan, request, text, progress)?;
    let mut pilot = Pilot::start(request, &plan)?;
    for _ in 0..2 {
        pilot.run_seconds(pilot_seconds / 2.0, progress)?;
        pilot.measure()?;
    }
    let left = (seconds - began.elapsed().as_secs_f64()).max(SHORTEST);
    let speed = pilot.tokens_per_second();
    let most = sizes::most_tokens(text.tokens, text.held_out > 0);
    let tokens = speed * training_seconds(request, left, speed);
    set_tokens(&mut plan, request, text, (tokens as u64).min(most));
    plan.most_steps = (most / plan.batch_tokens()).max(1);
    plan.clocked = request.pretrain.schedule.is_none_or(|kind| kind == ScheduleKind::WarmupStableDecay);
    plan.seconds_left = Some(left);
    if plan.clocked {
        plan.schedule = ScheduleKind::WarmupStableDecay;
    }
    plan.predicted = foreseen(&plan, request, &pilot);
    plan.pilot = Some(pilot.result());
    Ok(plan)
}

/// How many floating-point operations there is time for: from the speed of some model of about the right size, then of the right one,
/// since speed grows with size.
fn operations(
    request: &Request<'_>,
    text: Text,
    seconds: f64,
    pilot_seconds: f64,
    progress: &mut dyn FnMut(Progress),
) -> Result<f64> {
    let mut operations = sizes::LIKELY_SPEED * seconds;
    for _ in 0..2 {
        let [parameters, tokens] = sizes::split(operations, text.tokens);
        let guess = draft(request, text, parameters, tokens)?;
        refuse_too_large(request, &guess)?;
        let mut pilot = Pilot::start(request, &guess)?;
        pilot.run_steps(FEWEST_STEPS, progress)?;
        let speed = pilot.tokens_per_second();
        let time = training_seconds(request, seconds - 1.5 * pilot_seconds, speed);
        operations = speed * shape::operations_per_token(&guess.model) * time;
    }
    Ok(operations)
}

/// What of the seconds that are left is for training, at so many tokens a second.
fn training_seconds(request: &Request<'_>, left: f64, tokens_per_second: f64) -> f64 {
    let Afterwards { tokens, seconds } = request.afterwards;
    let after = seconds + tokens / tokens_per_second;
    (left - after).max(left * LEAST_TRAINING) * (1.0 - ASIDE_SHARE)
}

/// A plan for these sizes, without expectations.
fn draft(request: &Request<'_>, text: Text, parameters: u64, tokens: u64) -> Result<Plan> {
    let model = match request.given {
        Some(config) => config.clone(),
        None => {
            let (vocabulary, eos) = (request.vocabulary, request.eos);
            let mut model = shape::model(request.model, parameters, vocabulary, eos, text.tokens)?;
            model.set_languages(request.objective.languages(), request.objective.padding());
            if request.objective.makes_causal() {
                model.set_causal();
            }
            model
        }
    };
    let (parameters, active) = (model.size().parameters as u64, model.size().active() as u64);
    let gentler = if request.given.is_some() { sizes::GENTLER } else { 1.0 };
    let gentler = if predicts_few(&model) { gentler * sizes::GENTLER_OF_FEW } else { gentler };
    let mut plan = Plan {
        context: model.context(),
        preset: request.model.preset.filter(|_| request.given.is_none()),
        parameters,
        learning_rate: request
            .pretrain
            .learning_rate
            .unwrap_or_else(|| gentler * usual_rate(request, active)),
        model,
        tokens: 0,
        epochs: 0.0,
        sequences: 1,
        accumulation: 1,
        largest: None,
        steps: 0,
        most_steps: 0,
        clocked: false,
        seconds_left: None,
        schedule: request.pretrain.schedule.unwrap_or(ScheduleKind::Cosine),
        warmup: 0,
        decay: 0,
        validate_every: 0,
        dropout: 0.0,
        weight_decay: 0.0,
        ramp: 0,
        start: if request.given.is_some() { ModelStart::default() } else { request.model.start() },
        recompute: request.pretrain.recompute == Recompute::On,
        goal: request.goal,
        predicted: Prediction {
            seconds: 0.0,
            memory_bytes: 0,
            bits_per_byte: None,
            bits_per_byte_error: None,
        },
        pilot: None,
        ngrams: Vec::new(),
    };
    if request.pretrain.micro_batch == MicroBatch::Auto {
        plan.largest = micro_batch::largest_by_prediction(&plan, request);
    }
    set_tokens(&mut plan, request, text, tokens);
    Ok(plan)
}

/// Whether a model learns from some of its tokens alone, by what is on both sides of them: BERT and its relatives.
fn predicts_few(model: &ModelConfig) -> bool {
    model.predicts() == nuwa_models::Prediction::MaskedTokens
}

/// The highest rate of a new model where none is said: with muP that of the base width, of other optimizers than AdamW by their own
/// factor.
fn usual_rate(request: &Request<'_>, active: u64) -> f32 {
    sizes::learning_rate(active) * request.pretrain.optimizer.kind.rate_factor()
}

/// Fits batch, steps, schedule and dropout to a number of tokens.
fn set_tokens(plan: &mut Plan, request: &Request<'_>, text: Text, tokens: u64) {
    let settings = request.pretrain;
    let usual = || match predicts_few(&plan.model) {
        true => sizes::batch_of_few(tokens, plan.context, settings.masked.share),
        false => sizes::batch_tokens(tokens),
    };
    let wanted = settings.batch_tokens.unwrap_or_else(usual);
    let sequences = (wanted / plan.context as u64).max(1) as usize;
    let at_once = match plan.largest {
        Some(largest) => largest.clamp(1, sequences),
        None => (settings.micro_batch_tokens as usize / plan.context).clamp(1, sequences),
    };
    plan.accumulation = sequences.div_ceil(at_once);
    plan.sequences = sequences.div_ceil(plan.accumulation);
    let whole = (tokens / plan.batch_tokens()).max(1);
    let of_whole = share_of_tokens(settings.batch_ramp);
    plan.steps = if of_whole < 1.0 { (whole as f64 / of_whole).round() as u64 } else { whole };
    plan.ramp = (settings.batch_ramp * plan.steps as f64).round() as u64;
    plan.tokens = whole * plan.batch_tokens();
    plan.epochs = plan.tokens as f64 / text.tokens.max(1) as f64;
    plan.dropout = settings.dropout.unwrap_or_else(|| sizes::dropout(plan.epochs));
    plan.weight_decay = settings.optimizer.weight_decay.unwrap_or_else(|| sizes::weight_decay(plan.epochs));
    let share = |share: f64| (share * plan.steps as f64).round() as u64;
    plan.warmup = settings.warmup_steps.unwrap_or_else(|| share(settings.warmup));
    plan.decay = settings.decay_steps.unwrap_or_else(|| share(settings.decay)).min(plan.steps);
    plan.validate_every = settings.validate_every.unwrap_or_else(|| validate_every(plan, request, text));
    if let Some(available) = request.memory {
        let precision = settings.precision.into();
        let fits =
            |recompute| shape::needed_bytes(plan, precision, recompute) + resident(request) <= available;
        plan.recompute |= settings.recompute == Recompute::Auto && !fits(false) && !plan.recompute;
    }
}

/// Steps between validations: evenly spread over the run, but twice in a repetition of the text where it is repeated, as far as
/// validation then takes no more than [`VALIDATION_SHARE`] of the time.
fn validate_every(plan: &Plan, request: &Request<'_>, text: Text) -> u64 {
    let evenly = plan.steps / (request.pretrain.validations + 1);
    if plan.epochs <= 1.0 {
        return evenly.max(1);
    }
    let looked_at = text.held_out.min(request.pretrain.validation_tokens);
    let cheap = looked_at as f64 * FORWARD_SHARE / VALIDATION_SHARE;
    let steps = |tokens: f64| (tokens / plan.batch_tokens() as f64) as u64;
    steps(text.tokens as f64 / 2.0).min(evenly).max(steps(cheap)).max(1)
}

/// How well the text predicts itself, in tokens that a small share of the time is enough for.
fn predict_itself(request: &Request<'_>, train: &Shards) -> Result<Option<SelfPrediction>> {
    // What is foreseen is a figure of the test part; nothing is chosen by it.
    let Some(held_out) = Shards::open_if_any(request.shards, Part::Test)? else { return Ok(None) };
    let most = match request.goal {
        Goal::Seconds(seconds) => (seconds * LOOKED_AT_PER_SECOND) as u64,
        Goal::Sizes { .. } => u64::MAX,
    };
    SelfPrediction::measure(train, &held_out, request.vocabulary, most)
}

/// Time and memory.
fn foreseen(plan: &Plan, request: &Request<'_>, pilot: &Pilot) -> Prediction {
    let seconds = plan.tokens as f64 / pilot.tokens_per_second() / (1.0 - ASIDE_SHARE);
    let memory_bytes = foreseen_bytes(plan, request, pilot);
    Prediction { seconds, memory_bytes, bits_per_byte: None, bits_per_byte_error: None }
}

/// Memory, by what a pilot took.
fn foreseen_bytes(plan: &Plan, request: &Request<'_>, pilot: &Pilot) -> u64 {
    pilot.held_bytes() + shape::state_bytes(plan) + resident(request)
}

/// The loss.
fn expect(plan: &mut Plan, request: &Request<'_>, text: Text, itself: Option<&SelfPrediction>) {
    let points = itself.into_iter().flat_map(|itself| &itself.points);
    plan.ngrams = points.copied().collect();
    let pilot = plan.pilot.as_ref().expect("a plan was tried");
    let ahead =
        Ahead { parameters: plan.parameters, tokens: plan.tokens, text: text.tokens, held_out: text.tested };
    // The pilot begins with new weights: it tells the speed of a given model, but not how good it will be.
    let itself = itself.filter(|_| request.given.is_none());
    let expected = itself.and_then(|itself| law::expected(pilot, itself, ahead));
    plan.predicted.bits_per_byte = expected.map(|value| value.bits_per_byte);
    plan.predicted.bits_per_byte_error = expected.map(|value| value.error);
}

/// An error before anything is tried where not even the estimate fits.
fn refuse_too_large(request: &Request<'_>, plan: &Plan) -> Result<()> {
    match (plan.preset, check_memory(needed(request, plan), request.memory)) {
        (Some(preset), Err(Error::Memory { needed, available })) => {
            let largest = largest_that_fits(request, plan);
            Err(Error::PresetMemory { preset, needed, available, largest })
        }
        (_, checked) => checked,
    }
}

/// An estimate of the bytes that a plan takes.
fn needed(request: &Request<'_>, plan: &Plan) -> u64 {
    shape::needed_bytes(plan, request.pretrain.precision.into(), plan.recompute) + resident(request)
}

/// Of the published sizes that predict the same, the largest that fits the memory in place of the plan's.
fn largest_that_fits(request: &Request<'_>, plan: &Plan) -> Option<PresetName> {
    let plenty = u64::from(u32::MAX);
    let text = Text { tokens: plenty, held_out: plenty, tested: plenty };
    let fits = |preset: PresetName| {
        let model = preset.config(request.vocabulary, request.model.context, request.eos).ok()?;
        let parameters = model.size().parameters as u64;
        let same = model.predicts() == plan.model.predicts();
        let mut other = Plan { context: model.context(), parameters, model, ..plan.clone() };
        set_tokens(&mut other, request, text, plan.tokens);
        (same && needed(request, &other) <= request.memory?).then_some((parameters, preset))
    };
    PresetName::all().filter_map(fits).max_by_key(|(parameters, _)| *parameters).map(|(_, preset)| preset)
}

/// What the program itself holds, about, where it is not said.
const USUAL_RESIDENT: u64 = 40_000_000;

/// What training holds beside tensors, about, by the measured sizes of four models: operands that each thread packs, text, and code that
/// is needed for the first time.
const BESIDE_TENSORS: u64 = 11_000_000;

fn resident(request: &Request<'_>) -> u64 {
    request.resident.unwrap_or(USUAL_RESIDENT) + BESIDE_TENSORS
}

fn check_memory(needed: u64, memory: Option<u64>) -> Result<()> {
    let gigabytes = |bytes: u64| bytes as f64 / 1e9;
    match memory {
        Some(available) if needed > available => {
            Err(Error::Memory { needed: gigabytes(needed), available: gigabytes(available) })
        }
        _ => Ok(()),
    }
}
