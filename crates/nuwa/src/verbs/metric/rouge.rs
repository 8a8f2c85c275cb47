use clap::Args;
use nuwa_eval::metrics::RougeTokens;

use super::figures::{Measured, Shown};
use super::texts::Texts;

/// ROUGE-1, -2, -L and -Lsum, equal to rouge-score 0.1.2
///
/// The mean over texts of F1, from 0 to 1; of several references the best. Words are runs of the letters a to z and of
/// digits, so other scripts have none: for Chinese, --characters measures rouge1_char and so on. rougeLsum takes the lines
/// of a text for its sentences, which only a table (--columns) can hold.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa metric rouge summaries.jsonl --columns summary,reference --stem
  nuwa metric rouge --characters --references reference.zh < summaries.zh")]
pub struct Rouge {
    #[command(flatten)]
    texts: Texts,
    /// Compare stems of words (Porter's, as NLTK has them)
    #[arg(long, conflicts_with = "characters")]
    stem: bool,
    /// Compare letters and digits of any script in the place of words
    #[arg(long)]
    characters: bool,
    #[command(flatten)]
    shown: Shown,
}

impl Rouge {
    pub fn run(self) -> anyhow::Result<()> {
        let tokens = match (self.stem, self.characters) {
            (_, true) => RougeTokens::Characters,
            (true, _) => RougeTokens::Stems,
            _ => RougeTokens::Words,
        };
        let pairs = self.texts.read()?;
        pairs.advise(self.characters, "--characters finds what they have in common");
        let rows = pairs.each(|text, references| {
            let scores = tokens.scores(text, references);
            [scores.rouge1, scores.rouge2, scores.rouge_l, scores.rouge_lsum]
                .map(|overlap| overlap.f1)
                .to_vec()
        });
        Measured::means(
            "rouge",
            &tokens.names(),
            rows,
            tokens.signature().to_string(),
            self.texts.each,
            self.shown,
        )
        .print(self.shown.json)
    }
}
