//! Hypotheses and their references: lines of files, or columns of a table.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use nuwa_files::compressed;
use nuwa_text::is_unspaced;
use serde_json::Value;

use super::columns::{Table, text_of};
use crate::console::message;
use crate::failure::Problem;

/// Where the texts come from.
#[derive(Debug, Args)]
pub struct Texts {
    /// The hypotheses: a text a line, or with --columns a table (CSV, TSV, JSON lines, JSON list) [default: standard input]
    hypotheses: Option<PathBuf>,
    /// The references, a text a line, in the order of the hypotheses; repeated, each hypothesis has several
    #[arg(long, value_name = "FILE")]
    references: Vec<PathBuf>,
    /// The columns of the hypotheses and of the references; a reference may be a list of texts
    #[arg(
        long,
        value_name = "HYPOTHESIS,REFERENCE",
        value_delimiter = ',',
        num_args = 1,
        conflicts_with = "references"
    )]
    columns: Vec<String>,
    /// Count texts without a reference too: nothing in them is right
    #[arg(long)]
    allow_empty: bool,
    /// Print the figures of each text as well
    #[arg(long)]
    pub each: bool,
}

/// Texts with the references of each.
#[derive(Debug, PartialEq)]
pub struct Pairs {
    pub hypotheses: Vec<String>,
    /// `references[text]`.
    pub references: Vec<Vec<String>>,
}

impl Texts {
    /// Reads them, and says what is odd about them.
    pub fn read(&self) -> anyhow::Result<Pairs> {
        match self.columns.as_slice() {
            [] => self.of_lines(),
            [hypothesis, reference] => self.of_columns(hypothesis, reference),
            other => {
                let problem = Problem::new(format!(
                    "--columns {}: expected two names, of the hypotheses and of the references",
                    other.join(",")
                ));
                Err(problem.hint("for example: --columns answer,expected").into())
            }
        }
    }

    fn of_lines(&self) -> anyhow::Result<Pairs> {
        if self.references.is_empty() {
            let problem =
                Problem::new("there is nothing to hold the texts against: no --references, no --columns");
            return Err(problem
                .hint("name a file with a reference a line, --references FILE, or the columns of a table")
                .into());
        }
        let (name, text) = input(self.hypotheses.as_deref())?;
        let hypotheses = lines(&name, &text)?;
        let mut references = vec![Vec::new(); hypotheses.len()];
        for path in &self.references {
            let of = path.display().to_string();
            let own = lines(&of, &read(path)?)?;
            if own.len() != hypotheses.len() {
                return Err(other_length(&of, own.len(), &name, hypotheses.len()));
            }
            own.into_iter().zip(&mut references).for_each(|(line, all)| all.push(line));
        }
        let first = self.references.first().map(|path| path.display().to_string()).unwrap_or_default();
        self.checked(Pairs { hypotheses, references }, |index| format!("{first}:{}", index + 1))
    }

    fn of_columns(&self, hypothesis: &str, reference: &str) -> anyhow::Result<Pairs> {
        let Some(path) = &self.hypotheses else {
            let problem = Problem::new("--columns needs the file of the table");
            return Err(problem.hint("nuwa metric NAME FILE --columns HYPOTHESIS,REFERENCE").into());
        };
        let table = Table::read(path)?;
        let text = |(value, place): (Value, String)| text_of(&value, hypothesis, &place);
        let hypotheses = table.column(hypothesis)?.into_iter().map(text).collect::<anyhow::Result<_>>()?;
        let mut places = Vec::new();
        let mut references = Vec::new();
        for (value, place) in table.column(reference)? {
            references.push(match &value {
                Value::Array(entries) => entries
                    .iter()
                    .map(|entry| text_of(entry, reference, &place))
                    .collect::<anyhow::Result<_>>()?,
                single => vec![text_of(single, reference, &place)?],
            });
            places.push(place);
        }
        self.checked(Pairs { hypotheses, references }, |index| places[index].clone())
    }

    fn checked(&self, pairs: Pairs, place: impl Fn(usize) -> String) -> anyhow::Result<Pairs> {
        let is_empty = |references: &Vec<String>| references.iter().all(|text| text.trim().is_empty());
        let empty = pairs.references.iter().position(is_empty);
        match empty.filter(|_| !self.allow_empty) {
            Some(index) => {
                let problem = Problem::new(format!("{}: the reference is empty", place(index)));
                Err(problem
                    .hint("correct it, or give --allow-empty: then nothing that stands against it is right")
                    .into())
            }
            None => Ok(pairs),
        }
    }
}

impl Pairs {
    /// How many references each text has; none where their numbers differ.
    pub fn count(&self) -> Option<usize> {
        let first = self.references.first()?.len();
        self.references.iter().all(|references| references.len() == first).then_some(first)
    }

    /// What `of` gives for each text and its references.
    pub fn each<T>(&self, of: impl Fn(&str, &[&str]) -> T) -> Vec<T> {
        let both = self.hypotheses.iter().zip(&self.references);
        both.map(|(text, references)| of(text, &references.iter().map(String::as_str).collect::<Vec<_>>()))
            .collect()
    }

    /// Whether most letters of the references are of a script without blanks between words.
    pub fn is_unspaced(&self) -> bool {
        let (mut unspaced, mut letters) = (0, 0);
        for character in self.references.iter().flatten().flat_map(|text| text.chars()) {
            letters += u64::from(character.is_alphabetic());
            unspaced += u64::from(is_unspaced(character));
        }
        2 * unspaced > letters
    }

    /// Tells that another form suits texts without blanks better.
    pub fn advise(&self, fits: bool, why: &str) {
        if !fits && self.is_unspaced() {
            message(&format!("most of the references have no blanks between words: {why}"));
        }
    }
}

fn other_length(file: &str, count: usize, other: &str, expected: usize) -> anyhow::Error {
    let problem = Problem::new(format!("{file} has {count} lines, {other} has {expected}: expected as many"));
    problem
        .hint("line 1 is held against line 1 and so on; no line may be missing, a text without an answer is an empty line")
        .into()
}

/// The name and the text of the hypotheses.
pub fn input(path: Option<&Path>) -> anyhow::Result<(String, String)> {
    match path.filter(|path| *path != Path::new("-")) {
        Some(path) => Ok((path.display().to_string(), read(path)?)),
        None => {
            let mut bytes = Vec::new();
            io::stdin().lock().read_to_end(&mut bytes)?;
            Ok(("standard input".into(), decoded("standard input", bytes)?))
        }
    }
}

/// The text of a file of lines, which may be compressed.
fn read(path: &Path) -> anyhow::Result<String> {
    let name = compressed::name_within(path).to_lowercase();
    if [".jsonl", ".json", ".csv", ".tsv"].iter().any(|ending| name.ends_with(ending)) {
        let problem = Problem::new(format!("{} is a table, expected a text a line", path.display()));
        return Err(problem
            .hint("name its columns: nuwa metric NAME FILE --columns HYPOTHESIS,REFERENCE")
            .into());
    }
    decoded(&path.display().to_string(), compressed::read(path)?)
}

fn decoded(name: &str, bytes: Vec<u8>) -> anyhow::Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        let problem = format!("{name}: byte {place} is not UTF-8, expected a text a line");
        Problem::new(problem).hint("save it as text in UTF-8; of other files take out the text first").into()
    })
}

/// Lines end at a line feed alone: what else Unicode knows may stand within a text.
pub fn lines(name: &str, text: &str) -> anyhow::Result<Vec<String>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Err(Problem::new(format!("{name} is empty, expected a text a line"))
            .hint("nothing can be measured on it")
            .into());
    }
    let text = text.strip_suffix('\n').unwrap_or(text);
    Ok(text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line).to_string()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_line_feeds_alone() {
        let read = |text| lines("a", text).unwrap();
        assert_eq!(read("\u{feff}a\r\nb\u{2028}c\n"), ["a", "b\u{2028}c"]);
        assert_eq!(read("a\n\n"), ["a", ""]);
        assert!(lines("a", " \n").is_err());
    }
}
