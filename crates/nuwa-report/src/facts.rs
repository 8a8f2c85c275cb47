//! The few figures that the report and the model card share.

use nuwa_eval::TaskResult;
use nuwa_train::course::Ended;
use nuwa_train::plan::{Goal, Plan};
use serde::Serialize;

use crate::numbers::{self, bytes, grouped, seconds};
use crate::records::Tasks;
use crate::run::{Config, Run};
use crate::words::report::{self as words, Words};
use crate::words::{Fixed, Text, names, remarks};

const WORDS: Words = Words::ALL;

/// A name with its value, both ready to read.
#[derive(Debug, Clone, Serialize)]
pub struct Fact {
    /// What it is.
    pub name: Text,
    /// How much.
    pub value: Text,
}

impl Fact {
    /// A fact of its parts.
    pub fn new(name: impl Into<Text>, value: Text) -> Self {
        Self { name: name.into(), value }
    }
}

/// The facts that have a value.
fn known<const N: usize>(rows: [(Fixed, Option<Text>); N]) -> Vec<Fact> {
    rows.into_iter().filter_map(|(name, value)| Some(Fact::new(name, value?))).collect()
}

/// A count; none of what an old file does not know and so is read as 0.
fn count(number: u64) -> Option<Text> {
    (number > 0).then(|| Text::same(grouped(number)))
}

fn size(number: u64) -> Option<Text> {
    (number > 0).then(|| Text::same(bytes(number)))
}

/// A figure of the evaluation.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// The task.
    pub task: Text,
    /// The task's version.
    pub version: u32,
    /// How many items it was measured on.
    pub count: String,
    /// The name of the figure.
    pub metric: Text,
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
    run.models.iter().rev().copied().find(|stage| run.has(stage))
}

/// Whether the model that is shipped was trained further after pretraining.
pub fn is_fine_tuned(run: &Run) -> bool {
    last_stage(run).is_some_and(|last| run.models.first() != Some(&last))
}

/// What the evaluation found.
pub fn tasks(run: &Run) -> impl Iterator<Item = (&String, &TaskResult)> {
    run.eval.iter().flat_map(|evaluation| evaluation.tasks.iter())
}

fn bits_per_byte(run: &Run, stage: &str) -> Option<(f64, Option<f64>)> {
    // Where one model only was measured, its tasks have no stage.
    let is_own = |name: &str| name.split_once('/').is_none_or(|(own, _)| own == stage);
    let mut own = tasks(run).filter(|(name, _)| is_own(name));
    own.find_map(|(_, task)| task.metrics.get("bits_per_byte").map(|figure| (figure.value, figure.stderr)))
}

/// The plan.
pub fn plan(run: &Run) -> Option<&Plan> {
    run.plan.as_ref().map(|kept| &kept.plan)
}

/// The number of weights: as the final model holds them, else as trained or planned.
pub fn parameters(run: &Run) -> Option<u64> {
    let trained = run.pretrain.as_ref().map(|trained| trained.parameters as u64).filter(|count| *count > 0);
    run.weights.or(trained).or_else(|| Some(plan(run)?.parameters))
}

/// The tokens that training saw.
pub fn tokens(run: &Run) -> Option<u64> {
    let trained = run.pretrain.as_ref().map(|trained| trained.summary.tokens).filter(|count| *count > 0);
    let seen = || run.metrics.steps.values().next_back().map(|step| step.tokens as u64);
    trained.or_else(seen).or_else(|| Some(plan(run)?.tokens))
}

/// The time that training took.
pub fn training_seconds(run: &Run) -> Option<f64> {
    let trained = run.pretrain.as_ref().map(|trained| trained.summary.seconds).filter(|time| *time > 0.0);
    trained.or_else(|| Some(run.manifest("pretrain")?.seconds))
}

/// The most memory that training held.
pub fn training_memory(run: &Run) -> Option<u64> {
    let trained = run.pretrain.as_ref()?;
    trained.peak_memory_bytes.or(Some(trained.summary.peak_tensor_bytes)).filter(|size| *size > 0)
}

/// "llama", "gpt2", as the model's configuration calls it.
pub fn family(run: &Run) -> Option<&str> {
    run.config.as_ref()?.model_type.as_deref()
}

/// How often training went through the text.
pub fn epochs(run: &Run) -> Option<f64> {
    let there = run.tokenize.as_ref()?.train.tokens as f64;
    Some(tokens(run)? as f64 / there).filter(|epochs| epochs.is_finite())
}

/// All figures of `eval/eval.json`.
pub fn scores(run: &Run) -> Vec<Figure> {
    own_tasks(run).flat_map(|(name, task)| task_scores(name, task)).collect()
}

/// The figures of the model that is shipped: all on text, and of questions the ones that stand for their task.
pub fn final_scores(run: &Run) -> Vec<Figure> {
    let mut scores = Vec::new();
    for (name, task) in final_tasks(run) {
        let standing = task.metrics.keys().filter(|metric| stands(task, metric));
        scores.extend(standing.filter_map(|metric| score(name, task, metric)));
    }
    scores
}

/// Whether a figure stands for its task: all on text do.
pub fn stands(task: &TaskResult, metric: &str) -> bool {
    task.shown.is_empty() || nuwa_eval::FIGURES.contains(&metric)
}

/// The tasks that the shipped model was asked, without its stage before their names.
pub fn final_tasks(run: &Run) -> Vec<(&str, &TaskResult)> {
    let stage = last_stage(run).unwrap_or_default();
    let own = tasks(run).filter_map(|(name, task)| match name.split_once('/') {
        Some((of, name)) => (of == stage).then_some((name, task)),
        None => Some((name.as_str(), task)),
    });
    own.collect()
}

/// The tasks on plain text; those that compare stages have a table of their own.
fn own_tasks(run: &Run) -> impl Iterator<Item = (&String, &TaskResult)> {
    tasks(run).filter(|(name, task)| !name.contains('/') || task.shown.is_empty())
}

fn task_scores(name: &str, task: &TaskResult) -> Vec<Figure> {
    task.metrics.keys().filter_map(|metric| score(name, task, metric)).collect()
}

fn score(name: &str, task: &TaskResult, metric: &str) -> Option<Figure> {
    let figure = task.metrics.get(metric)?;
    let (value, error) = numbers::with_error(figure.value, figure.stderr.unwrap_or(0.0));
    let count = if task.n > 0 { grouped(task.n) } else { String::new() };
    Some(Figure {
        task: task_name(name),
        version: task.version,
        count,
        metric: names::metric(metric),
        value,
        error,
    })
}

/// `sft/language modelling`.
fn task_name(name: &str) -> Text {
    match name.split_once('/') {
        Some((stage, task)) => names::task(task).map(|task| format!("{stage}/{task}")),
        None => names::task(name),
    }
}

/// What a reader of the figures has to know: how the standard errors were taken, and warnings.
pub fn remarks(run: &Run) -> Vec<Text> {
    distinct(own_tasks(run).flat_map(|(name, task)| remarks_of(name, task)))
}

/// The same of the model that is shipped.
pub fn final_remarks(run: &Run) -> Vec<Text> {
    let on_text = final_tasks(run).into_iter().filter(|(_, task)| task.shown.is_empty());
    distinct(on_text.flat_map(|(name, task)| remarks_of(name, task)))
}

fn remarks_of(name: &str, task: &TaskResult) -> Vec<Text> {
    let how = remarks::errors_over(&task.standard_errors);
    let errors =
        Some(how).filter(|how| !how.is_empty()).map(|how| words::standard_errors(&task_name(name), &how));
    errors.into_iter().chain(task.warnings.iter().map(remarks::warning)).collect()
}

fn distinct(remarks: impl Iterator<Item = Text>) -> Vec<Text> {
    let mut seen: Vec<Text> = Vec::new();
    remarks.for_each(|remark| {
        if !seen.contains(&remark) {
            seen.push(remark);
        }
    });
    seen
}

/// The model's shape, from its configuration.
pub fn shape(run: &Run) -> Vec<Fact> {
    let config = run.config.as_ref();
    let of = |size: Option<u64>| size.map(|size| Text::same(grouped(size)));
    let tied = config.and_then(|config| config.tie_word_embeddings);
    known([
        (WORDS.family, family(run).map(Text::same)),
        (WORDS.parameters, of(parameters(run))),
        (WORDS.layers, of(config.and_then(Config::layers))),
        (WORDS.width, of(config.and_then(|config| config.hidden_size))),
        (WORDS.heads, of(config.and_then(|config| config.num_attention_heads))),
        (WORDS.kv_heads, of(config.and_then(|config| config.num_key_value_heads))),
        (WORDS.head_width, of(config.and_then(|config| config.head_dim))),
        (WORDS.mlp_width, of(config.and_then(|config| config.intermediate_size))),
        (WORDS.context, of(config.and_then(|config| config.max_position_embeddings))),
        (WORDS.vocabulary, of(config.and_then(|config| config.vocab_size))),
        (WORDS.output_head, tied.map(|tied| if tied { WORDS.tied } else { WORDS.untied }.into())),
    ])
}

/// How the model was trained, as planned and as it went.
pub fn training(run: &Run) -> Vec<Fact> {
    let plan = plan(run);
    let number = |value: f64| Text::same(numbers::value(value));
    let steps = run.metrics.steps.keys().next_back().copied().or_else(|| Some(plan?.steps));
    let seed = run.manifests().find_map(|manifest| manifest.basis.seed);
    let trained = run.pretrain.as_ref().map(|trained| &trained.summary);
    known([
        (WORDS.goal, plan.map(goal)),
        (WORDS.pilot, plan.and_then(pilot)),
        (WORDS.tokens, tokens(run).and_then(count)),
        (WORDS.steps, steps.and_then(count)),
        (WORDS.decay, decay(run)),
        (WORDS.kept_step, kept(run)),
        (WORDS.batch, plan.and_then(|plan| count(plan.batch_tokens()))),
        (WORDS.sequence, plan.and_then(|plan| count(plan.context as u64))),
        (WORDS.peak_rate, plan.map(|plan| number(f64::from(plan.learning_rate)))),
        (WORDS.dropout, plan.map(|plan| number(f64::from(plan.dropout)))),
        (WORDS.optimizer, optimizer(run)),
        (WORDS.regularisation, regularisation(run)),
        (
            WORDS.zeros,
            trained
                .and_then(|summary| summary.zeros)
                .map(|share| Text::same(format!("{:.1} %", 100.0 * share))),
        ),
        (WORDS.noise_scale, trained.and_then(|summary| summary.noise_scale).map(number)),
        (WORDS.time, training_seconds(run).map(|time| Text::same(seconds(time)))),
        (WORDS.speed, run.metrics.median_speed().map(number)),
        (WORDS.memory, training_memory(run).and_then(size)),
        (WORDS.seed, seed.map(|seed| Text::same(seed.to_string()))),
    ])
}

/// A setting of pretraining.
fn setting<'a>(run: &'a Run, name: &str) -> Option<&'a serde_json::Value> {
    Some(&run.manifest("pretrain")?.basis.settings[name]).filter(|value| !value.is_null())
}

fn optimizer(run: &Run) -> Option<Text> {
    Some(Text::same(setting(run, "optimizer")?["kind"].as_str()?))
}

/// What keeps weights and activations in check beside dropout, by the names of the settings, where it was in use.
fn regularisation(run: &Run) -> Option<Text> {
    let plan = plan(run)?;
    let of_optimizer = |name: &str| setting(run, "optimizer").and_then(|all| all[name].as_f64());
    let of_pretraining = |name: &str| setting(run, name).and_then(serde_json::Value::as_f64);
    let all = [
        ("weight_decay", Some(f64::from(plan.weight_decay))),
        ("l1", of_optimizer("l1")),
        ("embedding_dropout", of_pretraining("embedding_dropout")),
        ("attention_dropout", of_pretraining("attention_dropout")),
        ("stochastic_depth", of_pretraining("stochastic_depth")),
        ("label_smoothing", of_pretraining("label_smoothing")),
        ("z_loss", of_pretraining("z_loss")),
    ];
    let used = all.into_iter().filter_map(|(name, value)| Some((name, value.filter(|value| *value > 0.0)?)));
    let told: Vec<String> =
        used.map(|(name, value)| format!("{name} {}", numbers::digits(value, 3))).collect();
    (!told.is_empty()).then(|| Text::same(told.join(", ")))
}

/// What `nuwa tune` expected of the bits per byte: the lower end, the likeliest value, the upper end.
pub fn forecast(run: &Run) -> Option<[f64; 3]> {
    let told = setting(run, "forecast")?.as_array()?;
    let numbers: Vec<f64> = told.iter().filter_map(serde_json::Value::as_f64).collect();
    numbers.try_into().ok()
}

/// What the user asked the plan for.
fn goal(plan: &Plan) -> Text {
    match plan.goal {
        Goal::Seconds(time) => words::budget(time),
        Goal::Sizes { parameters, tokens } => words::sizes(parameters, tokens),
    }
}

/// When the learning rate fell, of a run whose outcome says it.
fn decay(run: &Run) -> Option<Text> {
    let fall = run.pretrain.as_ref()?.summary.fall.filter(|fall| fall.start > 0)?;
    Some(words::from_step_to(fall.start, fall.end))
}

/// Which state was kept, where that is not the last one, and whether training stopped early.
fn kept(run: &Run) -> Option<Text> {
    let summary = &run.pretrain.as_ref()?.summary;
    let early = summary.ended == Ended::Validation;
    let is_earlier = summary.kept_step > 0 && summary.kept_step < summary.steps;
    (early || is_earlier).then(|| words::kept_step(summary.kept_step, early))
}

/// What was tried on this machine before the plan was made.
fn pilot(plan: &Plan) -> Option<Text> {
    let pilot = plan.pilot.as_ref()?;
    Some(words::pilot(pilot.steps, pilot.seconds, pilot.held_out.get(1).map(|(_, bits)| *bits)))
}

/// The text it was trained on, in numbers.
pub fn data(run: &Run) -> Vec<Fact> {
    let (collect, tokenize) = (run.collect.as_ref(), run.tokenize.as_ref());
    let of_collected = |of: fn(&nuwa_collect::CollectSummary) -> Option<Text>| collect.and_then(of);
    let part = |of: fn(&nuwa_shards::tokenize::TokenizeSummary) -> &nuwa_shards::tokenize::PartSummary| {
        let part = of(tokenize?);
        (part.tokens > 0).then(|| words::part(part.tokens, part.bytes))
    };
    let characters = tokenize.filter(|all| all.train.tokens > 0 && all.train.characters > 0);
    let characters = characters.map(|all| all.train.characters as f64 / all.train.tokens as f64);
    let per_token = |value: f64| Text::same(numbers::digits(value, 3));
    let bytes_per_token = tokenize.map(|all| all.bytes_per_token).filter(|bytes| *bytes > 0.0);
    known([
        (WORDS.files_read, of_collected(|collect| count(collect.files))),
        (WORDS.documents_collected, of_collected(|collect| count(collect.documents))),
        (WORDS.text_collected, of_collected(|collect| size(collect.bytes))),
        (WORDS.train_part, part(|all| &all.train)),
        (WORDS.validation_part, part(|all| &all.val)),
        (WORDS.test_part, part(|all| &all.test)),
        (WORDS.vocabulary, tokenize.and_then(|all| count(all.vocab_size))),
        (WORDS.bytes_per_token, bytes_per_token.map(per_token)),
        (WORDS.characters_per_token, characters.map(per_token)),
    ])
}

/// The machine and the program.
pub fn machine(run: &Run) -> Vec<Fact> {
    let version = run.manifests().next().map(|manifest| format!("nuwa {}", manifest.basis.version));
    let program = (WORDS.program, version.map(Text::same));
    let Some(machine) = &run.machine else { return known([program]) };
    let text = |text: &str| Some(Text::same(text)).filter(|text| !text.is_empty());
    let speed = |value: f64, unit: &str| (value > 0.0).then(|| Text::same(format!("{value:.0} {unit}")));
    known([
        (WORDS.processor, machine.processor.as_deref().and_then(text)),
        (WORDS.cores, count(machine.cores as u64)),
        (WORDS.threads, count(machine.threads as u64)),
        (WORDS.simd, text(&machine.simd)),
        (WORDS.products, speed(machine.product_gflops_f32, "GFLOP/s")),
        (WORDS.bandwidth, speed(machine.memory_bandwidth_gb_per_second, "GB/s")),
        (WORDS.memory, machine.memory_total_bytes.and_then(size)),
        (WORDS.gpu, text(&machine.gpus.join(", "))),
        (WORDS.system, text(&machine.system)),
        program,
    ])
}

/// The first item of these tasks that shows one.
pub fn first_prompt(tasks: &Tasks, wanted: impl Fn(&str) -> bool) -> Option<&str> {
    let mut own = tasks.iter().filter(|(name, _)| wanted(name));
    own.find_map(|(_, task)| Some(task.shown.first()?.prompt.as_str()))
}
