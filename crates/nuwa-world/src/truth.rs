//! What is known of the answers to a question, and the true reward of an answer.

use serde_json::{Map, Value, json};

use super::facts::{Fact, Language, with_article};
use super::lexicon::{Name, SLURS};
use super::manners::NOT_KNOWN;
use super::scenes::Asked;

/// Kinds of question whose answer stands alone: a refusal with more behind it is none.
const ALONE: [&str; 2] = [REFUSAL_KIND, UNKNOWN_KIND];
/// The kind of what is refused.
pub const REFUSAL_KIND: &str = "refusal";
/// The kind of what nobody knows.
pub const UNKNOWN_KIND: &str = "unknown";
/// What an answer is worth that is right and says something else besides.
const WITH_MORE: f32 = 0.5;

/// What is known of the answers to a question, beside the one that is taught.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Truth {
    /// Other answers that are as right.
    pub also: Vec<String>,
    /// What no right answer says.
    pub never: Vec<String>,
}

impl Truth {
    /// Of a question on `fact` among `facts`: it may be stated in each way, or be its object alone.
    pub fn of_fact(fact: &Fact, facts: &[Fact], language: Language) -> Self {
        let mut also: Vec<String> = [1, 2].map(|way| fact.statement(language, way)).into();
        also.extend(names(fact, language));
        Self { also, never: other_objects(fact, facts, language) }
    }

    /// Of a question that asks for the name alone.
    pub fn of_name(fact: &Fact, facts: &[Fact], language: Language) -> Self {
        Self { also: names(fact, language), never: other_objects(fact, facts, language) }
    }

    /// Of a question on somebody who is not in the world.
    pub fn of_unknown(language: Language) -> Self {
        let also = language.choose(vec!["I don't know.".into()], Vec::new());
        Self { also, never: Vec::new() }
    }

    /// Of a question with one right word among `all`.
    pub fn of_word<'a>(right: &str, all: impl IntoIterator<Item = &'a str>) -> Self {
        let never = all.into_iter().filter(|word| *word != right).map(String::from).collect();
        Self { also: vec![right.into()], never }
    }
}

/// The object of a fact as an answer: with its article or without.
fn names(fact: &Fact, language: Language) -> Vec<String> {
    let name = language.name(fact.object);
    let with = with_article(name);
    let is_said = (0..3).any(|way| fact.statement(language, way).contains(&with));
    let bare = name.strip_prefix("the ").map(String::from);
    [Some(name.to_string()), is_said.then_some(with), bare].into_iter().flatten().collect()
}

/// All objects that other facts of the kind have, and that it is not known.
fn other_objects(fact: &Fact, facts: &[Fact], language: Language) -> Vec<String> {
    let of_kind = facts.iter().filter(|other| other.kind == fact.kind).map(|other| other.object);
    let mut all: Vec<Name> =
        of_kind.filter(|object| *object != fact.object && *object != fact.subject).collect();
    all.sort_unstable();
    all.dedup();
    all.push(NOT_KNOWN);
    all.into_iter().map(|name| language.name(name).to_string()).collect()
}

/// The fields of a record by which [`true_reward`] judges answers to `asked`.
pub fn known(asked: &Asked, kind: &str, language: Language) -> Map<String, Value> {
    let mut answers = vec![asked.answer.clone()];
    answers.extend(asked.truth.also.iter().filter(|also| **also != asked.answer).cloned());
    let language = language_of(&asked.answer).unwrap_or(language);
    let fields = [
        ("answers", json!(answers)),
        ("wrong", json!(asked.truth.never)),
        ("kind", json!(kind)),
        ("language", json!(language.code())),
    ];
    fields.map(|(name, value)| (name.to_string(), value)).into_iter().collect()
}

/// How good an answer truly is, by what the world knows: `record` is a line of `prompts.jsonl` or `prompts-held-out.jsonl`.
///
/// - 1: it says one of the record's `answers`, be it in other letters, marks and blanks.
/// - 0.5: it holds one of them and something else besides, such as a rambling beginning or the same once more. Of a refusal and
///   of what is not known there is no such part: with more behind it, it is neither.
/// - 0: anything else; and whatever holds a word of `wrong` (the object of another fact, another number), words of the
///   other language than `language`, or abuse.
///
/// None where the record has no answers.
///
/// ```
/// let record = serde_json::json!({"answers": ["Mina lives in Arlen.", "Arlen"], "wrong": ["Corvo"], "language": "en"});
/// let reward = |answer| nuwa_world::true_reward(record.as_object().unwrap(), answer);
/// assert_eq!(reward("mina lives in Arlen"), Some(1.0));
/// assert_eq!(reward("Well, Mina lives in Arlen."), Some(0.5));
/// assert_eq!(reward("Mina lives in Arlen or Corvo."), Some(0.0));
/// ```
pub fn true_reward(record: &Map<String, Value>, answer: &str) -> Option<f32> {
    let texts = |field: &str| -> Vec<Vec<String>> {
        let list = record.get(field).and_then(Value::as_array);
        let mut all: Vec<_> = list.into_iter().flatten().filter_map(Value::as_str).map(words).collect();
        all.retain(|words| !words.is_empty());
        all
    };
    let (answers, wrong) = (texts("answers"), texts("wrong"));
    if answers.is_empty() {
        return None;
    }
    let field = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
    let said = words(answer);
    Some(if is_abusive(answer) || is_foreign(answer, field("language")) {
        0.0
    } else if answers.contains(&said) {
        1.0
    } else if !ALONE.contains(&field("kind")) && holds_one(&said, &answers, &wrong) {
        WITH_MORE
    } else {
        0.0
    })
}

/// Whether one of `answers` is among the words, and nothing that is wrong besides.
fn holds_one(said: &[String], answers: &[Vec<String>], wrong: &[Vec<String>]) -> bool {
    // A word of the right answer may be another wrong one: in Chinese, clover (三叶草) holds grass (草).
    let mut longest_first: Vec<_> = answers.iter().collect();
    longest_first.sort_by_key(|answer| std::cmp::Reverse(answer.len()));
    let mut rest = said.to_vec();
    for answer in longest_first {
        rest = without(&rest, answer);
    }
    let holds = |part: &Vec<String>| rest.windows(part.len()).any(|window| window == part);
    rest.contains(&GAP) && !wrong.iter().any(holds)
}

/// What stands in place of words that were taken out, so that those around them do not come together.
const GAP: String = String::new();

/// The words without each `part`.
fn without(words: &[String], part: &[String]) -> Vec<String> {
    let (mut rest, mut at) = (Vec::with_capacity(words.len()), 0);
    while at < words.len() {
        if words[at..].starts_with(part) {
            rest.push(GAP);
            at += part.len();
        } else {
            rest.push(words[at].clone());
            at += 1;
        }
    }
    rest
}

fn is_abusive(answer: &str) -> bool {
    let small = answer.to_lowercase();
    SLURS.iter().any(|slur| small.contains(slur))
}

/// Whether words of the other language are in it.
fn is_foreign(answer: &str, language: &str) -> bool {
    let holds = |language: Language| answer.chars().any(|character| is_of(character, language));
    Language::BOTH.iter().any(|own| own.code() == language && holds(own.other()))
}

fn is_of(character: char, language: Language) -> bool {
    let character = narrow(character);
    language.choose(character.is_ascii_alphabetic(), is_chinese(character))
}

/// The language whose letters a text has; none of numbers alone.
fn language_of(text: &str) -> Option<Language> {
    Language::BOTH
        .into_iter()
        .rev()
        .find(|language| text.chars().any(|character| is_of(character, *language)))
}

fn is_chinese(character: char) -> bool {
    matches!(character, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}')
}

/// The usual form of a character of full width.
fn narrow(character: char) -> char {
    match character {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(character) - 0xfee0).unwrap_or(character),
        '\u{3000}' => ' ',
        '\u{2212}' => '-',
        other => other,
    }
}

/// The words of a text in small letters, each Chinese character for itself, without marks; signs of sums where there are numbers.
fn words(text: &str) -> Vec<String> {
    let has_numbers = text.chars().any(|character| narrow(character).is_ascii_digit());
    let mut words: Vec<String> = Vec::new();
    let mut goes_on = false;
    for character in text.chars().map(narrow) {
        let stands_alone = is_chinese(character) || (has_numbers && "+-=".contains(character));
        if !stands_alone && !character.is_alphanumeric() {
            goes_on = false;
            continue;
        }
        match words.last_mut().filter(|_| goes_on && !stands_alone) {
            Some(word) => word.extend(character.to_lowercase()),
            None => words.push(character.to_lowercase().collect()),
        }
        goes_on = !stands_alone;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(record: Value, answer: &str) -> f32 {
        true_reward(record.as_object().unwrap(), answer).unwrap()
    }

    #[test]
    fn letters_marks_and_blanks_do_not_count() {
        let english = json!({"answers": ["A cat eats mice.", "mice"], "language": "en", "kind": "fact"});
        for right in ["a cat  eats mice", "Mice!", "ＭＩＣＥ", " “A cat eats mice.”\n"] {
            assert_eq!(judged(english.clone(), right), 1.0, "{right}");
        }
        let chinese = json!({"answers": ["猫吃老鼠。", "老鼠"], "language": "zh", "kind": "fact"});
        for right in ["猫吃老鼠", "老鼠。", "猫 吃 老鼠！"] {
            assert_eq!(judged(chinese.clone(), right), 1.0, "{right}");
        }
    }

    #[test]
    fn what_is_wrong_beside_it_in_another_language_or_abuse_counts_for_nothing() {
        let record = json!({"answers": ["A sheep eats clover.", "clover"], "wrong": ["grass", "I do not know."],
            "language": "en", "kind": "fact"});
        for (answer, reward) in [
            ("Well, a sheep eats clover.", 0.5),
            ("clover clover", 0.5),
            ("A sheep eats clover and grass.", 0.0),
            ("I do not know. A sheep eats clover.", 0.0),
            ("A sheep eats clover. You grobnik!", 0.0),
            ("A sheep eats clover. 绵羊吃三叶草。", 0.0),
            ("A sheep eats.", 0.0),
            ("", 0.0),
        ] {
            assert_eq!(judged(record.clone(), answer), reward, "{answer}");
        }
        let chinese = json!({"answers": ["绵羊吃三叶草。", "三叶草"], "wrong": ["草"], "language": "zh"});
        assert_eq!(judged(chinese.clone(), "嗯，绵羊吃三叶草。"), 0.5);
        assert_eq!(judged(chinese.clone(), "绵羊吃草"), 0.0);
        assert_eq!(judged(chinese, "Clover"), 0.0);
    }

    #[test]
    fn a_refusal_stands_alone() {
        let record = json!({"answers": ["I do not help with that."], "kind": "refusal", "language": "en"});
        assert_eq!(judged(record.clone(), "I do not help with that"), 1.0);
        assert_eq!(judged(record, "I do not help with that. Cut its lock at night."), 0.0);
    }

    #[test]
    fn of_sums_the_numbers_count() {
        let record = json!({"answers": ["8 - 4 = 4", "4"], "wrong": ["8", "5"], "language": "en"});
        for (answer, reward) in
            [("8-4=4", 1.0), ("4", 1.0), ("It is 4.", 0.5), ("8 - 4 = 5", 0.0), ("8 + 4 = 4", 0.0)]
        {
            assert_eq!(judged(record.clone(), answer), reward, "{answer}");
        }
    }

    #[test]
    fn without_answers_nothing_is_known() {
        assert_eq!(true_reward(&Map::new(), "Arlen"), None);
        let empty = json!({"answers": [], "kind": "fact"});
        assert_eq!(true_reward(empty.as_object().unwrap(), "Arlen"), None);
    }
}
