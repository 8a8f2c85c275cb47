use std::path::PathBuf;

use clap::Args;
use nuwa_eval::metrics::RegressionScores;
use serde_json::Map;

use super::columns::{Table, number_of};
use super::figures::{Figure, Measured, Shown};

/// Numbers against the true ones, from two columns of a table; equal to scikit-learn's and SciPy's figures
///
/// Mean absolute error, mean squared error and its root, R2 (1: perfect, 0: what the mean of the truth would reach), and the
/// correlations of Pearson, Spearman (of ranks) and Kendall (tau-b). Correlations are left out where a column does not vary.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  nuwa metric regression ratings.csv --truth rating --prediction predicted --json"
)]
pub struct Regression {
    /// The table: CSV, TSV, JSON lines or a JSON list, compressed or not
    table: PathBuf,
    /// The column of the true numbers
    #[arg(long, value_name = "COLUMN")]
    truth: String,
    /// The column of the predicted numbers
    #[arg(long, value_name = "COLUMN")]
    prediction: String,
    #[command(flatten)]
    shown: Shown,
}

impl Regression {
    pub fn run(self) -> anyhow::Result<()> {
        let table = Table::read(&self.table)?;
        let numbers = |column: &str| -> anyhow::Result<Vec<f64>> {
            let values = table.column(column)?.into_iter();
            values.map(|(value, place)| number_of(&value, column, &place)).collect()
        };
        let (truth, predicted) = (numbers(&self.truth)?, numbers(&self.prediction)?);
        let of = |sample: &[usize]| {
            let some = |values: &[f64]| -> Vec<f64> { sample.iter().map(|row| values[*row]).collect() };
            RegressionScores::of(&some(&truth), &some(&predicted))
        };
        type Of = fn(RegressionScores) -> f64;
        let all: [(&str, Of); 7] = [
            ("mae", |scores| scores.mae),
            ("mse", |scores| scores.mse),
            ("rmse", |scores| scores.rmse),
            ("r2", |scores| scores.r2.unwrap_or(f64::NAN)),
            ("pearson", |scores| scores.pearson.unwrap_or(f64::NAN)),
            ("spearman", |scores| scores.spearman.unwrap_or(f64::NAN)),
            ("kendall", |scores| scores.kendall.unwrap_or(f64::NAN)),
        ];
        let figures = all.into_iter().filter_map(|(name, figure)| {
            Figure::over(name, truth.len(), self.shown, |sample| figure(of(sample)))
        });
        let measured = Measured {
            metric: "regression",
            item: "item",
            items: truth.len(),
            figures: figures.collect(),
            signature: format!("{}nuwa:{}", self.shown.signature(), env!("CARGO_PKG_VERSION")),
            more: Map::new(),
            text: Vec::new(),
            each: None,
        };
        measured.print(self.shown.json)
    }
}
