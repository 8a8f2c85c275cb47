//! Documents become shards of token ids.

use std::path::Path;

use nuwa_report::numbers::counted;
use nuwa_shards::tokenize::{TokenizeSummary, tokenize};
use nuwa_tokenizer::Tokenizer;

use super::stage::{Build, Stage};
use super::{clean, tokenizer};
use crate::console::Display;
use crate::run::{About, Dependencies, HandsOn};

pub static ABOUT: About = About {
    // Since the test part was parted from the validation part.
    format: Some(2),
    hands_on: HandsOn::Files(&["train-", "val-", "languages"]),
    ..About::new("tokenize", "分词")
};

/// Writes the shards.
pub struct TokenizeStage;

impl Stage for TokenizeStage {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn dependencies(&self, build: &Build, on: Dependencies) -> anyhow::Result<Dependencies> {
        let on = on.settings(&build.recipe.tokenize)?;
        Ok(build.after(on, &[&clean::ABOUT, &tokenizer::ABOUT]))
    }

    fn run(&self, build: &Build, out: &Path, display: &mut Display) -> anyhow::Result<String> {
        let tokenizer = Tokenizer::load(&build.place(&tokenizer::ABOUT))?;
        let (documents, settings) = (build.place(&clean::ABOUT), &build.recipe.tokenize);
        let mut observe = |progress| display.show(progress);
        Ok(text(&tokenize(&documents, &tokenizer, out, settings, &mut observe)?))
    }
}

/// What an earlier build of the stage wrote about its text.
pub fn figures(build: &Build) -> anyhow::Result<TokenizeSummary> {
    Ok(nuwa_files::read_json(&build.place(&ABOUT).join(ABOUT.summary_file()))?)
}

/// The figures in a sentence.
pub fn text(summary: &TokenizeSummary) -> String {
    let TokenizeSummary { train, val, test, bytes_per_token, .. } = summary;
    let part =
        |tokens, documents| format!("{} in {}", counted(tokens, "token"), counted(documents, "document"));
    format!(
        "{} to train on, {} held out, {bytes_per_token:.2} bytes a token",
        part(train.tokens, train.documents),
        part(val.tokens + test.tokens, val.documents + test.documents)
    )
}
