use clap::Args;
use nuwa_eval::metrics::answer_scores;

use super::figures::{Measured, Shown};
use super::texts::Texts;

/// Exact match and F1 of answers, as SQuAD's script computes them
///
/// The mean over answers, from 0 to 1; of several right answers the best. Compared are lower-case words without
/// punctuation and articles; f1_char, for Chinese, compares letters in the place of words.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa metric squad --references right.txt < answers.txt
  nuwa metric squad answers.jsonl --columns answer,right --json")]
pub struct Squad {
    #[command(flatten)]
    texts: Texts,
    #[command(flatten)]
    shown: Shown,
}

impl Squad {
    pub fn run(self) -> anyhow::Result<()> {
        let pairs = self.texts.read()?;
        let rows = pairs.each(|text, right| {
            let scores = answer_scores(text, right);
            vec![scores.exact, scores.f1, scores.f1_char]
        });
        let names = ["exact_match", "f1", "f1_char"];
        let signature = format!("norm:squad|nuwa:{}", env!("CARGO_PKG_VERSION"));
        Measured::means("squad", &names, rows, signature, self.texts.each, self.shown).print(self.shown.json)
    }
}
