use clap::Args;
use nuwa_eval::metrics::RougeTokens;

use super::metric::figures::{Measured, Shown};
use super::metric::texts::Pairs;
use super::sequences::SequenceArguments;

/// Summarize with an encoder-decoder, or with UniLM: a line for each text
///
/// Texts come as arguments, from a file or from standard input, and are answered many at a time by beam search. The model was
/// trained on texts and their summaries: nuwa sft MODEL --data PAIRS. With --references, prints ROUGE instead.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa summarize bart --file articles.txt --truncate > summaries.txt
  nuwa summarize bart --file articles.txt --references summaries.txt
  nuwa summarize t5 --prefix \"summarize: \" --max-tokens 60 --file articles.txt
  nuwa summarize bart --temperature 0.7 --json \"A long text that says little.\"")]
pub struct Summarize {
    #[command(flatten)]
    arguments: SequenceArguments,
}

impl Summarize {
    pub fn run(self) -> anyhow::Result<()> {
        self.arguments.run(measure)
    }
}

/// What the summaries have in common with their references.
fn measure(pairs: &Pairs, json: bool) -> anyhow::Result<()> {
    let tokens = if pairs.is_unspaced() { RougeTokens::Characters } else { RougeTokens::Words };
    let rows = pairs.each(|text, references| {
        let scores = tokens.scores(text, references);
        [scores.rouge1, scores.rouge2, scores.rouge_l, scores.rouge_lsum].map(|overlap| overlap.f1).to_vec()
    });
    let signature = tokens.signature().to_string();
    Measured::means("rouge", &tokens.names(), rows, signature, false, Shown::usual(json)).print(json)
}
