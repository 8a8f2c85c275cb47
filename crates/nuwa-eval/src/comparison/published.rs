use std::path::Path;

use serde::Deserialize;

use crate::{Error, Result};

/// A score that others report.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// The model.
    pub model: String,
    /// The task.
    pub task: String,
    /// The score, 0 to 1.
    pub score: f64,
    /// Over how many items, where that is told.
    pub n: Option<u64>,
}

const FIELDS: &str = "a file of published scores has the fields model, task, score and, where it is known, n";

fn wrong(path: &Path, place: usize, problem: impl Into<String>) -> Error {
    Error::Item { path: path.into(), place, problem: problem.into(), hint: Some(FIELDS) }
}

/// A row of such a file.
#[derive(Debug, Deserialize)]
struct Row {
    model: String,
    task: String,
    score: f64,
    #[serde(default)]
    n: Option<u64>,
}

/// Reads scores from a file of CSV, TSV, JSON lines or a JSON list with the fields `model`, `task`, `score` and, where it is known, `n`.
///
/// Where any score of the file is above 1, all of them are in percent.
///
/// # Errors
/// When the file cannot be read, a field is absent, or a score is no share and no percentage.
pub fn read_published(path: &Path) -> Result<Vec<Published>> {
    let text = nuwa_files::read_to_string(path)?;
    let name = path.to_string_lossy().to_ascii_lowercase();
    let rows = if name.ends_with(".jsonl") || text.trim_start().starts_with('{') {
        lines(path, &text)?
    } else if name.ends_with(".json") {
        serde_json::from_str(&text).map_err(|source| nuwa_files::Error::Json { path: path.into(), source })?
    } else {
        table(path, &text)?
    };
    if rows.is_empty() {
        return Err(wrong(path, 1, "it holds no scores; expected model, task, score and, where known, n"));
    }
    let in_percent = rows.iter().any(|row| row.score > 1.0);
    let most = if in_percent { 100.0 } else { 1.0 };
    let published = |(place, row): (usize, Row)| {
        if !(0.0..=most).contains(&row.score) {
            let problem =
                format!("the score {} of {} on {}: expected 0 to {most}", row.score, row.model, row.task);
            return Err(wrong(path, place + 1, problem));
        }
        let Row { model, task, score, n } = row;
        Ok(Published { model, task, score: score / most, n: n.filter(|n| *n > 0) })
    };
    rows.into_iter().enumerate().map(published).collect()
}

fn lines(path: &Path, text: &str) -> Result<Vec<Row>> {
    let filled = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let row = |(number, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| wrong(path, number, error.to_string()))
    };
    filled.map(row).collect()
}

fn table(path: &Path, text: &str) -> Result<Vec<Row>> {
    let separator = nuwa_files::column_separator(text.lines().next().unwrap_or_default().as_bytes());
    let mut reader =
        csv::ReaderBuilder::new().delimiter(separator).trim(csv::Trim::All).from_reader(text.as_bytes());
    let row = |(place, row): (usize, csv::Result<Row>)| {
        row.map_err(|error| {
            let line = error.position().map_or(place + 2, |position| position.line() as usize);
            wrong(path, line, error.to_string())
        })
    };
    reader.deserialize().enumerate().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Result<Vec<Published>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        read_published(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn scores_are_read_from_tables_and_json() {
        let expected = vec![
            Published { model: "gpt2".into(), task: "hellaswag".into(), score: 0.315, n: Some(10042) },
            Published { model: "gpt2".into(), task: "arc_easy".into(), score: 0.43, n: None },
        ];
        let csv = "model,task,score,n\ngpt2, hellaswag,31.5,10042\ngpt2,arc_easy,43,\n";
        assert_eq!(read("a.csv", csv).unwrap(), expected);
        assert_eq!(read("a.tsv", &csv.replace(',', "\t")).unwrap(), expected);
        let lines = r#"{"model": "gpt2", "task": "hellaswag", "score": 0.315, "n": 10042}
{"model": "gpt2", "task": "arc_easy", "score": 0.43}"#;
        assert_eq!(read("a.jsonl", lines).unwrap(), expected);
        assert_eq!(read("a.json", &format!("[{}]", lines.replace('\n', ","))).unwrap(), expected);
    }

    #[test]
    fn what_is_no_score_is_named() {
        assert!(read("a.csv", "model,task\na,b\n").unwrap_err().contains("missing field `score`"));
        assert!(read("a.csv", "model,task,score\na,b,high\n").unwrap_err().contains("a.csv:2"));
        let wrong = read("a.csv", "model,task,score\na,b,0.2\na,c,-1\n").unwrap_err();
        assert!(wrong.ends_with("a.csv:2: the score -1 of a on c: expected 0 to 1"), "{wrong}");
        assert!(read("a.csv", "model,task,score\n").unwrap_err().contains("it holds no scores"));
    }
}
