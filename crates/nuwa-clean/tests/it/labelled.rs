//! Labelled material held against what the steps find; the example `persons` prints the same figures.

use std::ops::Range;

use nuwa_clean::steps::personal_data::{Kind, find};
use nuwa_text::language::identify;
use serde_json::Value;

/// The labels of `messy/pii/synth.json` with the kinds that answer to them. Its other labels (PERSON, STREET_ADDRESS, ...)
/// are of what the step does not look for; whatever it finds there counts as wrong.
pub const LABELS: [(&str, &[Kind]); 6] = [
    ("EMAIL_ADDRESS", &[Kind::Email]),
    ("PHONE_NUMBER", &[Kind::Phone, Kind::ChineseMobile]),
    ("IP_ADDRESS", &[Kind::Ip]),
    ("CREDIT_CARD", &[Kind::Card]),
    ("IBAN_CODE", &[Kind::Iban]),
    ("US_SSN", &[Kind::Ssn]),
];

/// How one label fared. A span is right when it overlaps one of the label; exact when it has the same ends.
#[derive(Debug, Clone, Default)]
pub struct Score {
    pub label: &'static str,
    pub labelled: usize,
    pub recalled: usize,
    pub found: usize,
    pub right: usize,
    pub exact: usize,
    pub faults: Vec<String>,
}

impl Score {
    pub fn precision(&self) -> f64 {
        self.right as f64 / self.found.max(1) as f64
    }

    pub fn recall(&self) -> f64 {
        self.recalled as f64 / self.labelled.max(1) as f64
    }

    fn add(&mut self, text: &str, labelled: &[Range<usize>], found: &[Range<usize>]) {
        let overlap =
            |one: &Range<usize>, other: &Range<usize>| one.start < other.end && other.start < one.end;
        let meets =
            |one: &Range<usize>, others: &[Range<usize>]| others.iter().any(|other| overlap(one, other));
        self.labelled += labelled.len();
        self.found += found.len();
        self.exact += found.iter().filter(|one| labelled.contains(one)).count();
        self.recalled += labelled.iter().filter(|one| meets(one, found)).count();
        self.right += found.iter().filter(|one| meets(one, labelled)).count();
        let missed = labelled.iter().filter(|one| !meets(one, found)).map(|one| ("missed", one));
        let wrong = found.iter().filter(|one| !meets(one, labelled)).map(|one| ("wrong", one));
        self.faults.extend(
            missed.chain(wrong).map(|(what, one)| format!("{what} {:?} in {text:?}", &text[one.clone()])),
        );
    }
}

/// Scores of each label over the sentences of the file.
pub fn scores(file: &str) -> Vec<Score> {
    let sentences: Vec<Value> = serde_json::from_str(file).expect("the file is JSON");
    let score = |(label, kinds): &(&'static str, &[Kind])| {
        let mut score = Score { label, ..Score::default() };
        for sentence in &sentences {
            let text = sentence["full_text"].as_str().expect("a text");
            let found: Vec<_> = find(text, &Kind::ALL)
                .into_iter()
                .filter(|(kind, _)| kinds.contains(kind))
                .map(|(_, range)| range)
                .collect();
            score.add(text, &spans(sentence, text, label), &found);
        }
        score
    };
    LABELS.iter().map(score).collect()
}

/// The file counts characters.
fn spans(sentence: &Value, text: &str, label: &str) -> Vec<Range<usize>> {
    let byte = |at: &Value| {
        let at = at.as_u64().expect("a position") as usize;
        text.char_indices().nth(at).map_or(text.len(), |(byte, _)| byte)
    };
    let all = sentence["spans"].as_array().expect("spans");
    let ours = all.iter().filter(|span| span["entity_type"] == label);
    ours.map(|span| byte(&span["start_position"])..byte(&span["end_position"])).collect()
}

/// What became of the paragraphs of one language.
#[derive(Debug, Clone, Default)]
pub struct Paragraphs {
    pub all: usize,
    pub right: usize,
    pub unsure: usize,
    pub wrong: Vec<String>,
}

/// Each paragraph of at least 24 letters by itself; with `prose` only those that are no headings, lists, notes or pictures.
pub fn paragraphs(text: &str, language: &str, prose: bool) -> Paragraphs {
    let mut counts = Paragraphs::default();
    let is_list = |paragraph: &str| {
        paragraph.trim_start().starts_with(|c: char| "*|![#>•-".contains(c) || c.is_ascii_digit())
    };
    for paragraph in text.split("\n\n").filter(|paragraph| !prose || !is_list(paragraph)) {
        let letters = paragraph.chars().filter(|character| character.is_alphabetic()).count();
        if letters < 24 {
            continue;
        }
        counts.all += 1;
        match identify(paragraph, 24, 0.6) {
            Some(found) if found == language => counts.right += 1,
            Some(found) => counts.wrong.push(format!("{found}: {}", paragraph.replace('\n', " "))),
            None => counts.unsure += 1,
        }
    }
    counts
}
