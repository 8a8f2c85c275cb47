//! What each stage was worth: the scores of its model beside those of the one before, and what fine-tuning gained and lost.

use std::collections::{BTreeMap, BTreeSet};

use nuwa_eval::{Change, FIGURES, Metric, TaskResult, change, smaller_is_better};
use serde::Serialize;

/// How each figure changed from the first model to the last, by task.
pub type Changes = BTreeMap<String, Change>;

/// The scores of one task after each stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The task.
    pub task: String,
    /// Which of its figures.
    pub figure: String,
    /// After each stage that made a model.
    pub scores: Vec<Option<Score>>,
    /// From the first model to the last.
    pub change: Option<Change>,
}

/// A score with its standard error.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Score {
    /// The score.
    pub value: f64,
    /// Its standard error.
    pub error: Option<f64>,
}

/// What became of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Better by more than two standard errors.
    Gained,
    /// Worse by more than two standard errors.
    Lost,
    /// Neither.
    Same,
}

impl Row {
    /// What became of it from the first model to the last.
    pub fn outcome(&self) -> Verdict {
        match self.change.filter(Change::is_clear) {
            None => Verdict::Same,
            Some(change) if (change.value < 0.0) == smaller_is_better(&self.figure) => Verdict::Gained,
            Some(_) => Verdict::Lost,
        }
    }
}

/// A table with a column for each stage.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Table {
    /// The stages.
    pub stages: Vec<&'static str>,
    /// The tasks.
    pub rows: Vec<Row>,
}

/// The table of results whose names are `STAGE/TASK`, of those of `models`, in that order. A change that is not in `changes` is that
/// of two samples.
pub fn table(tasks: &BTreeMap<String, TaskResult>, changes: &Changes, models: &[&'static str]) -> Table {
    let split = |name: &str| name.split_once('/').map(|(stage, task)| (stage.to_string(), task.to_string()));
    let names: Vec<(String, String)> = tasks.keys().filter_map(|name| split(name)).collect();
    let stages: Vec<&str> =
        models.iter().copied().filter(|stage| names.iter().any(|(own, _)| own == stage)).collect();
    let all: BTreeSet<&str> = names.iter().map(|(_, task)| task.as_str()).collect();
    let row = |task: &str| {
        let of = |stage: &str| tasks.get(&format!("{stage}/{task}"));
        let figure = FIGURES.into_iter().find(|figure| {
            stages.iter().filter_map(|stage| of(stage)).any(|result| result.metrics.contains_key(*figure))
        })?;
        let score = |stage: &&str| {
            let Metric { value, stderr } = *of(stage)?.metrics.get(figure)?;
            Some(Score { value, error: stderr })
        };
        let scores = stages.iter().map(score).collect();
        let two_samples = || match stages.as_slice() {
            [first, .., last] => change(of(first)?, of(last)?, figure),
            _ => None,
        };
        let change = changes.get(task).copied().or_else(two_samples);
        Some(Row { task: task.into(), figure: figure.into(), scores, change })
    };
    let rows = all.into_iter().filter_map(row).collect();
    Table { stages, rows }
}

/// The changes of all tasks, to be kept beside results that no longer hold what each item gave.
pub fn changes(tasks: &BTreeMap<String, TaskResult>, models: &[&'static str]) -> Changes {
    let Table { rows, .. } = table(tasks, &Changes::new(), models);
    rows.into_iter().filter_map(|row| Some((row.task, row.change?))).collect()
}

/// The table as lines of text, for a terminal.
pub fn text(tasks: &BTreeMap<String, TaskResult>, changes: &Changes, models: &[&'static str]) -> String {
    let table = table(tasks, changes, models);
    let head: String = table.stages.iter().chain([&"change"]).map(|stage| format!("{stage:>17}")).collect();
    let line = |row: &Row| {
        let cells: String =
            row.scores.iter().map(|score| format!("{:>17}", score.map_or("".into(), told))).collect();
        let change = row.change.map_or(String::new(), |change| format!("{:>17}", told_change(change)));
        let mark = if row.outcome() == Verdict::Lost { "  lost" } else { "" };
        format!("  {:<22} {:<13}{cells}{change}{mark}", row.task, row.figure).trim_end().to_string()
    };
    let mut lines: Vec<String> = table.rows.iter().map(line).collect();
    lines.extend(sentence(&table.rows).map(|sentence| format!("  {sentence}")));
    lines.extend(zstd_text(tasks, models));
    format!("what each stage was worth\n  {:<22} {:<13}{head}\n{}", "", "", lines.join("\n"))
}

/// What fine-tuning gained and lost, in a sentence; none where nothing can be compared.
pub fn sentence(rows: &[Row]) -> Option<String> {
    let compared: Vec<&Row> = rows.iter().filter(|row| row.change.is_some()).collect();
    let with = |outcome| compared.iter().filter(move |row| row.outcome() == outcome);
    let lost: Vec<&str> = with(Verdict::Lost).map(|row| row.task.as_str()).collect();
    let names = if lost.is_empty() { String::new() } else { format!(" ({})", lost.join(", ")) };
    (!compared.is_empty()).then(|| {
        format!(
            "fine-tuning: of {} figures {} gained and {} lost{names} more than two standard errors",
            compared.len(),
            with(Verdict::Gained).count(),
            lost.len()
        )
    })
}

/// What a packer that knows no language makes of the same text, to hold the bits per byte against.
fn zstd_text(tasks: &BTreeMap<String, TaskResult>, models: &[&str]) -> Option<String> {
    let packed = |(name, result): (&String, &TaskResult)| {
        let task = name.strip_prefix(models.first()?)?.trim_start_matches('/');
        Some(format!("{task} {:.3}", result.metrics.get("zstd_bits_per_byte")?.value))
    };
    let all: Vec<String> = tasks.iter().filter_map(packed).collect();
    (!all.is_empty()).then(|| format!("  zstd -19 on the same text, bits per byte: {}", all.join(", ")))
}

/// `0.812 ± 0.035`.
fn told(score: Score) -> String {
    let error = score.error.map_or(String::new(), |error| format!(" ± {error:.3}"));
    format!("{:.3}{error}", score.value)
}

/// `-0.112 ± 0.035`.
fn told_change(change: Change) -> String {
    let error = change.stderr.map_or(String::new(), |error| format!(" ± {error:.3}"));
    format!("{:+.3}{error}", change.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODELS: [&str; 3] = ["pretrain", "sft", "dpo"];

    fn result(figure: &str, value: f64) -> TaskResult {
        let metrics = [(figure.to_string(), Metric { value, stderr: Some(0.05) })].into();
        TaskResult { metrics, ..TaskResult::default() }
    }

    fn results<const N: usize>(all: [(&str, &str, f64); N]) -> BTreeMap<String, TaskResult> {
        all.map(|(name, figure, value)| (name.to_string(), result(figure, value))).into()
    }

    #[test]
    fn stages_stand_side_by_side_with_what_was_gained_and_lost() {
        let tasks = results([
            ("pretrain/a", "acc", 0.25),
            ("dpo/a", "acc", 0.75),
            ("sft/a", "acc", 0.5),
            ("sft/b", "acc", 1.0),
            ("pretrain/language_modelling", "bits_per_byte", 0.3),
            ("dpo/language_modelling", "bits_per_byte", 0.5),
            ("pretrain/same", "acc", 0.5),
            ("dpo/same", "acc", 0.45),
        ]);
        insta::assert_snapshot!(text(&tasks, &Changes::new(), &MODELS), @r"
        what each stage was worth
                                                       pretrain              sft              dpo           change
          a                      acc              0.250 ± 0.050    0.500 ± 0.050    0.750 ± 0.050   +0.500 ± 0.071
          b                      acc                               1.000 ± 0.050
          language_modelling     bits_per_byte    0.300 ± 0.050                     0.500 ± 0.050   +0.200 ± 0.071  lost
          same                   acc              0.500 ± 0.050                     0.450 ± 0.050   -0.050 ± 0.071
          fine-tuning: of 3 figures 1 gained and 1 lost (language_modelling) more than two standard errors
        ");
    }

    #[test]
    fn a_change_that_was_measured_on_the_same_items_is_the_one_shown() {
        let tasks = results([("pretrain/a", "acc", 0.5), ("sft/a", "acc", 0.45)]);
        let paired = Change { value: -0.05, stderr: Some(0.01), paired: true };
        let table = table(&tasks, &[("a".to_string(), paired)].into(), &MODELS);
        assert_eq!((table.rows[0].change, table.rows[0].outcome()), (Some(paired), Verdict::Lost));
        assert_eq!(sentence(&[]), None);
    }
}
