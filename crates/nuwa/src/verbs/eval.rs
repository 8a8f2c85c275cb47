use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use nuwa_data::collect::{CollectSettings, collect};
use nuwa_data::documents;
use nuwa_data::split::{Split, SplitSettings};
use nuwa_eval::{Metric, TASKS, TaskResult, TextError, evaluate};
use nuwa_infer::Engine;
use serde::{Deserialize, Serialize};

use crate::console::{Display, print_figures};
use crate::failure::Problem;
use crate::numbers::counted;
use crate::recipe::Draft;

/// Measure a model
///
/// The task language_modelling tells how well the model predicts text: bits per byte and per character (which compare
/// models of different tokenizers) and perplexity, each with its standard error.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa eval runs/book/model --task language_modelling --data other.txt
  nuwa eval runs/book/model --task language_modelling --json --out figures.json")]
pub struct Eval {
    /// A model folder
    model: PathBuf,
    /// The task; may come several times
    #[arg(long, value_name = "NAME", required = true)]
    task: Vec<String>,
    /// The text to measure on: files or folders as `nuwa collect` reads them [default: for the model of a run, what
    /// that run held back]
    #[arg(long, value_name = "FILE")]
    data: Vec<PathBuf>,
    /// Measure on so many documents only
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Write the figures to this file
    #[arg(long, value_name = "FILE.json")]
    out: Option<PathBuf>,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

/// The content of `eval.json`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Evaluation {
    /// The model folder.
    pub model: PathBuf,
    /// What each task found.
    pub tasks: BTreeMap<String, TaskResult>,
}

/// Where the texts to measure on come from.
pub struct Source {
    documents: PathBuf,
    /// Only what this split holds back.
    held_back: Option<SplitSettings>,
    /// Keeps collected documents until they are read.
    _temporary: Option<tempfile::TempDir>,
}

impl Eval {
    pub fn run(self) -> anyhow::Result<()> {
        if let Some(name) = self.task.iter().find(|name| !TASKS.contains(&name.as_str())) {
            let problem = Problem::new(format!("there is no task {name:?}"));
            return Err(problem.hint(format!("the tasks are: {}", TASKS.join(", "))).into());
        }
        let mut display = Display::new();
        let engine = Engine::load(&self.model)?;
        let source = self.source(&mut display)?;
        let tasks = measure(&engine, &self.task, &source, self.limit, &mut display)?;
        drop(display);
        let evaluation = Evaluation { model: self.model, tasks };
        if let Some(out) = &self.out {
            nuwa_files::write_json(out, &evaluation)?;
        }
        print_figures(self.json, &evaluation, || text(&evaluation.tasks))
    }

    fn source(&self, display: &mut Display) -> anyhow::Result<Source> {
        if !self.data.is_empty() {
            let folder = tempfile::tempdir()?;
            let mut observer = |progress| display.show(progress);
            collect(&self.data, folder.path(), &CollectSettings::default(), &mut observer)?;
            return Ok(Source { documents: folder.path().into(), held_back: None, _temporary: Some(folder) });
        }
        let run = self.model.canonicalize().ok().and_then(|model| model.parent().map(Path::to_path_buf));
        match run.filter(|run| run.join("clean").is_dir() && run.join("recipe.toml").is_file()) {
            Some(run) => {
                let recipe = Draft::read(&run.join("recipe.toml"))?.recipe()?;
                Ok(Source::held_back(run.join("clean"), recipe.tokenize.split))
            }
            None => {
                let problem = format!(
                    "{} is not the model of a run, so there is no held-back text",
                    self.model.display()
                );
                Err(Problem::new(problem).hint("name the text to measure on with --data FILE").into())
            }
        }
    }
}

impl Source {
    /// What a split of `documents` holds back.
    pub fn held_back(documents: PathBuf, split: SplitSettings) -> Self {
        Self { documents, held_back: Some(split), _temporary: None }
    }

    fn texts(&self) -> anyhow::Result<impl Iterator<Item = Result<String, TextError>>> {
        let split =
            self.held_back.as_ref().map(|settings| Split::plan(&self.documents, settings)).transpose()?;
        let texts = documents::read(&self.documents)?.map(move |document| {
            let document = document?;
            let held_back = split.as_ref().map(|split| split.divide(&document).validation.to_string());
            Ok(held_back.unwrap_or(document.text))
        });
        Ok(texts.filter(|text| !matches!(text, Ok(text) if text.is_empty())))
    }
}

/// Runs the tasks, each on the texts of `source`.
pub fn measure(
    engine: &Engine,
    tasks: &[String],
    source: &Source,
    limit: Option<usize>,
    display: &mut Display,
) -> anyhow::Result<BTreeMap<String, TaskResult>> {
    let mut results = BTreeMap::new();
    for task in tasks {
        let mut texts = source.texts()?;
        let result = evaluate(engine, task, &mut texts, limit, &mut |progress| display.show(progress))?;
        results.insert(task.clone(), result);
    }
    Ok(results)
}

/// The figures of all tasks, a line each.
pub fn text(tasks: &BTreeMap<String, TaskResult>) -> String {
    let mut lines = Vec::new();
    for (name, result) in tasks {
        lines.push(format!("{name}, version {}, {}", result.version, counted(result.n, "text")));
        for (metric, figure) in &result.metrics {
            lines.push(format!("  {metric:<20} {}", with_error(figure)));
        }
        lines.extend(result.warnings.iter().map(|warning| format!("  {warning}")));
    }
    lines.join("\n")
}

/// The first figure of each task.
pub fn headline(tasks: &BTreeMap<String, TaskResult>) -> String {
    let firsts = tasks.values().filter_map(|result| result.metrics.first_key_value());
    let told: Vec<String> = firsts
        .map(|(metric, figure)| format!("{} {}", metric.replace('_', " "), with_error(figure)))
        .collect();
    told.join(", ")
}

fn with_error(figure: &Metric) -> String {
    let error = figure.stderr.map_or(String::new(), |error| format!(" ± {error:.4}"));
    format!("{:.4}{error}", figure.value)
}
