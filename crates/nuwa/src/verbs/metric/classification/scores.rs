//! Probabilities beside the classes of a table.

use nuwa_eval::metrics::{
    Calibration, Confusion, area_under_curve, brier, brier_over_classes, calibration, log_loss,
    mean_area_under_curve,
};

use super::labels::Labels;
use crate::failure::Problem;
use crate::verbs::metric::columns::{Table, meant, number_of};
use crate::verbs::metric::figures::{Figure, Shown};

/// A figure of any choice of the rows.
type Over<'a> = Box<dyn Fn(&[usize]) -> f64 + 'a>;

/// What the classes of a table were rated with.
pub enum Scores {
    /// Of two classes, how probable one of them is.
    Positive { class: usize, values: Vec<f64> },
    /// How probable each class is, by rows.
    Each(Vec<Vec<f64>>),
    /// How sure the predicted class is.
    Confidence(Vec<f64>),
}

impl Scores {
    /// Reads the columns that were named; none where none was.
    pub fn read(
        table: &Table,
        labels: &Labels,
        named: &[String],
        positive: Option<&str>,
    ) -> anyhow::Result<Option<Self>> {
        let known: Vec<&str> = labels.classes.iter().map(String::as_str).collect();
        let class = |name: &str| {
            let place = known.iter().position(|class| *class == name);
            place.ok_or_else(|| {
                let problem = Problem::new(format!("no class has the label {name:?}"));
                problem.hint(format!("{}the classes are: {}", meant(name, &known), known.join(", ")))
            })
        };
        let positive = positive.map(&class).transpose()?;
        let scores = match named {
            [] => return Ok(None),
            [column] if !column.contains('=') && known.len() == 2 => {
                Self::Positive { class: positive.unwrap_or(1), values: numbers(table, column)? }
            }
            [column] if !column.contains('=') => Self::Confidence(numbers(table, column)?),
            columns => Self::Each(each(table, columns, &known, &class)?),
        };
        Ok(Some(scores))
    }

    /// What the scores are, for signatures.
    pub fn name(&self, confusion: &Confusion) -> String {
        match self {
            Self::Positive { class, .. } => format!("p({})", confusion.classes[*class]),
            Self::Each(_) => "each class".into(),
            Self::Confidence(_) => "confidence".into(),
        }
    }

    /// What the scores are worth; what needs probabilities only where they are some.
    pub fn figures(&self, labels: &Labels, bins: usize, shown: Shown) -> Vec<Figure> {
        let mut all = self.rated(labels);
        if let Some(confidences) = self.confidences(labels) {
            let hits = labels.hits();
            let error = move |sample: &[usize]| {
                calibration(&chosen(&confidences, sample), &chosen(&hits, sample), bins).error
            };
            all.push(("ece", Box::new(error)));
        }
        let count = labels.right.len();
        all.into_iter().filter_map(|(name, of)| Figure::over(name, count, shown, of)).collect()
    }

    /// Figures by names, each of any choice of the rows.
    fn rated<'a>(&'a self, labels: &'a Labels) -> Vec<(&'static str, Over<'a>)> {
        let mut all: Vec<(&'static str, Over<'a>)> = Vec::new();
        match self {
            Self::Positive { class, values } => {
                let class = *class;
                let area = move |sample: &[usize]| {
                    area_under_curve(&labels.are(class, sample), &chosen(values, sample))
                };
                all.push(("auc", Box::new(move |sample: &[usize]| area(sample).unwrap_or(f64::NAN))));
                if are_probabilities(values) {
                    all.push((
                        "log_loss",
                        Box::new(move |sample: &[usize]| {
                            let both: Vec<Vec<f64>> =
                                sample.iter().map(|row| vec![1.0 - values[*row], values[*row]]).collect();
                            let right: Vec<usize> =
                                labels.are(class, sample).into_iter().map(usize::from).collect();
                            log_loss(&right, &both)
                        }),
                    ));
                    all.push((
                        "brier",
                        Box::new(move |sample: &[usize]| {
                            brier(&labels.are(class, sample), &chosen(values, sample))
                        }),
                    ));
                }
            }
            Self::Each(values) => {
                let area = move |sample: &[usize]| {
                    mean_area_under_curve(&labels.right_of(sample), &chosen(values, sample))
                };
                all.push(("auc_macro", Box::new(move |sample: &[usize]| area(sample).unwrap_or(f64::NAN))));
                if values.iter().all(|row| are_probabilities(row) && row.iter().sum::<f64>() > 0.0) {
                    all.push((
                        "log_loss",
                        Box::new(move |sample: &[usize]| {
                            log_loss(&labels.right_of(sample), &chosen(values, sample))
                        }),
                    ));
                    all.push((
                        "brier_over_classes",
                        Box::new(move |sample: &[usize]| {
                            brier_over_classes(&labels.right_of(sample), &chosen(values, sample))
                        }),
                    ));
                }
            }
            Self::Confidence(_) => {}
        }
        all
    }

    /// How sure the predicted class is by bins, where scores are probabilities.
    pub fn calibration(&self, labels: &Labels, bins: usize) -> Option<Calibration> {
        Some(calibration(&self.confidences(labels)?, &labels.hits(), bins))
    }

    fn confidences(&self, labels: &Labels) -> Option<Vec<f64>> {
        let confidences: Vec<f64> = match self {
            Self::Positive { class, values } => {
                let both = values.iter().zip(&labels.chosen);
                both.map(|(value, chosen)| if chosen == class { *value } else { 1.0 - value }).collect()
            }
            Self::Each(values) => {
                values.iter().zip(&labels.chosen).map(|(row, chosen)| row[*chosen]).collect()
            }
            Self::Confidence(values) => values.clone(),
        };
        are_probabilities(&confidences).then_some(confidences)
    }
}

fn chosen<T: Clone>(values: &[T], sample: &[usize]) -> Vec<T> {
    sample.iter().map(|row| values[*row].clone()).collect()
}

fn are_probabilities(values: &[f64]) -> bool {
    values.iter().all(|value| (0.0..=1.0).contains(value))
}

fn numbers(table: &Table, column: &str) -> anyhow::Result<Vec<f64>> {
    let values = table.column(column)?.into_iter();
    values.map(|(value, place)| number_of(&value, column, &place)).collect()
}

/// A column for each class.
fn each(
    table: &Table,
    columns: &[String],
    known: &[&str],
    class: &dyn Fn(&str) -> Result<usize, Problem>,
) -> anyhow::Result<Vec<Vec<f64>>> {
    let mut rows = vec![vec![f64::NAN; known.len()]; table.rows()];
    for named in columns {
        let Some((name, column)) = named.split_once('=') else {
            let problem =
                Problem::new(format!("--score {named}: expected CLASS=COLUMN, as there are several"));
            return Err(problem.hint(format!("name a column for each class: {}", known.join(", "))).into());
        };
        let place = class(name)?;
        for (row, value) in rows.iter_mut().zip(numbers(table, column)?) {
            row[place] = value;
        }
    }
    match rows.first().and_then(|row| row.iter().position(|value| value.is_nan())) {
        Some(place) => {
            let problem = Problem::new(format!("no --score is of the class {:?}", known[place]));
            Err(problem.hint(format!("name a column for each class: {}", known.join(", "))).into())
        }
        None => Ok(rows),
    }
}

/// The bins that hold items, a line each.
pub fn bins_text(calibration: &Calibration) -> Vec<String> {
    let head = "confidence    items   said  right".to_string();
    let filled = calibration.bins.iter().filter(|bin| bin.count > 0);
    let line = |bin: &nuwa_eval::metrics::Bin| {
        format!(
            "{:.2} to {:.2} {:>8}  {:.3}  {:.3}",
            bin.above, bin.up_to, bin.count, bin.confidence, bin.accuracy
        )
    };
    std::iter::once(head).chain(filled.map(line)).collect()
}
