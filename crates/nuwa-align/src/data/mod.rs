//! Dialogues, preferences and prompts, from files in every usual form.

mod decision;
mod dialogues;
mod files;
mod label_columns;
mod labelled;
mod messages;
mod opinions;
mod order;
mod pairs;
mod preferences;
mod prompts;
mod ratings;
mod record;
mod roles;
mod scores;
mod table;
mod verdicts;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use nuwa_tokenizer::{Attribute, Message, TO_TOOLS};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use decision::Decision;
pub use dialogues::dialogue;
pub use files::records;
pub use label_columns::{LabelColumns, is_labelled};
pub use labelled::{LabelledTexts, PlainText, Truth, plain_texts};
pub use opinions::Opinions;
pub use pairs::{TextPair, line_pairs, pairs, text_pairs};
pub use preferences::{preference, preferences};
pub use prompts::{Prompt, prompt, prompts};
pub use ratings::{lesson, rated};
pub use record::Record;
pub use scores::{Scored, scored};

use crate::{BadRecords, Error, Result};
use decision::check_decided;

/// Column names of a file by the names they stand for: `{"instruction": "question", "output": "reply"}`.
pub type Columns = BTreeMap<String, String>;

/// A conversation to learn the answers of.
#[derive(Debug, Clone, PartialEq)]
pub struct Dialogue {
    /// The turns; at least one is the assistant's.
    pub messages: Vec<Message>,
    /// The answers that are not trained on, by their place among the turns.
    pub untrained: Vec<usize>,
    /// What the template is told about tools.
    pub tools: Option<Value>,
    /// File, and line or item.
    pub place: String,
}

/// An answer and what raters found.
#[derive(Debug, Clone, PartialEq)]
pub struct Rated {
    /// The context and, as its last turn, the answer.
    pub dialogue: Dialogue,
    /// For each attribute that was rated, the share of raters who said 1: from 0 to 1.
    pub ratings: BTreeMap<Attribute, f32>,
}

/// What supervised fine-tuning learns from a record.
#[derive(Debug, Clone, PartialEq)]
pub enum Lesson {
    /// To answer.
    Dialogue(Dialogue),
    /// To rate an answer.
    Rated(Rated),
}

/// What the records of several files teach.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lessons {
    /// Dialogues to learn the answers of.
    pub dialogues: Vec<Dialogue>,
    /// Answers to learn the ratings of.
    pub rated: Vec<Rated>,
}

impl FromIterator<Lesson> for Lessons {
    fn from_iter<T: IntoIterator<Item = Lesson>>(lessons: T) -> Self {
        let mut all = Self::default();
        for lesson in lessons {
            match lesson {
                Lesson::Dialogue(dialogue) => all.dialogues.push(dialogue),
                Lesson::Rated(rated) => all.rated.push(rated),
            }
        }
        all
    }
}

impl Lessons {
    /// Reads the records of `paths`; see [`read`].
    ///
    /// # Errors
    /// As there.
    pub fn read(paths: &[PathBuf], columns: &Columns, bad: BadRecords) -> Result<(Self, Reading)> {
        let (lessons, reading) = read(paths, columns, bad, lesson)?;
        Ok((lessons.into_iter().collect(), reading))
    }

    /// All turns, record by record.
    pub fn conversations(&self) -> impl Iterator<Item = &Dialogue> + Clone {
        self.dialogues.iter().chain(self.rated.iter().map(|rated| &rated.dialogue))
    }

    /// Whether some dialogue asks a tool set and is answered by it.
    pub fn ask_tools(&self) -> bool {
        let asks = |turns: &[Message]| turns[0].content.starts_with(TO_TOOLS) && turns[1].role == "tool";
        self.dialogues.iter().any(|dialogue| dialogue.messages.windows(2).any(asks))
    }

    /// The attributes that are rated.
    pub fn attributes(&self) -> BTreeSet<Attribute> {
        self.rated.iter().flat_map(|rated| rated.ratings.keys().copied()).collect()
    }
}

/// Two answers to the same, of which one is better.
#[derive(Debug, Clone, PartialEq)]
pub struct Preference {
    /// What both answer to.
    pub prompt: Vec<Message>,
    /// The better answer: one turn of the assistant, or an example of dialogue that begins with one.
    pub chosen: Vec<Message>,
    /// The worse.
    pub rejected: Vec<Message>,
    /// By how much a reward model is to score the better one higher, at least.
    pub margin: f32,
    /// File, and line or item.
    pub place: String,
}

impl Preference {
    /// The prompt with each of the two answers.
    pub fn dialogues(&self) -> [Dialogue; 2] {
        [&self.chosen, &self.rejected].map(|answer| Dialogue {
            messages: self.prompt.iter().chain(answer).cloned().collect(),
            untrained: Vec::new(),
            tools: None,
            place: self.place.clone(),
        })
    }
}

/// An answer that is a good one or not.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgedAnswer {
    /// What it answers to.
    pub prompt: Vec<Message>,
    /// The answer: one turn of the assistant, or an example of dialogue that begins with one.
    pub answer: Vec<Message>,
    /// Whether it is desirable.
    pub is_good: bool,
    /// File, and line or item.
    pub place: String,
}

impl JudgedAnswer {
    /// The prompt with the answer.
    pub fn dialogue(&self) -> Dialogue {
        Dialogue {
            messages: self.prompt.iter().chain(&self.answer).cloned().collect(),
            untrained: Vec::new(),
            tools: None,
            place: self.place.clone(),
        }
    }
}

/// Why scored answers are left out.
const SAME_SCORE: &str = "its answers all have the same score";

/// Lets a chat template write a dialogue.
///
/// # Errors
/// When it refuses to.
pub fn check_template(template: &str, dialogue: &Dialogue) -> Result<()> {
    let written = nuwa_tokenizer::render_chat(template, &dialogue.messages, dialogue.tools.as_ref());
    written
        .map(drop)
        .map_err(|error| Error::Refused { place: dialogue.place.clone(), reason: error.to_string() })
}

/// What was read, and what could not be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Records in the files.
    pub records: u64,
    /// Records that were left out, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Records that were mended, by what was wrong with them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mended: BTreeMap<String, u64>,
}

impl Reading {
    fn skip(&mut self, reason: String) {
        *self.skipped.entry(reason).or_default() += 1;
    }

    /// The reason that most records were left out for.
    fn most(&self) -> &str {
        self.skipped.iter().max_by_key(|(_, count)| **count).map_or("", |(reason, _)| reason)
    }

    fn note(&mut self, mends: impl IntoIterator<Item = &'static str>) {
        mends.into_iter().for_each(|mend| *self.mended.entry(mend.into()).or_default() += 1);
    }
}

/// Reads what `understand` makes of each record of `paths` (files, or folders of them).
///
/// # Errors
/// When a file is no JSON, holds nothing, or a record is not understood and `bad` does not say to skip it.
pub fn read<T>(
    paths: &[PathBuf],
    columns: &Columns,
    bad: BadRecords,
    understand: impl Fn(&Record) -> Result<T>,
) -> Result<(Vec<T>, Reading)> {
    gather(paths, |path| records(path, columns), bad, understand)
}

/// [`read`], of the records that `of_path` finds.
fn gather<T>(
    paths: &[PathBuf],
    of_path: impl Fn(&Path) -> Result<Vec<Record>>,
    bad: BadRecords,
    understand: impl Fn(&Record) -> Result<T>,
) -> Result<(Vec<T>, Reading)> {
    let (mut read, mut reading) = (Vec::new(), Reading::default());
    for path in paths {
        for record in of_path(path)? {
            reading.records += 1;
            match check_decided(&record).and_then(|()| understand(&record)) {
                Ok(value) => {
                    read.push(value);
                    reading.note(record.mends());
                }
                Err(Error::LeftOut { reason, .. }) => reading.skip(reason),
                Err(Error::Record { problem, .. }) if bad == BadRecords::Skip => reading.skip(problem),
                Err(error) => return Err(error),
            }
        }
    }
    if read.is_empty() {
        let reason = match reading.records {
            0 => "it has no records".into(),
            n => {
                format!("all of its {n} records were left out, the most of them because: {}", reading.most())
            }
        };
        return Err(Error::Empty { path: paths.first().cloned().unwrap_or_default(), reason });
    }
    Ok((read, reading))
}
