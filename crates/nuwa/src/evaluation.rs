//! Measuring a model: on which texts, and what came of it.

use std::path::PathBuf;

use nuwa_eval::tasks::Task;
use nuwa_eval::{Metric, TASKS, TextError, evaluate};
use nuwa_files::documents;
use nuwa_infer::Engine;
use nuwa_report::records::Tasks;
use nuwa_shards::split::{Split, SplitSettings};

use crate::console::Display;
use crate::interrupt::Scratch;

/// Where the texts to measure on come from.
pub struct Texts {
    documents: PathBuf,
    /// Only what this split holds out for test.
    held_out: Option<SplitSettings>,
    /// Only what is in this language.
    language: Option<String>,
    /// Keeps collected documents until they are read.
    _temporary: Option<Scratch>,
}

impl Texts {
    /// All texts of a folder of documents, which goes with them.
    pub fn all(folder: Scratch) -> Self {
        Self { documents: folder.to_path_buf(), held_out: None, language: None, _temporary: Some(folder) }
    }

    /// What a split of `documents` holds out for test.
    pub fn held_out(documents: PathBuf, split: SplitSettings) -> Self {
        Self { documents, held_out: Some(split), language: None, _temporary: None }
    }

    /// Only the texts of this language.
    pub fn in_language(mut self, code: &str) -> Self {
        self.language = Some(code.into());
        self
    }

    /// What `zstd -19` makes of all texts together, in bits a byte: what is known without knowing the language.
    pub fn zstd_bits_per_byte(&self) -> anyhow::Result<f64> {
        let mut all = String::new();
        for text in self.texts()? {
            all += &text.map_err(anyhow::Error::from_boxed)?;
        }
        let packed = zstd::encode_all(all.as_bytes(), 19)?;
        Ok(packed.len() as f64 * 8.0 / all.len().max(1) as f64)
    }

    /// Whether there is anything to measure on.
    pub fn has_text(&self) -> anyhow::Result<bool> {
        Ok(self.texts()?.next().is_some())
    }

    fn texts(&self) -> anyhow::Result<impl Iterator<Item = Result<String, TextError>>> {
        let language = self.language.clone();
        let split =
            self.held_out.as_ref().map(|settings| Split::plan(&self.documents, settings)).transpose()?;
        let texts = documents::read(&self.documents)?.map(move |document| {
            let document = document?;
            if language.is_some() && document.lang != language {
                return Ok(String::new());
            }
            let test = split.as_ref().map(|split| split.divide(&document).test.to_string());
            Ok(test.unwrap_or(document.text))
        });
        Ok(texts.filter(|text| !matches!(text, Ok(text) if text.is_empty())))
    }
}

/// The task that is spelt much like this one.
pub fn nearest_task(name: &str) -> Option<&'static str> {
    let near = |known: &&str| strsim::jaro_winkler(known, name);
    let nearest =
        TASKS.into_iter().chain(Task::names()).max_by(|one, other| near(one).total_cmp(&near(other)));
    nearest.filter(|known| near(known) > 0.85)
}

/// Runs the tasks, each on `texts`; none where there is no text.
pub fn measure(
    engine: &Engine,
    tasks: &[String],
    texts: &Texts,
    limit: Option<usize>,
    display: &mut Display,
) -> anyhow::Result<Tasks> {
    let mut results = Tasks::new();
    if !texts.has_text()? {
        return Ok(results);
    }
    for task in tasks {
        let mut each = texts.texts()?;
        let result = evaluate(engine, task, &mut each, limit, &mut |progress| display.show(progress))?;
        results.insert(task.clone(), result);
    }
    Ok(results)
}

/// The first figure of each task.
pub fn headline(tasks: &Tasks) -> String {
    if tasks.is_empty() {
        return "nothing was held out for validation, so nothing was measured".into();
    }
    let firsts = tasks.values().filter_map(|result| result.metrics.first_key_value());
    let told: Vec<String> = firsts
        .map(|(metric, figure)| format!("{} {}", metric.replace('_', " "), with_error(figure)))
        .collect();
    told.join(", ")
}

/// `0.4512 ± 0.0103`.
pub fn with_error(figure: &Metric) -> String {
    let error = figure.stderr.map_or(String::new(), |error| format!(" ± {error:.4}"));
    format!("{:.4}{error}", figure.value)
}
