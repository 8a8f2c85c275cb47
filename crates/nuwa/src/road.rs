//! The main road: the stages of a build in their order, each skipped when nothing it depends on has changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use nuwa_align::data::Columns;
use nuwa_data::clean::{CleanSummary, clean};
use nuwa_data::collect::{CollectSummary, collect};
use nuwa_data::tokenize::{TokenizeSummary, tokenize};
use nuwa_data::world;
use nuwa_eval::tasks::{Items, Options, Task};
use nuwa_eval::{Metric, TaskResult};
use nuwa_files::{quoted, quoted_path};
use nuwa_infer::Engine;
use nuwa_models::Prediction;
use nuwa_tokenizer::Tokenizer;
use nuwa_train::clock::Afterwards;
use schemars::JsonSchema;
use serde::Serialize;

use crate::afterwards::{self, Ahead};
use crate::alignment::{self, Alignment};
use crate::check::check;
use crate::console::{Display, Stages, message, print_figures};
use crate::interrupt;
use crate::machine::Machine;
use crate::numbers::{self, grouped};
use crate::online;
use crate::recipe::{Draft, Recipe};
use crate::records;
use crate::repetition;
use crate::report::{self, inspection::Cleaned};
use crate::run::{Lock, Outcome, Owner, STAGES, Stage, own_folder, renew_inputs, run_stage};
use crate::space;
use crate::suggestion;
use crate::training::{Outcome as Trained, Training};
use crate::tune::{self, Time, Tuned};
use crate::verbs;
use crate::verbs::eval::Evaluation;
use crate::worth;

/// What tasks found, by their names.
type Tasks = BTreeMap<String, TaskResult>;

/// The name of a stage that makes a model, and what became of it.
type Model = (&'static str, Outcome);

/// A build about to go.
pub struct Road {
    draft: Draft,
    recipe: Recipe,
    folder: PathBuf,
    begun: Instant,
}

impl Road {
    /// Checks what can be checked before anything is read.
    pub fn new(mut draft: Draft) -> anyhow::Result<Self> {
        let folder = folder(&draft.recipe()?)?;
        if tune::is_world(&draft.recipe()?) {
            tune::fit_to_world(&mut draft)?;
            tune::clean_world(&mut draft, &folder)?;
        }
        let recipe = draft.recipe()?;
        check(&draft, &recipe)?;
        records::check(&recipe)?;
        space::check(&recipe, &folder)?.iter().for_each(|warning| message(warning));
        Ok(Self { draft, recipe, folder, begun: Instant::now() })
    }

    /// Goes the whole way.
    pub fn go(mut self, json: bool) -> anyhow::Result<()> {
        let _lock = Lock::take(&self.folder)?;
        Owner::new(&self.recipe.from, &self.folder).claim(&self.folder)?;
        renew_inputs(&self.folder)?;
        self.keep_recipe()?;
        let world = self.world()?;
        let collected = self.collect(world.as_ref())?;
        let cleaned = self.clean(world.as_ref(), &collected)?;
        let tokenizer = self.tokenizer(&cleaned)?;
        self.keep_recipe()?;
        let tokens = self.tokenize(&cleaned, &tokenizer)?;
        let tuned = self.tune(&tokens)?;
        let trained = self.pretrain(&tokens, &tokenizer, &tuned)?;
        let mut models = vec![("pretrain", trained)];
        if let Some(answering) = self.sft(world.as_ref(), &models)? {
            models.push(("sft", answering));
        }
        if let Some(preferred) = self.dpo(world.as_ref(), &models)? {
            models.push(("dpo", preferred));
        }
        let measured = self.eval(world.as_ref(), &cleaned, &models)?;
        let exported = self.export(&models)?;
        let models = models.into_iter().map(|(_, outcome)| outcome);
        let earlier: Vec<Outcome> = world
            .into_iter()
            .chain([collected, cleaned, tokenizer, tokens, tuned])
            .chain(models)
            .chain([measured, exported])
            .collect();
        self.report(&earlier)?;
        self.tell(json)
    }

    fn place(&self, stage: &str) -> PathBuf {
        self.folder.join(stage)
    }

    /// The resolved recipe, kept with the run.
    fn keep_recipe(&self) -> anyhow::Result<()> {
        let text = toml::to_string(&self.recipe)?;
        Ok(nuwa_files::write_atomically(&self.folder.join("recipe.toml"), text.as_bytes())?)
    }

    /// Runs a stage or skips it, and says which.
    fn stage(
        &self,
        stage: Stage,
        work: impl FnOnce(&Path, &mut Display) -> anyhow::Result<String>,
    ) -> anyhow::Result<Outcome> {
        let name = stage.name().to_string();
        interrupt::begin(&name, true)?;
        let mut told = String::new();
        let outcome = run_stage(&self.folder, stage, |out| {
            let mut display = Display::of_stages(self.stages(&name));
            told = work(out, &mut display)?;
            Ok(())
        })?;
        if outcome.skipped {
            message(&format!("{name:<10} skipped: unchanged"));
        } else {
            let (first, rest) = told.split_at(told.find('\n').unwrap_or(told.len()));
            message(&format!("{name:<10} {first} ({}){rest}", numbers::seconds(outcome.manifest.seconds)));
        }
        Ok(outcome)
    }

    /// All stages of this build, for those who watch.
    fn stages(&self, current: &str) -> Stages {
        let is_world = tune::is_world(&self.recipe);
        let goes = |name: &str| match name {
            "world" => is_world,
            "sft" => is_world || !self.recipe.answers.is_empty(),
            "dpo" => is_world || !self.recipe.preferences.is_empty(),
            _ => true,
        };
        let names: Vec<&str> = STAGES.into_iter().filter(|name| goes(name)).collect();
        let current = names.iter().position(|name| *name == current).unwrap_or_default();
        Stages { names, current }
    }

    /// Where there is no source: the embedded world, as files of the run.
    fn world(&self) -> anyhow::Result<Option<Outcome>> {
        if !tune::is_world(&self.recipe) {
            return Ok(None);
        }
        let settings = &self.recipe.world;
        let stage = Stage::new("world").settings(settings)?;
        let outcome = self.stage(stage, |out, display| {
            let summary = world::write(settings, out, &mut |progress| display.show(progress))?;
            Ok(verbs::world::text(&summary))
        })?;
        Ok(Some(outcome))
    }

    /// Files and folders; what is not on this disk is brought into the run's folder first.
    fn sources(&self) -> anyhow::Result<Vec<PathBuf>> {
        if tune::is_world(&self.recipe) {
            return Ok(vec![self.place("world").join("corpus")]);
        }
        let is_fetched = self.recipe.from.iter().any(|source| online::is_online(source));
        interrupt::begin(if is_fetched { "downloads" } else { "collect" }, true)?;
        let mut display = Display::of_stages(self.stages("collect"));
        let (from, folder, settings) = (&self.recipe.from, self.place("downloads"), &self.recipe.collect);
        online::fetched(from, &folder, settings, online::Again::No, &mut display)
    }

    fn collect(&self, world: Option<&Outcome>) -> anyhow::Result<Outcome> {
        let settings = &self.recipe.collect;
        let sources = self.sources()?;
        let mut stage = Stage::new("collect").settings(settings)?;
        stage = world.into_iter().fold(stage, Stage::after);
        for source in sources.iter().filter(|_| world.is_none()) {
            stage = stage.reads(source, &settings.extra_text_extensions)?;
        }
        self.stage(stage, |out, display| {
            let summary: CollectSummary =
                collect(&sources, out, settings, &mut |progress| display.show(progress))?;
            Ok(verbs::collect::text(&summary))
        })
    }

    fn clean(&self, world: Option<&Outcome>, collected: &Outcome) -> anyhow::Result<Outcome> {
        let mut stage = Stage::new("clean").settings(&self.recipe.clean)?.after(collected);
        stage = world.into_iter().fold(stage, Stage::after);
        for items in &self.recipe.clean.decontaminate.items {
            stage = stage.reads(items, &[])?;
        }
        let mut settings = self.recipe.clean.clone();
        settings.decontaminate.items.extend(self.items_of_world());
        self.stage(stage, |out, display| {
            let inputs = [self.place("collect")];
            let summary: CleanSummary =
                clean(&inputs, out, &settings, &mut |progress| display.show(progress))?;
            let mut told = verbs::clean::text(&summary);
            if tune::is_world(&self.recipe) {
                let audit = world::audit(&self.place("world"), out)?;
                nuwa_files::write_json(&out.join("audit.json"), &audit)?;
                told += &format!("\n{}", verbs::world::audit_text(&audit));
            }
            Ok(told)
        })
    }

    /// The items that the model of the embedded world will be asked, but those whose facts the corpus states on purpose.
    fn items_of_world(&self) -> Vec<PathBuf> {
        let folder = self.place("world").join("eval");
        let tasks = Task::names().filter(|task| task.starts_with("world_") && !world::is_stated(task));
        let all = tasks.map(|task| folder.join(format!("{task}.jsonl")));
        if tune::is_world(&self.recipe) { all.collect() } else { Vec::new() }
    }

    /// Learns the vocabulary; its size follows from the text unless the recipe says it.
    fn tokenizer(&mut self, cleaned: &Outcome) -> anyhow::Result<Outcome> {
        let planned = !self.draft.says("tokenizer.vocab_size");
        if planned {
            let cleaning: CleanSummary = nuwa_files::read_json(&self.place("clean").join("clean.json"))?;
            self.recipe.tokenizer.vocab_size = tune::vocabulary(&self.recipe, cleaning.bytes_out)?;
        }
        let (split, settings) = (&self.recipe.tokenize.split, self.recipe.tokenizer.clone());
        let stage = Stage::new("tokenizer").settings(&(split, &settings))?.after(cleaned);
        let outcome = self.stage(stage, |out, display| {
            let documents = self.place("clean");
            let mut observe = |progress| display.show(progress);
            let tokenizer =
                verbs::tokenizer::learn_at_most(&documents, split, settings, planned, &mut observe)?;
            tokenizer.save(out)?;
            Ok(format!("a vocabulary of {} tokens", grouped(tokenizer.vocab_size() as u64)))
        })?;
        // The resolved recipe says what came of it, so that it can be built again.
        self.recipe.tokenizer.vocab_size = Tokenizer::load(&self.place("tokenizer"))?.vocab_size();
        Ok(outcome)
    }

    fn tokenize(&self, cleaned: &Outcome, tokenizer: &Outcome) -> anyhow::Result<Outcome> {
        let settings = &self.recipe.tokenize;
        let stage = Stage::new("tokenize").settings(settings)?.after(cleaned).after(tokenizer);
        self.stage(stage, |out, display| {
            let tokenizer = Tokenizer::load(&self.place("tokenizer"))?;
            let mut observer = |progress| display.show(progress);
            let summary: TokenizeSummary =
                tokenize(&self.place("clean"), &tokenizer, out, settings, &mut observer)?;
            Ok(verbs::tokenize::text(&summary))
        })
    }

    /// Plans once; the plan stays as long as what it was made from.
    fn tune(&self, tokens: &Outcome) -> anyhow::Result<Outcome> {
        let Recipe { budget, params, tokens: count, model, pretrain, .. } = &self.recipe;
        let stage = Stage::new("tune").settings(&(budget, params, count, model, pretrain))?.after(tokens);
        let outcome = self.stage(stage, |out, display| {
            nuwa_files::write_json(&self.place("machine.json"), &Machine::measure())?;
            let tokenizer = Tokenizer::load(&self.place("tokenizer"))?;
            let time = Time { spent: self.begun.elapsed(), afterwards: self.afterwards()? };
            let tuned = tune::make(&self.recipe, &self.place("tokenize"), &tokenizer, time, display)?;
            nuwa_files::write_json(&out.join("tune.json"), &tuned)?;
            let warning = repetition::warning(tuned.plan.epochs).map(|told| format!("\n  {told}"));
            Ok(tune::text(&tuned) + &warning.unwrap_or_default())
        })?;
        Ok(outcome)
    }

    /// What comes after pretraining.
    fn afterwards(&self) -> anyhow::Result<Afterwards> {
        let text: TokenizeSummary = nuwa_files::read_json(&self.place("tokenize").join("tokenize.json"))?;
        let ahead = Ahead {
            answers: &self.records(&self.recipe.answers, "sft.jsonl"),
            preferences: &self.records(&self.recipe.preferences, "preferences.jsonl"),
            items: if tune::is_world(&self.recipe) && self.writes() {
                afterwards::items_of_world(&self.recipe)
            } else {
                0
            },
        };
        afterwards::of(&self.recipe, &ahead, &text)
    }

    fn pretrain(&self, tokens: &Outcome, tokenizer: &Outcome, tuned: &Outcome) -> anyhow::Result<Outcome> {
        let settings = &self.recipe.pretrain;
        let stage = Stage::new("pretrain").settings(settings)?.seed(self.recipe.seed);
        self.stage(stage.after(tokens).after(tokenizer).after(tuned), |out, display| {
            let tuned = self.tuned()?;
            let short = space::check_weights(tuned.plan.parameters, &self.folder)?;
            short.iter().for_each(|warning| display.note(warning));
            let training = Training {
                shards: &self.place("tokenize"),
                tokenizer: &Tokenizer::load(&self.place("tokenizer"))?,
                out,
                plan: &tuned.plan,
                settings,
                seed: self.recipe.seed,
                init: None,
                afterwards: self.afterwards()?,
            };
            Ok(verbs::pretrain::text(&training.run(display)?))
        })
    }

    fn tuned(&self) -> anyhow::Result<Tuned> {
        Ok(nuwa_files::read_json(&self.place("tune").join("tune.json"))?)
    }

    /// Whether the model predicts the next token: one that does not is neither tuned to answer nor asked.
    fn writes(&self) -> bool {
        self.recipe.model.family.registered().predicts == Prediction::NextToken
    }

    /// The files of records for a stage of tuning: the recipe's, or the world's; none for an encoder.
    fn records(&self, own: &[PathBuf], of_world: &str) -> Vec<PathBuf> {
        if !self.writes() {
            return Vec::new();
        }
        tune::records(&self.recipe, own, &self.place("world").join(of_world))
    }

    fn sft(&self, world: Option<&Outcome>, models: &[Model]) -> anyhow::Result<Option<Outcome>> {
        let data = self.records(&self.recipe.answers, "sft.jsonl");
        let settings = &self.recipe.sft;
        self.align("sft", world, models, &data, settings, |job, display| job.sft(settings, display))
    }

    fn dpo(&self, world: Option<&Outcome>, models: &[Model]) -> anyhow::Result<Option<Outcome>> {
        let data = self.records(&self.recipe.preferences, "preferences.jsonl");
        let settings = &self.recipe.dpo;
        self.align("dpo", world, models, &data, settings, |job, display| job.dpo(settings, display))
    }

    /// A stage of tuning, on from the last model; none where there are no records for it.
    fn align(
        &self,
        name: &str,
        world: Option<&Outcome>,
        models: &[Model],
        data: &[PathBuf],
        settings: &(impl Serialize + JsonSchema),
        work: impl FnOnce(&Alignment<'_>, &mut Display) -> anyhow::Result<alignment::Outcome>,
    ) -> anyhow::Result<Option<Outcome>> {
        let Some((before, earlier)) = models.last().filter(|_| !data.is_empty()) else { return Ok(None) };
        let mut stage = Stage::new(name).settings(settings)?.seed(self.recipe.seed).after(earlier);
        stage = world.into_iter().fold(stage, Stage::after);
        for path in data.iter().filter(|path| world.is_none() || !path.starts_with(self.place("world"))) {
            stage = stage.reads(path, &[])?;
        }
        let outcome = self.stage(stage, |out, display| {
            let job = Alignment {
                model: &self.place(before).join("model"),
                data,
                columns: &Columns::new(),
                shards: Some(&self.place("tokenize")),
                template: None,
                out,
                seed: self.recipe.seed,
            };
            Ok(alignment::text(&work(&job, display)?))
        })?;
        Ok(Some(outcome))
    }

    /// Measures the model of each stage: on held-back text and, of the embedded world, on its held-out items.
    fn eval(&self, world: Option<&Outcome>, cleaned: &Outcome, models: &[Model]) -> anyhow::Result<Outcome> {
        let settings = &self.recipe.eval;
        let split = &self.recipe.tokenize.split;
        let mut stage = Stage::new("eval").settings(&(settings, split))?.after(cleaned);
        stage = world.into_iter().chain(models.iter().map(|(_, outcome)| outcome)).fold(stage, Stage::after);
        self.stage(stage, |out, display| {
            let mut tasks = BTreeMap::new();
            for (name, _) in models.iter().filter(|_| self.writes()) {
                let engine = Engine::load(&self.place(name).join("model"))?;
                // With one model only, a task's name says it all.
                let key = |task: String| if models.len() > 1 { format!("{name}/{task}") } else { task };
                let found = self.measure(&engine, *name != "pretrain", display)?;
                tasks.extend(found.into_iter().map(|(task, result)| (key(task), result)));
            }
            let changes = worth::changes(&tasks);
            let evaluation = Evaluation { model: self.place("model"), tasks, changes };
            nuwa_files::write_json(&out.join("eval.json"), &evaluation)?;
            if !self.writes() {
                return Ok("an encoder is measured in its training alone".into());
            }
            Ok(match models.len() > 1 && !evaluation.tasks.is_empty() {
                true => worth::text(&evaluation.tasks, &evaluation.changes),
                false => verbs::eval::headline(&evaluation.tasks),
            })
        })
    }

    fn measure(&self, engine: &Engine, chat: bool, display: &mut Display) -> anyhow::Result<Tasks> {
        let settings = &self.recipe.eval;
        let source = verbs::eval::Source::held_back(self.place("clean"), self.recipe.tokenize.split.clone());
        let mut tasks = verbs::eval::measure(engine, &settings.tasks, &source, settings.limit, display)?;
        if tune::is_world(&self.recipe) {
            for language in world::Language::BOTH {
                let found = self.measure_language(engine, language, display)?;
                tasks.extend(found.map(|found| (format!("language_modelling_{}", language.code()), found)));
            }
            let options = Options { limit: settings.limit, chat, ..Options::default() };
            let items = self.place("world").join("eval");
            for name in Task::names().filter(|name| name.starts_with("world_")) {
                let task = Task::built_in(name)?;
                let items = Items::read(&items.join(task.data.as_deref().unwrap_or(Path::new(name))))?;
                let result =
                    task.evaluate(engine, &items, &options, &mut |progress| display.show(progress))?;
                tasks.insert(name.to_string(), result);
            }
        }
        Ok(tasks)
    }

    /// How well the held-back text of one language is predicted, with what `zstd -19` makes of the same text; none where there is no
    /// such text.
    fn measure_language(
        &self,
        engine: &Engine,
        language: world::Language,
        display: &mut Display,
    ) -> anyhow::Result<Option<TaskResult>> {
        let source = verbs::eval::Source::held_back(self.place("clean"), self.recipe.tokenize.split.clone());
        let source = source.in_language(language.code());
        let task = ["language_modelling".to_string()];
        let mut found = verbs::eval::measure(engine, &task, &source, self.recipe.eval.limit, display)?;
        let Some(mut result) = found.remove("language_modelling") else { return Ok(None) };
        let zstd = Metric { value: source.zstd_bits_per_byte()?, stderr: None };
        result.metrics.insert("zstd_bits_per_byte".into(), zstd);
        Ok(Some(result))
    }

    /// The final model folder, `RUN/model`.
    fn export(&self, models: &[Model]) -> anyhow::Result<Outcome> {
        let last = models.last().map_or("pretrain", |(name, _)| name);
        let stage = models.iter().map(|(_, outcome)| outcome).fold(Stage::new("export"), Stage::after);
        let stage = stage.writes("model");
        self.stage(stage, |_, _| {
            let model = self.place("model");
            // The card of an older model is not this one's; the report writes it anew.
            let _ = std::fs::remove_file(model.join("README.md"));
            nuwa_format::export(&self.place(last).join("model"), &model)?;
            Ok(format!("{}", model.display()))
        })
    }

    fn report(&self, earlier: &[Outcome]) -> anyhow::Result<Outcome> {
        let stage =
            Stage::new("report").writes("inspect.html").writes("report.html").writes("model/README.md");
        let stage = earlier.iter().fold(stage, Stage::shows);
        self.stage(stage, |_, display| {
            let command: Vec<String> = std::env::args().collect();
            nuwa_files::write_json(&self.place("command.json"), &command)?;
            let samples = report::inspection::SAMPLES;
            Cleaned::read(&self.folder, samples, &mut |progress| display.show(progress))?.write_page()?;
            let page = report::write(&self.folder)?;
            report::model_card(&self.folder)?;
            Ok(format!("{}", page.display()))
        })
    }

    /// How it went, and how to go on.
    fn tell(&self, json: bool) -> anyhow::Result<()> {
        let trained: Trained = nuwa_files::read_json(&self.place("pretrain").join("pretrain.json"))?;
        let evaluation: Evaluation = nuwa_files::read_json(&self.place("eval").join("eval.json"))?;
        let tuned = ["sft", "dpo"].map(|stage| self.place(stage).join(format!("{stage}.json")));
        let mut tuned =
            tuned.iter().filter_map(|path| nuwa_files::read_json::<alignment::Outcome>(path).ok());
        let end = End {
            run: &self.folder,
            model: self.place("model"),
            report: self.place("report.html"),
            plan: self.tuned()?,
            pretrain: trained,
            answers: evaluation.tasks.keys().any(|name| !name.starts_with("pretrain/") && name.contains('/')),
            eval: evaluation,
            question: tuned.find_map(|outcome| outcome.question),
        };
        print_figures(json, &end, || end.text())
    }
}

/// What a build came to.
#[derive(Serialize)]
struct End<'a> {
    run: &'a Path,
    model: PathBuf,
    report: PathBuf,
    plan: Tuned,
    pretrain: Trained,
    eval: Evaluation,
    #[serde(skip)]
    answers: bool,
    /// What it was taught to answer.
    #[serde(skip)]
    question: Option<String>,
}

impl End<'_> {
    fn text(&self) -> String {
        let (predicted, measured) = (&self.plan.plan.predicted, &self.pretrain);
        let time = [predicted.seconds, measured.summary.seconds].map(numbers::seconds);
        let memory = [Some(predicted.memory_bytes), measured.peak_memory_bytes];
        let memory = memory.map(|bytes| bytes.map_or("?".into(), numbers::bytes));
        let bits = [self.predicted_bits(), self.measured_bits()];
        let header = ["predicted", "measured"].map(String::from);
        let rows = [("", header), ("time", time), ("memory", memory), ("bits per byte", bits)];
        let table: String = rows
            .iter()
            .map(|(name, [before, after])| format!("{name:<14} {before:>13} {after:>17}\n"))
            .collect();
        let (model, report) = (self.model.display(), self.report.display());
        let next = match self.answers {
            true => format!("nuwa chat {}{}", quoted_path(self.run), self.question()),
            false if self.plan.plan.model.predicts() == Prediction::MaskedTokens => {
                let text = format!("{} [MASK]", self.prompt());
                format!("nuwa fill {} {}", quoted_path(self.run), quoted(text))
            }
            false => {
                format!("nuwa generate {} --prompt {}", quoted_path(self.run), quoted(self.prompt()))
            }
        };
        format!("\n{table}\nmodel    {model}\nreport   {report}\ntry      {next}")
    }

    /// Something to continue that is in the text's own language, and safe between quotes.
    fn prompt(&self) -> String {
        suggestion::plain(&self.pretrain.prompt).unwrap_or_else(|| "Once upon a time".into())
    }

    fn question(&self) -> String {
        self.question.as_ref().map_or(String::new(), |question| format!("\nask      {question}"))
    }

    fn predicted_bits(&self) -> String {
        let predicted = &self.plan.plan.predicted;
        match (predicted.bits_per_byte, predicted.bits_per_byte_error) {
            (Some(value), Some(error)) => format!("{value:.2} ± {error:.2}"),
            _ => "?".into(),
        }
    }

    /// Of the evaluation, which reads the held-back text as text; else of the last validation.
    fn measured_bits(&self) -> String {
        let pretrained = |name: &str| name.split_once('/').is_none_or(|(stage, _)| stage == "pretrain");
        let mut tasks = self.eval.tasks.iter().filter(|(name, _)| pretrained(name));
        let figure = tasks.find_map(|(_, task)| task.metrics.get("bits_per_byte"));
        match figure.map(|figure| (figure.value, figure.stderr)) {
            Some((value, Some(error))) => format!("{value:.3} ± {error:.3}"),
            Some((value, None)) => format!("{value:.3}"),
            None => self.pretrain.summary.bits_per_byte.map_or("?".into(), |value| format!("{value:.3}")),
        }
    }
}

/// The run folder: as said, or named after the first source; never that of another source.
fn folder(recipe: &Recipe) -> anyhow::Result<PathBuf> {
    let records = recipe.answers.iter().chain(&recipe.preferences);
    let offline = recipe.from.iter().filter(|source| !online::is_online(source));
    if let Some(missing) = offline.chain(records).find(|path| !path.exists()) {
        return Err(nuwa_data::Error::Missing { path: missing.clone() }.into());
    }
    if let Some(said) = &recipe.out {
        Owner::new(&recipe.from, said).check(said)?;
        return Ok(said.clone());
    }
    let name = recipe.from.first().map_or("world".into(), |source| name_of(source));
    let (folder, told) = own_folder(&recipe.from, &Path::new("runs").join(name));
    told.iter().for_each(|told| message(told));
    Ok(folder)
}

/// `book` of `texts/book.txt.gz`; a path without a name, such as `..`, is looked up.
fn name_of(source: &Path) -> String {
    let full = source.canonicalize().unwrap_or_else(|_| source.to_path_buf());
    let name = full.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem = if full.is_dir() {
        name.as_str()
    } else {
        name.split('.').find(|part| !part.is_empty()).unwrap_or("")
    };
    if stem.is_empty() { "run".into() } else { stem.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_named_after_their_source() {
        assert_eq!(name_of(Path::new("texts/book.txt.gz")), "book");
        assert_eq!(name_of(Path::new("texts/.hidden.txt")), "hidden");
        assert_eq!(name_of(Path::new("/")), "run");
    }
}
