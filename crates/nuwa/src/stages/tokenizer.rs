//! A vocabulary is learnt; its size follows from the text unless the recipe says it.

use std::path::Path;

use nuwa_clean::CleanSummary;
use nuwa_report::numbers::grouped;
use nuwa_shards::split::{SplitSettings, training_texts};
use nuwa_tokenizer::{Tokenizer, TrainSettings, train};

use super::clean;
use super::stage::{Build, Stage};
use crate::console::Display;
use crate::planning;
use crate::run::{About, Dependencies};

pub static ABOUT: About = About::new("tokenizer", "训练分词器");

/// Learns the vocabulary.
pub struct TokenizerStage;

/// Whether the size of the vocabulary follows from the text.
fn is_planned(build: &Build) -> bool {
    !build.draft.says("tokenizer.vocab_size")
}

impl Stage for TokenizerStage {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn prepare(&self, build: &mut Build) -> anyhow::Result<()> {
        if is_planned(build) {
            let figures = build.place(&clean::ABOUT).join(clean::ABOUT.summary_file());
            let cleaning: CleanSummary = nuwa_files::read_json(&figures)?;
            build.recipe.tokenizer.vocab_size = planning::vocabulary(&build.recipe, cleaning.bytes_out)?;
        }
        Ok(())
    }

    fn dependencies(&self, build: &Build, on: Dependencies) -> anyhow::Result<Dependencies> {
        let on = on.settings(&(&build.recipe.tokenize.split, &build.recipe.tokenizer))?;
        Ok(build.after(on, &[&clean::ABOUT]))
    }

    fn run(&self, build: &Build, out: &Path, display: &mut Display) -> anyhow::Result<String> {
        let (documents, planned) = (build.place(&clean::ABOUT), is_planned(build));
        let (split, settings) = (&build.recipe.tokenize.split, build.recipe.tokenizer.clone());
        let mut observe = |progress| display.show(progress);
        let tokenizer = learn_at_most(&documents, split, settings, planned, &mut observe)?;
        tokenizer.save(out)?;
        Ok(format!("a vocabulary of {} tokens", grouped(tokenizer.vocab_size() as u64)))
    }

    /// The resolved recipe says what came of it, so that it can be built again.
    fn settle(&self, build: &mut Build) -> anyhow::Result<()> {
        build.recipe.tokenizer.vocab_size = Tokenizer::load(&build.place(&ABOUT))?.vocab_size();
        build.keep_recipe()
    }
}

/// Learns a vocabulary from the training part of documents.
pub fn learn(
    documents: &Path,
    split: &SplitSettings,
    settings: &TrainSettings,
    observer: &mut dyn FnMut(nuwa_files::Progress),
) -> anyhow::Result<Tokenizer> {
    let mut texts = training_texts(documents, split)?;
    let trained = train(texts.by_ref(), settings, observer);
    // Reading that failed half-way explains whatever training said.
    texts.finish()?;
    Ok(trained?)
}

/// The same; where the text does not allow a vocabulary of that size and a smaller one `may_do`, the largest that it allows.
pub fn learn_at_most(
    documents: &Path,
    split: &SplitSettings,
    mut settings: TrainSettings,
    may_do: bool,
    observer: &mut dyn FnMut(nuwa_files::Progress),
) -> anyhow::Result<Tokenizer> {
    match learn(documents, split, &settings, observer) {
        Err(error) if may_do => {
            settings.vocab_size = largest_vocabulary(error)?;
            learn(documents, split, &settings, observer)
        }
        result => result,
    }
}

/// The largest vocabulary that the text allows, where that was what failed.
fn largest_vocabulary(error: anyhow::Error) -> anyhow::Result<usize> {
    match error.downcast_ref() {
        Some(nuwa_tokenizer::Error::VocabularyTooLarge { largest, .. }) => Ok(*largest),
        _ => Err(error),
    }
}
