use clap::Args;
use nuwa_eval::metrics::{BleuCounts, BleuSettings, BleuTokens, ChrfCounts, ChrfSettings};
use serde_json::json;

use super::metric::figures::{Figure, Measured, Shown};
use super::metric::texts::Pairs;
use super::sequences::SequenceArguments;

/// Translate with an encoder-decoder, or with UniLM: a line for each text
///
/// Texts come as arguments, from a file or from standard input, and are translated many at a time by beam search. Which languages
/// is up to what the model was trained on: nuwa sft MODEL --data PAIRS. With --references, prints BLEU, chrF and the share of
/// exact matches instead.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa translate en-zh \"Mina lives in Marlow.\"
  nuwa translate en-zh --file news.en > news.zh
  nuwa translate en-zh --file test.en --references test.zh
  nuwa translate t5 --prefix \"translate English to German: \" \"That is good.\"
  echo \"Mina has a goat.\" | nuwa translate en-zh --beam 8 --best 3 --json")]
pub struct Translate {
    #[command(flatten)]
    arguments: SequenceArguments,
}

impl Translate {
    pub fn run(self) -> anyhow::Result<()> {
        self.arguments.run(measure)
    }
}

/// How near the translations are to their references.
fn measure(pairs: &Pairs, json: bool) -> anyhow::Result<()> {
    let shown = Shown::usual(json);
    let tokens = if pairs.is_unspaced() { BleuTokens::Chinese } else { BleuTokens::V13a };
    let bleu = BleuSettings { tokens, ..BleuSettings::default() };
    let chrf = ChrfSettings::CHRF;
    let of_bleu = pairs.each(|text, references| bleu.counts(text, references));
    let of_chrf = pairs.each(|text, references| chrf.counts(text, references));
    let exact =
        pairs.each(|text, references| f64::from(u8::from(references.iter().any(|own| own.trim() == text))));
    let count = exact.len();
    let score =
        |sample: &[usize]| bleu.score(&BleuCounts::sum(sample.iter().map(|index| &of_bleu[*index]))).score;
    let letters =
        |sample: &[usize]| chrf.score(&ChrfCounts::sum(sample.iter().map(|index| &of_chrf[*index])));
    let figures = [
        Figure::over("BLEU", count, shown, score),
        Figure::over(chrf.name(), count, shown, letters),
        Figure::mean("exact match", &exact, shown),
    ];
    let more = json!({ "translations": pairs.hypotheses });
    Measured {
        metric: "translation",
        item: "text",
        items: count,
        figures: figures.into_iter().flatten().collect(),
        signature: bleu.signature(pairs.count(), shown.samples()),
        more: more.as_object().cloned().unwrap_or_default(),
        text: Vec::new(),
        each: None,
    }
    .print(json)
}
