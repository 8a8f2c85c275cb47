//! The classes of a table.

use std::collections::HashMap;

use nuwa_eval::metrics::Confusion;

use crate::failure::Problem;
use crate::verbs::metric::columns::{Table, label_of, meant};

/// The right and the chosen class of each row, as numbers of `classes`.
pub struct Labels {
    pub classes: Vec<String>,
    pub right: Vec<usize>,
    pub chosen: Vec<usize>,
}

impl Labels {
    /// Reads both columns. A label that is none of the classes, those named or else those of the truth, is refused.
    pub fn read(table: &Table, truth: &str, prediction: &str, named: &[String]) -> anyhow::Result<Self> {
        let labels = |column: &str| -> anyhow::Result<Vec<(String, String)>> {
            let values = table.column(column)?.into_iter();
            values.map(|(value, place)| Ok((label_of(&value, column, &place)?, place))).collect()
        };
        let (right, chosen) = (labels(truth)?, labels(prediction)?);
        let classes = if named.is_empty() { ordered(&right) } else { named.to_vec() };
        let [right, chosen] = [(truth, right), (prediction, chosen)].map(|(column, labels)| {
            let places: HashMap<&str, usize> =
                classes.iter().enumerate().map(|(place, name)| (name.as_str(), place)).collect();
            let known = |(label, place): &(String, String)| {
                places.get(label.as_str()).copied().ok_or_else(|| unknown(column, label, place, &classes))
            };
            labels.iter().map(known).collect::<anyhow::Result<Vec<usize>>>()
        });
        let (right, chosen) = (right?, chosen?);
        Ok(Self { right, chosen, classes })
    }

    /// What was taken for what among some rows.
    pub fn confusion(&self, rows: impl Iterator<Item = usize>) -> Confusion {
        Confusion::new(self.classes.clone(), rows.map(|row| [self.right[row], self.chosen[row]]))
    }

    /// The right classes of some rows.
    pub fn right_of(&self, rows: &[usize]) -> Vec<usize> {
        rows.iter().map(|row| self.right[*row]).collect()
    }

    /// Whether some rows are of a class.
    pub fn are(&self, class: usize, rows: &[usize]) -> Vec<bool> {
        rows.iter().map(|row| self.right[*row] == class).collect()
    }

    /// Whether the classes are numbers in their order, so that one is nearer to another than a third.
    pub fn is_ordered(&self) -> bool {
        let numbers: Option<Vec<f64>> = self.classes.iter().map(|class| number(class)).collect();
        self.classes.len() > 2 && numbers.is_some_and(|numbers| numbers.is_sorted())
    }

    /// Whether each row was taken for what it is.
    pub fn hits(&self) -> Vec<bool> {
        self.right.iter().zip(&self.chosen).map(|(right, chosen)| right == chosen).collect()
    }
}

/// The different labels, by number where all are numbers, else by name.
fn ordered(labels: &[(String, String)]) -> Vec<String> {
    let mut classes: Vec<String> = labels.iter().map(|(label, _)| label.clone()).collect();
    classes.sort();
    classes.dedup();
    let numbers: Option<Vec<f64>> = classes.iter().map(|class| number(class)).collect();
    if let Some(numbers) = numbers {
        let mut both: Vec<(f64, String)> = numbers.into_iter().zip(classes).collect();
        both.sort_by(|one, other| one.0.total_cmp(&other.0));
        return both.into_iter().map(|(_, class)| class).collect();
    }
    classes
}

fn number(class: &str) -> Option<f64> {
    class.parse().ok().filter(|number: &f64| number.is_finite())
}

fn unknown(column: &str, label: &str, place: &str, classes: &[String]) -> anyhow::Error {
    const MOST: usize = 12;
    let known: Vec<&str> = classes.iter().map(String::as_str).collect();
    let shown = known[..known.len().min(MOST)].join(", ");
    let rest = if known.len() > MOST { ", ..." } else { "" };
    let problem =
        Problem::new(format!("{place}: {column} is {label:?}, no class has this label: {shown}{rest}"));
    let meant = meant(label, &known);
    problem
        .hint(format!(
            "{meant}if it is a class of its own, name all of them: --classes {},{label}",
            known.join(",")
        ))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_that_are_numbers_stand_in_their_order() {
        let labels = |all: &[&str]| -> Vec<(String, String)> {
            all.iter().map(|label| (label.to_string(), String::new())).collect()
        };
        assert_eq!(ordered(&labels(&["10", "9", "10"])), ["9", "10"]);
        assert_eq!(ordered(&labels(&["10", "b", "9"])), ["10", "9", "b"]);
    }
}
