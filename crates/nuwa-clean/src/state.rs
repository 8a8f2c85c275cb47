//! What interrupted cleaning leaves behind, so that the next run goes on from the last chunk that was finished.
//!
//! In `OUT/.clean/` lie the documents as each pass writes them, in chunks, and `state.json`: which pass, how many of its documents are
//! done, and all counts so far. What steps have learned is not written: they look again at the documents of the pass.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use nuwa_files::AtomicFile;
use nuwa_files::documents::{LinesWriter, part_path};
use nuwa_files::unfinished;
use serde::{Deserialize, Serialize};

use super::changes::Change;
use super::samples::Taken;
use super::summary::CleanSummary;
use crate::Result;
use crate::bias::Tallies;

/// How far the work is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct State {
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
    work: unfinished::Unfinished,
    steps: PathBuf,
}

impl Unfinished {
    /// Below `out`, for work whose result follows from `basis`; without one it is never gone on with.
    pub fn new(out: &Path, basis: Option<String>) -> Self {
        let work = unfinished::Unfinished::new(out.join(".clean"), basis);
        Self { steps: work.folder().join("steps"), work }
    }

    /// What was left behind of the very same work; of any other work nothing stays.
    pub fn take_up(&self) -> Result<Option<State>> {
        let state = self.work.take_up()?;
        nuwa_files::remove_folder(&self.steps)?;
        Ok(state)
    }

    /// Writes down how far the work is.
    pub fn write(&self, state: impl FnOnce() -> State) -> Result<()> {
        Ok(self.work.write(state)?)
    }

    /// After an error: what can be gone on with stays.
    pub fn leave(&self) -> Result<()> {
        if self.work.was_written() {
            Ok(nuwa_files::remove_folder(&self.steps)?)
        } else {
            Ok(self.work.remove()?)
        }
    }

    /// Removes what passes before this one wrote.
    pub fn forget_before(&self, number: usize) -> Result<()> {
        (0..number).try_for_each(|pass| Ok(nuwa_files::remove_folder(&self.pass(pass))?))
    }

    fn pass(&self, number: usize) -> PathBuf {
        self.work.folder().join(format!("pass-{number}"))
    }

    /// The first files that pass `number` wrote.
    pub fn parts(&self, number: usize, count: usize) -> Vec<PathBuf> {
        (0..count).map(|index| part_path(&self.pass(number), PART, index)).collect()
    }

    /// For the next file of the pass that is under way.
    pub fn part_writer(&self, at: &Place) -> LinesWriter {
        LinesWriter::new(part_path(&self.pass(at.passes), PART, at.parts))
    }

    /// For the next file of rejected documents.
    pub fn rejected_writer(&self, at: &Place) -> LinesWriter {
        LinesWriter::new(part_path(self.work.folder(), REJECTED, at.rejected))
    }

    /// Puts the files of rejected documents together: Zstandard frames may follow each other (RFC 8878, section 3).
    pub fn join_rejected(&self, count: usize, target: &Path) -> Result<()> {
        let mut file = AtomicFile::create(target)?;
        for index in 0..count {
            let path = part_path(self.work.folder(), REJECTED, index);
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
        Ok(self.work.remove()?)
    }
}

/// The stems of the files that passes write.
const PART: &str = "part";
const REJECTED: &str = "rejected";
