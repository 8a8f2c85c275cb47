//! The model of each stage is measured: on held-out text, and on the items that the source has.

use std::path::Path;

use nuwa_eval::comparison::write_items;
use nuwa_eval::tasks::{Items, Kind, Options, Task};
use nuwa_eval::{Metric, Probe, TaskResult};
use nuwa_infer::Engine;
use nuwa_models::Prediction;
use nuwa_report::records::{Evaluation, FineTuningOutcome, Tasks};
use nuwa_report::stage_scores;
use nuwa_shards::tokenize::TokenizeSummary;
use nuwa_world::Language;

use super::stage::{Build, Stage};
use super::{clean, world};
use crate::afterwards;
use crate::console::Display;
use crate::evaluation::{Texts, headline, measure};
use crate::probing;
use crate::run::{About, Dependencies};
use crate::taught::Taught;

pub static ABOUT: About = About { format: None, ..About::new("eval", "评测") };

/// Measures the models.
pub struct EvalStage;

impl Stage for EvalStage {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn dependencies(&self, build: &Build, on: Dependencies) -> anyhow::Result<Dependencies> {
        let on = on.settings(&(&build.recipe.eval, &build.recipe.tokenize.split))?;
        Ok(build.after(on, &[&[&world::ABOUT, &clean::ABOUT], build.models().as_slice()].concat()))
    }

    fn run(&self, build: &Build, out: &Path, display: &mut Display) -> anyhow::Result<String> {
        let models = build.models();
        let mut tasks = Tasks::new();
        for (index, stage) in models.iter().enumerate() {
            // With one model only, a task's name says it all.
            let key = |task: String| if models.len() > 1 { format!("{}/{task}", stage.name) } else { task };
            if index > 0 && build.taught == Taught::Labels {
                tasks.extend(labels_told(build, stage)?.map(|told| (key(LABELS.to_string()), told)));
                continue;
            }
            if !is_asked(build) {
                continue;
            }
            let engine = Engine::load_any(&build.place(stage).join("model"), None)?;
            let found = measure_model(build, &engine, index > 0, display)?;
            tasks.extend(found.into_iter().map(|(task, result)| (key(task), result)));
        }
        let names: Vec<&str> = models.iter().map(|stage| stage.name).collect();
        let changes = stage_scores::changes(&tasks, &names);
        let evaluation =
            Evaluation { model: build.folder.join("model"), tasks, changes, ..Evaluation::default() };
        let summary = out.join(ABOUT.summary_file());
        nuwa_files::write_json(&summary, &evaluation)?;
        write_items(&summary.with_extension("items.jsonl"), &evaluation.tasks)?;
        if build.predicts() != Prediction::NextToken && evaluation.tasks.is_empty() {
            return Ok("it is measured in its training alone".into());
        }
        Ok(match models.len() > 1 && is_asked(build) && !evaluation.tasks.is_empty() {
            true => stage_scores::text(&evaluation.tasks, &evaluation.changes, &names),
            false => headline(&evaluation.tasks),
        })
    }

    fn work(&self, build: &Build, text: &TokenizeSummary) -> anyhow::Result<f64> {
        let items = if is_asked(build) { build.source.items_asked(&build.recipe) } else { 0 };
        // The text of all languages together is read once, and once more that of one after the other.
        let readings = if items > 0 { 2 } else { 1 };
        let models = build.stages.iter().filter(|stage| stage.about().makes_model).count();
        Ok(afterwards::of_evaluation(models, text, readings, items))
    }
}

/// How well labels are told, as a task.
const LABELS: &str = "labels";

/// How well the model of a stage tells the labels of texts that it has not seen, where some were held out.
fn labels_told(build: &Build, stage: &About) -> anyhow::Result<Option<TaskResult>> {
    let outcome: FineTuningOutcome = nuwa_files::read_json(&build.place(stage).join(stage.summary_file()))?;
    Ok(outcome.labels.and_then(|labels| labels.held_out).map(|figures| figures.task_result()))
}

/// Whether the models are asked anything: an encoder is not.
fn is_asked(build: &Build) -> bool {
    matches!(build.predicts(), Prediction::NextToken | Prediction::Answer)
}

fn held_out(build: &Build) -> Texts {
    Texts::held_out(build.place(&clean::ABOUT), build.recipe.tokenize.split.clone())
}

/// All tasks of one model, which was taught to answer where it is asked in a `chat`.
fn measure_model(build: &Build, engine: &Engine, chat: bool, display: &mut Display) -> anyhow::Result<Tasks> {
    let (settings, writes) = (&build.recipe.eval, build.predicts() == Prediction::NextToken);
    let mut tasks = Tasks::new();
    if writes {
        tasks = measure(engine, &settings.tasks, &held_out(build), settings.limit, display)?;
        for language in build.source.languages() {
            let found = measure_language(build, engine, *language, display)?;
            tasks.extend(found.map(|found| (format!("language_modelling_{}", language.code()), found)));
        }
    }
    let options = Options { limit: settings.limit, chat, ..Options::default() };
    let folder = build.source.items(&build.folder);
    for name in build.source.tasks() {
        let task = Task::built_in(name)?;
        // An encoder-decoder scores no text of its own; it answers.
        if !writes && task.kind != Kind::Generate {
            continue;
        }
        let items = Items::read(&folder.join(task.data.as_deref().unwrap_or(Path::new(name))))?;
        let result = task.evaluate(engine, &items, &options, &mut |progress| display.show(progress))?;
        tasks.insert(name.to_string(), result);
    }
    for (probe, data) in build.source.probes(&build.folder).into_iter().filter(|_| writes) {
        // A model that was not taught to answer neither refuses nor helps.
        if chat || probe != Probe::OverRefusals {
            let result = probing::probe(probe, engine, &data, None, settings.limit, display)?;
            tasks.insert(probe.name().to_string(), result);
        }
    }
    Ok(tasks)
}

/// How well the held-out text of one language is predicted, with what `zstd -19` makes of the same text; none where there is no
/// such text.
fn measure_language(
    build: &Build,
    engine: &Engine,
    language: Language,
    display: &mut Display,
) -> anyhow::Result<Option<TaskResult>> {
    let texts = held_out(build).in_language(language.code());
    let task = ["language_modelling".to_string()];
    let mut found = measure(engine, &task, &texts, build.recipe.eval.limit, display)?;
    let Some(mut result) = found.remove("language_modelling") else { return Ok(None) };
    let zstd = Metric { value: texts.zstd_bits_per_byte()?, stderr: None };
    result.metrics.insert("zstd_bits_per_byte".into(), zstd);
    Ok(Some(result))
}
