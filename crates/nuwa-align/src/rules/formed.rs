//! Rules about the form of an answer; they need no reference answers.

use std::collections::HashSet;
use std::path::Path;

use serde_json::Value;

use super::schema::Schema;
use super::words::usual;
use super::{Judged, Rule};
use crate::Result;

/// Whether an answer came to its end.
#[derive(Debug)]
pub struct Ended;

impl Rule for Ended {
    fn name(&self) -> String {
        "ended".into()
    }

    fn scores(&self, judged: &[Judged<'_>]) -> Result<Vec<Option<f32>>> {
        Ok(judged.iter().map(|judged| Some(f32::from(u8::from(judged.ended)))).collect())
    }
}

/// Whether an answer is JSON, and fulfils a schema.
#[derive(Debug)]
pub struct Json {
    written: String,
    schema: Option<Schema>,
}

impl Json {
    pub fn new(written: &str, schema: Option<&Path>) -> Result<Self> {
        let schema = schema.map(|path| Schema::read(written, path)).transpose()?;
        Ok(Self { written: written.into(), schema })
    }

    fn is_fulfilled(&self, answer: &str) -> bool {
        let value: Option<Value> = serde_json::from_str(answer).ok();
        value.is_some_and(|value| self.schema.as_ref().is_none_or(|schema| schema.is_fulfilled(&value)))
    }
}

impl Rule for Json {
    fn name(&self) -> String {
        self.written.clone()
    }

    fn scores(&self, judged: &[Judged<'_>]) -> Result<Vec<Option<f32>>> {
        let score = |judged: &Judged<'_>| Some(f32::from(u8::from(self.is_fulfilled(judged.answer))));
        Ok(judged.iter().map(score).collect())
    }
}

/// How many words an answer has; each character of a script without blanks is one.
#[derive(Debug)]
pub struct Length {
    written: String,
    least: usize,
    most: usize,
}

impl Length {
    pub fn new(written: &str, least: usize, most: usize) -> Self {
        Self { written: written.into(), least, most }
    }

    /// 1 within; outside, how many words there are to what is needed, or the other way round: so that less wrong is better.
    fn score(&self, words: usize) -> f32 {
        match words {
            _ if words < self.least => words as f32 / self.least as f32,
            _ if words > self.most => self.most as f32 / words as f32,
            _ => 1.0,
        }
    }
}

impl Rule for Length {
    fn name(&self) -> String {
        self.written.clone()
    }

    fn scores(&self, judged: &[Judged<'_>]) -> Result<Vec<Option<f32>>> {
        Ok(judged.iter().map(|judged| Some(self.score(nuwa_text::words(judged.answer).len()))).collect())
    }
}

/// A language that its letters tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// Chinese characters.
    Chinese,
    /// Latin letters.
    English,
}

/// Words by their letters.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Counted {
    chinese: usize,
    english: usize,
    others: usize,
    numbers: usize,
}

impl Counted {
    fn of(text: &str) -> Self {
        let text = usual(text);
        let mut counted = Self::default();
        nuwa_text::for_each_word_at(&text, |_, place| {
            let mut characters = text[place].chars();
            let letter = characters.find(|character| character.is_alphabetic());
            *match letter {
                None => &mut counted.numbers,
                Some(letter) if is_chinese(letter) => &mut counted.chinese,
                Some(letter) if is_latin(letter) => &mut counted.english,
                Some(_) => &mut counted.others,
            } += 1;
        });
        counted
    }

    /// The language of most of its words.
    fn script(self) -> Option<Script> {
        match self {
            Self { chinese, english, others, .. } if chinese >= english.max(others) && chinese > 0 => {
                Some(Script::Chinese)
            }
            Self { english, others, .. } if english >= others && english > 0 => Some(Script::English),
            _ => None,
        }
    }

    /// The share of words in this language; numbers are in every language, nothing is in none.
    fn share(self, script: Script) -> f32 {
        let own = match script {
            Script::Chinese => self.chinese,
            Script::English => self.english,
        };
        match self.chinese + self.english + self.others {
            0 => f32::from(u8::from(self.numbers > 0)),
            all => own as f32 / all as f32,
        }
    }
}

fn is_chinese(character: char) -> bool {
    matches!(character, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}')
}

fn is_latin(character: char) -> bool {
    character.is_ascii_alphabetic() || matches!(character, '\u{c0}'..='\u{24f}')
}

/// The share of an answer's words that are in a language.
#[derive(Debug)]
pub struct InLanguage {
    /// None: that of the prompt.
    script: Option<Script>,
}

impl InLanguage {
    pub fn new(script: Option<Script>) -> Self {
        Self { script }
    }
}

impl Rule for InLanguage {
    fn name(&self) -> String {
        match self.script {
            None => "language",
            Some(Script::Chinese) => "language:zh",
            Some(Script::English) => "language:en",
        }
        .into()
    }

    fn scores(&self, judged: &[Judged<'_>]) -> Result<Vec<Option<f32>>> {
        let score = |judged: &Judged<'_>| {
            let script = self.script.or_else(|| Counted::of(judged.prompt.question()).script())?;
            Some(Counted::of(judged.answer).share(script))
        };
        Ok(judged.iter().map(score).collect())
    }
}

/// How much an answer repeats itself.
#[derive(Debug)]
pub struct NoRepetition {
    written: String,
    length: usize,
}

impl NoRepetition {
    pub fn new(written: &str, length: usize) -> Self {
        Self { written: written.into(), length }
    }

    /// Minus the share of sequences that were there before.
    fn score(&self, answer: &str) -> f32 {
        let hashes: Vec<u64> = nuwa_text::words(answer).into_iter().map(|word| word.hash).collect();
        let all = hashes.windows(self.length);
        let (count, distinct) = (all.len(), all.collect::<HashSet<_>>().len());
        if count == 0 { 0.0 } else { distinct as f32 / count as f32 - 1.0 }
    }
}

impl Rule for NoRepetition {
    fn name(&self) -> String {
        self.written.clone()
    }

    fn scores(&self, judged: &[Judged<'_>]) -> Result<Vec<Option<f32>>> {
        Ok(judged.iter().map(|judged| Some(self.score(judged.answer))).collect())
    }
}
