//! A file that decisions are added to: resumable, mended where the last record was cut off, and nobody else's.

use std::path::Path;

use nuwa_files::{Journal, JournalLine};
use nuwa_tokenizer::Message;
use serde::Deserialize;

use super::{FeedbackKind, Judgement, Records, prompt_key};
use crate::data::Decision;
use crate::{Error, Result};

/// What a record of such a file begins with.
const BEGINNING: &[u8] = b"{\"feedback\":\"";

/// Decisions of a person, one after the other.
///
/// Each is flushed to the disk before the next is asked for. Taking the last one back cuts its records off, so that whoever
/// reads the file finds only what holds.
#[derive(Debug)]
pub struct FeedbackFile {
    journal: Journal,
    kind: FeedbackKind,
    kept: Vec<Kept>,
    is_mended: bool,
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
        let mut kept = Vec::new();
        let mut journal = Journal::open(path, |line| read(path, kind, line, &mut kept))?;
        let mut is_mended = journal.is_mended();
        // A last decision that lacks records.
        if let Some(last) = kept.pop_if(|last| last.records < last.expected) {
            journal.cut(last.begin)?;
            is_mended = true;
        }
        Ok(Self { journal, kind, kept, is_mended })
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
        let (prompt, begin) = (prompt_key(&judgement.prompt), self.journal.length());
        self.journal.add(&lines)?;
        self.kept.push(Kept { prompt, group, decision, records: count, expected: count, begin });
        Ok(())
    }

    /// Takes the last decision back, and gives the key of its prompt; none where there is none.
    ///
    /// # Errors
    /// When the file cannot be cut.
    pub fn undo(&mut self) -> Result<Option<String>> {
        let Some(begin) = self.kept.last().map(|last| last.begin) else { return Ok(None) };
        self.journal.cut(begin)?;
        Ok(self.kept.pop().map(|last| last.prompt))
    }
}

/// Takes a record; where it is not whole, what comes before it is good.
fn read(path: &Path, kind: FeedbackKind, line: JournalLine<'_>, kept: &mut Vec<Kept>) -> Result<Option<u64>> {
    let wrong = |problem: &str| foreign(path, Some(line.number), problem);
    let known: KnownLine = match serde_json::from_slice(line.bytes) {
        Ok(known) => known,
        Err(_) if line.is_begun(BEGINNING) => return Ok(Some(line.begin)),
        Err(_) => return Err(wrong("it is no record of feedback; expected records of feedback alone")),
    };
    let KnownLine { feedback: decision, prompt, group, group_records: expected } = known;
    if !kind.has(decision) {
        return Err(wrong(&format!("it holds {}; expected {}", kind.other().name(), kind.name())));
    }
    match kept.last_mut() {
        Some(last) if last.group == group => last.records += 1,
        _ => {
            let prompt = prompt_key(&prompt);
            kept.push(Kept { prompt, group, decision, records: 1, expected, begin: line.begin });
        }
    }
    Ok(None)
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
