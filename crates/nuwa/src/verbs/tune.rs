use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use nuwa_files::quoted_path;
use nuwa_report::numbers::{counted, rounded};
use nuwa_shards::{Part, Shards};
use nuwa_tokenizer::Tokenizer;
use nuwa_train::clock::Afterwards;
use nuwa_train::objectives::{self, Objective};
use nuwa_train::plan::{self, Goal, Request};
use nuwa_train::search::fits::Interval;
use nuwa_train::search::space::{Dimension, Value, Values};
use nuwa_train::search::{self, Findings, Search, SearchError, TrialJob, TrialLine, TrialLog};
use serde::{Deserialize, Serialize};
use toml::Value as Toml;

use super::settings::Settings;
use crate::console::{Display, print_figures};
use crate::failure::Problem;
use crate::interrupt::{self, Waiting, Work};
use crate::machine;
use crate::numbers::{Count, Span};
use crate::recipe::{Draft, Recipe};
use crate::run::Lock;
use crate::tokenized::shards_and_tokenizer;

/// Search for the best settings with small models, and carry them to a larger one
///
/// Trains many small models on the shards, the best of them longer, and those that win at several
/// sizes and learning rates. From these it tells the learning rate, the batch and the loss to expect
/// of a model of the target size, and writes a recipe. Run the same command again to go on after an
/// interruption; each model that was trained is a line in DIR/trials.jsonl.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa tune shards --target 30M --out search --budget 1h
  nuwa tune runs/book --target 10M --out search --over learning_rate,batch_tokens,optimizer=adamw|muon
  nuwa tune shards --target 5M --out search --trial-tokens 20M --over learning_rate=0.5..2,dropout=0..0.3
  nuwa build search/recipe.toml --from ~/documents

What --over can name, with numbers by what the plan would choose where it says `by`:
  learning_rate, batch_tokens, weight_decay, warmup, dropout, beta2, initialisation_scale, depth,
  stochastic_depth; optimizer and schedule take words. By default: the first four.")]
pub struct Tune {
    /// Folder of token shards, or of a run that has some
    #[arg(value_name = "SHARDS")]
    data: PathBuf,
    /// The tokenizer that made the shards [default: the one in or beside their folder]
    #[arg(long)]
    tokenizer: Option<PathBuf>,
    /// The size of the model that settings are looked for, for example 30M
    #[arg(long, value_name = "COUNT")]
    target: Count,
    /// How many tokens it will be trained on [default: 12 for each of its weights]
    #[arg(long, value_name = "COUNT")]
    tokens: Option<Count>,
    /// How long the search may take, about [default: 30m]
    #[arg(long, value_name = "TIME", conflicts_with = "trial_tokens")]
    budget: Option<Span>,
    /// How many tokens all trials together may be trained on, instead of a time: the same trials on every machine
    #[arg(long, value_name = "COUNT")]
    trial_tokens: Option<Count>,
    /// The settings to vary: KEY, KEY=LOW..HIGH or KEY=WORD|WORD
    #[arg(long, value_name = "KEY,...", value_delimiter = ',')]
    over: Vec<String>,
    /// Output folder for the trials, what was found and the recipe
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Random seed: the same seed and tokens give the same trials
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    seed: Option<i64>,
    #[command(flatten)]
    settings: Settings,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

/// `tune.json`: what was searched and, once it is known, what was found.
#[derive(Debug, Serialize, Deserialize)]
struct TuneFile {
    /// What was asked for, to tell another search by.
    asked: serde_json::Value,
    /// The search, with its tokens.
    search: Search,
    /// What was found.
    findings: Option<Findings>,
}

/// Seconds of a search where no time is said.
const USUAL_SECONDS: f64 = 1800.0;

/// Tokens for each weight of the target where none are said.
const TOKENS_PER_PARAMETER: u64 = 12;

impl Tune {
    pub fn run(self) -> anyhow::Result<()> {
        let over = match self.over.is_empty() {
            true => Dimension::usual(),
            false => {
                self.over.iter().map(|text| Dimension::parse(text)).collect::<Result<_, SearchError>>()?
            }
        };
        let mut draft = self.settings.draft()?;
        if let Some(seed) = self.seed {
            draft.put("seed", Toml::Integer(seed))?;
        }
        let recipe = draft.recipe()?;
        let (shards, tokenizer) = shards_and_tokenizer(&self.data, self.tokenizer.as_deref())?;
        let text = Shards::open(&shards, Part::Train)?.tokens();
        let kind = recipe.model.family().into();
        let (tokenizer, objective) =
            objectives::of(kind, (&tokenizer, &shards), &recipe.pretrain, recipe.seed)?;
        let base = Search {
            target: self.target.0,
            target_tokens: self.tokens.map_or(TOKENS_PER_PARAMETER * self.target.0, |tokens| tokens.0),
            over,
            tokens: self.trial_tokens.map_or(u64::MAX / 1024, |tokens| tokens.0),
            text,
            seed: recipe.seed,
        };
        // Before anything is measured: what is wrong whatever the time is.
        base.extent()?;
        let _lock = Lock::take(&self.out)?;
        interrupt::begin(Work { kept: Some("the trials that were done"), ..Work::alone("tune") })?;
        let mut display = Display::new();
        let place =
            TrialPlace { shards: &shards, tokenizer: &tokenizer, objective: &objective, recipe: &recipe };
        let mut file = self.begun(base, &place, &mut display)?;
        let findings = self.search(&file.search, &place, &mut display)?;
        file.findings = Some(findings.clone());
        nuwa_files::write_json(&self.out.join("tune.json"), &file)?;
        let recipe = written(draft, &file.search, &findings)?;
        nuwa_files::write_atomically(&self.out.join("recipe.toml"), recipe.as_bytes())?;
        drop(display);
        print_figures(self.json, &file, || self.told(&file.search, &findings))
    }

    /// The search that the folder holds, or a new one, whose tokens follow from the time and the speed of this machine.
    fn begun(&self, base: Search, place: &TrialPlace<'_>, display: &mut Display) -> anyhow::Result<TuneFile> {
        let path = self.out.join("tune.json");
        let asked = self.asked(&base, place.recipe)?;
        if path.exists() {
            let known: TuneFile = nuwa_files::read_json(&path)?;
            if known.asked == asked {
                return Ok(known);
            }
            let problem = format!("{} holds a search that was begun with other settings", self.out.display());
            let hint = "give the same ones to go on with it, or another --out to begin a new one";
            return Err(Problem::new(problem).hint(hint).into());
        }
        let search = match self.trial_tokens {
            Some(_) => base,
            None => {
                let seconds = self.budget.map_or(USUAL_SECONDS, |span| span.0.as_secs_f64());
                let mut speed = |parameters| place.speed(parameters, display);
                let tokens = search::tokens_within(seconds, base.over.len(), base.target, &mut speed)?;
                Search { tokens, ..base }
            }
        };
        search.extent()?;
        let file = TuneFile { asked, search, findings: None };
        nuwa_files::write_json(&path, &file)?;
        Ok(file)
    }

    fn asked(&self, base: &Search, recipe: &Recipe) -> anyhow::Result<serde_json::Value> {
        let time = self.budget.map_or(USUAL_SECONDS, |span| span.0.as_secs_f64());
        let time = self.trial_tokens.is_none().then_some(time);
        Ok(serde_json::to_value((base, time, &recipe.model, &recipe.pretrain))?)
    }

    fn search(
        &self,
        what: &Search,
        place: &TrialPlace<'_>,
        display: &mut Display,
    ) -> anyhow::Result<Findings> {
        let mut log = TrialLog::open(&self.out.join("trials.jsonl"))?;
        let known = log.lines().len();
        if known > 0 {
            display.note(&format!("tune       goes on after {}", counted(known as u64, "trial")));
        }
        let folder = self.out.join("trial");
        let job = TrialJob {
            shards: place.shards,
            folder: &folder,
            vocabulary: place.tokenizer.vocab_size(),
            eos: place.tokenizer.eos(),
            objective: place.objective,
            model: &place.recipe.model,
            pretrain: &place.recipe.pretrain,
            memory: machine::free_memory(),
        };
        let waiting = Waiting::begin();
        let (mut number, all) = (known, what.extent()?.trials());
        let found = search::search(what, &mut log, &mut |trial| {
            number += 1;
            let line = search::train(&job, trial, &mut |_| {}, &interrupt::is_asked)?;
            display.note(&trial_line(number, all, &line));
            Ok(line)
        });
        drop(waiting);
        Ok(found?)
    }

    fn told(&self, search: &Search, findings: &Findings) -> String {
        let [winner, usual] = findings.compared;
        let errors = findings.by_errors();
        let better = match (findings.winner.is_empty(), findings.is_better()) {
            (true, _) => "the defaults won: the recipe keeps them".into(),
            (false, true) => format!("better than the defaults by {errors:.1} standard errors"),
            (false, false) => format!(
                "not better than the defaults by more than chance ({errors:.1} standard errors): the recipe keeps the defaults"
            ),
        };
        let compared = format!("{winner:.4} against {usual:.4} bits per byte, {better}");
        let rate =
            findings.learning_rate.map_or("not told by the trials".into(), |rate| interval(&rate, "e"));
        let loss = findings
            .loss
            .map_or("not told by the trials".into(), |loss| interval(&loss, "f") + " bits per byte");
        let target = format!(
            "{} weights, {} tokens",
            rounded(search.target as f64),
            rounded(search.target_tokens as f64)
        );
        let recipe = self.out.join("recipe.toml");
        let rows = [
            ("winner", named(&findings.winner)),
            ("compared", compared),
            ("target", target),
            ("rate", rate),
            ("batch", format!("{} tokens", rounded(findings.batch_tokens as f64))),
            ("loss", loss),
            ("recipe", format!("nuwa build {} --from TEXT", quoted_path(&recipe))),
        ];
        rows.iter().map(|(name, told)| format!("{name:<9} {told}")).collect::<Vec<_>>().join("\n")
    }
}

/// What all trials are trained with.
struct TrialPlace<'a> {
    shards: &'a Path,
    tokenizer: &'a Tokenizer,
    objective: &'a Arc<dyn Objective>,
    recipe: &'a Recipe,
}

impl TrialPlace<'_> {
    fn speed(&self, parameters: u64, display: &mut Display) -> Result<f64, SearchError> {
        let request = Request {
            shards: self.shards,
            whole: None,
            vocabulary: self.tokenizer.vocab_size(),
            eos: self.tokenizer.eos(),
            objective: self.objective,
            goal: Goal::Sizes { parameters, tokens: parameters },
            afterwards: Afterwards::default(),
            model: &self.recipe.model,
            given: None,
            pilot_seconds: None,
            pretrain: &self.recipe.pretrain,
            memory: machine::free_memory(),
            resident: machine::resident_memory(),
            seed: self.recipe.seed,
        };
        Ok(plan::speed(&request, parameters, &mut |progress| display.show(progress))?)
    }
}

/// `trial 7/34  race  1.2M weights, 5M tokens  2.1032  learning_rate 1.4`.
fn trial_line(number: usize, all: usize, line: &TrialLine) -> String {
    let figure = line.figure.map_or("diverged".into(), |figure| format!("{figure:.4}"));
    let stage = serde_json::to_value(line.trial.stage).ok();
    let stage = stage.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
    let [parameters, tokens] = [line.parameters, line.tokens].map(|count| rounded(count as f64));
    format!(
        "trial {number}/{all}  {stage}  {parameters} weights, {tokens} tokens, {:.1} s  {figure}  {}",
        line.seconds,
        named(&line.trial.values)
    )
}

fn named(values: &Values) -> String {
    if values.is_empty() {
        return "the defaults".into();
    }
    let one = |(key, value): (&String, &Value)| match value {
        Value::Number(number) => format!("{key} {number:.4}"),
        Value::Word(word) => format!("{key} {word}"),
    };
    values.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// `1.2e-3 (9e-4 to 1.6e-3)`: the range is that of nineteen cases of twenty.
fn interval(found: &Interval, form: &str) -> String {
    let [low, high] = found.nearly_certain;
    match form {
        "e" => format!("{:.2e} ({low:.2e} to {high:.2e} in 19 cases of 20)", found.value),
        _ => format!("{:.3} ({low:.3} to {high:.3} in 19 cases of 20)", found.value),
    }
}

/// The recipe for the target.
fn written(mut draft: Draft, search: &Search, findings: &Findings) -> anyhow::Result<String> {
    draft.forget(&["budget"]);
    draft.put("params", Toml::String(Count(search.target).to_string()))?;
    draft.put("tokens", Toml::String(Count(search.target_tokens).to_string()))?;
    if findings.is_better() {
        if let Some(rate) = findings.learning_rate {
            let rate = format!("{:.3e}", rate.value).parse().unwrap_or(rate.value);
            draft.put("pretrain.learning_rate", Toml::Float(rate))?;
        }
        if findings.winner.contains_key("batch_tokens") {
            draft.put("pretrain.batch_tokens", Toml::Integer(findings.batch_tokens as i64))?;
        }
        for (name, value) in &findings.winner {
            if let Some(key) = key(name) {
                draft.put(key, toml_value(value))?;
            }
        }
    }
    if let Some(loss) = findings.loss {
        let [low, high] = loss.nearly_certain;
        let told = [low, loss.value, high].map(|value| Toml::Float((value * 1e4).round() / 1e4));
        draft.put("pretrain.forecast", Toml::Array(told.to_vec()))?;
    }
    let remark = match findings.is_better() {
        true => "settings that won a search with small models",
        false => "the usual settings: none that were tried were better by more than chance",
    };
    Ok(format!("# Written by `nuwa tune`: {remark}.\n{}", draft.text()))
}

/// The key of a recipe that holds a searched setting as it is; none for those that are carried over by a fit.
fn key(searched: &str) -> Option<&'static str> {
    let keys = [
        ("weight_decay", "pretrain.optimizer.weight_decay"),
        ("warmup", "pretrain.warmup"),
        ("dropout", "pretrain.dropout"),
        ("beta2", "pretrain.optimizer.beta2"),
        ("initialisation_scale", "model.initialisation_scale"),
        ("depth", "model.depth"),
        ("stochastic_depth", "pretrain.stochastic_depth"),
        ("optimizer", "pretrain.optimizer.kind"),
        ("schedule", "pretrain.schedule"),
    ];
    keys.iter().find(|(name, _)| *name == searched).map(|(_, key)| *key)
}

fn toml_value(value: &Value) -> Toml {
    match value {
        Value::Number(number) => Toml::Float(*number),
        Value::Word(word) => Toml::String(word.clone()),
    }
}
