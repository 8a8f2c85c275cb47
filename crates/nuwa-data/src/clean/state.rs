//! What interrupted cleaning leaves behind, so that the next run goes on from the last chunk that was finished.
//!
//! In `OUT/.clean/` lie the documents as each pass writes them, in chunks, and `state.json`: which pass, how many of its documents are
//! done, and all counts so far. What steps have learned is not written: they look again at the documents of the pass.
//! Work goes on only where nothing that the result follows from has changed: settings, version, and the names, sizes
//! and times of all files read.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use nuwa_files::AtomicFile;
use serde::{Deserialize, Serialize};

use super::changes::Change;
use super::samples::Taken;
use super::summary::CleanSummary;
use crate::Result;
use crate::bias::Tallies;
use crate::documents::{LinesWriter, part_path};

/// How far the work is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct State {
    /// What the result follows from.
    pub basis: String,
    pub at: Place,
    pub summary: CleanSummary,
    pub taken: Taken,
    pub changes: Vec<Vec<Change>>,
    pub bias: Option<Tallies>,
}

/// A place in the work, between two chunks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// Passes that are finished.
    pub passes: usize,
    /// Files that the last finished pass wrote.
    pub source_parts: usize,
    /// Documents that reach the coming pass; unknown before the first has ended.
    pub total: Option<u64>,
    /// Documents of it that are done, and bytes of text in them.
    pub done: u64,
    pub bytes: u64,
    /// Files that it wrote, and documents in them.
    pub parts: usize,
    pub kept: u64,
    /// Files of rejected documents.
    pub rejected: usize,
}

/// The folder of unfinished work.
#[derive(Debug)]
pub(super) struct Unfinished {
    folder: PathBuf,
    steps: PathBuf,
    basis: Option<String>,
}

impl Unfinished {
    /// Below `out`, for work whose result follows from `basis`; without one it is never gone on with.
    pub fn new(out: &Path, basis: Option<String>) -> Self {
        let folder = out.join(".clean");
        Self { steps: folder.join("steps"), folder, basis }
    }

    /// What was left behind of the very same work; of any other work nothing stays.
    pub fn take_up(&self) -> Result<Option<State>> {
        let found = nuwa_files::read_json::<State>(&self.state_path()).ok();
        let found = found.filter(|state| self.basis.as_ref() == Some(&state.basis));
        self.remove(if found.is_some() { &self.steps } else { &self.folder })?;
        Ok(found)
    }

    /// Writes down how far the work is.
    pub fn write(&self, state: impl FnOnce() -> State) -> Result<()> {
        let Some(basis) = &self.basis else { return Ok(()) };
        let state = State { basis: basis.clone(), ..state() };
        Ok(nuwa_files::write_json(&self.state_path(), &state)?)
    }

    /// After an error: what can be gone on with stays.
    pub fn leave(&self) -> Result<()> {
        self.remove(if self.state_path().exists() { &self.steps } else { &self.folder })
    }

    /// Removes what passes before this one wrote.
    pub fn forget_before(&self, number: usize) -> Result<()> {
        (0..number).try_for_each(|pass| self.remove(&self.pass(pass)))
    }

    fn pass(&self, number: usize) -> PathBuf {
        self.folder.join(format!("pass-{number}"))
    }

    /// The first files that pass `number` wrote.
    pub fn parts(&self, number: usize, count: usize) -> Vec<PathBuf> {
        (0..count).map(|index| part_path(&self.pass(number), PART, index)).collect()
    }

    /// For the next file of the pass that is under way.
    pub fn part_writer(&self, at: &Place) -> LinesWriter {
        LinesWriter::single(&self.pass(at.passes), &format!("{PART}-{:05}", at.parts))
    }

    /// For the next file of rejected documents.
    pub fn rejected_writer(&self, at: &Place) -> LinesWriter {
        LinesWriter::single(&self.folder, &format!("{REJECTED}-{:05}", at.rejected))
    }

    /// Puts the files of rejected documents together: Zstandard frames may follow each other (RFC 8878, section 3).
    pub fn join_rejected(&self, count: usize, target: &Path) -> Result<()> {
        let mut file = AtomicFile::create(target)?;
        for index in 0..count {
            let path = part_path(&self.folder, REJECTED, index);
            let mut part = fs::File::open(&path).map_err(nuwa_files::Error::read(&path))?;
            std::io::copy(&mut part, &mut file).map_err(nuwa_files::Error::write(target))?;
        }
        file.flush().map_err(nuwa_files::Error::write(target))?;
        Ok(file.commit()?)
    }

    /// Where steps may spill.
    pub fn steps(&self) -> &Path {
        &self.steps
    }

    /// Nothing is unfinished any more.
    pub fn end(self) -> Result<()> {
        self.remove(&self.folder)
    }

    fn state_path(&self) -> PathBuf {
        self.folder.join("state.json")
    }

    fn remove(&self, path: &Path) -> Result<()> {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(nuwa_files::Error::write(path)(error).into())
            }
            _ => Ok(()),
        }
    }
}

/// The stems of the files that passes write.
const PART: &str = "part";
const REJECTED: &str = "rejected";

/// What the result of cleaning these files follows from; files that the settings name (word lists, classifiers, evaluation
/// items) count as well.
pub(super) fn basis(files: &[PathBuf], settings: &serde_json::Value) -> String {
    let mut lines = vec![env!("CARGO_PKG_VERSION").to_string(), settings.to_string()];
    lines.extend(files.iter().map(|file| identity(file)));
    named_files(settings, &mut lines);
    nuwa_files::hash_bytes(lines.join("\n").as_bytes())
}

fn named_files(value: &serde_json::Value, lines: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) if Path::new(text).is_file() => lines.push(identity(Path::new(text))),
        serde_json::Value::Array(values) => values.iter().for_each(|value| named_files(value, lines)),
        serde_json::Value::Object(fields) => fields.values().for_each(|value| named_files(value, lines)),
        _ => {}
    }
}

/// A file's name, size and time of its last change.
fn identity(file: &Path) -> String {
    let metadata = fs::metadata(file).ok();
    let bytes = metadata.as_ref().map(fs::Metadata::len);
    let changed = metadata.and_then(|metadata| metadata.modified().ok());
    let changed = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    format!("{} {bytes:?} {changed:?}", file.display())
}
