//! The few figures that the report and the model card share.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use super::numbers;
use super::run::{Run, number, text};
use crate::numbers::{bytes, grouped, rounded, seconds};
use crate::worth;

/// A name with its value, both ready to read.
#[derive(Debug, Clone, Serialize)]
pub struct Fact {
    /// What it is.
    pub name: String,
    /// How much.
    pub value: String,
}

impl Fact {
    /// A fact of its parts.
    pub fn new(name: &str, value: impl Into<String>) -> Self {
        Self { name: name.to_string(), value: value.into() }
    }
}

/// A figure of the evaluation.
#[derive(Debug, Clone, Serialize)]
pub struct Score {
    /// The task.
    pub task: String,
    /// The task's version.
    pub version: String,
    /// How many items it was measured on.
    pub count: String,
    /// The name of the figure.
    pub metric: String,
    /// Its value.
    pub value: String,
    /// Its standard error, or nothing.
    pub error: String,
}

/// Bits per byte of the pretrained model with their standard error, to hold the prediction against: of the evaluation, else of the
/// last validation.
pub fn pretrained_bits_per_byte(run: &Run) -> Option<(f64, Option<f64>)> {
    let evaluated = run.models.first().and_then(|stage| bits_per_byte(run, stage));
    evaluated.or_else(|| Some((run.metrics.last_bits_per_byte()?, None)))
}

/// The same of the model that is shipped, which is that of the last stage; none where only the pretrained one was measured.
pub fn final_bits_per_byte(run: &Run) -> Option<(f64, Option<f64>)> {
    bits_per_byte(run, last_stage(run).filter(|_| is_fine_tuned(run))?)
}

/// The last stage that made a model.
pub fn last_stage(run: &Run) -> Option<&'static str> {
    run.models.iter().rev().copied().find(|stage| !run.manifest(stage).is_null())
}

/// Whether the model that is shipped was trained further after pretraining.
pub fn is_fine_tuned(run: &Run) -> bool {
    last_stage(run).is_some_and(|last| run.models.first() != Some(&last))
}

fn bits_per_byte(run: &Run, stage: &str) -> Option<(f64, Option<f64>)> {
    let mut tasks = run.eval["tasks"].as_object()?.iter();
    // Where one model only was measured, its tasks have no stage.
    let is_own = |name: &str| name.split_once('/').is_none_or(|(own, _)| own == stage);
    tasks.find_map(|(name, task)| {
        let value = number(task, &["/metrics/bits_per_byte/value"]).filter(|_| is_own(name))?;
        Some((value, number(task, &["/metrics/bits_per_byte/stderr"])))
    })
}

/// The number of weights: as the final model holds them, else as planned.
pub fn parameters(run: &Run) -> Option<f64> {
    run.weights.or_else(|| number(&run.pretrain, &["/parameters"])).or_else(|| planned(run, "parameters"))
}

/// A figure of the plan, whether `tune.json` is the plan or holds it.
pub fn planned(run: &Run, key: &str) -> Option<f64> {
    let places = [format!("/{key}"), format!("/plan/{key}")];
    places.iter().find_map(|place| number(&run.tune, &[place]))
}

/// A figure of the plan's prediction.
pub fn predicted(run: &Run, key: &str) -> Option<f64> {
    planned(run, &format!("predicted/{key}"))
}

/// Tokens in a step.
fn batch_tokens(run: &Run) -> Option<f64> {
    let part = |key: &str| planned(run, key);
    part("batch_tokens").or_else(|| Some(part("context")? * part("sequences")? * part("accumulation")?))
}

/// The tokens that training saw.
pub fn tokens(run: &Run) -> Option<f64> {
    let seen = run.metrics.steps.values().next_back().map(|step| step.tokens);
    number(&run.pretrain, &["/tokens"]).or(seen).or_else(|| planned(run, "tokens"))
}

/// The time that training took.
pub fn training_seconds(run: &Run) -> Option<f64> {
    number(&run.pretrain, &["/seconds"]).or_else(|| number(run.manifest("pretrain"), &["/seconds"]))
}

/// The most memory that training held.
pub fn training_memory(run: &Run) -> Option<f64> {
    let keys = ["/peak_memory_bytes", "/peak_tensor_bytes"];
    number(&run.pretrain, &keys).or_else(|| number(run.manifest("pretrain"), &keys))
}

/// "llama", "gpt2", as the model's configuration calls it.
pub fn family(run: &Run) -> Option<&str> {
    text(&run.config, &["/model_type"])
        .or_else(|| text(&run.tune, &["/model/model_type", "/plan/model/model_type"]))
}

/// All figures of `eval/eval.json`.
pub fn scores(run: &Run) -> Vec<Score> {
    own_tasks(run).flat_map(|(name, task)| task_scores(name, task)).collect()
}

/// The figures of the model that is shipped: all on text, and of questions the ones that stand for their task.
pub fn final_scores(run: &Run) -> Vec<Score> {
    let stands = |score: &Score, task: &Value| {
        task["shown"].is_null() || worth::FIGURES.contains(&score.metric.replace(' ', "_").as_str())
    };
    let tasks = final_tasks(run).into_iter();
    tasks
        .flat_map(|(name, task)| task_scores(name, task).into_iter().filter(|score| stands(score, task)))
        .collect()
}

/// The tasks that the shipped model was asked, without its stage before their names.
fn final_tasks(run: &Run) -> Vec<(&str, &Value)> {
    let stage = last_stage(run).unwrap_or_default();
    let tasks = run.eval["tasks"].as_object().into_iter().flatten();
    let own = tasks.filter_map(|(name, task)| match name.split_once('/') {
        Some((of, name)) => (of == stage).then_some((name, task)),
        None => Some((name.as_str(), task)),
    });
    own.collect()
}

/// How often training went through the text.
pub fn epochs(run: &Run) -> Option<f64> {
    let there = number(&run.tokenize, &["/train/tokens"])?;
    Some(tokens(run)? / there).filter(|epochs| epochs.is_finite())
}

/// The tasks on plain text; those that compare stages have a table of their own.
fn own_tasks(run: &Run) -> impl Iterator<Item = (&String, &Value)> {
    let tasks = run.eval["tasks"].as_object().into_iter().flatten();
    tasks.filter(|(name, task)| !name.contains('/') || task["shown"].is_null())
}

fn task_scores(name: &str, task: &Value) -> Vec<Score> {
    let metrics = task["metrics"].as_object().into_iter().flatten();
    let score = |(metric, figure): (&String, &Value)| {
        let error = number(figure, &["/stderr"]).unwrap_or(0.0);
        let (value, error) = numbers::with_error(number(figure, &["/value"])?, error);
        Some(Score {
            task: spaced(name),
            version: scalar(&task["version"]).unwrap_or_default(),
            count: number(task, &["/n"]).map(|count| grouped(count as u64)).unwrap_or_default(),
            metric: spaced(metric),
            value,
            error,
        })
    };
    metrics.filter_map(score).collect()
}

/// What a reader of the figures has to know: how the standard errors were taken, and warnings.
pub fn remarks(run: &Run) -> Vec<String> {
    let tasks = own_tasks(run);
    distinct(tasks.flat_map(|(name, task)| remarks_of(name, task)))
}

/// The same of the model that is shipped.
pub fn final_remarks(run: &Run) -> Vec<String> {
    let on_text = final_tasks(run).into_iter().filter(|(_, task)| task["shown"].is_null());
    distinct(on_text.flat_map(|(name, task)| remarks_of(name, task)))
}

fn remarks_of(name: &str, task: &Value) -> Vec<String> {
    let errors =
        text(task, &["/standard_errors"]).map(|how| format!("{}: standard errors {how}.", spaced(name)));
    let warnings = task["warnings"].as_array().into_iter().flatten().filter_map(scalar);
    errors.into_iter().chain(warnings).collect()
}

fn distinct(remarks: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    remarks.filter(|remark| seen.insert(remark.clone())).collect()
}

/// The model's shape, from its configuration.
pub fn shape(run: &Run) -> Vec<Fact> {
    let rows: [(&str, &[&str]); 8] = [
        ("Layers", &["/num_hidden_layers", "/n_layer"]),
        ("Width", &["/hidden_size", "/n_embd"]),
        ("Attention heads", &["/num_attention_heads", "/n_head"]),
        ("Key and value heads", &["/num_key_value_heads"]),
        ("Head width", &["/head_dim"]),
        ("MLP width", &["/intermediate_size", "/n_inner"]),
        ("Context, in tokens", &["/max_position_embeddings", "/n_positions", "/n_ctx"]),
        ("Vocabulary", &["/vocab_size"]),
    ];
    let family = family(run).map(|family| Fact::new("Family", family));
    let parameters = parameters(run).map(|count| Fact::new("Parameters", grouped(count as u64)));
    let sizes = rows
        .into_iter()
        .filter_map(|(name, pointers)| Some(Fact::new(name, grouped(number(&run.config, pointers)? as u64))));
    let tied = run.config["tie_word_embeddings"].as_bool();
    let tied = tied.map(|tied| {
        Fact::new("Output head", if tied { "shares the embedding's weights" } else { "its own weights" })
    });
    family.into_iter().chain(parameters).chain(sizes).chain(tied).collect()
}

/// How the model was trained, as planned.
pub fn training(run: &Run) -> Vec<Fact> {
    let whole = |value: f64| grouped(value as u64);
    let steps =
        run.metrics.steps.keys().next_back().map(|step| *step as f64).or_else(|| planned(run, "steps"));
    let speed = run.metrics.median_speed();
    let rows = [
        ("Asked for", goal(run)),
        ("Pilot run", pilot(run)),
        ("Tokens", tokens(run).map(whole)),
        ("Steps", steps.map(whole)),
        ("Learning rate falls", fall(run)),
        ("Kept", kept(run)),
        ("Tokens a step", batch_tokens(run).map(whole)),
        ("Tokens a sequence", planned(run, "context").map(whole)),
        ("Highest learning rate", planned(run, "learning_rate").map(numbers::value)),
        ("Dropout", planned(run, "dropout").map(numbers::value)),
        ("Time", training_seconds(run).map(seconds)),
        ("Speed, in tokens a second", speed.map(numbers::value)),
        ("Memory", training_memory(run).map(|size| bytes(size as u64))),
        ("Seed", scalar(run.first_in_manifests("seed"))),
    ];
    rows.into_iter().filter_map(|(name, value)| Some(Fact::new(name, value?))).collect()
}

/// What the user asked the plan for.
fn goal(run: &Run) -> Option<String> {
    if let Some(time) = planned(run, "goal/seconds") {
        return Some(format!("{} for training and what follows it", seconds(time)));
    }
    let (parameters, tokens) = (planned(run, "goal/sizes/parameters")?, planned(run, "goal/sizes/tokens")?);
    Some(format!("{} parameters, {} tokens", rounded(parameters), rounded(tokens)))
}

/// When the learning rate fell, of a run whose outcome says it.
fn fall(run: &Run) -> Option<String> {
    let step = |key: &str| number(&run.pretrain, &[&format!("/fall/{key}")]);
    let (start, end) = (step("start")?, step("end")?);
    (start > 0.0).then(|| format!("from step {} to step {}", grouped(start as u64), grouped(end as u64)))
}

/// Which state was kept, where that is not the last one, and whether training stopped early.
fn kept(run: &Run) -> Option<String> {
    let figure = |key: &str| number(&run.pretrain, &[&format!("/{key}")]);
    let (kept, steps) = (figure("kept_step")?, figure("steps")?);
    let early = run.pretrain["ended"] == "validation";
    let stopped = if early { "; stopped early, since the validation loss fell no further" } else { "" };
    (early || kept < steps)
        .then(|| format!("the model of step {}, the best in validation{stopped}", grouped(kept as u64)))
}

/// What was tried on this machine before the plan was made.
fn pilot(run: &Run) -> Option<String> {
    let figure = |key: &str| planned(run, &format!("pilot/{key}"));
    let steps = format!("{} steps in {}", figure("steps")?, seconds(figure("seconds")?));
    let reached = figure("held_back/1/1").map(|bits| format!(", down to {bits:.2} bits per byte"));
    Some(steps + &reached.unwrap_or_default())
}

/// The text it was trained on, in numbers.
pub fn data(run: &Run) -> Vec<Fact> {
    let count = |value: f64| grouped(value as u64);
    let (collect, tokenize) = (&run.collect, &run.tokenize);
    let part = |part: &str| {
        let figure = |key: &str| number(tokenize, &[&format!("/{part}/{key}")]);
        Some(format!("{} tokens of {} of text", count(figure("tokens")?), bytes(figure("bytes")? as u64)))
    };
    let characters_per_token = number(tokenize, &["/train/characters"])
        .zip(number(tokenize, &["/train/tokens"]))
        .map(|(characters, tokens)| numbers::digits(characters / tokens.max(1.0), 3));
    let rows = [
        ("Files read", number(collect, &["/files"]).map(count)),
        ("Documents collected", number(collect, &["/documents"]).map(count)),
        ("Text collected", number(collect, &["/bytes"]).map(|size| bytes(size as u64))),
        ("Training part", part("train")),
        ("Validation part, to choose the best model on", part("val")),
        ("Test part, on which nothing was chosen", part("test")),
        ("Vocabulary", number(tokenize, &["/vocab_size"]).map(count)),
        ("Bytes per token", number(tokenize, &["/bytes_per_token"]).map(|count| numbers::digits(count, 3))),
        ("Characters per token", characters_per_token),
    ];
    rows.into_iter().filter_map(|(name, value)| Some(Fact::new(name, value?))).collect()
}

/// The machine and the program.
pub fn machine(run: &Run) -> Vec<Fact> {
    let machine = &run.machine;
    let gpus = machine["gpus"].as_array().filter(|names| !names.is_empty());
    let gpus = gpus.map(|names| names.iter().filter_map(scalar).collect::<Vec<_>>().join(", "));
    let measured = |key: &str, unit: &str| Some(format!("{:.0} {unit}", machine[key].as_f64()?));
    let rows = [
        ("Processor", scalar(&machine["processor"])),
        ("Cores", scalar(&machine["cores"])),
        ("Threads in use", scalar(&machine["threads"])),
        ("Vector instructions", scalar(&machine["simd"])),
        ("Matrix products, f32", measured("product_gflops_f32", "GFLOP/s")),
        ("Memory bandwidth", measured("memory_bandwidth_gb_per_second", "GB/s")),
        ("Memory", number(machine, &["/memory_total_bytes"]).map(|size| bytes(size as u64))),
        ("GPU", gpus),
        ("System", scalar(&machine["system"])),
        ("Program", scalar(run.first_in_manifests("version")).map(|version| format!("nuwa {version}"))),
    ];
    rows.into_iter().filter_map(|(name, value)| Some(Fact::new(name, value?))).collect()
}

/// A number, a text, a yes or no as it is written; nothing for other values.
pub fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(String::from(if *yes { "yes" } else { "no" })),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A key as words: "bits per byte" of "bits_per_byte".
pub fn spaced(key: &str) -> String {
    key.replace(['_', '-'], " ")
}
