use clap::{Args, ValueEnum};
use nuwa_eval::metrics::{BleuCounts, BleuSettings, BleuTokens, Smoothing};
use serde_json::json;

use super::figures::{Figure, Measured, Shown};
use super::texts::{Pairs, Texts};
use crate::console::message;
use crate::failure::Problem;

/// BLEU of all texts together, equal to sacreBLEU 2.6.0
///
/// From 0 to 100. Figures under different tokenizers or smoothing are not to be compared: the signature says which they
/// were. With --each, BLEU of each text counts only the orders that it is long enough for (effective order).
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa metric bleu --references reference.de < hypotheses.de
  nuwa metric bleu hypotheses.zh --references a.zh --references b.zh --tokenize zh
  nuwa metric bleu answers.jsonl --columns answer,expected --json")]
pub struct Bleu {
    #[command(flatten)]
    texts: Texts,
    /// How texts are taken apart. 13a: as WMT does, for languages with blanks; intl: punctuation of all scripts apart; zh:
    /// Chinese characters apart; char: all characters apart; none: text that was taken apart before
    #[arg(long, value_name = "NAME", default_value = "13a")]
    tokenize: Tokenize,
    /// What an order without a match counts
    #[arg(long, value_name = "METHOD", default_value = "exp")]
    smooth: Smooth,
    /// The value of the smoothing floor or add-k [default: 0.1, and 1]
    #[arg(long, value_name = "VALUE")]
    smooth_value: Option<f64>,
    /// Take upper and lower case for the same
    #[arg(long)]
    lowercase: bool,
    #[command(flatten)]
    shown: Shown,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Tokenize {
    #[value(name = "13a")]
    V13a,
    Intl,
    Zh,
    Char,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Smooth {
    Exp,
    Floor,
    AddK,
    None,
}

/// Texts that end in a point behind a blank, from which on they look as if they had been taken apart before.
const TAKEN_APART: usize = 100;

impl Bleu {
    pub fn run(self) -> anyhow::Result<()> {
        let settings = self.settings()?;
        let pairs = self.texts.read()?;
        self.advise(&pairs);
        let counts = pairs.each(|text, references| settings.counts(text, references));
        let score = |sample: &[usize]| {
            settings.score(&BleuCounts::sum(sample.iter().map(|index| &counts[*index]))).score
        };
        let total = BleuCounts::sum(&counts);
        let whole = settings.score(&total);
        let precisions = whole.precisions.map(|value| format!("{value:.1}")).join("/");
        let text = format!(
            "precisions {precisions}, brevity penalty {:.3}, tokens {} against {} of the references",
            whole.brevity_penalty, total.length, total.reference_length
        );
        let single = BleuSettings { effective_order: true, ..settings };
        let each = || counts.iter().map(|counts| vec![single.score(counts).score]).collect();
        let more = json!({
            "precisions": whole.precisions, "brevity_penalty": whole.brevity_penalty, "length": total.length,
            "reference_length": total.reference_length, "correct": total.correct, "total": total.total,
        });
        let measured = Measured {
            metric: "bleu",
            item: "text",
            items: counts.len(),
            figures: Figure::over("BLEU", counts.len(), self.shown, score).into_iter().collect(),
            signature: settings.signature(pairs.count(), self.shown.samples()),
            more: more.as_object().cloned().unwrap_or_default(),
            text: vec![text],
            each: self.texts.each.then(|| (vec!["BLEU".into()], each())),
        };
        measured.print(self.shown.json)
    }

    fn settings(&self) -> anyhow::Result<BleuSettings> {
        let value = |usual: f64| self.smooth_value.unwrap_or(usual);
        let smoothing = match self.smooth {
            Smooth::Exp => Smoothing::Exponential,
            Smooth::Floor => Smoothing::Floor(value(0.1)),
            Smooth::AddK => Smoothing::AddK(value(1.0)),
            Smooth::None => Smoothing::Off,
        };
        let takes_value = matches!(self.smooth, Smooth::Floor | Smooth::AddK);
        match self.smooth_value {
            Some(value) if !takes_value => {
                let problem = Problem::new(format!("--smooth-value {value}: this smoothing has no value"));
                Err(problem.hint("leave it out, or choose --smooth floor or --smooth add-k").into())
            }
            Some(value) if !(value > 0.0 && value.is_finite()) => {
                let problem = Problem::new(format!("--smooth-value {value}: expected a number above 0"));
                Err(problem.hint("usual are 0.1 for floor and 1 for add-k").into())
            }
            _ => Ok(BleuSettings {
                tokens: match self.tokenize {
                    Tokenize::V13a => BleuTokens::V13a,
                    Tokenize::Intl => BleuTokens::International,
                    Tokenize::Zh => BleuTokens::Chinese,
                    Tokenize::Char => BleuTokens::Characters,
                    Tokenize::None => BleuTokens::Blanks,
                },
                smoothing,
                lowercase: self.lowercase,
                effective_order: false,
            }),
        }
    }

    fn advise(&self, pairs: &Pairs) {
        let fits = !matches!(self.tokenize, Tokenize::V13a | Tokenize::Intl);
        pairs.advise(fits, "--tokenize zh takes Chinese apart, --tokenize char any script");
        let apart = pairs.hypotheses.iter().filter(|text| text.ends_with(" .")).count();
        if apart >= TAKEN_APART && !matches!(self.tokenize, Tokenize::None) {
            message(&format!(
                "{apart} texts end in \" .\": put them together again before, as they were taken apart into tokens, or figures are too high"
            ));
        }
    }
}
