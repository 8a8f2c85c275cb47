//! Exact match and F1 of answers (Rajpurkar et al., "SQuAD: 100,000+ Questions for Machine Comprehension of Text", 2016), as the script of
//! version 2 computes them, and F1 over characters.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::ngrams::{common, ngrams};
use super::python_text::{is_punctuation, words};
use super::rouge::Overlap;

/// What an answer is worth, the best over all right answers.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct AnswerScores {
    /// 1 where it is a right answer after [normalisation](normal_answer), else 0.
    pub exact: f64,
    /// F1 of the words that it has in common with a right one, each as often as both have it.
    pub f1: f64,
    /// The same of letters and digits of any script, for Chinese.
    pub f1_char: f64,
}

/// An answer as SQuAD compares it: lower case, without ASCII punctuation, without the words a, an and the, one blank between words.
pub fn normal_answer(text: &str) -> String {
    static WORD: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"[\p{L}\p{N}_]+").expect("a pattern of ours"));
    let bare: String = text.to_lowercase().chars().filter(|character| !is_punctuation(*character)).collect();
    let without = WORD.replace_all(&bare, |found: &Captures<'_>| match &found[0] {
        "a" | "an" | "the" => " ".to_string(),
        word => word.to_string(),
    });
    words(&without).join(" ")
}

/// What `text` is worth as an answer where any of `right` is one.
pub fn answer_scores(text: &str, right: &[&str]) -> AnswerScores {
    let own = normal_answer(text);
    let mut best = AnswerScores::default();
    for right in right.iter().map(|right| normal_answer(right)) {
        best.exact = best.exact.max(f64::from(u8::from(own == right)));
        best.f1 = best.f1.max(f1(&words(&own), &words(&right)));
        best.f1_char = best.f1_char.max(f1(&letters(&own), &letters(&right)));
    }
    best
}

fn letters(text: &str) -> Vec<char> {
    text.chars().filter(|character| character.is_alphanumeric()).collect()
}

/// F1 of what both have in common. An empty answer is right where the right one is empty too.
fn f1<T: std::hash::Hash + Eq>(own: &[T], right: &[T]) -> f64 {
    if own.is_empty() || right.is_empty() {
        return f64::from(u8::from(own.is_empty() && right.is_empty()));
    }
    let shared = common(&ngrams(own, 1), &ngrams(right, 1));
    Overlap::of(shared, own.len() as u64, right.len() as u64).f1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_compared_without_articles_and_punctuation() {
        assert_eq!(normal_answer("The  Eiffel-Tower, a\u{3000}tower!"), "eiffeltower tower");
        assert_eq!(normal_answer("theatre an"), "theatre");
        let scores = answer_scores("the Eiffel tower", &["Eiffel Tower!", "Paris"]);
        assert_eq!((scores.exact, scores.f1), (1.0, 1.0));
        let scores = answer_scores("tall Eiffel tower", &["Eiffel Tower"]);
        assert_eq!(scores.exact, 0.0);
        assert!((scores.f1 - 0.8).abs() < 1e-12);
    }

    #[test]
    fn chinese_answers_share_characters() {
        let scores = answer_scores("在北京。", &["北京"]);
        assert_eq!((scores.exact, scores.f1), (0.0, 0.0));
        assert!((scores.f1_char - 0.8).abs() < 1e-12);
    }

    #[test]
    fn an_empty_answer_is_right_where_none_is_expected() {
        assert_eq!(answer_scores("the", &[""]), AnswerScores { exact: 1.0, f1: 1.0, f1_char: 1.0 });
        assert_eq!(answer_scores("", &["a dog"]), AnswerScores::default());
    }
}
