//! A file that decisions are added to: resumable, mended where the last record was cut off, and nobody else's.

use std::fs::{File, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nuwa_tokenizer::Message;
use serde::Deserialize;

use super::{FeedbackKind, Judgement, Records, prompt_key};
use crate::data::Decision;
use crate::{Error, Result};

/// What a record of such a file begins with.
const BEGINNING: &[u8] = b"{\"feedback\":\"";

/// The most bytes of a record; far more than the context of a model.
const LONGEST_LINE: u64 = 16 << 20;

/// Decisions of a person, one after the other.
///
/// Each is flushed to the disk before the next is asked for. Taking the last one back cuts its records off, so that whoever
/// reads the file finds only what holds.
#[derive(Debug)]
pub struct FeedbackFile {
    path: PathBuf,
    file: File,
    kind: FeedbackKind,
    kept: Vec<Kept>,
    /// Bytes of whole decisions.
    length: u64,
    is_mended: bool,
    /// Whether the last record is whole but for the end of its line.
    lacks_end: bool,
    /// Whether there was no such file before.
    is_new: bool,
}

/// A decision in the file.
#[derive(Debug)]
struct Kept {
    prompt: String,
    group: String,
    decision: Decision,
    /// Records it has, and should have.
    records: usize,
    expected: usize,
    /// Where its first record begins.
    begin: u64,
}

/// What is read of a record.
#[derive(Deserialize)]
struct KnownLine {
    feedback: Decision,
    prompt: Vec<Message>,
    group: String,
    group_records: usize,
}

/// How often a lock is tried again: what is just being started by this program holds it for a moment.
const TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(10);

fn lock(file: &File, path: &Path) -> Result<()> {
    for _ in 0..TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(BETWEEN_TRIES),
            // On a file system without locks two programs at once are the user's to avoid.
            Ok(()) | Err(TryLockError::Error(_)) => return Ok(()),
        }
    }
    Err(Error::FeedbackInUse { path: path.into() })
}

impl FeedbackFile {
    /// Opens a file to go on in, or begins one.
    ///
    /// A last decision that is not whole, because the program was ended while it was written, is cut off.
    ///
    /// # Errors
    /// When it cannot be read or written, holds anything else or feedback of the other kind, or another program has it open.
    pub fn open(path: &Path, kind: FeedbackKind) -> Result<Self> {
        if path.exists() && !path.is_file() {
            return Err(foreign(path, None, "is not a file; expected a file of feedback, or a new name"));
        }
        let is_new = !path.exists();
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path).map_err(nuwa_files::Error::write(path))?;
        lock(&file, path)?;
        let mut opened = Self {
            path: path.into(),
            file,
            kind,
            kept: Vec::new(),
            length: 0,
            is_mended: false,
            lacks_end: false,
            is_new,
        };
        opened.read()?;
        opened.mend()?;
        Ok(opened)
    }

    /// Whether a last decision was cut off when the file was opened.
    pub fn is_mended(&self) -> bool {
        self.is_mended
    }

    /// How many prompts were decided about, skipped and tied ones included.
    pub fn decisions(&self) -> usize {
        self.kept.len()
    }

    /// How many records there are to learn from.
    pub fn records(&self) -> usize {
        let learnt = |kept: &&Kept| matches!(kept.decision, Decision::Ranked | Decision::Marked);
        self.kept.iter().filter(learnt).map(|kept| kept.records).sum()
    }

    /// The keys of the prompts that were decided about, in order.
    pub fn prompts(&self) -> impl Iterator<Item = &str> {
        self.kept.iter().map(|kept| kept.prompt.as_str())
    }

    /// Adds a decision, which is on the disk when this returns.
    ///
    /// # Errors
    /// When it does not fit its answers or the kind of the file, or cannot be written; then the file is as before.
    pub fn add(&mut self, judgement: &Judgement) -> Result<()> {
        judgement.check()?;
        let decision = judgement.decision();
        if !self.kind.has(decision) {
            let problem = format!("this file holds {}, and was given the other kind", self.kind.name());
            return Err(Error::Verdict { problem });
        }
        let Records { count, lines, group } = judgement.records();
        if let Err(error) = self.write(lines.as_bytes()) {
            // What was written of it would be cut off the next time anyway.
            let _ = self.file.set_len(self.length);
            return Err(nuwa_files::Error::write(&self.path)(error).into());
        }
        let (prompt, begin) = (prompt_key(&judgement.prompt), self.length);
        self.kept.push(Kept { prompt, group, decision, records: count, expected: count, begin });
        self.length += lines.len() as u64;
        Ok(())
    }

    /// Takes the last decision back, and gives the key of its prompt; none where there is none.
    ///
    /// # Errors
    /// When the file cannot be cut.
    pub fn undo(&mut self) -> Result<Option<String>> {
        let Some(begin) = self.kept.last().map(|last| last.begin) else { return Ok(None) };
        self.cut(begin)?;
        Ok(self.kept.pop().map(|last| last.prompt))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.length))?;
        self.file.write_all(bytes)?;
        self.file.sync_data()
    }

    fn cut(&mut self, length: u64) -> Result<()> {
        let cut = self.file.set_len(length).and_then(|()| self.file.sync_data());
        cut.map_err(nuwa_files::Error::write(&self.path))?;
        self.length = length;
        Ok(())
    }

    /// Reads what is there, up to a last line that is not whole.
    fn read(&mut self) -> Result<()> {
        let mut reader = BufReader::new(self.file.try_clone().map_err(nuwa_files::Error::read(&self.path))?);
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let mut limited = reader.by_ref().take(LONGEST_LINE);
            limited.read_until(b'\n', &mut line).map_err(nuwa_files::Error::read(&self.path))?;
            if line.is_empty() {
                break;
            }
            if line.len() as u64 == LONGEST_LINE {
                return Err(foreign(&self.path, Some(number), "it is longer than any record of feedback"));
            }
            self.lacks_end = line.last() != Some(&b'\n');
            match serde_json::from_slice(&line) {
                Ok(known) => self.take(known, number, line.len() as u64)?,
                Err(_) if self.lacks_end && is_beginning(&line) => break,
                Err(_) => {
                    let problem = "it is no record of feedback; expected records of feedback alone";
                    return Err(foreign(&self.path, Some(number), problem));
                }
            }
            if self.lacks_end {
                break;
            }
        }
        Ok(())
    }

    fn take(&mut self, line: KnownLine, number: u64, length: u64) -> Result<()> {
        let KnownLine { feedback: decision, prompt, group, group_records: expected } = line;
        if !self.kind.has(decision) {
            let problem = format!("it holds {}; expected {}", self.kind.other().name(), self.kind.name());
            return Err(foreign(&self.path, Some(number), &problem));
        }
        match self.kept.last_mut() {
            Some(last) if last.group == group => last.records += 1,
            _ => {
                let (prompt, begin) = (prompt_key(&prompt), self.length);
                self.kept.push(Kept { prompt, group, decision, records: 1, expected, begin });
            }
        }
        self.length += length;
        Ok(())
    }

    /// Cuts off a last decision that lacks records, and a last line that is not whole.
    fn mend(&mut self) -> Result<()> {
        if let Some(last) = self.kept.pop_if(|last| last.records < last.expected) {
            self.length = last.begin;
        }
        let found = self.file.metadata().map_err(nuwa_files::Error::read(&self.path))?.len();
        self.is_mended = found > self.length;
        if self.is_mended {
            return self.cut(self.length);
        }
        if self.lacks_end && self.length > 0 {
            self.write(b"\n").map_err(nuwa_files::Error::write(&self.path))?;
            self.length += 1;
        }
        Ok(())
    }
}

/// A new file that nothing was added to is not left behind.
impl Drop for FeedbackFile {
    fn drop(&mut self) {
        if self.is_new && self.length == 0 {
            // It does no harm where it stays.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Whether a line may be the beginning of a record. One of another file, which would be lost, is not.
fn is_beginning(line: &[u8]) -> bool {
    line.starts_with(BEGINNING) || BEGINNING.starts_with(line)
}

impl FeedbackKind {
    fn has(self, decision: Decision) -> bool {
        match decision {
            Decision::Ranked | Decision::Tied => self == Self::Ranks,
            Decision::Marked => self == Self::Marks,
            Decision::Skipped => true,
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Ranks => Self::Marks,
            Self::Marks => Self::Ranks,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ranks => "ranked answers",
            Self::Marks => "answers marked good or bad",
        }
    }
}

fn foreign(path: &Path, line: Option<u64>, problem: &str) -> Error {
    let place = line.map_or_else(|| path.display().to_string(), |line| format!("{}:{line}", path.display()));
    Error::NotFeedback { place, problem: problem.into() }
}
