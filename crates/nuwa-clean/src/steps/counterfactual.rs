//! `counterfactual`: swaps gendered words in a part of the documents, so that what a corpus says of one gender it says of the other
//! as well.
//!
//! Why: a model learns from its text that bakers are he and tailors she, in the proportion in which the text says so. Swapping `he` and
//! `she` and their relatives in half of the documents takes the association away and leaves all else, without making the corpus
//! larger (Maudslay et al. 2019, <https://arxiv.org/abs/1909.00871>; counterfactual data substitution).
//!
//! What it cannot do: names are not swapped, and `her`, which is `him` or `his`, is told by the word that follows. Texts about real
//! people become wrong, so this is for text whose facts about gender do not matter; the step is not in the default chain.

use std::borrow::Cow;

use nuwa_files::{Document, hash_bytes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::step::Labels;
use crate::{DocumentStep, Error, Result, Verdict};

/// In how many documents gendered words are swapped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CounterfactualSettings {
    /// Share of the documents whose gendered words are swapped, 0 to 1: with 0.5 both genders are spoken of in the same way.
    pub share: f64,
}

impl Default for CounterfactualSettings {
    fn default() -> Self {
        Self { share: 0.5 }
    }
}

/// Words of English that are each other's counterpart.
const ENGLISH: [(&str, &str); 25] = [
    ("he", "she"),
    ("himself", "herself"),
    ("man", "woman"),
    ("men", "women"),
    ("boy", "girl"),
    ("boys", "girls"),
    ("father", "mother"),
    ("fathers", "mothers"),
    ("dad", "mum"),
    ("son", "daughter"),
    ("sons", "daughters"),
    ("brother", "sister"),
    ("brothers", "sisters"),
    ("husband", "wife"),
    ("husbands", "wives"),
    ("uncle", "aunt"),
    ("grandfather", "grandmother"),
    ("king", "queen"),
    ("prince", "princess"),
    ("gentleman", "lady"),
    ("gentlemen", "ladies"),
    ("mr", "mrs"),
    ("sir", "madam"),
    ("male", "female"),
    ("actor", "actress"),
];

/// Words of Chinese, the longer ones first.
const CHINESE: [(&str, &str); 13] = [
    ("男人", "女人"),
    ("男孩", "女孩"),
    ("男生", "女生"),
    ("男性", "女性"),
    ("父亲", "母亲"),
    ("爸爸", "妈妈"),
    ("儿子", "女儿"),
    ("哥哥", "姐姐"),
    ("弟弟", "妹妹"),
    ("爷爷", "奶奶"),
    ("丈夫", "妻子"),
    ("国王", "王后"),
    ("他", "她"),
];

/// Where 他 is no pronoun.
const NO_PRONOUN: [&str; 4] = ["其他", "吉他", "他人", "他国"];

/// What follows `her` where it is `him`, and `his` where it stands alone.
const FUNCTION_WORDS: [&str; 30] = [
    "a", "an", "the", "and", "or", "but", "to", "in", "on", "at", "for", "from", "with", "of", "by", "as",
    "that", "when", "because", "if", "while", "after", "before", "is", "was", "who", "not", "again", "about",
    "into",
];

/// The step.
pub struct Counterfactual {
    share: f64,
}

impl Counterfactual {
    /// With these settings.
    ///
    /// # Errors
    /// When the share is none.
    pub fn new(settings: &CounterfactualSettings) -> Result<Self> {
        let share = settings.share;
        match (0.0..=1.0).contains(&share) {
            true => Ok(Self { share }),
            false => Err(Error::Setting {
                name: "clean.counterfactual.share",
                value: share.to_string(),
                expected: "a share from 0 to 1",
            }),
        }
    }

    /// Whether this document is among those that are swapped: by its text, so that it does not depend on the others.
    fn is_chosen(&self, document: &Document) -> bool {
        let hash = hash_bytes(document.text.as_bytes());
        let number = u32::from_str_radix(&hash[..8], 16).expect("a hash is of hexadecimal digits");
        f64::from(number) / (f64::from(u32::MAX) + 1.0) < self.share
    }
}

impl DocumentStep for Counterfactual {
    fn name(&self) -> &'static str {
        "counterfactual"
    }

    fn apply(&self, document: &mut Document) -> Verdict {
        self.apply_and_count(document, &mut Labels::new())
    }

    fn apply_and_count(&self, document: &mut Document, labels: &mut Labels) -> Verdict {
        let (text, swapped) = swapped(&document.text);
        if swapped == 0 {
            return Verdict::Kept;
        }
        if !self.is_chosen(document) {
            *labels.entry(Cow::Borrowed("left as they were")).or_default() += 1;
            return Verdict::Kept;
        }
        *labels.entry(Cow::Borrowed("words swapped")).or_default() += swapped;
        document.text = text;
        Verdict::Changed
    }
}

/// The text with every gendered word swapped, and how many there were.
fn swapped(text: &str) -> (String, u64) {
    let (mut out, mut rest, mut count) = (String::with_capacity(text.len()), text, 0);
    while let Some(first) = rest.chars().next() {
        if first.is_ascii_alphabetic() {
            let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            let (word, behind) = rest.split_at(end);
            let is_whole =
                !out.ends_with(char::is_alphanumeric) && !behind.starts_with(char::is_alphanumeric);
            match english(word, behind).filter(|_| is_whole) {
                Some(other) => {
                    out += &in_case_of(word, other);
                    count += 1;
                }
                None => out += word,
            }
            rest = behind;
        } else if let Some(kept) = NO_PRONOUN.iter().find(|kept| rest.starts_with(**kept)) {
            out += kept;
            rest = &rest[kept.len()..];
        } else if let Some((word, other)) = chinese(rest) {
            out += other;
            count += 1;
            rest = &rest[word.len()..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    (out, count)
}

fn english(word: &str, behind: &str) -> Option<&'static str> {
    let lower = word.to_ascii_lowercase();
    match lower.as_str() {
        "him" => return Some("her"),
        "hers" => return Some("his"),
        "her" => return Some(if comes_before_noun(behind) { "his" } else { "him" }),
        "his" => return Some(if comes_before_noun(behind) { "her" } else { "hers" }),
        _ => {}
    }
    ENGLISH.iter().find_map(|(one, other)| match lower.as_str() {
        word if word == *one => Some(*other),
        word if word == *other => Some(*one),
        _ => None,
    })
}

/// Whether a word that is no function word follows after a blank.
fn comes_before_noun(behind: &str) -> bool {
    let Some(next) = behind.strip_prefix(' ') else { return false };
    let word = next.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default().to_lowercase();
    !word.is_empty() && !FUNCTION_WORDS.contains(&word.as_str())
}

fn in_case_of(word: &str, other: &str) -> String {
    if word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return other.to_ascii_uppercase();
    }
    match word.starts_with(|first: char| first.is_ascii_uppercase()) {
        true => other[..1].to_ascii_uppercase() + &other[1..],
        false => other.into(),
    }
}

fn chinese(rest: &str) -> Option<(&'static str, &'static str)> {
    CHINESE.iter().find_map(|(one, other)| match rest {
        rest if rest.starts_with(one) => Some((*one, *other)),
        rest if rest.starts_with(other) => Some((*other, *one)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gendered_words_are_swapped_and_nothing_else() {
        let cases = [
            ("He said that his sister saw him.", "She said that her brother saw her."),
            ("I saw her. I saw her house and hers.", "I saw him. I saw his house and his."),
            ("HER MOTHER; Her mother's", "HIS FATHER; His father's"),
            ("木匠说他累了，她们去找其他人弹吉他。", "木匠说她累了，他们去找其他人弹吉他。"),
            ("妈妈和儿子", "爸爸和女儿"),
        ];
        for (text, expected) in cases {
            assert_eq!(swapped(text).0, expected);
        }
        for same in ["The manager helped the herd; theme, mankind, he4.", "其他的东西", ""] {
            assert_eq!(swapped(same), (same.to_string(), 0));
        }
    }

    #[test]
    fn about_as_many_documents_are_swapped_as_asked_for() {
        let step = |share: f64| Counterfactual::new(&CounterfactualSettings { share }).unwrap();
        let changed = |share: f64| {
            let verdicts = (0..1000).map(|number| {
                let text = format!("He is number {number}.");
                let mut document = Document { text, ..Document::default() };
                step(share).apply(&mut document)
            });
            verdicts.filter(|verdict| *verdict == Verdict::Changed).count()
        };
        assert_eq!((changed(0.0), changed(1.0)), (0, 1000));
        assert!((450..550).contains(&changed(0.5)), "{}", changed(0.5));
        assert!(Counterfactual::new(&CounterfactualSettings { share: 1.5 }).is_err());
    }
}
