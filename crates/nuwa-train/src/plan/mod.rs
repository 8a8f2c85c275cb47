//! From a budget to what is trained: size, tokens, batch, learning rate, and what is to be expected of them.
//!
//! A budget in time becomes a budget in floating-point operations through the measured speed of this machine. How it is
//! split between size and tokens depends on how much text there is ([`sizes::split`]). A pilot run of the chosen model on
//! the real text then gives its real speed and its real loss curve, from which the number of steps and the expected loss
//! follow ([`law`]).

pub mod law;
mod pilot;
pub mod shape;
pub mod sizes;

use std::path::Path;

use nuwa_data::shards::{Part, Shards};
use nuwa_files::Progress;
use nuwa_models::{LanguageModel, ModelConfig};
use serde::{Deserialize, Serialize};

use crate::{Error, ModelSettings, PretrainSettings, Recompute, Result};
use pilot::{FEWEST_STEPS, Pilot};

/// What the user asks for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// As good as it gets in this many seconds of training on this machine.
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
    /// How much text there is in all, where the shards hold only a sample of it.
    pub whole: Option<Whole>,
    /// The size of the tokenizer's vocabulary.
    pub vocabulary: usize,
    /// The token that ends documents.
    pub end_of_text: Option<u32>,
    /// What is asked for.
    pub goal: Goal,
    /// Choices of the user on the model.
    pub model: &'a ModelSettings,
    /// The model that training goes on with, in place of a new one: its shape is kept, and its rate is [`sizes::GENTLER`].
    pub given: Option<&'a ModelConfig>,
    /// Choices of the user on the training.
    pub pretrain: &'a PretrainSettings,
    /// Bytes of memory that may be used, where that is known.
    pub memory: Option<u64>,
    /// Bytes that the program holds before it trains, where that is known.
    pub resident: Option<u64>,
    /// Decides the pilot's weights and data.
    pub seed: u64,
}

/// All text to train on, of which there may be only a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whole {
    /// Its tokens.
    pub tokens: u64,
    /// Its bytes.
    pub bytes: u64,
}

/// What is trained, and what is expected of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The model.
    pub model: ModelConfig,
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
    /// All steps.
    pub steps: u64,
    /// Highest learning rate.
    pub learning_rate: f32,
    /// Share of activations dropped.
    pub dropout: f32,
    /// Whether the inside of blocks is computed again on the way back.
    #[serde(default)]
    pub recompute: bool,
    /// What the user asked for.
    pub goal: Goal,
    /// What is expected.
    pub predicted: Prediction,
    /// What was tried to know it.
    pub pilot: Option<PilotResult>,
}

/// What a plan expects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Seconds of training.
    pub seconds: f64,
    /// Bytes of memory at the peak.
    pub memory_bytes: u64,
    /// Bits a byte on held-back text.
    pub bits_per_byte: Option<f64>,
    /// Half the width of the range that should hold it in two cases of three.
    pub bits_per_byte_error: Option<f64>,
}

/// What the pilot run found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PilotResult {
    /// Steps it did.
    pub steps: u64,
    /// Tokens it saw.
    pub tokens: u64,
    /// Seconds it took.
    pub seconds: f64,
    /// Its speed after warm-up.
    pub tokens_per_second: f64,
    /// Its loss at the end, smoothed, in nats a token.
    pub loss: f64,
    /// The same in bits a byte.
    pub bits_per_byte: f64,
}

impl Plan {
    /// Tokens a step.
    pub fn batch_tokens(&self) -> u64 {
        (self.context * self.sequences * self.accumulation) as u64
    }

    /// A fresh model of this plan. Whether it recomputes may be said otherwise than when the plan was made.
    ///
    /// # Errors
    /// When the configuration makes no sense.
    pub(crate) fn build(&self, seed: u64, recompute: Recompute) -> Result<Box<dyn LanguageModel>> {
        let mut model = nuwa_models::build(&self.model, seed)?;
        model.set_dropout(self.dropout);
        model.set_recompute(match recompute {
            Recompute::Auto => self.recompute,
            said => said == Recompute::On,
        });
        Ok(model)
    }

    /// The part of the plan that decides the weights, as one value to compare.
    pub fn what_is_trained(&self) -> serde_json::Value {
        serde_json::json!([
            self.model,
            self.context,
            self.sequences,
            self.accumulation,
            self.steps,
            self.learning_rate,
            self.dropout
        ])
    }
}

/// Share of the time that the pilot may take, and its bounds in seconds.
const PILOT_SHARE: f64 = 0.04;
const PILOT_SECONDS: [f64; 2] = [1.0, 120.0];

/// Bounds of its steps where the plan is given in sizes.
const PILOT_STEPS: [usize; 2] = [FEWEST_STEPS, 200];

/// Share of the time for validations, samples and checkpoints during training.
const ASIDE_SHARE: f64 = 0.03;

/// The least training worth doing, in seconds.
const SHORTEST: f64 = 5.0;

/// Makes the plan; `progress` hears of the steps that are tried for it.
///
/// # Errors
/// When the text is too short, the budget too small, a setting out of range, or the memory too small.
pub fn make(request: &Request<'_>, progress: &mut dyn FnMut(Progress)) -> Result<Plan> {
    request.pretrain.check()?;
    let shards = Shards::open(request.shards, Part::Train)?;
    let own = Whole { tokens: shards.tokens(), bytes: shards.bytes() };
    let Whole { tokens, bytes } = request.whole.unwrap_or(own);
    let text = Text { tokens, bytes };
    let plan = match request.goal {
        Goal::Sizes { parameters, tokens } => for_sizes(request, text, [parameters, tokens], progress)?,
        Goal::Seconds(seconds) => for_seconds(request, text, seconds, progress)?,
    };
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
    let (parameters, tokens) = match request.goal {
        Goal::Seconds(left) if left < SHORTEST => return Err(Error::Budget { left }),
        Goal::Seconds(_) => (1, 1),
        Goal::Sizes { parameters, tokens } => (parameters, tokens),
    };
    let text = Text { tokens: u64::from(u32::MAX), bytes: u64::from(u32::MAX) };
    refuse_too_large(request, &draft(request, text, parameters, tokens)?)
}

/// How much text there is to train on.
#[derive(Debug, Clone, Copy)]
struct Text {
    tokens: u64,
    bytes: u64,
}

impl Text {
    fn bits_per_byte(&self, loss: f64) -> f64 {
        loss / std::f64::consts::LN_2 * self.tokens as f64 / self.bytes.max(1) as f64
    }
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
    let mut pilot = Pilot::start(request, &plan)?;
    let share = (plan.steps as f64 * PILOT_SHARE) as usize;
    pilot.run_steps(share.clamp(PILOT_STEPS[0], PILOT_STEPS[1]), progress)?;
    expect(&mut plan, request, &pilot, text);
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
    let pilot_seconds = (seconds * PILOT_SHARE).clamp(PILOT_SECONDS[0], PILOT_SECONDS[1]);
    let training_seconds = (seconds - 1.5 * pilot_seconds) * (1.0 - ASIDE_SHARE);

    // The speed of some model of about the right size, then of the right one: speed grows with size.
    let mut operations = 5e10 * seconds;
    let mut rate = 0.0;
    for _ in 0..2 {
        let [parameters, tokens] = sizes::split(operations, text.tokens);
        let guess = draft(request, text, parameters, tokens)?;
        refuse_too_large(request, &guess)?;
        let mut pilot = Pilot::start(request, &guess)?;
        pilot.run_steps(FEWEST_STEPS, progress)?;
        rate = pilot.tokens_per_second() * shape::operations_per_token(&guess.model);
        operations = rate * training_seconds;
    }
    debug_assert!(rate > 0.0);

    let [parameters, tokens] = sizes::split(operations, text.tokens);
    let mut plan = draft(request, text, parameters, tokens)?;
    refuse_too_large(request, &plan)?;
    let mut pilot = Pilot::start(request, &plan)?;
    pilot.run_seconds(pilot_seconds, progress)?;
    set_tokens(&mut plan, request, text, (pilot.tokens_per_second() * training_seconds) as u64);
    expect(&mut plan, request, &pilot, text);
    Ok(plan)
}

/// A plan for these sizes, without expectations.
fn draft(request: &Request<'_>, text: Text, parameters: u64, tokens: u64) -> Result<Plan> {
    let model = match request.given {
        Some(config) => config.clone(),
        None => {
            shape::model(request.model, parameters, request.vocabulary, request.end_of_text, text.tokens)?
        }
    };
    let parameters = shape::parameters(&model);
    let gentler = if request.given.is_some() { sizes::GENTLER } else { 1.0 };
    let mut plan = Plan {
        context: model.context(),
        parameters,
        learning_rate: request
            .pretrain
            .learning_rate
            .unwrap_or_else(|| gentler * sizes::learning_rate(parameters)),
        model,
        tokens: 0,
        epochs: 0.0,
        sequences: 1,
        accumulation: 1,
        steps: 0,
        dropout: 0.0,
        recompute: request.pretrain.recompute == Recompute::On,
        goal: request.goal,
        predicted: Prediction {
            seconds: 0.0,
            memory_bytes: 0,
            bits_per_byte: None,
            bits_per_byte_error: None,
        },
        pilot: None,
    };
    set_tokens(&mut plan, request, text, tokens);
    Ok(plan)
}

/// Fits batch, steps and dropout to a number of tokens.
fn set_tokens(plan: &mut Plan, request: &Request<'_>, text: Text, tokens: u64) {
    let wanted = request.pretrain.batch_tokens.unwrap_or_else(|| sizes::batch_tokens(tokens));
    let sequences = (wanted / plan.context as u64).max(1) as usize;
    let at_once = (request.pretrain.micro_batch_tokens as usize / plan.context).clamp(1, sequences);
    plan.accumulation = sequences.div_ceil(at_once);
    plan.sequences = sequences.div_ceil(plan.accumulation);
    plan.steps = (tokens / plan.batch_tokens()).max(1);
    plan.tokens = plan.steps * plan.batch_tokens();
    plan.epochs = plan.tokens as f64 / text.tokens.max(1) as f64;
    plan.dropout = request.pretrain.dropout.unwrap_or_else(|| sizes::dropout(plan.epochs));
    if let Some(available) = request.memory {
        let precision = request.pretrain.precision.into();
        let fits =
            |recompute| shape::needed_bytes(plan, precision, recompute) + resident(request) <= available;
        plan.recompute |= request.pretrain.recompute == Recompute::Auto && !fits(false) && !plan.recompute;
    }
}

fn expect(plan: &mut Plan, request: &Request<'_>, pilot: &Pilot, text: Text) {
    let result = pilot.result(text);
    let seconds = plan.tokens as f64 / result.tokens_per_second / (1.0 - ASIDE_SHARE);
    // The pilot begins with new weights: it tells the speed of a given model, but not how good it will be.
    let expected = law::extrapolate(&result, plan.tokens, text.tokens).filter(|_| request.given.is_none());
    plan.predicted = Prediction {
        seconds,
        memory_bytes: pilot.held_bytes() + shape::state_bytes(plan.parameters) + resident(request),
        bits_per_byte: expected.map(|value| value.bits_per_byte),
        bits_per_byte_error: expected.map(|value| value.error),
    };
    plan.pilot = Some(result);
}

/// An error before anything is tried where not even the estimate fits.
fn refuse_too_large(request: &Request<'_>, plan: &Plan) -> Result<()> {
    let needed = shape::needed_bytes(plan, request.pretrain.precision.into(), plan.recompute);
    check_memory(needed + resident(request), request.memory)
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
