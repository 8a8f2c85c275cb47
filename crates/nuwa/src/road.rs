//! The main road: the stages of a build in their order, each skipped when nothing it depends on has changed.

use std::path::{Path, PathBuf};

use nuwa_data::clean::{CleanSummary, clean};
use nuwa_data::collect::{CollectSummary, collect};
use nuwa_data::tokenize::{TokenizeSummary, tokenize};
use nuwa_tokenizer::Tokenizer;

use crate::console::{Display, message};
use crate::failure::Problem;
use crate::numbers::{self, grouped};
use crate::recipe::{Draft, Recipe};
use crate::run::{Lock, Outcome, Stage, run_stage};
use crate::verbs;

/// A build about to go.
pub struct Road {
    draft: Draft,
    recipe: Recipe,
    folder: PathBuf,
}

impl Road {
    /// Checks what can be checked before anything is read.
    pub fn new(draft: Draft) -> anyhow::Result<Self> {
        let recipe = draft.recipe()?;
        let folder = folder(&recipe)?;
        Ok(Self { draft, recipe, folder })
    }

    /// Goes the whole way.
    pub fn go(mut self, _json: bool) -> anyhow::Result<()> {
        let _lock = Lock::take(&self.folder)?;
        self.keep_recipe()?;
        let collected = self.collect()?;
        let cleaned = self.clean(&collected)?;
        let tokenizer = self.tokenizer(&cleaned)?;
        self.keep_recipe()?;
        self.tokenize(&cleaned, &tokenizer)?;
        Ok(())
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
        let mut told = String::new();
        let outcome = run_stage(&self.folder, stage, |out| {
            let mut display = Display::new();
            told = work(out, &mut display)?;
            Ok(())
        })?;
        match &outcome {
            Outcome::Skipped(_) => message(&format!("{name:<10} skipped: unchanged")),
            Outcome::Done(manifest) => {
                message(&format!("{name:<10} {told} ({})", numbers::seconds(manifest.seconds)));
            }
        }
        Ok(outcome)
    }

    fn collect(&self) -> anyhow::Result<Outcome> {
        let settings = &self.recipe.collect;
        let mut stage = Stage::new("collect").settings(&(&self.recipe.from, settings))?;
        for source in &self.recipe.from {
            stage = stage.reads(source, &settings.extra_text_extensions)?;
        }
        self.stage(stage, |out, display| {
            let summary: CollectSummary =
                collect(&self.recipe.from, out, settings, &mut |progress| display.show(progress))?;
            Ok(verbs::collect::text(&summary))
        })
    }

    fn clean(&self, collected: &Outcome) -> anyhow::Result<Outcome> {
        let settings = &self.recipe.clean;
        let stage = Stage::new("clean").settings(settings)?.after(collected);
        self.stage(stage, |out, display| {
            let inputs = [self.place("collect")];
            let summary: CleanSummary =
                clean(&inputs, out, settings, &mut |progress| display.show(progress))?;
            Ok(verbs::clean::text(&summary))
        })
    }

    /// Learns the vocabulary; its size follows from the text unless the recipe says it.
    fn tokenizer(&mut self, cleaned: &Outcome) -> anyhow::Result<Outcome> {
        let planned = !self.draft.says("tokenizer.vocab_size");
        if planned {
            let cleaning: CleanSummary = nuwa_files::read_json(&self.place("clean").join("clean.json"))?;
            self.recipe.tokenizer.vocab_size = vocabulary_size(cleaning.bytes_out);
        }
        let (split, mut settings) = (&self.recipe.tokenize.split, self.recipe.tokenizer.clone());
        let stage = Stage::new("tokenizer").settings(&(split, &settings, planned))?.after(cleaned);
        self.stage(stage, |out, display| {
            let documents = self.place("clean");
            let mut learn = |settings: &_| {
                verbs::tokenizer::learn(&documents, split, settings, &mut |progress| display.show(progress))
            };
            let tokenizer = match learn(&settings) {
                Err(error) if planned => {
                    settings.vocab_size = largest_vocabulary(error)?;
                    learn(&settings)?
                }
                result => result?,
            };
            tokenizer.save(out)?;
            Ok(format!("a vocabulary of {} tokens", grouped(tokenizer.vocab_size() as u64)))
        })
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
}

/// The run folder: as said, or named after the first source.
fn folder(recipe: &Recipe) -> anyhow::Result<PathBuf> {
    let Some(source) = recipe.from.first() else {
        let problem = Problem::new("no text to learn from was given");
        return Err(problem.hint("name files or folders: nuwa build --from PATH").into());
    };
    if let Some(missing) = recipe.from.iter().find(|path| !path.exists()) {
        return Err(nuwa_data::Error::Missing { path: missing.clone() }.into());
    }
    Ok(recipe.out.clone().unwrap_or_else(|| Path::new("runs").join(name_of(source))))
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

/// About twice the square root of the text's bytes: merges that are seen often enough to be learnt.
fn vocabulary_size(bytes: u64) -> usize {
    let wanted = 2.0 * (bytes as f64).sqrt();
    let power = wanted.log2().round().clamp(9.0, 15.0);
    1 << power as u32
}

/// The largest vocabulary that the text allows, where that was what failed.
fn largest_vocabulary(error: anyhow::Error) -> anyhow::Result<usize> {
    match error.downcast_ref() {
        Some(nuwa_tokenizer::Error::VocabularyTooLarge { largest, .. }) => Ok(*largest),
        _ => Err(error),
    }
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

    #[test]
    fn vocabularies_grow_with_the_text() {
        assert_eq!(vocabulary_size(1_000), 512);
        assert_eq!(vocabulary_size(1_000_000), 2048);
        assert_eq!(vocabulary_size(10_000_000_000), 32768);
    }
}
