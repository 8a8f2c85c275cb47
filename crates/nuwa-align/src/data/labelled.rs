//! Texts with labels: a column of texts, or two of pairs of texts, and one of what is right of each: one of several labels, any
//! number of them, or a number.

use std::collections::BTreeSet;
use std::path::PathBuf;

use nuwa_format::{Labels, Problem};
use serde_json::Value;

use super::label_columns::LabelColumns;
use super::record::{Record, kind};
use super::{Columns, Reading, read};
use crate::{BadRecords, Error, Result};

/// More whole numbers than this are taken for a scale and not for labels.
const MOST_NUMBERED: usize = 20;

/// A text, or two, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct PlainText {
    /// The text.
    pub text: String,
    /// The second one, of a pair.
    pub pair: Option<String>,
    /// File, and line or item.
    pub place: String,
}

/// What is right of a text.
#[derive(Debug, Clone, PartialEq)]
pub enum Truth {
    /// Its label, by number.
    One(usize),
    /// Whether it has each label.
    Several(Vec<bool>),
    /// Its number.
    Number(f64),
}

/// Texts with what is right of them.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledTexts {
    /// The labels.
    pub labels: Labels,
    /// Where they were found.
    pub columns: LabelColumns,
    /// The texts.
    pub texts: Vec<PlainText>,
    /// What is right of each of them.
    pub truths: Vec<Truth>,
}

/// A text and what its label column holds.
struct Row {
    text: PlainText,
    label: Value,
}

impl LabelledTexts {
    /// Reads the records of `paths`; which labels there are follows from them.
    ///
    /// # Errors
    /// When a file is none of records, a column is missing, a text is empty, a label is not of the kind of the others, or there is
    /// only one.
    pub fn read(
        paths: &[PathBuf],
        renamed: &Columns,
        columns: &LabelColumns,
        bad: BadRecords,
    ) -> Result<(Self, Reading)> {
        let (columns, rows, reading) = rows(paths, renamed, columns, bad)?;
        let problem = columns.problem.unwrap_or_else(|| guessed(&rows));
        let names = names(&columns, problem, &rows)?;
        let labels = Labels { problem, names };
        Ok((Self::of(labels, columns, rows)?, reading))
    }

    /// Reads the records of `paths` by the labels of a model.
    ///
    /// # Errors
    /// As [`LabelledTexts::read`], and when there is a label that the model does not have.
    pub fn read_by(
        labels: &Labels,
        paths: &[PathBuf],
        renamed: &Columns,
        columns: &LabelColumns,
        bad: BadRecords,
    ) -> Result<(Self, Reading)> {
        let (columns, rows, reading) = rows(paths, renamed, columns, bad)?;
        let mut unknown: Vec<String> = Vec::new();
        if labels.problem != Problem::Number {
            for row in &rows {
                let own = own_names(labels.problem, row)?;
                unknown.extend(own.into_iter().filter(|name| !labels.names.contains(name)));
            }
        }
        unknown.sort();
        unknown.dedup();
        if !unknown.is_empty() {
            return Err(Error::UnknownLabels { unknown, known: labels.names.clone() });
        }
        Ok((Self::of(labels.clone(), columns, rows)?, reading))
    }

    fn of(labels: Labels, columns: LabelColumns, rows: Vec<Row>) -> Result<Self> {
        let truths = rows.iter().map(|row| truth(&labels, row)).collect::<Result<_>>()?;
        let texts = rows.into_iter().map(|row| row.text).collect();
        Ok(Self { labels, columns, texts, truths })
    }
}

/// Reads texts alone.
///
/// # Errors
/// When a file is none of records, the column is missing, or a text is empty.
pub fn plain_texts(
    paths: &[PathBuf],
    columns: &LabelColumns,
    bad: BadRecords,
) -> Result<(Vec<PlainText>, Reading)> {
    let found = std::cell::OnceCell::new();
    read(paths, &Columns::new(), bad, |record| {
        if found.get().is_none() {
            let _ = found.set(columns.texts_in(record)?);
        }
        plain_text(record, found.get().unwrap_or(columns))
    })
}

fn rows(
    paths: &[PathBuf],
    renamed: &Columns,
    columns: &LabelColumns,
    bad: BadRecords,
) -> Result<(LabelColumns, Vec<Row>, Reading)> {
    let found = std::cell::OnceCell::new();
    let (rows, reading) = read(paths, renamed, bad, |record| {
        if found.get().is_none() {
            let _ = found.set(columns.found_in(record)?);
        }
        let columns = found.get().unwrap_or(columns);
        let name = columns.label.as_deref().unwrap_or_default();
        let label = record.get(name).cloned().ok_or_else(|| record.wrong(format!("{name} is missing")))?;
        Ok(Row { text: plain_text(record, columns)?, label })
    })?;
    Ok((found.into_inner().unwrap_or_default(), rows, reading))
}

fn plain_text(record: &Record, columns: &LabelColumns) -> Result<PlainText> {
    let text = |name: &String| match record.get(name) {
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(text.trim().to_string()),
        Some(Value::String(_)) | None => Err(record.wrong(format!("the text ({name}) is empty"))),
        Some(other) => Err(record.wrong(format!("{name} is {}, expected text", kind(other)))),
    };
    let own = columns.text.as_ref().map(text).transpose()?.unwrap_or_default();
    let pair = columns.pair.as_ref().map(text).transpose()?;
    Ok(PlainText { text: own, pair, place: record.place.clone() })
}

/// A number, be it written as text.
fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    };
    number.filter(|number: &f64| number.is_finite())
}

/// A list, be it written as text.
fn list(value: &Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(items) => Some(items.clone()),
        Value::String(text) if text.trim_start().starts_with('[') => serde_json::from_str(text).ok(),
        _ => None,
    }
}

/// Lists are several labels each; numbers of which some are no whole ones, or very many are different, are numbers; all else is one
/// label each.
fn guessed(rows: &[Row]) -> Problem {
    if rows.iter().any(|row| list(&row.label).is_some()) {
        return Problem::Several;
    }
    let numbers: Option<Vec<f64>> = rows.iter().map(|row| number(&row.label)).collect();
    let Some(numbers) = numbers else { return Problem::One };
    let different: BTreeSet<u64> = numbers.iter().map(|number| number.to_bits()).collect();
    let is_scale = numbers.iter().any(|number| number.fract() != 0.0) || different.len() > MOST_NUMBERED;
    if is_scale { Problem::Number } else { Problem::One }
}

/// The labels of a row.
fn own_names(problem: Problem, row: &Row) -> Result<Vec<String>> {
    match problem {
        Problem::One => Ok(vec![name(row, &row.label)?]),
        Problem::Number => Ok(Vec::new()),
        Problem::Several => match (list(&row.label), &row.label) {
            (Some(items), _) => items.iter().map(|item| name(row, item)).collect(),
            (None, Value::String(text)) => {
                let names = text.split(['|', ';', ',']).map(str::trim).filter(|name| !name.is_empty());
                Ok(names.map(String::from).collect())
            }
            (None, other) => Ok(vec![name(row, other)?]),
        },
    }
}

fn name(row: &Row, value: &Value) -> Result<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Ok(text.trim().to_string()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(is_so) => Ok(is_so.to_string()),
        other => Err(row.wrong(format!("the label is {}, expected text or a number", kind(other)))),
    }
}

impl Row {
    fn wrong(&self, problem: String) -> Error {
        Record::new((serde_json::Map::new(), self.text.place.clone())).wrong(problem)
    }
}

/// The names of the labels: of a number its column; else all that occur, by number where all are numbers.
fn names(columns: &LabelColumns, problem: Problem, rows: &[Row]) -> Result<Vec<String>> {
    let column = columns.label.clone().unwrap_or_default();
    if problem == Problem::Number {
        return Ok(vec![column]);
    }
    let mut all = BTreeSet::new();
    for row in rows {
        all.extend(own_names(problem, row)?);
    }
    let mut names: Vec<String> = all.into_iter().collect();
    let count = names.len();
    if problem == Problem::One && count < 2 {
        let only = names.first().cloned().unwrap_or_default();
        return Err(Error::OneLabel { column, only, texts: rows.len() });
    }
    if problem == Problem::One && count > 2 && 2 * count > rows.len() {
        return Err(Error::TooManyLabels { column, labels: count, texts: rows.len() });
    }
    if count == 0 {
        return Err(Error::OneLabel { column, only: String::new(), texts: rows.len() });
    }
    let numbers: Option<Vec<f64>> = names.iter().map(|name| name.parse().ok()).collect();
    if numbers.is_some() {
        let of = |name: &String| name.parse::<f64>().unwrap_or_default();
        names.sort_by(|one, other| of(one).total_cmp(&of(other)));
    }
    Ok(names)
}

fn truth(labels: &Labels, row: &Row) -> Result<Truth> {
    if labels.problem == Problem::Number {
        let told = || row.wrong(format!("the label is {}, expected a number", row.label));
        return number(&row.label).map(Truth::Number).ok_or_else(told);
    }
    let own = own_names(labels.problem, row)?;
    match labels.problem {
        Problem::Several => Ok(Truth::Several(labels.names.iter().map(|name| own.contains(name)).collect())),
        _ => {
            let place = labels.names.iter().position(|name| own.first() == Some(name));
            Ok(Truth::One(place.expect("the names are those of the rows")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, content: &str, columns: &LabelColumns) -> Result<LabelledTexts> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        LabelledTexts::read(&[path], &Columns::new(), columns, BadRecords::Error).map(|(texts, _)| texts)
    }

    fn usual(name: &str, content: &str) -> Result<LabelledTexts> {
        read(name, content, &LabelColumns::default())
    }

    #[test]
    fn columns_are_found_by_their_names_or_by_being_the_only_ones() {
        let found = usual("a.csv", "label,review\n1,fine\n0,bad\n1,good\n").unwrap();
        assert_eq!(found.labels, Labels { problem: Problem::One, names: vec!["0".into(), "1".into()] });
        assert_eq!(found.truths, [Truth::One(1), Truth::One(0), Truth::One(1)]);
        assert_eq!(found.texts[1].text, "bad");
        let found = usual(
            "a.jsonl",
            "{\"idx\": 1, \"what\": \"fine\", \"Category\": \"b\"}\n{\"idx\": 2, \"what\": \"x\", \"Category\": \"a\"}\n",
        );
        let found = found.unwrap();
        assert_eq!(
            (found.labels.names, found.columns.text),
            (vec!["a".into(), "b".into()], Some("what".into()))
        );
        let pairs = usual("a.tsv", "premise\thypothesis\tlabel\na\tb\tyes\nc\td\tno\n").unwrap();
        assert_eq!(pairs.texts[0].pair.as_deref(), Some("b"));
        let two = usual("a.csv", "one,other,label\na,b,1\nc,d,0\n").unwrap_err();
        assert!(
            two.to_string().contains("one, other, label") || two.to_string().contains("expected"),
            "{two}"
        );
        let named = LabelColumns { text: Some("other".into()), ..LabelColumns::default() };
        assert_eq!(read("a.csv", "one,other,label\na,b,1\nc,d,0\n", &named).unwrap().texts[1].text, "d");
    }

    #[test]
    fn what_labels_are_follows_from_their_values() {
        let problem = |labels: &[&str]| {
            let rows: String =
                labels.iter().map(|label| format!("{{\"text\": \"a\", \"label\": {label}}}\n")).collect();
            usual("a.jsonl", &rows).map(|found| found.labels.problem)
        };
        assert_eq!(problem(&["1", "2", "1"]).unwrap(), Problem::One);
        assert_eq!(problem(&["true", "false"]).unwrap(), Problem::One);
        assert_eq!(problem(&["0.5", "2", "1"]).unwrap(), Problem::Number);
        assert_eq!(problem(&["[\"a\"]", "[]", "[\"b\", \"a\"]"]).unwrap(), Problem::Several);
        let many: Vec<String> = (0..30).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(problem(&many).unwrap(), Problem::Number);
    }

    #[test]
    fn several_labels_in_a_table_stand_between_marks() {
        let several = LabelColumns { problem: Some(Problem::Several), ..LabelColumns::default() };
        let found = read("a.csv", "text,labels\nx,red; round\ny,red\n", &several).unwrap();
        assert_eq!(found.labels.names, ["red", "round"]);
        assert_eq!(found.truths, [Truth::Several(vec![true, true]), Truth::Several(vec![true, false])]);
    }

    #[test]
    fn what_teaches_nothing_is_an_error() {
        let one = usual("a.csv", "text,label\nx,1\ny,1\n").unwrap_err().to_string();
        assert!(one.contains("label") && one.contains("\"1\""), "{one}");
        let empty = usual("a.csv", "text,label\nx,1\n,0\n").unwrap_err().to_string();
        assert!(empty.contains("a.csv:3: the text (text) is empty"), "{empty}");
        let number = LabelColumns { problem: Some(Problem::Number), ..LabelColumns::default() };
        let odd = read("a.csv", "text,score\nx,1.5\ny,good\n", &number).unwrap_err().to_string();
        assert!(odd.contains("a.csv:3: the label is \"good\", expected a number"), "{odd}");
        let many = usual("a.csv", "text,label\nx,a\ny,b\nz,c\n").unwrap_err().to_string();
        assert!(many.contains("3 different"), "{many}");
    }

    #[test]
    fn labels_that_a_model_does_not_have_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, "text,label\nx,a\ny,c\nz,d\n").unwrap();
        let labels = Labels { problem: Problem::One, names: vec!["a".into(), "b".into()] };
        let columns = LabelColumns::default();
        let read = LabelledTexts::read_by(&labels, &[path], &Columns::new(), &columns, BadRecords::Error);
        let told = read.unwrap_err().to_string();
        assert!(told.contains("\"c\", \"d\"") && told.contains("\"a\", \"b\""), "{told}");
    }
}
