use serde::{Deserialize, Serialize};

use super::Member;
use crate::{Metric, TaskResult};

/// What a suite came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SuiteResult {
    /// A line for each task.
    pub figures: Vec<SuiteFigure>,
    /// The plain mean of the figures, `sqrt(sum stderr^2) / tasks` its standard error.
    pub mean: Option<Metric>,
    /// The mean of the chance lines, where each task has one.
    pub chance: Option<f64>,
}

/// The figure of one task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SuiteFigure {
    /// The task.
    pub task: String,
    /// The name of the figure.
    pub metric: String,
    /// How many examples stood before each item.
    pub shots: usize,
    /// The figure.
    pub figure: Metric,
    /// What choosing at random would reach on these items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chance: Option<f64>,
    /// How it was made.
    pub signature: String,
    /// Over how many groups (subjects) it is a mean, and how many the whole data has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<[usize; 2]>,
}

impl SuiteFigure {
    /// The figure of `member` in what its task found; none where the task has no such figure.
    pub fn of(member: &Member, result: &TaskResult) -> Option<Self> {
        let metric = &member.metric;
        let groups = member.mean_of_groups.map(|whole| [result.groups.len(), whole]);
        let signature = result.signatures.get(metric).cloned().unwrap_or_default();
        let (figure, signature) = match groups {
            Some(_) => {
                let of_groups = result.groups.values().filter_map(|metrics| metrics.get(metric).copied());
                (mean(of_groups)?, signature.replacen("|shots:", "|mean:groups|shots:", 1))
            }
            None => (*result.metrics.get(metric)?, signature),
        };
        let (task, metric) = (member.task.clone(), metric.clone());
        Some(Self { task, metric, shots: member.shots, figure, chance: result.chance, signature, groups })
    }
}

impl SuiteResult {
    /// With the mean over these figures.
    pub fn new(figures: Vec<SuiteFigure>) -> Self {
        let chances: Option<Vec<f64>> = figures.iter().map(|figure| figure.chance).collect();
        let chance = chances.filter(|chances| !chances.is_empty());
        Self {
            mean: mean(figures.iter().map(|figure| figure.figure)),
            chance: chance.map(|chances| chances.iter().sum::<f64>() / chances.len() as f64),
            figures,
        }
    }
}

/// The plain mean of independent figures.
fn mean(figures: impl Iterator<Item = Metric>) -> Option<Metric> {
    let figures: Vec<Metric> = figures.collect();
    let count = figures.len() as f64;
    let errors: Option<Vec<f64>> = figures.iter().map(|figure| figure.stderr).collect();
    let squares = errors.map(|errors| errors.iter().map(|error| error * error).sum::<f64>());
    (!figures.is_empty()).then(|| Metric {
        value: figures.iter().map(|figure| figure.value).sum::<f64>() / count,
        stderr: squares.map(|squares| squares.sqrt() / count),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(value: f64, stderr: Option<f64>, chance: Option<f64>) -> SuiteFigure {
        SuiteFigure {
            task: "a".into(),
            metric: "acc".into(),
            shots: 0,
            figure: Metric { value, stderr },
            chance,
            signature: String::new(),
            groups: None,
        }
    }

    #[test]
    fn the_mean_is_plain_and_its_error_that_of_independent_figures() {
        let result =
            SuiteResult::new(vec![figure(0.2, Some(0.03), Some(0.25)), figure(0.6, Some(0.04), Some(0.5))]);
        let mean = result.mean.unwrap();
        assert!((mean.value - 0.4).abs() < 1e-12 && (mean.stderr.unwrap() - 0.025).abs() < 1e-12);
        assert_eq!(result.chance, Some(0.375));
        let result = SuiteResult::new(vec![figure(0.2, None, None), figure(0.6, Some(0.04), Some(0.5))]);
        assert_eq!((result.mean.unwrap().stderr, result.chance), (None, None));
        assert_eq!(SuiteResult::new(Vec::new()).mean, None);
    }
}
