//! Pairs of texts: a source, and what is to be written for it.

use std::path::{Path, PathBuf};

use nuwa_files::compressed;
use serde_json::Value;

use super::dialogues::{ASKED, TURNS, dialogue};
use super::messages::tidy;
use super::record::Record;
use super::{Columns, Dialogue, Reading, read};
use crate::error::Advice;
use crate::{BadRecords, Error, Result};

/// A text and what is to be written for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextPair {
    /// What is read.
    pub source: String,
    /// What is written.
    pub target: String,
    /// File, and line or item.
    pub place: String,
}

/// The field that holds a text in several languages, as data sets of translations have it.
pub(super) const TRANSLATION: &str = "translation";

/// Fields that hold what is read, and what is written.
pub(super) const SOURCES: [&str; 3] = ["source", "src", "document"];
pub(super) const TARGETS: [&str; 4] = ["target", "tgt", "reference", "summary"];

const FORMS: &str = "source and target, instruction and output, messages, or two texts that are named";

/// Why a pair is left out.
const ONE_IS_EMPTY: &str = "its source or its target is empty";

/// The pairs of a record: `source` and `target`; `translation`, an object of texts by language, of which two are named; or of a
/// dialogue each answer that is to be learnt, with what was said before it, a line a turn.
///
/// # Errors
/// When the form is not known, a field is no text, or a source or target is empty.
pub fn pairs(record: &Record) -> Result<Vec<TextPair>> {
    let pairs = match (record.first_of(&SOURCES), record.first_of(&TARGETS)) {
        (Some(source), Some(target)) => vec![pair(record, source, target)?],
        _ if is_dialogue(record) => of_dialogue(&dialogue(record)?),
        (None, None) => return Err(unknown(record)),
        // A table leaves out empty cells.
        _ => return Err(record.left_out(ONE_IS_EMPTY)),
    };
    match pairs.iter().any(|pair| pair.source.is_empty() || pair.target.is_empty()) {
        true => Err(record.left_out(ONE_IS_EMPTY)),
        false => Ok(pairs),
    }
}

fn is_dialogue(record: &Record) -> bool {
    record.first_of(&TURNS).or(record.first_of(&ASKED)).is_some() || record.get("prompt").is_some()
}

fn pair(record: &Record, source: &str, target: &str) -> Result<TextPair> {
    let text = |name: &str| match record.get(name) {
        Some(Value::Number(number)) => Ok(number.to_string()),
        _ => record.text(name).map(tidy),
    };
    Ok(TextPair { source: text(source)?, target: text(target)?, place: record.place.clone() })
}

/// A pair for each answer.
fn of_dialogue(dialogue: &Dialogue) -> Vec<TextPair> {
    let answers = dialogue.messages.iter().enumerate();
    let answers =
        answers.filter(|(index, turn)| turn.role == "assistant" && !dialogue.untrained.contains(index));
    let pair = |(index, answer): (usize, &nuwa_tokenizer::Message)| {
        let before: Vec<&str> = dialogue.messages[..index].iter().map(|turn| turn.content.as_str()).collect();
        TextPair { source: before.join("\n"), target: answer.content.clone(), place: dialogue.place.clone() }
    };
    answers.map(pair).collect()
}

/// Which of several texts is the source is not to be guessed.
fn unknown(record: &Record) -> Error {
    let texts = record.fields.get(TRANSLATION).and_then(Value::as_object).unwrap_or(&record.fields);
    let mut names = texts.iter().filter(|(_, value)| value.is_string()).map(|(name, _)| name.as_str());
    match (names.next(), names.next()) {
        (Some(one), Some(other)) => {
            let example = format!("source={one},target={other}");
            record.unknown(FORMS, Advice::Pairs(example))
        }
        _ => record.unknown(FORMS, Advice::Columns("source=FIELD,target=FIELD")),
    }
}

/// Reads the pairs of `paths` (files, or folders of them).
///
/// # Errors
/// As [`read`].
pub fn text_pairs(paths: &[PathBuf], columns: &Columns, bad: BadRecords) -> Result<(Vec<TextPair>, Reading)> {
    let (all, reading) = read(paths, columns, bad, pairs)?;
    Ok((all.concat(), reading))
}

/// Pairs from two files of lines, or several: line 1 of a file of `targets` is what is to be written for line 1 of the same file of
/// `sources`, and so on. Pairs of which one is blank are left out and counted.
///
/// # Errors
/// When a file cannot be read, there are not as many files or lines on both sides, or no pair is left.
pub fn line_pairs(sources: &[PathBuf], targets: &[PathBuf]) -> Result<(Vec<TextPair>, Reading)> {
    if sources.len() != targets.len() {
        return Err(Error::Sides { sources: sources.len(), targets: targets.len() });
    }
    let (mut pairs, mut reading) = (Vec::new(), Reading::default());
    for (source, target) in sources.iter().zip(targets) {
        let [sources, targets] = [lines(source)?, lines(target)?];
        if sources.len() != targets.len() {
            return Err(Error::Lines {
                source_file: source.clone(),
                sources: sources.len(),
                target_file: target.clone(),
                targets: targets.len(),
            });
        }
        for ((number, one), other) in (1..).zip(sources).zip(targets) {
            reading.records += 1;
            match one.is_empty() || other.is_empty() {
                true => reading.skip(ONE_IS_EMPTY.into()),
                false => {
                    let place = format!("{}:{number}", source.display());
                    pairs.push(TextPair { source: one, target: other, place });
                }
            }
        }
    }
    if pairs.is_empty() {
        let reason = "no line has a text on both sides".into();
        return Err(Error::Empty { path: sources.first().cloned().unwrap_or_default(), reason });
    }
    Ok((pairs, reading))
}

/// The lines of a file, without blanks around them. They end at a line feed alone: what else Unicode knows may stand within a text.
fn lines(path: &Path) -> Result<Vec<String>> {
    let text = super::files::text(path)?;
    let text = text.trim_start_matches('\u{feff}');
    let text = text.strip_suffix('\n').unwrap_or(text);
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let name = compressed::name_within(path).to_lowercase();
    if [".json", ".jsonl", ".ndjson", ".csv", ".tsv"].iter().any(|ending| name.ends_with(ending)) {
        return Err(Error::NoLines { path: path.to_path_buf() });
    }
    Ok(text.split('\n').map(|line| line.trim().to_string()).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(value: Value) -> Record {
        let Value::Object(fields) = value else { panic!("an object") };
        Record::new((fields, "a.jsonl:1".into()))
    }

    fn both(value: Value) -> Vec<(String, String)> {
        pairs(&record(value)).unwrap().into_iter().map(|pair| (pair.source, pair.target)).collect()
    }

    #[test]
    fn pairs_come_in_several_forms() {
        let one = |source: &str, target: &str| vec![(source.to_string(), target.to_string())];
        assert_eq!(both(json!({"source": " a ", "target": "b"})), one("a", "b"));
        assert_eq!(both(json!({"document": "a", "summary": "b", "id": 3})), one("a", "b"));
        assert_eq!(
            both(json!({"instruction": "Translate.", "input": "a", "output": "b"})),
            one("Translate.\na", "b")
        );
        let turns = json!([{"role": "user", "content": "q"}, {"role": "assistant", "content": "r"},
            {"role": "user", "content": "s"}, {"role": "assistant", "content": "t"}]);
        let dialogue = both(json!({ "messages": turns }));
        assert_eq!(dialogue, [one("q", "r"), one("q\nr\ns", "t")].concat());
    }

    #[test]
    fn a_direction_is_not_guessed() {
        let told = |value: Value| {
            let error = pairs(&record(value)).unwrap_err();
            (error.to_string(), error.hint().unwrap())
        };
        let (problem, hint) = told(json!({"en": "a", "zh": "b"}));
        assert!(
            problem.starts_with("a.jsonl:1: its fields are en, zh: expected source and target"),
            "{problem}"
        );
        assert!(hint.ends_with("--columns source=en,target=zh"), "{hint}");
        let (_, hint) = told(json!({"id": 1, "translation": {"de": "a", "en": "b"}}));
        assert!(hint.ends_with("--columns source=de,target=en"), "{hint}");
    }

    #[test]
    fn files_of_lines_go_side_by_side() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            vec![path]
        };
        let (en, zh) = (file("a.en", "one\n\nthree\r\nfour"), file("a.zh", "一\n二\n三\n四\n"));
        let (pairs, reading) = line_pairs(&en, &zh).unwrap();
        assert_eq!((pairs.len(), reading.records, reading.skipped[ONE_IS_EMPTY]), (3, 4, 1));
        assert_eq!((pairs[1].source.as_str(), pairs[1].target.as_str()), ("three", "三"));
        assert!(pairs[1].place.ends_with("a.en:3"));
        let short = file("b.zh", "一\n二\n");
        let told = line_pairs(&en, &short).unwrap_err().to_string();
        assert!(told.contains("a.en has 4 lines") && told.contains("b.zh has 2"), "{told}");
        assert!(line_pairs(&en, &[]).is_err() && line_pairs(&file("c", ""), &file("d", "")).is_err());
    }
}
