//! Rules that compare an answer with the reference answers of its prompt.

use std::sync::LazyLock;

use regex::Regex;

use super::numbers::numbers;
use super::spec::wrong;
use super::words::{usual, words};
use super::{Judged, Rule, no_references};
use crate::Result;
use crate::data::Prompt;

/// How an answer is compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Comparison {
    /// Word by word.
    Exact,
    /// A reference stands in the answer, as whole words.
    Contains,
    /// The last number of each.
    Numeric {
        /// How far they may be apart; what rounding leaves is always allowed.
        tolerance: f64,
    },
    /// The letter that each chooses.
    Choice,
}

/// A comparison as a rule.
#[derive(Debug)]
pub(super) struct Compared {
    written: String,
    comparison: Comparison,
}

/// What of a text is compared.
#[derive(Debug, Clone, PartialEq)]
enum Essence {
    Words(Vec<String>),
    Number(f64),
    Letter(char),
}

impl Comparison {
    /// What of `text` is compared; none where it has nothing of the kind.
    fn essence(self, text: &str) -> Option<Essence> {
        match self {
            Self::Exact | Self::Contains => {
                Some(words(text)).filter(|words| !words.is_empty()).map(Essence::Words)
            }
            Self::Numeric { .. } => numbers(&usual(text)).last()?.value().map(Essence::Number),
            Self::Choice => letter(text).map(Essence::Letter),
        }
    }

    fn is_right(self, answer: &Essence, reference: &Essence) -> bool {
        match (self, answer, reference) {
            (Self::Contains, Essence::Words(answer), Essence::Words(reference)) => {
                answer.windows(reference.len()).any(|window| window == reference)
            }
            (Self::Numeric { tolerance }, Essence::Number(answer), Essence::Number(reference)) => {
                let rounding = 1e-9 * reference.abs().max(1.0);
                (answer - reference).abs() <= tolerance + rounding
            }
            _ => answer == reference,
        }
    }

    /// What references need to have, for messages.
    fn what(self) -> &'static str {
        match self {
            Self::Exact | Self::Contains => "words",
            Self::Numeric { .. } => "a number",
            Self::Choice => "the letter of a choice",
        }
    }
}

impl Compared {
    pub fn new(written: &str, comparison: Comparison) -> Self {
        Self { written: written.into(), comparison }
    }

    /// 1 or 0; none where no reference can be compared.
    fn score(&self, judged: &Judged<'_>) -> Option<f32> {
        let essence = |text: &str| self.comparison.essence(text);
        let references: Vec<Essence> =
            judged.prompt.answers.iter().filter_map(|answer| essence(answer)).collect();
        if references.is_empty() {
            return None;
        }
        let answer = essence(judged.answer);
        let is_right = answer.is_some_and(|answer| {
            references.iter().any(|reference| self.comparison.is_right(&answer, reference))
        });
        Some(f32::from(u8::from(is_right)))
    }
}

impl Rule for Compared {
    fn name(&self) -> String {
        self.written.clone()
    }

    fn scores(&self, judged: &[Judged<'_>]) -> Result<Vec<Option<f32>>> {
        Ok(judged.iter().map(|judged| self.score(judged)).collect())
    }

    fn check(&self, prompts: &[Prompt]) -> Result<()> {
        let mut answers = prompts.iter().flat_map(|prompt| &prompt.answers);
        match answers.any(|answer| self.comparison.essence(answer).is_some()) {
            true => Ok(()),
            false => Err(no_references(&self.written, prompts, self.comparison.what())),
        }
    }
}

/// The letter that a text chooses: one that stands alone, one that is said to be the answer (the last such), one that the text begins
/// with as with a label, or the only capital letter that stands by itself.
fn letter(text: &str) -> Option<char> {
    static SAID: LazyLock<Regex> = LazyLock::new(|| {
        let english = r"(?i:answer\s*(?:is|:|would\s+be)|choose|option\s+is|choice\s+is)";
        let chinese = "(?:答案|选项|选择|应选|选)(?:应该是|应为|是|为)?";
        pattern(&format!(r#"(?:{english}|{chinese})[\s:"'“‘(\[*]{{0,6}}([A-Z])(?-u:\b)"#))
    });
    static LABEL: LazyLock<Regex> = LazyLock::new(|| pattern(r#"^["'“‘(\[*]{0,3}([A-Z])[.):,、\]*]"#));
    static ALONE: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?-u:\b)([A-Z])(?-u:\b)"));
    let text = usual(text);
    let text = text.trim();
    let mut alphanumeric = text.chars().filter(|character| character.is_alphanumeric());
    if let (Some(only), None) = (alphanumeric.next(), alphanumeric.next()) {
        return only.is_ascii_alphabetic().then(|| only.to_ascii_uppercase());
    }
    let of = |found: regex::Captures<'_>| found.get(1).and_then(|letter| letter.as_str().chars().next());
    if let Some(said) = SAID.captures_iter(text).last().or_else(|| LABEL.captures(text)) {
        return of(said);
    }
    let mut alone: Vec<char> = ALONE.captures_iter(text).filter_map(of).collect();
    // A word of its own, and an article.
    alone.retain(|letter| !"IA".contains(*letter));
    alone.dedup();
    if alone.len() == 1 { alone.first().copied() } else { None }
}

/// A pattern of ours, which is known to be one.
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is a fixed one that a test compiles")
}

/// A regular expression of the user's. It runs in linear time, whatever the pattern and the answer.
#[derive(Debug)]
pub struct Pattern {
    written: String,
    pattern: Regex,
    /// Whether a group is compared with the references.
    compares: bool,
}

/// The group that is compared.
const GROUP: &str = "answer";

impl Pattern {
    pub fn new(written: &str, pattern: &str) -> Result<Self> {
        let pattern = Regex::new(pattern).map_err(|error| {
            let advice = "it is written as for Rust's regex crate: no look-around and no back-references";
            wrong(written, format!("its pattern is not valid: {error}"), advice)
        })?;
        let compares = pattern.capture_names().flatten().any(|name| name == GROUP);
        Ok(Self { written: written.into(), pattern, compares })
    }

    fn score(&self, judged: &Judged<'_>) -> Option<f32> {
        if !self.compares {
            return Some(f32::from(u8::from(self.pattern.is_match(judged.answer))));
        }
        let references: Vec<_> = judged.prompt.answers.iter().map(|answer| words(answer)).collect();
        if references.iter().all(Vec::is_empty) {
            return None;
        }
        // Who thinks aloud may match more than once: the last time counts.
        let last = self.pattern.captures_iter(judged.answer).last();
        let group = last.as_ref().and_then(|found| found.name(GROUP)).map(|group| words(group.as_str()));
        let is_right = group.is_some_and(|group| !group.is_empty() && references.contains(&group));
        Some(f32::from(u8::from(is_right)))
    }
}

impl Rule for Pattern {
    fn name(&self) -> String {
        self.written.clone()
    }

    fn scores(&self, judged: &[Judged<'_>]) -> Result<Vec<Option<f32>>> {
        Ok(judged.iter().map(|judged| self.score(judged)).collect())
    }

    fn check(&self, prompts: &[Prompt]) -> Result<()> {
        let mut answers = prompts.iter().flat_map(|prompt| &prompt.answers);
        match !self.compares || answers.any(|answer| !words(answer).is_empty()) {
            true => Ok(()),
            false => Err(no_references(&self.written, prompts, "words")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_letter_of_a_choice_is_found_where_people_put_it() {
        for (text, expected) in [
            ("B", Some('B')),
            (" (c). ", Some('C')),
            ("Ｄ", Some('D')),
            ("B. Paris", Some('B')),
            ("**C**) because it is so", Some('C')),
            ("The answer is D.", Some('D')),
            ("A is wrong and B too, so the answer is: (C)", Some('C')),
            ("The answer is A. No, the answer is B.", Some('B')),
            ("答案是B", Some('B')),
            ("因为巴黎是首都，所以选 C。", Some('C')),
            ("我认为答案应该是D选项", Some('D')),
            ("I think it must be C, because of A cat", Some('C')),
            ("I know that B is false and C is true", None),
            ("I do not know", None),
            ("7", None),
            ("巴黎", None),
            ("", None),
        ] {
            assert_eq!(letter(text), expected, "{text}");
        }
    }
}
