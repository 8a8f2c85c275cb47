//! The dial: how much to train, as the user says it, and the plan that follows.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use nuwa_models::ModelConfig;
use nuwa_report::numbers;
use nuwa_report::records::PlanFile;
use nuwa_tokenizer::Tokenizer;
use nuwa_train::clock::Afterwards;
use nuwa_train::objectives::{self, Causal, ModelKind, Objective};
use nuwa_train::plan::{self, Goal, Plan, Prediction, Request, sizes};
use nuwa_train::{ModelSettings, PretrainSettings};
use schemars::schema_for;
use toml::Value;

use crate::afterwards;
use crate::console::Display;
use crate::failure::Problem;
use crate::machine;
use crate::numbers::{Count, Span};
use crate::recipe::{Draft, Recipe, deciding};
use crate::source::Source;

/// `--budget`, or `--params` with `--tokens`.
#[derive(Debug, Args)]
pub struct DialArguments {
    /// How long all of it may take on this machine [default: 10m; 5m30s for the embedded world]
    #[arg(long, value_name = "TIME", conflicts_with_all = ["params", "tokens"])]
    budget: Option<Span>,
    /// The size of the model instead of a budget, for example 1M
    #[arg(long, value_name = "COUNT", requires = "tokens")]
    params: Option<Count>,
    /// A published size instead of either, for example gpt3-125m; the setting model.preset in the reference lists all of them
    #[arg(long, value_name = "NAME", conflicts_with = "params")]
    preset: Option<String>,
    /// The family of the model, for example qwen3: the setting model.family
    #[arg(long, value_name = "NAME", conflicts_with = "preset")]
    family: Option<String>,
    /// How many tokens to train on, for example 2M
    #[arg(long, value_name = "COUNT")]
    tokens: Option<Count>,
}

impl DialArguments {
    /// The same for a model that has its size already: tokens alone are enough, and a size is refused.
    pub fn of_model(&mut self, parameters: u64) -> anyhow::Result<()> {
        if self.params.is_some() {
            let problem = Problem::new("--params beside --init: the model has its size already");
            return Err(problem.hint("leave --params out: --tokens alone says how long to train").into());
        }
        self.params = self.tokens.map(|_| Count(parameters));
        Ok(())
    }

    /// Says in `draft` what was said here; budget and size put each other aside.
    pub fn put_into(&self, draft: &mut Draft) -> anyhow::Result<()> {
        for (key, said) in [("model.preset", &self.preset), ("model.family", &self.family)] {
            if let Some(name) = said {
                draft.put(key, Value::String(name.clone()))?;
            }
        }
        if let (None, Some(tokens), false) = (self.params, self.tokens, draft.says("model.preset")) {
            let problem = Problem::new(format!("--tokens {tokens} without --params"));
            return Err(problem.hint(format!("say the size too: --params 1M --tokens {tokens}")).into());
        }
        if let Some(budget) = self.budget {
            draft.forget(&["params", "tokens"]);
            draft.put("budget", Value::String(budget.to_string()))?;
        }
        if let Some(tokens) = self.tokens {
            draft.forget(&["budget", "params"]);
            draft.put("tokens", Value::String(tokens.to_string()))?;
        }
        if let Some(params) = self.params {
            draft.put("params", Value::String(params.to_string()))?;
        }
        Ok(())
    }
}

/// What a plan is made of besides the recipe and the shards.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlanBasis<'a> {
    /// Tokens of all the text, where the shards hold a sample of it.
    pub whole: Option<u64>,
    /// The model that training goes on with.
    pub given: Option<&'a ModelConfig>,
    /// How long trying may take, where that is less than a plan takes by itself.
    pub pilot_seconds: Option<f64>,
}

fn file(plan: Plan, recipe: &Recipe) -> anyhow::Result<PlanFile> {
    Ok(PlanFile { batch_tokens: plan.batch_tokens(), plan, asked: asked(recipe)?, is_given: false })
}

/// The memory that may be used, as a share of what is free.
const MEMORY_SHARE: f64 = 0.9;

/// The plan kept in `path`; made and kept there the first time.
pub fn kept(
    path: &Path,
    recipe: &Recipe,
    shards: &Path,
    tokenizer: &Tokenizer,
    given: Option<&ModelConfig>,
    display: &mut Display,
) -> anyhow::Result<PlanFile> {
    if path.exists() {
        let planned: PlanFile = nuwa_files::read_json(path)?;
        let is_its =
            given.map_or(!planned.is_given, |config| planned.is_given && planned.plan.model == *config);
        let same = is_its && deciding_of(&planned.asked) == deciding_of(&asked(recipe)?);
        return if same { Ok(planned) } else { Err(another(path).into()) };
    }
    let time = Time { spent: Duration::ZERO, afterwards: afterwards::of_pretraining(shards)? };
    let plan = plan(recipe, shards, tokenizer, time, PlanBasis { given, ..PlanBasis::default() }, display)?;
    let planned = PlanFile { is_given: given.is_some(), ..file(plan, recipe)? };
    nuwa_files::write_json(path, &planned)?;
    Ok(planned)
}

fn asked(recipe: &Recipe) -> anyhow::Result<serde_json::Value> {
    Ok(serde_json::to_value((goal(recipe)?, &recipe.model, &recipe.pretrain, recipe.seed))?)
}

/// What of a wish decides what is trained; a goal has no marks.
fn deciding_of(asked: &serde_json::Value) -> serde_json::Value {
    let schema = schema_for!((serde_json::Value, ModelSettings, PretrainSettings, u64));
    deciding(&schema.to_value(), asked)
}

/// A hash of what the plan in a folder trains; its predictions and measured speeds are not in it.
pub fn what_is_trained(folder: &Path) -> Option<String> {
    let planned: PlanFile = nuwa_files::read_json(&folder.join("plan.json")).ok()?;
    Some(nuwa_files::hash_bytes(planned.plan.what_is_trained().to_string().as_bytes()))
}

fn another(path: &Path) -> Problem {
    let folder = path.parent().unwrap_or(path).display();
    Problem::new(format!(
        "{folder} holds a run that was begun with another budget, size, seed or other settings"
    ))
    .hint("give the same ones to go on with it, or another --out to begin a new one")
}

/// Plans: from the size and tokens that were said, or from the time that is left of the budget and the measured speed.
pub fn make(
    recipe: &Recipe,
    shards: &Path,
    tokenizer: &Tokenizer,
    time: Time,
    display: &mut Display,
) -> anyhow::Result<PlanFile> {
    file(plan(recipe, shards, tokenizer, time, PlanBasis::default(), display)?, recipe)
}

/// As [`make`], where the shards may hold only a sample of the text, or a model is given.
pub fn plan(
    recipe: &Recipe,
    shards: &Path,
    tokenizer: &Tokenizer,
    time: Time,
    basis: PlanBasis<'_>,
    display: &mut Display,
) -> anyhow::Result<Plan> {
    let memory = machine::free_memory().map(|bytes| (bytes as f64 * MEMORY_SHARE) as u64);
    let kind = basis.given.map_or_else(|| recipe.model.family().into(), ModelKind::from);
    let (tokenizer, objective) = objectives::of(kind, tokenizer, &recipe.pretrain, recipe.seed)?;
    let request = Request {
        shards,
        objective: &objective,
        whole: basis.whole,
        vocabulary: tokenizer.vocab_size(),
        eos: tokenizer.eos(),
        goal: time.what_is_left(goal(recipe)?),
        afterwards: time.afterwards,
        model: &recipe.model,
        given: basis.given,
        pilot_seconds: basis.pilot_seconds,
        pretrain: &recipe.pretrain,
        memory,
        resident: machine::resident_memory(),
        seed: recipe.seed,
    };
    Ok(plan::make(&request, &mut |progress| display.show(progress))?)
}

/// Refuses what makes no plan whatever the text is, for a vocabulary of at least so many tokens. Memory that is taken now may be
/// free when it is needed.
pub fn check(recipe: &Recipe, vocabulary: usize) -> anyhow::Result<()> {
    let objective: Arc<dyn Objective> = Arc::new(Causal::new(None, &recipe.pretrain));
    let request = Request {
        shards: Path::new(""),
        objective: &objective,
        whole: None,
        vocabulary,
        eos: None,
        goal: goal(recipe)?,
        afterwards: Afterwards::default(),
        model: &recipe.model,
        given: None,
        pilot_seconds: None,
        pretrain: &recipe.pretrain,
        memory: machine::total_memory(),
        resident: machine::resident_memory(),
        seed: recipe.seed,
    };
    Ok(plan::check(&request)?)
}

/// What a budget is spent on besides the training.
#[derive(Debug, Clone, Copy)]
pub struct Time {
    /// What the stages before took.
    pub spent: Duration,
    /// What follows the training.
    pub afterwards: Afterwards,
}

impl Time {
    fn what_is_left(self, goal: Goal) -> Goal {
        match goal {
            Goal::Seconds(seconds) => Goal::Seconds((seconds - self.spent.as_secs_f64()).max(0.0)),
            sizes @ Goal::Sizes { .. } => sizes,
        }
    }
}

/// About how many weights the published size of a recipe has, before there is a vocabulary.
fn preset_parameters(recipe: &Recipe) -> anyhow::Result<Option<Count>> {
    let config = recipe.model.preset.map(|preset| preset.config(1, None, None)).transpose();
    Ok(config.map_err(nuwa_train::Error::from)?.map(|config| Count(config.size().parameters as u64)))
}

/// What a recipe asks for.
pub fn goal(recipe: &Recipe) -> anyhow::Result<Goal> {
    match (recipe.budget, recipe.params.or(preset_parameters(recipe)?), recipe.tokens) {
        (None, Some(parameters), Some(tokens)) => {
            Ok(Goal::Sizes { parameters: parameters.0, tokens: tokens.0 })
        }
        (budget, _, None) if recipe.params.is_none() => {
            let usual = Source::of(recipe).usual_budget();
            Ok(Goal::Seconds(budget.map_or(usual, |span| span.0).as_secs_f64()))
        }
        _ => {
            let problem = Problem::new("a recipe has either `budget`, or `params` together with `tokens`");
            Err(problem.hint("leave the others out, for example only budget = \"10m\"").into())
        }
    }
}

/// The size of a vocabulary that serves so many bytes of text and the model that will come of them.
pub fn vocabulary(recipe: &Recipe, bytes: u64) -> anyhow::Result<usize> {
    let parameters = match goal(recipe)? {
        Goal::Sizes { parameters, .. } => parameters,
        Goal::Seconds(seconds) => preset_parameters(recipe)?
            .map_or_else(|| sizes::likely_parameters(seconds, bytes), |count| count.0),
    };
    Ok(sizes::vocabulary(bytes, Source::of(recipe).parameters_to_name(parameters)))
}

/// `, 1.89 ± 0.14 bits per byte`, where that is known.
pub fn bits(predicted: &Prediction) -> String {
    match (predicted.bits_per_byte, predicted.bits_per_byte_error) {
        (Some(value), Some(error)) => format!(", {value:.2} ± {error:.2} bits per byte"),
        _ => String::new(),
    }
}

/// The plan and its prediction, for people.
pub fn text(planned: &PlanFile) -> String {
    let Plan { parameters, tokens, epochs, steps, predicted, .. } = &planned.plan;
    let (parameters, tokens) = (numbers::rounded(*parameters as f64), numbers::rounded(*tokens as f64));
    let loss = bits(predicted);
    let (time, memory) = (numbers::seconds(predicted.seconds), numbers::bytes(predicted.memory_bytes));
    format!(
        "{parameters} parameters, {tokens} tokens (the text {epochs:.1} times), {}; expected: {time}, {memory} of \
         memory{loss}",
        numbers::counted(*steps, "step")
    )
}
