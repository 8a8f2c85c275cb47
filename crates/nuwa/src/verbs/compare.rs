use std::path::{Path, PathBuf};

use clap::Args;
use nuwa_eval::comparison::{Measured, ModelComparison, Published, read_items, read_published};
use nuwa_report::comparing;
use nuwa_report::records::Evaluation;

use super::eval::{Eval, items_beside};
use crate::console::{message, print_figures};
use crate::failure::Problem;
use crate::named::{Named, named};
use crate::{model, stages};

/// Compare models on the tasks that their evaluations have in common
///
/// Puts the figures of all models in one table with their intervals and the raw mean, tests each
/// model against the first one on the same items (McNemar's exact test, or a paired bootstrap),
/// corrects for the number of tests (Holm), and shows items on which they differ. A run of
/// `nuwa build` has kept its evaluation; so has `nuwa eval --out FILE.json`; other models are
/// evaluated now on the tasks named with --task.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa compare runs/a runs/b
  nuwa compare runs/world/pretrain runs/world/sft runs/world/dpo --out stages.html
  nuwa compare before=a.json after=b.json --json
  nuwa compare base tuned --task arc_easy --data arc_easy.jsonl --limit 500
  nuwa compare runs/a --published scores.csv

--published takes CSV or JSON with the fields model, task, score and, where it is known, n (items).")]
pub struct Compare {
    /// Runs, stages of a run, model folders, or results of `nuwa eval --out`; the first one is what
    /// the others are tested against; NAME=PATH names one
    #[arg(required = true, value_name = "MODEL")]
    models: Vec<String>,
    /// Evaluate all models on this task now; may be repeated
    #[arg(long, value_name = "NAME")]
    task: Vec<String>,
    /// Evaluation data of those tasks, as `nuwa eval --data` takes it
    #[arg(long, value_name = "FILE", requires = "task")]
    data: Vec<PathBuf>,
    /// Maximum number of documents or items of those tasks
    #[arg(long, value_name = "N", requires = "task")]
    limit: Option<usize>,
    /// Use the models' chat templates for those tasks
    #[arg(long, requires = "task")]
    chat: bool,
    /// Scores that others published: a file of model, task, score and, where known, n
    #[arg(long, value_name = "FILE")]
    published: Option<PathBuf>,
    /// Items of each task to show that the first model got right and another wrong, and as many the
    /// other way round
    #[arg(long, value_name = "N", default_value_t = 3)]
    samples: usize,
    /// Write the comparison as a page
    #[arg(long, value_name = "FILE.html")]
    out: Option<PathBuf>,
    /// Print the comparison as JSON
    #[arg(long)]
    json: bool,
}

impl Compare {
    pub fn run(self) -> anyhow::Result<()> {
        let named = named(&self.models)?;
        let published: Vec<Published> =
            self.published.as_deref().map(read_published).transpose()?.unwrap_or_default();
        check_distinct(&named)?;
        let measured = named.iter().map(|named| self.measured(named)).collect::<anyhow::Result<Vec<_>>>()?;
        let comparison = ModelComparison::of(&measured, &published, self.samples)?;
        if let Some(out) = &self.out {
            comparing::write(out, &comparison)?;
            message(&format!("page: {}", out.display()));
        }
        print_figures(self.json, &comparison, || comparing::text(&comparison))
    }

    /// What the evaluation of a model found: the one that was kept, or where tasks are named, a new one.
    fn measured(&self, named: &Named) -> anyhow::Result<Measured> {
        let (name, path) = (named.name.clone(), &named.path);
        if !path.exists() {
            let problem = Problem::new(format!("there is no {}", path.display()));
            return Err(problem
                .hint("name a run, a model folder, or a file that nuwa eval --out wrote")
                .into());
        }
        if !self.task.is_empty() && !path.is_file() {
            let eval = Eval::of(path, &self.task, &self.data, self.limit, self.chat);
            return Ok(Measured { name, tasks: eval.evaluation()?.tasks });
        }
        let (file, stage) = kept(path)?;
        let mut evaluation: Evaluation = nuwa_files::read_json(&file)?;
        let items = items_beside(&file);
        if items.is_file() {
            read_items(&items, &mut evaluation.tasks)?;
        } else {
            message(&format!("note: {} is absent, so tests of {name} are not paired", items.display()));
        }
        Ok(Measured { name, tasks: of_stage(evaluation, stage.as_deref()) })
    }
}

/// The results of one stage under the names of their tasks: of the one that is named, else of the last.
fn of_stage(evaluation: Evaluation, stage: Option<&str>) -> nuwa_report::records::Tasks {
    let has = |stage: &str| evaluation.tasks.keys().any(|name| name.starts_with(&format!("{stage}/")));
    let last = || stages::models().iter().rev().map(|about| about.name).find(|name| has(name));
    let Some(stage) = stage.filter(|stage| has(stage)).or_else(last) else { return evaluation.tasks };
    let prefix = format!("{stage}/");
    let own = |(name, result): (String, _)| Some((name.strip_prefix(&prefix)?.to_string(), result));
    evaluation.tasks.iter().map(|(name, result)| (name.clone(), result.clone())).filter_map(own).collect()
}

/// The file of a kept evaluation, and the stage that the path means, where it means one.
fn kept(path: &Path) -> anyhow::Result<(PathBuf, Option<String>)> {
    if path.is_file() {
        return Ok((path.to_path_buf(), None));
    }
    let whole = model::absolute(path);
    let whole = if whole.ends_with("model") { whole.parent().unwrap_or(&whole).to_path_buf() } else { whole };
    let of_run = |run: &Path| {
        Some(run.join("eval").join(stages::eval::ABOUT.summary_file())).filter(|file| file.is_file())
    };
    if let Some(file) = of_run(&whole) {
        return Ok((file, None));
    }
    let stage = whole.file_name().map(|name| name.to_string_lossy().into_owned());
    if let Some(file) = whole.parent().and_then(of_run) {
        return Ok((file, stage));
    }
    let problem = Problem::new(format!("{} has no kept evaluation", path.display()));
    Err(problem
        .hint("name tasks to run now, --task NAME --data FILE, or keep one: nuwa eval MODEL --out FILE.json")
        .into())
}

/// A model under two paths is one.
fn check_distinct(all: &[Named]) -> anyhow::Result<()> {
    for (place, one) in all.iter().enumerate() {
        let is_same = |other: &&Named| model::absolute(&one.path) == model::absolute(&other.path);
        if let Some(other) = all[place + 1..].iter().find(is_same) {
            let problem = format!("{} and {} are one and the same", one.path.display(), other.path.display());
            return Err(Problem::new(problem).hint("name each model once").into());
        }
    }
    Ok(())
}
