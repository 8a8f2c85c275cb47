//! `nuwa eval`: tasks, task files of lm-evaluation-harness, suites of them.

mod harness;
mod suite;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use nuwa_collect::{CollectSettings, collect};
use nuwa_eval::comparison::write_items;
use nuwa_eval::harness::{HarnessOptions, HarnessTasks};
use nuwa_eval::suites::{Suite, SuiteResult};
use nuwa_eval::tasks::{Options, Sampler, Task};
use nuwa_eval::{Probe, TASKS, TaskResult, ratings};
use nuwa_infer::Engine;
use nuwa_report::numbers::counted;
use nuwa_report::records::Evaluation;
use nuwa_report::stage_scores::Changes;

use self::harness::Documents;
use self::suite::SuiteRun;
use crate::console::{Display, print_figures};
use crate::evaluation::{Texts, measure, nearest_task, with_error};
use crate::failure::Problem;
use crate::interrupt::{self, Scratch};
use crate::items::read_items;
use crate::matrix::matrix;
use crate::model;
use crate::probing;
use crate::recipe::Draft;
use crate::stages;

/// Evaluate a model
///
/// The task language_modelling measures how well the model predicts text: bits per byte and per
/// character (comparable across tokenizers) and perplexity. Other tasks are benchmarks: arc_easy,
/// arc_challenge, hellaswag, mmlu, truthfulqa_mc1, truthfulqa_mc2, piqa, winogrande and cmmlu with
/// the exact prompts of lm-evaluation-harness, sst2 and chnsenticorp with a confusion matrix, those
/// of the embedded world (world_choice_en ...), or your own task described in a TOML file. Bias:
/// crows_pairs, winobias, bbq, stereoset; safety: refusals, over_refusals, toxicity (docs/guard.md
/// says how they are counted). The task ratings compares a model's own ratings of answers with
/// rated answers. Each result has its standard error, and each task a hash of its prompts.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa eval runs/book --task language_modelling --data other.txt
  nuwa eval runs/book --task language_modelling --json --out figures.json
  nuwa eval runs/world --task arc_easy --data arc_easy.jsonl --limit 200 --out figures.json
  nuwa eval runs/world --task crows_pairs --data crows_pairs_anonymized.csv
  nuwa eval runs/world --task over_refusals --task refusals --data harmful_behaviors.csv
  nuwa eval rater --task ratings --data world/ratings_heldout.jsonl --limit 200
  nuwa eval runs/world --task own.toml --data questions.jsonl
  nuwa eval runs/world --task arc_easy.yaml --data arc_easy_test.jsonl --fewshot-data train.jsonl
  nuwa eval runs/world --suite world
  nuwa eval runs/book --suite open-llm --data hf: --out figures.json")]
pub struct Eval {
    /// A model folder, or a run folder
    model: PathBuf,
    /// Name of a task, a TOML file that describes one, or a YAML file of lm-evaluation-harness (a
    /// task or a group; --data is then a file or folder of its documents, or hf: for the Hub, where
    /// the file names no data of its own); may be repeated
    #[arg(long, value_name = "NAME", required_unless_present = "suite")]
    task: Vec<String>,
    /// Several tasks in one table with their mean: open-llm (ARC-Challenge 25 shots, HellaSwag 10,
    /// MMLU 5, TruthfulQA mc2; raw scores) or world; may be repeated
    #[arg(long, value_name = "NAME")]
    suite: Vec<String>,
    /// Evaluation data: for a suite, a folder, or hf: for the Hugging Face Hub; for language_modelling, text as `nuwa collect` reads it [default: for the
    /// model of a run, the text that the run held out]; for other tasks, a file of items (JSON
    /// lines, JSON, CSV or TSV, compressed or not), or the folder that contains it
    #[arg(long, value_name = "FILE")]
    data: Vec<PathBuf>,
    /// Maximum number of documents or items
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Number of few-shot examples before each prompt [default: 0; of a YAML file, as it says]
    #[arg(long, value_name = "N")]
    num_fewshot: Option<usize>,
    /// Source of the few-shot examples: a file of items; an item is never its own example
    #[arg(long, value_name = "FILE")]
    fewshot_data: Option<PathBuf>,
    /// How few-shot examples are chosen [default: as the task says; random for arc, hellaswag, piqa
    /// and winogrande]: random draws as lm-evaluation-harness does, first_n takes the first ones
    #[arg(long, value_name = "WAY", value_parser = sampler)]
    fewshot_sampler: Option<Sampler>,
    /// For the task toxicity: the classifier that judges what the model writes (nuwa classifier
    /// trains one)
    #[arg(long, value_name = "FILE")]
    classifier: Option<PathBuf>,
    /// Use the model's chat template, if the task supports it
    #[arg(long)]
    chat: bool,
    /// Write the results to this file, and what each item came to beside it, to FILE.items.jsonl
    #[arg(long, value_name = "FILE.json")]
    out: Option<PathBuf>,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

impl Eval {
    /// The evaluation of a model on tasks, as it is without further arguments.
    pub fn of(model: &Path, task: &[String], data: &[PathBuf], limit: Option<usize>, chat: bool) -> Self {
        let (model, task, data) = (model.to_path_buf(), task.to_vec(), data.to_vec());
        Self {
            model,
            task,
            suite: Vec::new(),
            data,
            limit,
            num_fewshot: None,
            fewshot_data: None,
            fewshot_sampler: None,
            classifier: None,
            chat,
            out: None,
            json: false,
        }
    }

    pub fn run(self) -> anyhow::Result<()> {
        let (out, json) = (self.out.clone(), self.json);
        let evaluation = self.evaluation()?;
        if let Some(out) = &out {
            nuwa_files::write_json(out, &evaluation)?;
            write_items(&items_beside(out), &evaluation.tasks)?;
        }
        print_figures(json, &evaluation, || all_text(&evaluation.tasks, &evaluation.suites))
    }

    /// Runs the tasks.
    pub fn evaluation(mut self) -> anyhow::Result<Evaluation> {
        let described = self.task.iter().map(|name| described(name)).collect::<anyhow::Result<Vec<_>>>()?;
        let suites =
            self.suite.iter().map(|name| Ok(Suite::built_in(name)?)).collect::<anyhow::Result<Vec<_>>>()?;
        self.model = model::folder(&self.model)?;
        interrupt::begin(stages::eval::ABOUT.work(false))?;
        let mut display = Display::new();
        let data = suites.iter().map(|suite| self.suite_data(suite, &mut display));
        let data = data.collect::<anyhow::Result<Vec<_>>>()?;
        let engine = Engine::load_any(&self.model, None)?;
        // What an encoder-decoder can be asked are items to be answered.
        if !suites.is_empty() || described.iter().any(|one| !matches!(one, Described::Task(_))) {
            nuwa_infer::check_writes(engine.model())?;
        }
        let mut tasks = BTreeMap::new();
        let mut tables = BTreeMap::new();
        for (suite, data) in suites.iter().zip(&data) {
            let run = SuiteRun { engine: &engine, limit: self.limit, chat: self.chat };
            let (table, found) = suite::run(&run, data, &mut display)?;
            tables.insert(suite.name.clone(), table);
            tasks.extend(found);
        }
        for (name, described) in self.task.iter().zip(described) {
            let result = match described {
                Described::Measurement if name == ratings::NAME => {
                    [(name.clone(), self.rated(&engine, &mut display)?)].into()
                }
                Described::Measurement if Probe::named(name).is_some() => {
                    self.probed(&engine, name, &mut display)?
                }
                Described::Measurement => measure(
                    &engine,
                    std::slice::from_ref(name),
                    &self.texts(&mut display)?,
                    self.limit,
                    &mut display,
                )?,
                Described::Task(task) => {
                    [(task.name.clone(), self.ask(&engine, &task, &mut display)?)].into()
                }
                Described::Harness(tasks) => self.harness(&engine, &tasks, &mut display)?,
            };
            tasks.extend(result);
        }
        drop(display);
        Ok(Evaluation { model: self.model, tasks, suites: tables, changes: Changes::new() })
    }

    /// The data of a suite: where the user says, or beside the model of a run of the embedded world.
    fn suite_data(&self, suite: &Suite, display: &mut Display) -> anyhow::Result<suite::Data> {
        let beside = run_beside(&self.model).join("world").join("eval");
        match self.data.as_slice() {
            [folder] => suite::data(suite, folder, display),
            [] if beside.is_dir() => suite::data(suite, &beside, display),
            _ => {
                let told = format!("the suite {} needs one folder of data", suite.name);
                Err(Problem::new(told)
                    .hint("name it with --data DIR, or take what is on the Hub: --data hf:")
                    .into())
            }
        }
    }

    fn probed(
        &self,
        engine: &Engine,
        name: &str,
        display: &mut Display,
    ) -> anyhow::Result<BTreeMap<String, TaskResult>> {
        let Some(probe) = Probe::named(name) else { return Ok(BTreeMap::new()) };
        let classifier = self.classifier.as_deref();
        let result = probing::probe(probe, engine, &self.data, classifier, self.limit, display)?;
        Ok([(name.to_string(), result)].into())
    }

    fn rated(&self, engine: &Engine, display: &mut Display) -> anyhow::Result<TaskResult> {
        let beside = || run_beside(&self.model).join("world").join("ratings_heldout.jsonl");
        let path = match self.data.as_slice() {
            [path] => path.clone(),
            [] if beside().is_file() => beside(),
            _ => {
                let problem = Problem::new("the task ratings takes one --data FILE of rated answers");
                return Err(problem
                    .hint("nuwa world writes some: --data world/ratings_heldout.jsonl")
                    .into());
            }
        };
        let items = read_items(&path)?;
        Ok(ratings::evaluate(engine, &items, self.limit, &mut |progress| display.show(progress))?)
    }

    fn harness(
        &self,
        engine: &Engine,
        tasks: &HarnessTasks,
        display: &mut Display,
    ) -> anyhow::Result<BTreeMap<String, TaskResult>> {
        if self.chat {
            let problem = Problem::new("--chat is not known to task files of lm-evaluation-harness");
            return Err(problem.hint("leave it out, or describe the task in a TOML file").into());
        }
        let documents = Documents {
            data: self.data.first().map(PathBuf::as_path),
            examples: self.fewshot_data.as_deref(),
        };
        let options =
            HarnessOptions { limit: self.limit, shots: self.num_fewshot, sampler: self.fewshot_sampler };
        harness::run(engine, tasks, &documents, options, display)
    }

    fn ask(&self, engine: &Engine, task: &Task, display: &mut Display) -> anyhow::Result<TaskResult> {
        let items = read_items(&self.items(task)?)?;
        let examples = self.fewshot_data.as_deref().map(read_items).transpose()?.unwrap_or_default();
        let shots = self.num_fewshot.unwrap_or(0);
        if shots > 0 && self.fewshot_data.is_none() {
            let told = format!("--num-fewshot {shots} needs a file of examples for the task {}", task.name);
            return Err(Problem::new(told).hint("name it with --fewshot-data FILE").into());
        }
        let options =
            Options { limit: self.limit, chat: self.chat, examples, shots, sampler: self.fewshot_sampler };
        Ok(task.evaluate(engine, &items, &options, &mut |progress| display.show(progress))?)
    }

    /// The file of a task's items: the one that was given, or the task's own in the folder that was given.
    fn items(&self, task: &Task) -> anyhow::Result<PathBuf> {
        let own =
            task.data.as_deref().map(PathBuf::from).unwrap_or_else(|| format!("{}.jsonl", task.name).into());
        match self.data.as_slice() {
            [path] if path.is_dir() => Ok(packed_or_not(path.join(own))),
            [path] => Ok(path.clone()),
            [] => {
                // A run of the embedded world has the items of its tasks beside it.
                let beside = run_beside(&self.model).join("world").join("eval").join(&own);
                if beside.is_file() {
                    return Ok(beside);
                }
                let problem = Problem::new(format!("the task {} needs items to ask", task.name));
                Err(problem
                    .hint(format!("name their file with --data {}", nuwa_files::quoted_path(own)))
                    .into())
            }
            _ => Err(Problem::new(format!("the task {} takes one --data FILE", task.name)).into()),
        }
    }

    fn texts(&self, display: &mut Display) -> anyhow::Result<Texts> {
        if !self.data.is_empty() {
            let folder = Scratch::new()?;
            let mut observer = |progress| display.show(progress);
            collect(&self.data, &folder, &CollectSettings::default(), &mut observer)?;
            return Ok(Texts::all(folder));
        }
        let run = self.model.canonicalize().ok().and_then(|model| model.parent().map(Path::to_path_buf));
        match run.filter(|run| run.join("clean").is_dir() && run.join("recipe.toml").is_file()) {
            Some(run) => {
                let recipe = Draft::read(&run.join("recipe.toml"))?.recipe()?;
                let texts = Texts::held_out(run.join("clean"), recipe.tokenize.split);
                if texts.has_text()? {
                    return Ok(texts);
                }
                let problem = format!("the run {} held out no text to measure on", run.display());
                Err(Problem::new(problem).hint("name the text to measure on with --data FILE").into())
            }
            None => {
                let problem = format!(
                    "{} is not the model of a run, so there is no held-out text",
                    self.model.display()
                );
                Err(Problem::new(problem).hint("name the text to measure on with --data FILE").into())
            }
        }
    }
}

/// Where what each item came to is kept: beside the results, with `.items.jsonl` in the place of `.json`.
pub fn items_beside(results: &Path) -> PathBuf {
    results.with_extension("items.jsonl")
}

/// The folder that a model folder lies in, which may be that of its run.
fn run_beside(model: &Path) -> PathBuf {
    model::absolute(model).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// The file, or where it is absent the one of its name that is compressed.
fn packed_or_not(path: PathBuf) -> PathBuf {
    let packed = ["gz", "zst", "bz2", "xz"].map(|ending| {
        let mut name = path.clone().into_os_string();
        name.push(format!(".{ending}"));
        PathBuf::from(name)
    });
    let found = if path.exists() { None } else { packed.into_iter().find(|packed| packed.is_file()) };
    found.unwrap_or(path)
}

/// What a name of a task stands for.
enum Described {
    /// A measurement that no file describes.
    Measurement,
    Task(Box<Task>),
    Harness(HarnessTasks),
}

fn described(name: &str) -> anyhow::Result<Described> {
    if TASKS.contains(&name) || name == ratings::NAME || Probe::named(name).is_some() {
        return Ok(Described::Measurement);
    }
    if name.ends_with(".toml") {
        return Ok(Described::Task(Box::new(Task::read(Path::new(name))?)));
    }
    if name.ends_with(".yaml") || name.ends_with(".yml") {
        return Ok(Described::Harness(HarnessTasks::read(Path::new(name))?));
    }
    Task::built_in(name).map(|task| Described::Task(Box::new(task))).map_err(|error| {
        match nearest_task(name) {
            Some(known) => Problem::new(error.to_string()).hint(format!("did you mean {known}?")).into(),
            None => error.into(),
        }
    })
}

fn sampler(name: &str) -> Result<Sampler, String> {
    match name {
        "random" => Ok(Sampler::Random),
        "first_n" => Ok(Sampler::FirstN),
        _ => Err("expected random or first_n".into()),
    }
}

/// The tables of suites, and the figures of the other tasks.
fn all_text(tasks: &BTreeMap<String, TaskResult>, suites: &BTreeMap<String, SuiteResult>) -> String {
    let is_told =
        |name: &str| suites.values().flat_map(|suite| &suite.figures).any(|figure| figure.task == name);
    let others = tasks.iter().filter(|(name, _)| !is_told(name));
    let others: BTreeMap<String, TaskResult> =
        others.map(|(name, result)| (name.clone(), result.clone())).collect();
    let tables = suites.iter().map(|(name, result)| suite::text(name, result));
    tables.chain((!others.is_empty()).then(|| text(&others))).collect::<Vec<_>>().join("\n\n")
}

/// The figures of all tasks, a line each.
pub fn text(tasks: &BTreeMap<String, TaskResult>) -> String {
    let mut lines = Vec::new();
    for (name, result) in tasks {
        let unit = if result.shown.is_empty() { "text" } else { "item" };
        lines.push(format!("{name}, version {}, {}", result.version, counted(result.n, unit)));
        for (metric, figure) in &result.metrics {
            let figure = with_error(figure);
            lines.push(match result.signatures.get(metric) {
                Some(signature) => format!("  {metric:<20} {figure:<16}  {signature}"),
                None => format!("  {metric:<20} {figure}"),
            });
        }
        for (group, metrics) in &result.groups {
            let told: Vec<String> =
                metrics.iter().map(|(name, figure)| format!("{name} {}", with_error(figure))).collect();
            lines.push(format!("    {group}: {}", told.join(", ")));
        }
        lines.extend(intervals(result));
        lines.extend(result.confusion.iter().map(|confusion| matrix(confusion, "  ")));
        lines.extend(result.warnings.iter().map(|warning| format!("  {warning}")));
    }
    lines.join("\n")
}

/// Wilson's intervals of the shares, of all and of each group.
fn intervals(result: &TaskResult) -> Option<String> {
    let told = result.intervals.iter().map(|(name, [low, high])| format!("{name} {low:.3} to {high:.3}"));
    let told: Vec<String> = told.collect();
    (!told.is_empty()).then(|| format!("  95 % intervals: {}", told.join(", ")))
}
