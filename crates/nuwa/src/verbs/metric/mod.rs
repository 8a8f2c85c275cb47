//! `nuwa metric NAME`: figures from files, without a model.

mod bleu;
mod chrf;
mod classification;
mod columns;
mod diversity;
pub mod figures;
mod regression;
mod rouge;
mod squad;
pub mod texts;

use clap::{Args, Subcommand};

/// Measure texts, classes or numbers in files against the true ones
///
/// Needs no model: hypotheses are lines of a file or of standard input, references lines of other files; or both are
/// columns of a table. Figures equal those of sacreBLEU, rouge-score, SQuAD's script and scikit-learn. Each comes with a
/// 95 % interval over bootstrap samples of the items, and with a signature that says how it was computed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa metric bleu --references reference.de < hypotheses.de
  nuwa metric chrf++ answers.jsonl --columns answer,expected --json
  nuwa metric classification predictions.csv --truth label --prediction predicted --score probability
  nuwa metric regression ratings.tsv --truth rating --prediction predicted

`nuwa metric NAME --help` says more about a metric.")]
pub struct Metric {
    #[command(subcommand)]
    metric: Measure,
}

#[derive(Debug, Subcommand)]
enum Measure {
    Bleu(bleu::Bleu),
    Chrf(chrf::Chrf),
    #[command(name = "chrf++")]
    ChrfPlusPlus(chrf::ChrfPlusPlus),
    Rouge(rouge::Rouge),
    Squad(squad::Squad),
    Diversity(diversity::DiversityArguments),
    Classification(classification::Classification),
    Regression(regression::Regression),
}

impl Metric {
    pub fn run(self) -> anyhow::Result<()> {
        match self.metric {
            Measure::Bleu(metric) => metric.run(),
            Measure::Chrf(metric) => metric.run(),
            Measure::ChrfPlusPlus(metric) => metric.run(),
            Measure::Rouge(metric) => metric.run(),
            Measure::Squad(metric) => metric.run(),
            Measure::Diversity(metric) => metric.run(),
            Measure::Classification(metric) => metric.run(),
            Measure::Regression(metric) => metric.run(),
        }
    }
}
