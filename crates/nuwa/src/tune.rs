//! The dial: how much to train, as the user says it, and the plan that follows.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use nuwa_data::clean::{CleanSettings, StepName};
use nuwa_models::ModelConfig;
use nuwa_tokenizer::Tokenizer;
use nuwa_train::clock::Afterwards;
use nuwa_train::objectives::{self, Causal, Objective};
use nuwa_train::plan::{self, Goal, Plan, Prediction, Request, sizes};
use nuwa_train::{ModelSettings, PretrainSettings};
use schemars::schema_for;
use serde::{Deserialize, Serialize};
use toml::Value;

use crate::afterwards;
use crate::console::Display;
use crate::failure::Problem;
use crate::machine;
use crate::numbers::{self, Count, Span};
use crate::recipe::{Draft, Recipe, deciding};

/// `--budget`, or `--params` with `--tokens`.
#[derive(Debug, Args)]
pub struct DialArguments {
    /// How long all of it may take on this machine [default: 10m; 5m30s for the embedded world]
    #[arg(long, value_name = "TIME", conflicts_with_all = ["params", "tokens"])]
    budget: Option<Span>,
    /// The size of the model instead of a budget, for example 1M
    #[arg(long, value_name = "COUNT", requires = "tokens")]
    params: Option<Count>,
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
        if let (None, Some(tokens)) = (self.params, self.tokens) {
            let problem = Problem::new(format!("--tokens {tokens} without --params"));
            return Err(problem.hint(format!("say the size too: --params 1M --tokens {tokens}")).into());
        }
        if let Some(budget) = self.budget {
            draft.forget(&["params", "tokens"]);
            draft.put("budget", Value::String(budget.to_string()))?;
        }
        if let (Some(params), Some(tokens)) = (self.params, self.tokens) {
            draft.forget(&["budget"]);
            draft.put("params", Value::String(params.to_string()))?;
            draft.put("tokens", Value::String(tokens.to_string()))?;
        }
        Ok(())
    }
}

/// The content of `tune.json`: the plan, and what follows from it for readers of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tuned {
    /// What is trained and what is expected of it.
    #[serde(flatten)]
    pub plan: Plan,
    /// Tokens a step.
    pub batch_tokens: u64,
    /// What was asked for: another wish is another run.
    pub asked: serde_json::Value,
    /// Whether training goes on with a given model.
    #[serde(default)]
    pub is_given: bool,
}

/// What a plan is made of besides the recipe and the shards.
#[derive(Debug, Clone, Copy, Default)]
pub struct Basis<'a> {
    /// Tokens of all the text, where the shards hold a sample of it.
    pub whole: Option<u64>,
    /// The model that training goes on with.
    pub given: Option<&'a ModelConfig>,
    /// How long trying may take, where that is less than a plan takes by itself.
    pub pilot_seconds: Option<f64>,
}

impl Tuned {
    fn new(plan: Plan, recipe: &Recipe) -> anyhow::Result<Self> {
        Ok(Self { batch_tokens: plan.batch_tokens(), plan, asked: asked(recipe)?, is_given: false })
    }
}

/// Time to train when neither a budget nor a size was said.
const USUAL: Duration = Duration::from_secs(600);

/// The same for the embedded world.
const USUAL_OF_WORLD: Duration = Duration::from_secs(330);

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
) -> anyhow::Result<Tuned> {
    if path.exists() {
        let tuned: Tuned = nuwa_files::read_json(path)?;
        let is_its = given.map_or(!tuned.is_given, |config| tuned.is_given && tuned.plan.model == *config);
        let same = is_its && deciding_of(&tuned.asked) == deciding_of(&asked(recipe)?);
        return if same { Ok(tuned) } else { Err(another(path).into()) };
    }
    let time = Time { spent: Duration::ZERO, afterwards: afterwards::of_pretraining(shards)? };
    let plan = plan(recipe, shards, tokenizer, time, Basis { given, ..Basis::default() }, display)?;
    let tuned = Tuned { is_given: given.is_some(), ..Tuned::new(plan, recipe)? };
    nuwa_files::write_json(path, &tuned)?;
    Ok(tuned)
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
    let tuned: Tuned = nuwa_files::read_json(&folder.join("tune.json")).ok()?;
    Some(nuwa_files::hash_bytes(tuned.plan.what_is_trained().to_string().as_bytes()))
}

fn another(path: &Path) -> Problem {
    let folder = path.parent().unwrap_or(path).display();
    Problem::new(format!(
        "{folder} holds a run that was begun with another budget, size, seed or other settings"
    ))
    .hint("give the same ones to go on with it, or another --out to begin a new one")
}

/// What serves the embedded world best, found by trying: facts want many small steps.
const OF_WORLD: [(&str, Value); 11] = [
    ("model.width", Value::Integer(128)),
    ("model.layers", Value::Integer(3)),
    ("sft.epochs", Value::Integer(1)),
    ("pretrain.batch_tokens", Value::Integer(512)),
    // Slower, the form of a chat is not learnt, and what is known is not told in it; text of the pretraining keeps the rest.
    ("sft.learning_rate", Value::Float(1e-3)),
    ("sft.batch_tokens", Value::Integer(1024)),
    // Faster, or with beta at 0.1, answers lose letters and ends: what is rejected is often what is chosen, and more.
    ("dpo.learning_rate", Value::Float(1e-5)),
    ("dpo.beta", Value::Float(0.5)),
    ("dpo.epochs", Value::Integer(1)),
    ("dpo.batch_pairs", Value::Integer(16)),
    ("dpo.pretraining.share", Value::Float(0.2)),
];

/// Says what serves the embedded world best, where nothing else was said.
pub fn fit_to_world(draft: &mut Draft) -> anyhow::Result<()> {
    let sized = draft.says("params");
    for (key, value) in OF_WORLD {
        // A size that was asked for decides the shape.
        let decided = draft.says(key) || (sized && key.starts_with("model."));
        if !decided {
            draft.put(key, value)?;
        }
    }
    if !draft.says("tokenizer.split") {
        draft.put("tokenizer.split", Value::String("characters".into()))?;
    }
    Ok(())
}

/// Cleaning that knows what is planted into the embedded world in `folder`: its slurs, and slips in words.
pub fn clean_world(draft: &mut Draft, folder: &Path) -> anyhow::Result<()> {
    if draft.says("clean.steps") {
        return Ok(());
    }
    let mut steps = CleanSettings::default().steps;
    let duplicates = steps.iter().position(|step| *step == StepName::ExactDuplicates).unwrap_or(steps.len());
    steps.splice(duplicates..duplicates, [StepName::Toxicity, StepName::Spelling]);
    draft.put("clean.steps", Value::try_from(steps)?)?;
    let slurs = folder.join("world").join("slurs.txt");
    // Slips are planted side by side there, and there are no foreign passages.
    let known = [
        ("clean.toxicity.word_lists", Value::try_from([slurs])?),
        ("clean.spelling.unknown_around", Value::Integer(6)),
    ];
    for (key, value) in known {
        if !draft.says(key) {
            draft.put(key, value)?;
        }
    }
    Ok(())
}

/// Whether there is no source, so that the embedded world is built from.
pub fn is_world(recipe: &Recipe) -> bool {
    recipe.from.is_empty()
}

/// The files of records of a recipe, or the embedded world's own.
pub fn records(recipe: &Recipe, own: &[PathBuf], of_world: &Path) -> Vec<PathBuf> {
    if is_world(recipe) && own.is_empty() { vec![of_world.to_path_buf()] } else { own.to_vec() }
}

/// Plans: from the size and tokens that were said, or from the time that is left of the budget and the measured speed.
pub fn make(
    recipe: &Recipe,
    shards: &Path,
    tokenizer: &Tokenizer,
    time: Time,
    display: &mut Display,
) -> anyhow::Result<Tuned> {
    Tuned::new(plan(recipe, shards, tokenizer, time, Basis::default(), display)?, recipe)
}

/// As [`make`], where the shards may hold only a sample of the text, or a model is given.
pub fn plan(
    recipe: &Recipe,
    shards: &Path,
    tokenizer: &Tokenizer,
    time: Time,
    basis: Basis<'_>,
    display: &mut Display,
) -> anyhow::Result<Plan> {
    let memory = machine::free_memory().map(|bytes| (bytes as f64 * MEMORY_SHARE) as u64);
    let predicts = basis.given.map_or(recipe.model.family.registered().predicts, |config| config.predicts());
    let (tokenizer, objective) = objectives::of(predicts, tokenizer, &recipe.pretrain, recipe.seed)?;
    let request = Request {
        shards,
        objective: &objective,
        whole: basis.whole,
        vocabulary: tokenizer.vocab_size(),
        end_of_text: tokenizer.end_of_text(),
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
        end_of_text: None,
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

/// What a recipe asks for.
pub fn goal(recipe: &Recipe) -> anyhow::Result<Goal> {
    match (recipe.budget, recipe.params, recipe.tokens) {
        (None, Some(parameters), Some(tokens)) => {
            Ok(Goal::Sizes { parameters: parameters.0, tokens: tokens.0 })
        }
        (budget, None, None) => {
            let usual = if is_world(recipe) { USUAL_OF_WORLD } else { USUAL };
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
        // Its facts are names: each has its tokens.
        _ if is_world(recipe) => u64::MAX,
        Goal::Sizes { parameters, .. } => parameters,
        Goal::Seconds(seconds) => sizes::likely_parameters(seconds, bytes),
    };
    Ok(sizes::vocabulary(bytes, parameters))
}

/// `, 1.89 ± 0.14 bits per byte`, where that is known.
pub fn bits(predicted: &Prediction) -> String {
    match (predicted.bits_per_byte, predicted.bits_per_byte_error) {
        (Some(value), Some(error)) => format!(", {value:.2} ± {error:.2} bits per byte"),
        _ => String::new(),
    }
}

/// The plan and its prediction, for people.
pub fn text(tuned: &Tuned) -> String {
    let Plan { parameters, tokens, epochs, steps, predicted, .. } = &tuned.plan;
    let (parameters, tokens) = (numbers::rounded(*parameters as f64), numbers::rounded(*tokens as f64));
    let loss = bits(predicted);
    let (time, memory) = (numbers::seconds(predicted.seconds), numbers::bytes(predicted.memory_bytes));
    format!(
        "{parameters} parameters, {tokens} tokens (the text {epochs:.1} times), {}; expected: {time}, {memory} of \
         memory{loss}",
        numbers::counted(*steps, "step")
    )
}
