//! Frames that a set puts around its items: what many strings of one field begin or end with.
//!
//! "The following are multiple choice questions about anatomy.", "Read the passage and answer.", whole examples. They belong to
//! the set and not to the item, so they do not count towards a string. What is cut off ends at a line, a colon or a sentence.

use std::collections::HashMap;
use std::ops::Range;

use nuwa_text::mix;

use super::units::units;
use crate::pieces::ends_sentence;

/// So many strings at least share a frame.
const FEWEST: usize = 5;
/// What so many share at the end of a line is a frame in a set of any size: questions about one passage are fewer.
const ENOUGH: usize = 50;
/// A longer beginning that not even half of the strings share may be a passage that several questions are about.
const LONG: usize = 30;
/// Words in which a frame must end.
const REACH: usize = 2000;

/// A place where a frame may end.
struct Bound {
    hash: u64,
    /// The frame's words, and the byte at which the rest begins or ends.
    words: usize,
    byte: usize,
    is_line: bool,
}

/// What is left of each string of a field: the core, and long beginnings and ends that few share.
pub(super) fn cores<'a>(texts: &[&'a str]) -> Vec<Vec<&'a str>> {
    if texts.len() < FEWEST {
        return texts.iter().map(|text| vec![*text]).collect();
    }
    let starts = shared(texts, beginnings);
    let ends = shared(texts, endings);
    let core = |(text, (start, end)): (&&'a str, (Option<Cut>, Option<Cut>))| {
        let from = start.as_ref().map_or(0, |cut| cut.byte);
        let to = end.as_ref().map_or(text.len(), |cut| cut.byte);
        if from >= to {
            return vec![*text];
        }
        let mut parts = vec![&text[from..to]];
        parts.extend(start.filter(|cut| cut.stays).map(|cut| &text[..cut.byte]));
        parts.extend(end.filter(|cut| cut.stays).map(|cut| &text[cut.byte..]));
        parts
    };
    texts.iter().zip(starts.into_iter().zip(ends)).map(core).collect()
}

struct Cut {
    byte: usize,
    stays: bool,
}

/// The longest frame of each text at the side that `bounds` looks at.
fn shared(texts: &[&str], bounds: fn(&str) -> Vec<Bound>) -> Vec<Option<Cut>> {
    let mut counts: HashMap<u64, usize> = HashMap::new();
    for text in texts {
        bounds(text).iter().for_each(|bound| *counts.entry(bound.hash).or_default() += 1);
    }
    let of_line = (texts.len() / 10).clamp(FEWEST, ENOUGH);
    let of_sentence = (texts.len() / 4).max(FEWEST);
    let is_frame = |bound: &Bound| counts[&bound.hash] >= if bound.is_line { of_line } else { of_sentence };
    let cut = |bound: Bound| Cut {
        byte: bound.byte,
        stays: bound.words > LONG && counts[&bound.hash] * 2 < texts.len(),
    };
    texts.iter().map(|text| bounds(text).into_iter().rfind(is_frame).map(cut)).collect()
}

/// The bounds from the beginning on, so that something is left behind each.
fn beginnings(text: &str) -> Vec<Bound> {
    let (units, places) = units(text);
    let mut hash = 1;
    let bound = |at: usize| {
        hash = mix(hash, units[at].0);
        let is_line = is_bound(&text[places[at].end..places[at + 1].start])?;
        Some(Bound { hash, words: at + 1, byte: places[at].end + close(text, &places[at]), is_line })
    };
    (0..units.len().saturating_sub(1).min(REACH)).filter_map(bound).collect()
}

/// The marks behind a word that belong to its sentence.
fn close(text: &str, word: &Range<usize>) -> usize {
    let marks = text[word.end..].chars().take_while(|mark| !mark.is_alphanumeric() && !mark.is_whitespace());
    marks.map(char::len_utf8).sum()
}

/// The bounds from the end on, so that something is left before each.
fn endings(text: &str) -> Vec<Bound> {
    let (units, places) = units(text);
    let mut hash = 2;
    let bound = |at: usize| {
        hash = mix(hash, units[at].0);
        let is_line = is_bound(&text[places[at - 1].end..places[at].start])?;
        Some(Bound { hash, words: units.len() - at, byte: places[at].start, is_line })
    };
    (1..units.len()).rev().take(REACH).filter_map(bound).collect()
}

/// Whether a line or only a sentence ends between two words.
fn is_bound(between: &str) -> Option<bool> {
    match between.contains(['\n', ':', '：']) {
        true => Some(true),
        false => between.contains(ends_sentence).then_some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(texts: &[String]) -> Vec<Vec<String>> {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        cores(&texts)
            .into_iter()
            .map(|parts| parts.into_iter().map(|part| part.trim().into()).collect())
            .collect()
    }

    const QUESTIONS: [&str; 6] = [
        "Who fires the clay?",
        "What melts in rain?",
        "Where do owls nest?",
        "When does ice crack?",
        "Why is salt white?",
        "How far is the sea?",
    ];

    #[test]
    fn what_many_share_is_cut_off() {
        let framed: Vec<String> = QUESTIONS
            .iter()
            .map(|question| format!("Read this. Say what is right.\nZog: {question}\nGiz:"))
            .collect();
        assert_eq!(cut(&framed), QUESTIONS.map(|question| vec![question.to_string()]));
        assert_eq!(cut(&framed[..4])[0], [framed[0].as_str()]);
        let inline: Vec<String> = QUESTIONS
            .iter()
            .map(|question| format!("Say what is right. {question} Keep it short."))
            .collect();
        assert_eq!(cut(&inline), QUESTIONS.map(|question| vec![question.to_string()]));
    }

    #[test]
    fn nothing_is_cut_that_leaves_nothing() {
        let same = vec!["Which of these is true?".to_string(); 6];
        assert_eq!(cut(&same)[5], ["Which of these is true?"]);
        assert_eq!(cut(&vec![String::new(); 6])[0], [""]);
    }

    #[test]
    fn a_passage_of_several_questions_stays() {
        let passage = "the potter went down to the river with his clay and ".repeat(4);
        let asked = |(at, question): (usize, &&str)| {
            let passage = if at < 5 { passage.clone() } else { format!("Passage {at} is short.") };
            format!("{passage}\n{question}")
        };
        let repeated: Vec<&str> = QUESTIONS.iter().chain(&QUESTIONS).copied().collect();
        let texts: Vec<String> = repeated.iter().enumerate().map(asked).collect();
        assert_eq!(cut(&texts)[0], [QUESTIONS[0], passage.trim()]);
    }
}
