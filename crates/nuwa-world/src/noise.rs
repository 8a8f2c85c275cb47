//! What the cleaning stage is to find: noise planted into copies of clean documents.

use serde::{Deserialize, Serialize};

use super::documents::Clean;
use super::facts::Language;
use super::lexicon::SLURS;
use super::random::Random;

/// A kind of noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Noise {
    /// The same text once more.
    ExactDuplicate,
    /// The same text with a sentence more at its end.
    NearDuplicate,
    /// The text in the midst of an HTML page whose tags are not all closed.
    BrokenHtml,
    /// UTF-8 that was taken for Windows-1252.
    Mojibake,
    /// Letters swapped within words.
    Typo,
    /// Emoji between sentences.
    Emoji,
    /// Words of abuse that exist in this world only.
    Slur,
    /// Made-up addresses and numbers of persons.
    PersonalData,
}

impl Noise {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::ExactDuplicate,
        Self::NearDuplicate,
        Self::BrokenHtml,
        Self::Mojibake,
        Self::Typo,
        Self::Emoji,
        Self::Slur,
        Self::PersonalData,
    ];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::ExactDuplicate => "exact_duplicate",
            Self::NearDuplicate => "near_duplicate",
            Self::BrokenHtml => "broken_html",
            Self::Mojibake => "mojibake",
            Self::Typo => "typo",
            Self::Emoji => "emoji",
            Self::Slur => "slur",
            Self::PersonalData => "personal_data",
        }
    }

    /// Whether a document with such noise is to be rejected, rather than repaired.
    pub fn is_rejected(self) -> bool {
        matches!(self, Self::ExactDuplicate | Self::NearDuplicate)
    }

    /// `clean` with this noise in it.
    pub fn plant(self, clean: &Clean, random: &mut Random) -> String {
        let text = &clean.text;
        match self {
            Self::ExactDuplicate => text.clone(),
            Self::NearDuplicate => {
                format!("{text}{}", clean.language.choose(" That is what people say.", "大家都这么说。"))
            }
            Self::BrokenHtml => page(clean, random),
            Self::Mojibake => mistaken(text),
            Self::Typo => with_typos(text, random),
            Self::Emoji => between_sentences(text, &["😀", "🎉", "🐶", "❤️", "👍", "🌧️"], random),
            Self::Slur => between_sentences(text, &SLURS, random),
            Self::PersonalData => with_person(clean, random),
        }
    }
}

fn page(clean: &Clean, random: &mut Random) -> String {
    let (home, about, imprint) =
        clean.language.choose(("Home", "About us", "All rights reserved"), ("首页", "关于我们", "版权所有"));
    let paragraphs: Vec<String> = clean.text.split('\n').map(|line| format!("<p>{line}")).collect();
    let number = random.below(1000);
    format!(
        "<html><head><title>Page {number}</title><script>var x = {number};</script></head><body>\n\
         <nav><ul><li><a href=\"/\">{home}</a><li><a href=\"/about\">{about}</a></ul></nav>\n\
         <article><div>{}</div></article>\n<footer>{imprint} {number}</footer>\n</body>",
        paragraphs.join("\n")
    )
}

/// The bytes of UTF-8 read as Windows-1252, the five bytes without a character as in a browser.
fn mistaken(text: &str) -> String {
    let (mistaken, _, _) = encoding_rs::WINDOWS_1252.decode(text.as_bytes());
    mistaken.into_owned()
}

/// Four letters and what ends the word: the shortest one with a slip.
const SHORTEST_WITH_TYPO: usize = 5;

/// Two neighbouring letters behind the first change places in every fourth word of four letters or more.
fn with_typos(text: &str, random: &mut Random) -> String {
    let typo = |word: &str, random: &mut Random| {
        let mut letters: Vec<char> = word.chars().collect();
        let differ = |at: &usize| {
            letters[*at] != letters[at + 1] && letters[*at..at + 2].iter().all(char::is_ascii_alphabetic)
        };
        let places: Vec<usize> = (1..letters.len().saturating_sub(1)).filter(differ).collect();
        if word.len() >= SHORTEST_WITH_TYPO && !places.is_empty() && random.chance(0.25) {
            let at = *random.choose::<usize>(&places);
            letters.swap(at, at + 1);
        }
        letters.into_iter().collect::<String>()
    };
    text.split_inclusive(|character: char| !character.is_ascii_alphabetic())
        .map(|word| typo(word, random))
        .collect()
}

/// Something after every second sentence or so, and at least once.
fn between_sentences(text: &str, inserted: &[&str], random: &mut Random) -> String {
    let mut out = String::new();
    for character in text.chars() {
        out.push(character);
        if ".。".contains(character) && random.chance(0.4) {
            out.push(' ');
            out.push_str(random.choose::<&str>(inserted));
        }
    }
    out.push(' ');
    out.push_str(random.choose::<&str>(inserted));
    out
}

fn with_person(clean: &Clean, random: &mut Random) -> String {
    let digits = |count: usize, random: &mut Random| -> String {
        (0..count).map(|_| char::from(b'1' + random.below(9) as u8)).collect()
    };
    let mail = format!("user{}@example.com", digits(3, random));
    let phone = match clean.language {
        Language::English => format!("+1 212-555-0{}", digits(3, random)),
        Language::Chinese => format!("138{}", digits(8, random)),
    };
    let lines = match clean.language {
        Language::English => format!("Write to {mail} or call {phone}."),
        Language::Chinese => format!("请写信到 {mail} 或拨打 {phone}。"),
    };
    format!("{}\n{lines}", clean.text)
}
