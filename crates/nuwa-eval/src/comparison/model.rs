use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::published::Published;
use super::samples::{DifferingItem, differing};
use super::test::{TestKind, TestedDifference, is_share, paired, unpaired};
use crate::change::{FIGURES, smaller_is_better};
use crate::statistics::{Z95, holm, wilson};
use crate::{Error, Result, TaskResult};

/// A model and what its evaluation found, with what each item came to where that was kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// What it is called.
    pub name: String,
    /// The results by task.
    pub tasks: BTreeMap<String, TaskResult>,
}

/// Models side by side, all against the first one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelComparison {
    /// The names of the models; published ones after those that were measured.
    pub models: Vec<String>,
    /// How many of them were measured here.
    pub measured: usize,
    /// The tasks that all measured models have in common.
    pub tasks: Vec<ComparedTask>,
    /// Tasks that only some of them have.
    pub left_out: Vec<String>,
    /// The mean over all tasks that a larger figure is better on, as a leaderboard gives it.
    pub mean: Option<MeanScore>,
    /// Items on which models differ.
    pub samples: Vec<DifferingItem>,
}

/// A task in all models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparedTask {
    /// Its name.
    pub task: String,
    /// Whether all measured models were asked the same items.
    pub is_same_items: bool,
    /// What choosing at random reaches, where that is known.
    pub chance: Option<f64>,
    /// The figures that all have; the first one stands for the task.
    pub figures: Vec<ComparedFigure>,
}

/// A figure in all models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparedFigure {
    /// Its name.
    pub figure: String,
    /// Whether a smaller one is better.
    pub smaller_is_better: bool,
    /// Of each model; none where nobody published it.
    pub values: Vec<Option<Compared>>,
    /// The difference of each model from the first one; none of the first itself, and where nothing says how sure it is.
    pub tests: Vec<Option<TestedDifference>>,
}

/// A figure of one model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// The figure.
    pub value: f64,
    /// Its 95 % interval: Wilson's where items are right or wrong (or the standard error says so), else 1.96 standard errors to both
    /// sides.
    pub interval: Option<[f64; 2]>,
    /// Over how many items; none where a published score does not tell.
    pub n: Option<u64>,
}

/// The mean of the figures that stand for tasks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeanScore {
    /// Over which tasks.
    pub tasks: Vec<String>,
    /// Of each model; none where it lacks one of them.
    pub values: Vec<Option<Compared>>,
    /// What choosing at random reaches, where that is known of all tasks.
    pub chance: Option<f64>,
}

/// Standard errors of a figure's value, with the figure.
type WithError = (f64, f64);

impl ModelComparison {
    /// Compares models that were measured, and what others published; `samples` items of each kind are shown of each task.
    ///
    /// # Errors
    /// When there is only one model, or no task is common to all measured ones.
    pub fn of(models: &[Measured], published: &[Published], samples: usize) -> Result<Self> {
        let names: BTreeSet<&String> = published.iter().map(|score| &score.model).collect();
        let wrong = |problem: String| Err(Error::Comparing { problem });
        if models.len() + names.len() < 2 || models.is_empty() {
            return wrong(format!("there is {} model, expected at least 2", models.len() + names.len()));
        }
        let common = |task: &&String| models.iter().all(|model| model.tasks.contains_key(*task));
        let all: BTreeSet<&String> = models.iter().flat_map(|model| model.tasks.keys()).collect();
        let (common, left_out): (Vec<&String>, Vec<&String>) = all.into_iter().partition(common);
        if common.is_empty() {
            let told: Vec<String> =
                models.iter().map(|model| format!("{} has {}", model.name, tasks_of(model))).collect();
            return wrong(format!("the models have no task in common: {}", told.join("; ")));
        }
        let theirs: Vec<&String> = names.into_iter().collect();
        let mut tasks: Vec<ComparedTask> =
            common.iter().filter_map(|task| compared(task, models, published, &theirs)).collect();
        correct(&mut tasks);
        let shown = tasks.iter().filter(|task| task.is_same_items);
        Ok(Self {
            models: models.iter().map(|model| &model.name).chain(theirs).cloned().collect(),
            measured: models.len(),
            left_out: left_out.into_iter().cloned().collect(),
            mean: mean(&tasks, models.len()),
            samples: shown.flat_map(|task| differing(&task.task, models, samples)).collect(),
            tasks,
        })
    }
}

fn tasks_of(model: &Measured) -> String {
    match model.tasks.is_empty() {
        true => "none".into(),
        false => model.tasks.keys().cloned().collect::<Vec<_>>().join(", "),
    }
}

fn compared(
    task: &str,
    models: &[Measured],
    published: &[Published],
    theirs: &[&String],
) -> Option<ComparedTask> {
    let results: Vec<&TaskResult> = models.iter().filter_map(|model| model.tasks.get(task)).collect();
    let first = results.first()?;
    let is_same_items = results.iter().all(|result| is_same(first, result));
    let mut names: Vec<&String> = first
        .metrics
        .keys()
        .filter(|name| results.iter().all(|result| result.metrics.contains_key(*name)))
        .collect();
    let rank = |name: &str| FIGURES.iter().position(|known| *known == name).unwrap_or(FIGURES.len());
    names.sort_by_key(|name| rank(name));
    let figure = |(place, name): (usize, &&String)| {
        // Others publish the figure that stands for a task.
        let scores = theirs.iter().map(|model| {
            published.iter().find(|score| place == 0 && score.model == **model && score.task == task)
        });
        figure(name, &results, is_same_items, &scores.collect::<Vec<_>>())
    };
    Some(ComparedTask {
        task: task.into(),
        is_same_items,
        chance: first.chance,
        figures: names.iter().enumerate().map(figure).collect(),
    })
}

/// Whether two models were asked the same items. Where the one was asked as a chat and the other not, prompts differ and the right
/// answers do not: as many items with the same right answers in the same order are one list.
fn is_same(one: &TaskResult, other: &TaskResult) -> bool {
    let expected =
        |result: &TaskResult| result.items.iter().map(|item| item.expected.clone()).collect::<Vec<_>>();
    let is_same_list = || !one.items.is_empty() && expected(one) == expected(other);
    one.version == other.version && (one.data_hash == other.data_hash || is_same_list())
}

fn figure(
    name: &str,
    results: &[&TaskResult],
    is_same_items: bool,
    scores: &[Option<&Published>],
) -> ComparedFigure {
    let of = |result: &&TaskResult| value(result, name);
    let measured: Vec<Option<Compared>> = results.iter().map(of).collect();
    let (base, own_n) = (results[0], results[0].n);
    let error = |result: &TaskResult| {
        let metric = result.metrics.get(name)?;
        Some((metric.value, metric.stderr?))
    };
    let test = |(place, result): (usize, &&TaskResult)| match place {
        0 => None,
        _ => tested(base, result, name, is_same_items).or_else(|| unpaired(error(base)?, error(result)?)),
    };
    let mut tests: Vec<Option<TestedDifference>> = results.iter().enumerate().map(test).collect();
    // A score without its number of items is taken for one over as many as here.
    tests.extend(scores.iter().map(|score| {
        let score = (*score)?;
        unpaired(error(base)?, share_with_error(score.score, score.n.unwrap_or(own_n)))
    }));
    let theirs = scores.iter().map(|score| {
        let Published { score, n, .. } = (*score)?;
        let interval = n.map(|n| wilson(score * n as f64, n as f64, Z95));
        Some(Compared { value: *score, interval, n: *n })
    });
    let values = measured.into_iter().chain(theirs).collect();
    ComparedFigure { figure: name.into(), smaller_is_better: smaller_is_better(name), values, tests }
}

/// The test on the same items; none where they are others, or were not kept.
fn tested(base: &TaskResult, own: &TaskResult, name: &str, is_same_items: bool) -> Option<TestedDifference> {
    let (first, second) = (base.units.get(name)?, own.units.get(name)?);
    let is_paired = is_same_items
        && first.len() == second.len()
        && first.iter().zip(second).all(|(one, other)| one.x == other.x);
    if is_paired && !first.is_empty() { paired(first, second) } else { None }
}

fn share_with_error(share: f64, n: u64) -> WithError {
    (share, (share * (1.0 - share) / n.max(1) as f64).sqrt())
}

fn value(result: &TaskResult, name: &str) -> Option<Compared> {
    let metric = result.metrics.get(name)?;
    let units = result.units.get(name).filter(|units| !units.is_empty() && is_share(units));
    let interval = match units {
        Some(units) => Some(wilson(units.iter().map(|unit| unit.y).sum(), units.len() as f64, Z95)),
        None => metric.stderr.map(|error| interval_of([metric.value, error], result.n)),
    };
    Some(Compared { value: metric.value, interval, n: Some(result.n) })
}

/// The interval of a figure whose items were not kept. A standard error of `sqrt(p (1 - p) / (n - 1))` is that of a share of items.
fn interval_of([value, error]: [f64; 2], n: u64) -> [f64; 2] {
    let items = n as f64;
    let of_share = (value * (1.0 - value) / (items - 1.0)).sqrt();
    match (0.0..=1.0).contains(&value) && (error - of_share).abs() <= 1e-6 * of_share {
        true => wilson(value * items, items, Z95),
        false => [value - Z95 * error, value + Z95 * error],
    }
}

/// Corrects the tests of the figures that stand for tasks for how many there are.
fn correct(tasks: &mut [ComparedTask]) {
    let mut tests: Vec<&mut TestedDifference> = tasks
        .iter_mut()
        .filter_map(|task| task.figures.first_mut())
        .flat_map(|figure| figure.tests.iter_mut().flatten())
        .collect();
    let corrected = holm(&tests.iter().map(|test| test.p).collect::<Vec<_>>());
    for (test, p) in tests.iter_mut().zip(corrected) {
        test.p_holm = Some(p);
    }
}

fn mean(tasks: &[ComparedTask], measured: usize) -> Option<MeanScore> {
    let counted: Vec<&ComparedTask> = tasks
        .iter()
        .filter(|task| task.figures.first().is_some_and(|figure| !figure.smaller_is_better))
        .collect();
    let models = counted.first()?.figures[0].values.len();
    let count = counted.len() as f64;
    let of = |model: usize| {
        let values = counted.iter().map(|task| task.figures[0].values[model]).collect::<Option<Vec<_>>>()?;
        let value = values.iter().map(|value| value.value).sum::<f64>() / count;
        // Half the interval is 1.96 standard errors, or near it.
        let halves = values.iter().map(|value| value.interval.map(|[low, high]| (high - low) / 2.0));
        let squares: Option<f64> = halves.map(|half| half.map(|half| half * half)).sum();
        let interval = squares.map(|squares| squares.sqrt() / count).map(|half| [value - half, value + half]);
        let n = (model < measured).then(|| values.iter().filter_map(|value| value.n).sum());
        Some(Compared { value, interval, n })
    };
    let chances: Option<Vec<f64>> = counted.iter().map(|task| task.chance).collect();
    Some(MeanScore {
        tasks: counted.iter().map(|task| task.task.clone()).collect(),
        values: (0..models).map(of).collect(),
        chance: chances.map(|chances| chances.iter().sum::<f64>() / count),
    })
}

impl ComparedFigure {
    /// Whether the difference of a model from the first one is more than chance would make of all tests: Holm's p below 5 %, or where
    /// it was not corrected, p.
    pub fn is_clear(&self, model: usize) -> bool {
        self.tests[model].is_some_and(|test| test.p_holm.unwrap_or(test.p) < 0.05)
    }
}

impl TestKind {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::McNemar => "McNemar",
            Self::PairedBootstrap => "bootstrap",
            Self::Unpaired => "unpaired",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Metric, Shown, Unit};

    fn measured(name: &str, hash: &str, answers: &[(&str, bool)]) -> Measured {
        let share = answers.iter().filter(|(_, right)| *right).count() as f64 / answers.len() as f64;
        let item = |(expected, is_right): &(&str, bool)| Shown {
            prompt: format!("{hash}?"),
            expected: expected.to_string(),
            is_right: *is_right,
            ..Shown::default()
        };
        let unit = |(_, is_right): &(&str, bool)| Unit { y: f64::from(u8::from(*is_right)), x: 1.0 };
        let result = TaskResult {
            n: answers.len() as u64,
            metrics: [("acc".to_string(), Metric { value: share, stderr: Some(0.1) })].into(),
            data_hash: hash.into(),
            items: answers.iter().map(item).collect(),
            units: [("acc".to_string(), answers.iter().map(unit).collect())].into(),
            ..TaskResult::default()
        };
        Measured { name: name.into(), tasks: [("task".to_string(), result)].into() }
    }

    fn kind(one: &Measured, other: &Measured) -> TestKind {
        let found = ModelComparison::of(&[one.clone(), other.clone()], &[], 1).unwrap();
        found.tasks[0].figures[0].tests[1].unwrap().kind
    }

    #[test]
    fn shares_without_their_items_have_intervals_within_0_and_1() {
        let error = |share: f64, n: f64| (share * (1.0 - share) / (n - 1.0)).sqrt();
        let [low, high] = interval_of([0.95, error(0.95, 20.0)], 20);
        assert!(low > 0.7 && high < 1.0, "{low} {high}");
        let [low, high] = interval_of([0.95, 0.2], 20);
        assert!(
            (low - 0.558).abs() < 1e-3 && (high - 1.342).abs() < 1e-3,
            "another figure keeps its error: {low} {high}"
        );
    }

    #[test]
    fn one_list_of_items_is_known_in_another_form_and_another_list_is_not() {
        let plain = measured("plain", "as text", &[("a", true), ("b", false), ("c", true)]);
        let chat = measured("chat", "as chat", &[("a", true), ("b", true), ("c", true)]);
        let other = measured("other", "other", &[("a", true), ("d", true), ("c", true)]);
        assert_eq!(kind(&plain, &chat), TestKind::McNemar);
        assert_eq!(kind(&plain, &other), TestKind::Unpaired);
    }
}
