//! `nuwa metric classification`: what is read and printed; [`labels`] reads classes, [`scores`] what they are rated with.

mod labels;
mod scores;

use std::path::PathBuf;

use clap::Args;
use nuwa_eval::metrics::Confusion;
use nuwa_eval::statistics::{Z95, wilson};
use nuwa_report::classes::Classified;
use nuwa_text::clip;
use serde_json::{Map, Value, json};
use unicode_width::UnicodeWidthStr;

use self::labels::Labels;
use self::scores::Scores;
use super::columns::Table;
use super::figures::{Figure, Measured, Shown};
use crate::matrix::{matrix, padded};

/// Classes against the true ones, from two columns of a table; equal to scikit-learn's figures
///
/// Accuracy and what always saying the commonest class would reach, balanced accuracy, precision, recall and F1 (of each
/// class, and their macro and weighted means; the micro-averages are the accuracy), Matthews' correlation, Cohen's kappa
/// (the quadratic one where classes are numbers), and the confusion matrix. With --score also AUC, log loss, Brier score and
/// expected calibration error.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa metric classification predictions.csv --truth label --prediction predicted
  nuwa metric classification spam.jsonl --truth label --prediction answer --score p_spam --positive spam
  nuwa metric classification three.tsv --truth y --prediction p --score cat=p_cat --score dog=p_dog --score cow=p_cow")]
pub struct Classification {
    /// The table: CSV, TSV, JSON lines or a JSON list, compressed or not
    table: PathBuf,
    /// The column of the true classes
    #[arg(long, value_name = "COLUMN")]
    truth: String,
    /// The column of the predicted classes
    #[arg(long, value_name = "COLUMN")]
    prediction: String,
    /// The column of the probability of the positive class, where there are two classes; of more, CLASS=COLUMN for each of
    /// them, or the column of the confidence in the predicted class
    #[arg(long, value_name = "COLUMN")]
    score: Vec<String>,
    /// The class that --score is the probability of [default: the second of the two in their order]
    #[arg(long, value_name = "CLASS", requires = "score")]
    positive: Option<String>,
    /// All classes, in their order [default: those of the truth, by number or by name]
    #[arg(long, value_name = "CLASS,...", value_delimiter = ',')]
    classes: Vec<String>,
    /// Number of bins of the calibration error
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1000))]
    bins: u64,
    /// Also write a page with the matrix to this file
    #[arg(long, value_name = "FILE.html")]
    out: Option<PathBuf>,
    #[command(flatten)]
    shown: Shown,
}

/// The most characters of the name of a class.
const LONGEST: usize = 24;

impl Classification {
    pub fn run(self) -> anyhow::Result<()> {
        let table = Table::read(&self.table)?;
        let labels = Labels::read(&table, &self.truth, &self.prediction, &self.classes)?;
        let scores = Scores::read(&table, &labels, &self.score, self.positive.as_deref())?;
        let confusion = labels.confusion(0..table.rows());
        let mut figures = self.figures(&labels, &confusion);
        figures
            .extend(scores.iter().flat_map(|scores| scores.figures(&labels, self.bins as usize, self.shown)));
        let mut text = vec![String::new(), matrix(&confusion, ""), String::new()];
        text.extend(by_class(&confusion));
        let mut more = classes_json(&confusion);
        let calibration = scores.as_ref().and_then(|scores| scores.calibration(&labels, self.bins as usize));
        if let Some(calibration) = &calibration {
            text.push(String::new());
            text.extend(scores::bins_text(calibration));
            more.insert("calibration".into(), json!(calibration));
        }
        text.push(String::new());
        let signature = self.signature(&confusion, scores.as_ref());
        if let Some(out) = &self.out {
            let classified = Classified {
                source: self.table.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                confusion: &confusion,
                figures: figures.iter().map(|one| (one.name.clone(), one.value, one.interval)).collect(),
                calibration: calibration.as_ref(),
                signature: signature.clone(),
            };
            nuwa_report::classes::write(out, &classified)?;
        }
        let metric = "classification";
        let items = table.rows();
        Measured { metric, item: "item", items, figures, signature, more, text, each: None }
            .print(self.shown.json)
    }

    fn figures(&self, labels: &Labels, confusion: &Confusion) -> Vec<Figure> {
        type Of = fn(&Confusion) -> f64;
        let is_ordered = labels.is_ordered();
        let all: [(&str, Of); 9] = [
            ("balanced_accuracy", Confusion::balanced_accuracy),
            ("precision_macro", |confusion| confusion.macro_average().precision),
            ("recall_macro", |confusion| confusion.macro_average().recall),
            ("f1_macro", |confusion| confusion.macro_average().f1),
            ("f1_weighted", |confusion| confusion.weighted_average().f1),
            ("f1_micro", Confusion::accuracy),
            ("matthews", Confusion::matthews),
            ("kappa", |confusion| confusion.kappa().unwrap_or(f64::NAN)),
            ("kappa_quadratic", |confusion| confusion.quadratic_kappa().unwrap_or(f64::NAN)),
        ];
        let count = labels.right.len();
        let hits = confusion.accuracy() * count as f64;
        let interval = self.shown.samples().map(|_| wilson(hits, count as f64, Z95));
        let mut figures = vec![
            Figure { name: "accuracy".into(), value: confusion.accuracy(), interval },
            Figure { name: "commonest_class".into(), value: confusion.usual(), interval: None },
        ];
        let wanted = all.into_iter().filter(|(name, _)| is_ordered || *name != "kappa_quadratic");
        figures.extend(wanted.filter_map(|(name, of)| {
            Figure::over(name, count, self.shown, |sample| of(&labels.confusion(sample.iter().copied())))
        }));
        figures
    }

    fn signature(&self, confusion: &Confusion, scores: Option<&Scores>) -> String {
        let scored = scores
            .map_or(String::new(), |scores| format!("|score:{}|bins:{}", scores.name(confusion), self.bins));
        let (classes, program) = (confusion.classes.len(), env!("CARGO_PKG_VERSION"));
        format!("classes:{classes}{scored}|{}nuwa:{program}", self.shown.signature())
    }
}

/// Precision, recall and F1 of each class.
fn by_class(confusion: &Confusion) -> Vec<String> {
    let names: Vec<String> = confusion.classes.iter().map(|name| clip(name, LONGEST)).collect();
    let width = names.iter().map(|name| name.width()).max().unwrap_or_default().max(5);
    let head = format!("{}  precision  recall      f1   items", padded("class", width));
    let row = |(class, name): (usize, &String)| {
        let scores = confusion.class(class);
        let (name, items) = (padded(name, width), confusion.right(class));
        format!("{name}     {:.4}  {:.4}  {:.4} {items:>7}", scores.precision, scores.recall, scores.f1)
    };
    std::iter::once(head).chain(names.iter().enumerate().map(row)).collect()
}

fn classes_json(confusion: &Confusion) -> Map<String, Value> {
    let class = |class: usize| {
        let scores = confusion.class(class);
        json!({
            "class": confusion.classes[class], "precision": scores.precision, "recall": scores.recall,
            "f1": scores.f1, "items": confusion.right(class),
        })
    };
    let classes: Vec<Value> = (0..confusion.classes.len()).map(class).collect();
    [("classes".to_string(), classes.into()), ("confusion".to_string(), json!(confusion.counts))]
        .into_iter()
        .collect()
}
