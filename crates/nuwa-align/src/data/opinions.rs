//! What records say about answers, as a loss learns from it: pairs, or single answers.

use std::path::PathBuf;

use nuwa_tokenizer::Message;

use super::preferences::pair;
use super::record::Record;
use super::scores::{is_scored, scored};
use super::verdicts::{LABELS, judged};
use super::{Columns, Dialogue, JudgedAnswer, Preference, Reading, preference, read};
use crate::error::Advice;
use crate::{BadRecords, DpoSettings, Result};

const FORMS: &str = "label, with prompt and completion or messages; chosen and rejected; or completions and scores, with prompt";

/// What records say about answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Opinions {
    /// Of two answers, which is better.
    Pairs(Vec<Preference>),
    /// Of single answers, whether they are good.
    Answers(Vec<JudgedAnswer>),
}

impl Opinions {
    /// Reads the records of `paths` (see [`read`](super::read())) for the loss that `settings` name.
    ///
    /// # Errors
    /// As there.
    pub fn read(paths: &[PathBuf], columns: &Columns, settings: &DpoSettings) -> Result<(Self, Reading)> {
        let bad: BadRecords = settings.tuning.bad_records;
        if !settings.loss.is_unpaired() {
            let (pairs, reading) = read(paths, columns, bad, preference)?;
            return Ok((Self::Pairs(pairs), reading));
        }
        let threshold = settings.score_threshold;
        let (answers, reading) = read(paths, columns, bad, |record| judgements(record, threshold))?;
        Ok((Self::Answers(answers.into_iter().flatten().collect()), reading))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        match self {
            Self::Pairs(pairs) => pairs.len(),
            Self::Answers(answers) => answers.len(),
        }
    }

    /// Every prompt with every answer.
    pub fn dialogues(&self) -> Vec<Dialogue> {
        match self {
            Self::Pairs(pairs) => pairs.iter().flat_map(Preference::dialogues).collect(),
            Self::Answers(answers) => answers.iter().map(JudgedAnswer::dialogue).collect(),
        }
    }

    /// What is asked.
    pub fn prompts(&self) -> Vec<&[Message]> {
        match self {
            Self::Pairs(pairs) => pairs.iter().map(|pair| pair.prompt.as_slice()).collect(),
            Self::Answers(answers) => answers.iter().map(|answer| answer.prompt.as_slice()).collect(),
        }
    }
}

/// The single answers of a record: of a labelled one, of a pair the chosen as a good and the rejected as a bad one, and of scored
/// answers each.
///
/// # Errors
/// When the form is not known, or a field is of the wrong kind.
fn judgements(record: &Record, threshold: Option<f64>) -> Result<Vec<JudgedAnswer>> {
    understood(record, threshold).map_err(|error| error.in_stage("dpo"))
}

fn understood(record: &Record, threshold: Option<f64>) -> Result<Vec<JudgedAnswer>> {
    let is_pair = record.first_of(&["chosen", "rejected"]).is_some();
    if !is_pair && is_scored(record) {
        let judged = scored(record)?.judged(threshold);
        return if judged.is_empty() { Err(record.left_out(super::SAME_SCORE)) } else { Ok(judged) };
    }
    if !is_pair && record.first_of(&LABELS).is_some() {
        return Ok(vec![judged(record)?]);
    }
    if !is_pair {
        return Err(record.unknown(FORMS, Advice::Columns("prompt=FIELD,completion=FIELD,label=FIELD")));
    }
    let Preference { prompt, chosen, rejected, place, .. } = pair(record)?;
    let of = |answer, is_good| JudgedAnswer { prompt: prompt.clone(), answer, is_good, place: place.clone() };
    Ok(vec![of(chosen, true), of(rejected, false)])
}
