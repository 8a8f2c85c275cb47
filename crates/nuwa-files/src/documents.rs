//! Documents as files: one JSON object a line, usually compressed.

use std::borrow::Cow;
use std::fs;
use std::io::{BufRead, Read, Write};
use std::path::{Path, PathBuf};

use crate::AtomicFile;
use rayon::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zstd::stream::write::Encoder;

use crate::{Error, Result, compressed};

/// One text with where it came from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Stable: made of the source's path and the position in it.
    #[serde(default)]
    pub id: String,
    /// The text, UTF-8.
    pub text: String,
    /// The path or address it came from.
    #[serde(default)]
    pub source: String,
    /// Its language, where known.
    #[serde(default)]
    pub lang: Option<String>,
    /// How often it is learned from beyond the first time; text that is held out for validation never is.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub extra_copies: u32,
    /// What else is known: the format, the encoding it was decoded from, other fields of a JSON line.
    #[serde(default)]
    pub meta: serde_json::Map<String, serde_json::Value>,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// The longest line that is read, in bytes.
pub const LONGEST_LINE: u64 = 1 << 28;

/// Opens a file of documents, or a folder of such files, in the order of their names.
///
/// # Errors
/// When the path is not there, or the folder holds no documents.
pub fn read(path: &Path) -> Result<Documents> {
    Ok(Documents { lines: Lines::open(files(path)?) })
}

/// The files that [`read`] reads: every JSON lines file of a folder, but not what cleaning put aside there.
///
/// # Errors
/// When the path is not there, or the folder holds no documents.
pub fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        if !path.exists() {
            return Err(Error::Missing { path: path.to_path_buf() });
        }
        let expected = "a file ending in .jsonl, .jsonl.gz or .jsonl.zst";
        return match is_json_lines(path) {
            true => Ok(vec![path.to_path_buf()]),
            false => Err(Error::NoDocuments { path: path.to_path_buf(), expected }),
        };
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(Error::read(path))? {
        let file = entry.map_err(Error::read(path))?.path();
        if is_json_lines(&file) && !name_of(&file).starts_with('.') {
            found.push(file);
        }
    }
    // Only beside documents of ours are these ours; anywhere else they are the user's, whatever they are called.
    if found.iter().any(|file| is_part(&name_of(file))) {
        found.retain(|file| !ASIDE.contains(&&*name_of(file)));
    }
    found.sort();
    match found.is_empty() {
        false => Ok(found),
        true => Err(Error::NoDocuments { path: path.to_path_buf(), expected: "documents-*.jsonl.zst files" }),
    }
}

fn is_json_lines(path: &Path) -> bool {
    let name = compressed::name_within(path).to_lowercase();
    [".jsonl", ".ndjson"].iter().any(|ending| name.ends_with(ending))
}

/// What cleaning writes beside the documents that it keeps.
const ASIDE: [&str; 2] = ["rejected.jsonl.zst", "changed.jsonl.zst"];

/// Whether collecting or cleaning wrote the file: `documents-00000.jsonl.zst`.
fn is_part(name: &str) -> bool {
    let number = name.strip_prefix("documents-").and_then(|rest| rest.strip_suffix(".jsonl.zst"));
    number.is_some_and(|number| number.len() >= 5 && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn name_of(path: &Path) -> Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}

/// Iterates over the documents of one or several files.
pub struct Documents {
    lines: Lines,
}

impl Iterator for Documents {
    type Item = Result<Document>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.lines.next()?;
        Some(line.and_then(|line| line.parse(&self.lines.files)))
    }
}

/// A line of a file, not parsed yet, so that threads can parse lines side by side.
#[derive(Debug)]
pub struct Line {
    file: usize,
    number: u64,
    /// What stands in it, with its line end.
    pub bytes: Vec<u8>,
}

impl Line {
    /// The document in this line; `files` is the list it was read from.
    ///
    /// # Errors
    /// Naming the file and the line, when it is no document in JSON.
    pub fn parse(&self, files: &[PathBuf]) -> Result<Document> {
        let path = &files[self.file];
        let mut document: Document = self.parse_as(files)?;
        if document.source.is_empty() {
            document.source = path.display().to_string();
        }
        if document.id.is_empty() {
            document.id = format!("{}#{}", compressed::name_within(path), self.number);
        }
        Ok(document)
    }

    /// The object in this line.
    ///
    /// # Errors
    /// Naming the file and the line, when it is no such object.
    pub fn parse_as<T: DeserializeOwned>(&self, files: &[PathBuf]) -> Result<T> {
        serde_json::from_slice(&self.bytes).map_err(|error| Error::Line {
            path: files[self.file].clone(),
            line: self.number,
            problem: json_problem(&error),
        })
    }
}

/// The parser's words without its line, which counts within the line; behind the end of the line there is no column.
pub fn json_problem(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let words = text.rfind(" at line ").map_or(text.as_str(), |at| &text[..at]);
    match error.line() {
        1 => format!("{words} at column {}", error.column()),
        _ => format!("{words} at its end"),
    }
}

/// The lines of several files, blank ones left out.
pub struct Lines {
    /// The files, in the order in which they are read.
    pub files: Vec<PathBuf>,
    next_file: usize,
    current: Option<(Box<dyn BufRead + Send>, u64)>,
}

impl Lines {
    /// The lines of these files; each is opened when its turn comes.
    pub fn open(files: Vec<PathBuf>) -> Self {
        Self { files, next_file: 0, current: None }
    }

    fn next_line(&mut self) -> Result<Option<Line>> {
        loop {
            let Some((reader, number)) = &mut self.current else {
                let Some(path) = self.files.get(self.next_file) else { return Ok(None) };
                self.current = Some((compressed::open(path)?, 0));
                self.next_file += 1;
                continue;
            };
            let path = &self.files[self.next_file - 1];
            *number += 1;
            let bytes = read_line(reader, path, *number)?;
            if bytes.is_empty() {
                self.current = None;
            } else if !bytes.trim_ascii().is_empty() {
                return Ok(Some(Line { file: self.next_file - 1, number: *number, bytes }));
            }
        }
    }
}

impl Iterator for Lines {
    type Item = Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_line().transpose()
    }
}

/// One line with its line end; empty at the end of the file.
///
/// # Errors
/// When it cannot be read, or is longer than any line of documents.
pub fn read_line(reader: &mut dyn BufRead, path: &Path, line: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let count = reader.take(LONGEST_LINE).read_until(b'\n', &mut bytes).map_err(Error::read(path))?;
    match count as u64 == LONGEST_LINE && bytes.last() != Some(&b'\n') {
        true => Err(Error::LongLine { path: path.to_path_buf(), line, limit: LONGEST_LINE }),
        false => Ok(bytes),
    }
}

/// Writes a value a line, compressed, into a file that gets its name when it is complete.
pub struct LinesWriter {
    path: PathBuf,
    encoder: Option<Encoder<'static, AtomicFile>>,
}

/// Level 1 keeps pace with cleaning; level 3 saves a tenth of the space for twice the time.
const COMPRESSION_LEVEL: i32 = 1;

impl LinesWriter {
    /// A writer of one file.
    pub fn new(path: PathBuf) -> Self {
        Self { path, encoder: None }
    }

    /// Appends lines that were serialised before.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_lines(&mut self, lines: &[u8]) -> Result<()> {
        let written = self.encoder()?.write_all(lines);
        written.map_err(Error::write(&self.path))
    }

    /// Appends documents, serialising them side by side.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write<T: Serialize + Sync>(&mut self, values: &[T]) -> Result<()> {
        self.write_lines(&to_lines(values))
    }

    /// Gives the file its name; without a line it is an empty one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(mut self) -> Result<()> {
        self.encoder()?;
        let encoder = self.encoder.take().expect("it was begun");
        let file = encoder.finish().map_err(Error::write(&self.path))?;
        file.commit()
    }

    fn encoder(&mut self) -> Result<&mut Encoder<'static, AtomicFile>> {
        if self.encoder.is_none() {
            self.encoder = Some(begin(&self.path)?);
        }
        Ok(self.encoder.as_mut().expect("it was begun"))
    }
}

/// The name of a file of lines.
pub fn lines_path(folder: &Path, stem: &str) -> PathBuf {
    folder.join(format!("{stem}.jsonl.zst"))
}

/// The name of a part.
pub fn part_path(folder: &Path, stem: &str, index: usize) -> PathBuf {
    lines_path(folder, &format!("{stem}-{index:05}"))
}

/// Moves parts that are complete to their names in `folder`, and removes those of an earlier, longer run.
///
/// # Errors
/// When a file cannot be renamed or removed.
pub fn move_parts(parts: &[PathBuf], folder: &Path, stem: &str) -> Result<()> {
    // Whoever was interrupted here has moved some of them before.
    for (index, part) in parts.iter().enumerate().filter(|(_, part)| part.exists()) {
        let target = part_path(folder, stem, index);
        crate::rename(part, &target)?;
    }
    remove_older(folder, stem, parts.len())
}

fn remove_older(folder: &Path, stem: &str, from: usize) -> Result<()> {
    let mut index = from;
    loop {
        let path = part_path(folder, stem, index);
        if !path.exists() {
            return Ok(());
        }
        fs::remove_file(&path).map_err(Error::write(&path))?;
        index += 1;
    }
}

fn begin(path: &Path) -> Result<Encoder<'static, AtomicFile>> {
    let file = AtomicFile::create(path)?;
    Encoder::new(file, COMPRESSION_LEVEL).map_err(Error::write(path))
}

/// Values as JSON lines.
pub fn to_lines<T: Serialize + Sync>(values: &[T]) -> Vec<u8> {
    let lines: Vec<Vec<u8>> = values.par_iter().map(to_line).collect();
    lines.concat()
}

fn to_line<T: Serialize>(value: &T) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("documents hold only strings and JSON values");
    line.push(b'\n');
    line
}

/// Bytes of text and number of documents that are worked on at a time.
const BATCH_BYTES: usize = 1 << 22;
const BATCH_DOCUMENTS: usize = 1024;

/// Takes items until a batch is full; empty at the end.
///
/// # Errors
/// The first error among the items.
pub fn next_batch<T, E>(
    items: &mut impl Iterator<Item = Result<T, E>>,
    size: impl Fn(&T) -> usize,
) -> Result<Vec<T>, E> {
    let mut batch = Vec::new();
    let mut bytes = 0;
    while bytes < BATCH_BYTES && batch.len() < BATCH_DOCUMENTS {
        let Some(item) = items.next() else { break };
        let item = item?;
        bytes += size(&item);
        batch.push(item);
    }
    Ok(batch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(present: &[&str]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        present.iter().for_each(|name| fs::write(folder.path().join(name), "").unwrap());
        files(folder.path()).unwrap().iter().map(|file| name_of(file).into_owned()).collect()
    }

    #[test]
    fn files_of_the_users_are_read_whatever_they_are_called() {
        let own =
            ["changed.jsonl.zst", "changed_names.jsonl", "documents-old.jsonl", "rejected.jsonl", "x.jsonl"];
        assert_eq!(names(&own), own);
        assert_eq!(
            names(&["rejected.jsonl.zst"]),
            ["rejected.jsonl.zst"],
            "to look at it, or to clean it again"
        );
    }

    #[test]
    fn what_cleaning_put_aside_is_no_text_to_learn_from() {
        let aside = ["changed.jsonl.zst", "documents-00000.jsonl.zst", "rejected.jsonl.zst"];
        assert_eq!(names(&aside), ["documents-00000.jsonl.zst"]);
        let added = ["documents-00000.jsonl.zst", "more.jsonl", "rejected-poems.jsonl", "rejected.jsonl.zst"];
        assert_eq!(names(&added), added[..3]);
    }
}
