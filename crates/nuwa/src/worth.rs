//! What each stage was worth: the scores of its model beside those of the one before.

use std::collections::{BTreeMap, BTreeSet};

use nuwa_eval::{Metric, TaskResult};
use serde::Serialize;

use crate::run::MODEL_STAGES;

/// The figure that stands for a task, the first that it has.
const FIGURES: [&str; 5] = ["exact_match", "acc_norm", "acc", "f1_macro", "bits_per_byte"];

/// The scores of one task after each stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The task.
    pub task: String,
    /// Which of its figures.
    pub figure: String,
    /// After each stage that made a model.
    pub scores: Vec<Option<Score>>,
}

/// A score with its standard error.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Score {
    /// The score.
    pub value: f64,
    /// Its standard error.
    pub error: Option<f64>,
}

/// A table with a column for each stage.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Table {
    /// The stages.
    pub stages: Vec<&'static str>,
    /// The tasks.
    pub rows: Vec<Row>,
}

/// The table of results whose names are `STAGE/TASK`.
pub fn table(tasks: &BTreeMap<String, TaskResult>) -> Table {
    let split = |name: &str| name.split_once('/').map(|(stage, task)| (stage.to_string(), task.to_string()));
    let names: Vec<(String, String)> = tasks.keys().filter_map(|name| split(name)).collect();
    let stages: Vec<&str> =
        MODEL_STAGES.into_iter().filter(|stage| names.iter().any(|(own, _)| own == stage)).collect();
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
        Some(Row { task: task.into(), figure: figure.into(), scores })
    };
    let rows = all.into_iter().filter_map(row).collect();
    Table { stages, rows }
}

/// The table as lines of text, for a terminal.
pub fn text(tasks: &BTreeMap<String, TaskResult>) -> String {
    let Table { stages, rows } = table(tasks);
    let head: String = stages.iter().map(|stage| format!("{stage:>17}")).collect();
    let line = |row: &Row| {
        let cells: String =
            row.scores.iter().map(|score| format!("{:>17}", score.map_or("".into(), told))).collect();
        format!("  {:<22} {:<13}{cells}", row.task, row.figure)
    };
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    lines.extend(zstd_text(tasks));
    format!("what each stage was worth\n  {:<22} {:<13}{head}\n{}", "", "", lines.join("\n"))
}

/// What a packer that knows no language makes of the same text, to hold the bits per byte against.
fn zstd_text(tasks: &BTreeMap<String, TaskResult>) -> Option<String> {
    let packed = |(name, result): (&String, &TaskResult)| {
        let task = name.strip_prefix(MODEL_STAGES[0])?.trim_start_matches('/');
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

#[cfg(test)]
mod tests {
    use super::*;

    fn result(figure: &str, value: f64) -> TaskResult {
        let metrics = [(figure.to_string(), Metric { value, stderr: Some(0.05) })].into();
        TaskResult { metrics, ..TaskResult::default() }
    }

    #[test]
    fn stages_stand_side_by_side() {
        let tasks = [("pretrain/a", 0.25), ("dpo/a", 0.75), ("sft/a", 0.5), ("sft/b", 1.0)]
            .map(|(name, value)| (name.to_string(), result("acc", value)))
            .into();
        let text = text(&tasks);
        let rows: Vec<Vec<&str>> =
            text.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[0], ["pretrain", "sft", "dpo"]);
        assert_eq!(
            rows[1],
            ["a", "acc", "0.250", "±", "0.050", "0.500", "±", "0.050", "0.750", "±", "0.050"]
        );
        assert_eq!(rows[2], ["b", "acc", "1.000", "±", "0.050"]);
    }
}
