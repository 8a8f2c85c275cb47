use serde::{Deserialize, Serialize};

use crate::{Ratio, TaskResult};

/// How a figure changed from one model to the next, `after - before`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The difference of the figures.
    pub value: f64,
    /// Its standard error; absent where there is none of one of the figures.
    pub stderr: Option<f64>,
    /// Whether the standard error is of the differences of the same items, which is smaller than that of two samples.
    pub paired: bool,
}

/// The figure that stands for a task, the first that it has.
pub const FIGURES: [&str; 5] = ["exact_match", "acc_norm", "acc", "f1_macro", "bits_per_byte"];

/// Whether a figure counts what is wrong.
pub fn smaller_is_better(figure: &str) -> bool {
    figure.starts_with("bits_per_") || figure.contains("perplexity")
}

/// Standard errors beyond which a change is called one.
const CLEARLY: f64 = 2.0;

impl Change {
    /// Whether the change is more than chance would make of it: more than two standard errors.
    pub fn is_clear(&self) -> bool {
        self.stderr.is_some_and(|stderr| self.value.abs() > CLEARLY * stderr)
    }
}

/// The change of `figure`. Where both results hold what each item gave, and the items are the same ones, the standard error is that
/// of the differences `y_after - y_before` as a ratio to the sum of `x` ([`Ratio`]); else `sqrt(a^2 + b^2)` of the two.
///
/// Items are the same ones where there are as many of the same weight: results come from one list of items, though a
/// model may be asked them in another form.
pub fn change(before: &TaskResult, after: &TaskResult, figure: &str) -> Option<Change> {
    let [from, to] = [before, after].map(|result| result.metrics.get(figure));
    let (from, to) = (from?, to?);
    let value = to.value - from.value;
    if let Some(stderr) = paired(before, after, figure) {
        return Some(Change { value, stderr: Some(stderr), paired: true });
    }
    let stderr = from.stderr.zip(to.stderr).map(|(from, to)| from.hypot(to));
    Some(Change { value, stderr, paired: false })
}

fn paired(before: &TaskResult, after: &TaskResult, figure: &str) -> Option<f64> {
    let (from, to) = (before.units.get(figure)?, after.units.get(figure)?);
    let is_same = before.version == after.version
        && from.len() == to.len()
        && from.iter().zip(to).all(|(from, to)| from.x == to.x);
    if !is_same {
        return None;
    }
    let mut ratio = Ratio::default();
    from.iter().zip(to).for_each(|(from, to)| ratio.add(to.y - from.y, to.x));
    ratio.metric()?.stderr
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Metric, Unit};

    fn result(right: &[f64]) -> TaskResult {
        let mut ratio = Ratio::default();
        right.iter().for_each(|&y| ratio.add(y, 1.0));
        let units = right.iter().map(|&y| Unit { y, x: 1.0 }).collect();
        TaskResult {
            metrics: [("acc".to_string(), ratio.metric().unwrap())].into(),
            units: [("acc".to_string(), units)].into(),
            ..TaskResult::default()
        }
    }

    #[test]
    fn the_error_of_a_change_is_that_of_the_differences() {
        let (before, after) = (result(&[1.0, 1.0, 0.0, 0.0]), result(&[1.0, 0.0, 0.0, 0.0]));
        let found = change(&before, &after, "acc").unwrap();
        // Differences 0, -1, 0, 0: mean -1/4, variance (3/16 + 9/16) / 3, over 4 items.
        let expected = (0.75_f64 / 3.0 / 4.0).sqrt();
        assert!((found.stderr.unwrap() - expected).abs() < 1e-12, "{found:?}");
        assert_eq!((found.value, found.paired, found.is_clear()), (-0.25, true, false));
    }

    #[test]
    fn other_items_are_two_samples() {
        let (before, after) = (result(&[1.0, 1.0, 0.0]), result(&[1.0, 0.0, 0.0, 0.0]));
        let errors = [&before, &after].map(|result| result.metrics["acc"].stderr.unwrap());
        let found = change(&before, &after, "acc").unwrap();
        assert_eq!((found.stderr, found.paired), (Some(errors[0].hypot(errors[1])), false));
        assert_eq!(change(&before, &after, "f1"), None);
    }

    #[test]
    fn a_change_without_an_error_is_never_clear() {
        let plain = |value| TaskResult {
            metrics: [("acc".to_string(), Metric { value, stderr: None })].into(),
            ..TaskResult::default()
        };
        assert!(!change(&plain(0.1), &plain(0.9), "acc").unwrap().is_clear());
    }
}
