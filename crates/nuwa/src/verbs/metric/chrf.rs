use clap::Args;
use nuwa_eval::metrics::{ChrfCounts, ChrfSettings};
use serde_json::Map;

use super::figures::{Figure, Measured, Shown};
use super::texts::Texts;

/// chrF of all texts together, equal to sacreBLEU 2.6.0
///
/// The F-score of runs of up to six characters, recall counting twice, from 0 to 100. It needs no tokenizer and fits any
/// script.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa metric chrf --references reference.de < hypotheses.de
  nuwa metric chrf answers.jsonl --columns answer,expected --json")]
pub struct Chrf {
    #[command(flatten)]
    form: Form,
}

/// chrF++ of all texts together, equal to sacreBLEU 2.6.0
///
/// As chrF, with runs of up to two words beside those of characters.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  nuwa metric chrf++ --references reference.de < hypotheses.de")]
pub struct ChrfPlusPlus {
    #[command(flatten)]
    form: Form,
}

#[derive(Debug, Args)]
struct Form {
    #[command(flatten)]
    texts: Texts,
    /// Take upper and lower case for the same
    #[arg(long)]
    lowercase: bool,
    /// Count blanks as characters too
    #[arg(long)]
    whitespace: bool,
    /// Take the mean of the orders' F-scores, as chrF++.py does, and not the F-score of the means
    #[arg(long)]
    eps_smoothing: bool,
    #[command(flatten)]
    shown: Shown,
}

impl Chrf {
    pub fn run(self) -> anyhow::Result<()> {
        self.form.measure("chrf", ChrfSettings::CHRF)
    }
}

impl ChrfPlusPlus {
    pub fn run(self) -> anyhow::Result<()> {
        self.form.measure("chrf++", ChrfSettings::CHRF_PLUS_PLUS)
    }
}

impl Form {
    fn measure(self, metric: &'static str, usual: ChrfSettings) -> anyhow::Result<()> {
        let settings = ChrfSettings {
            lowercase: self.lowercase,
            blanks: self.whitespace,
            mean_of_orders: self.eps_smoothing,
            ..usual
        };
        let pairs = self.texts.read()?;
        let counts = pairs.each(|text, references| settings.counts(text, references));
        let score =
            |sample: &[usize]| settings.score(&ChrfCounts::sum(sample.iter().map(|index| &counts[*index])));
        let each = || counts.iter().map(|counts| vec![settings.score(counts)]).collect();
        let measured = Measured {
            metric,
            item: "text",
            items: counts.len(),
            figures: Figure::over(settings.name(), counts.len(), self.shown, score).into_iter().collect(),
            signature: settings.signature(pairs.count(), self.shown.samples()),
            more: Map::new(),
            text: Vec::new(),
            each: self.texts.each.then(|| (vec![settings.name()], each())),
        };
        measured.print(self.shown.json)
    }
}
