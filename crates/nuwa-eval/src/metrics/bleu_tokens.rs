use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;

use super::python_text::is_blank;

/// How BLEU takes a text apart into tokens. Figures under different ones are not to be compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum BleuTokens {
    /// WMT's `mteval-v13a.pl`: ASCII punctuation apart, points and commas within numbers aside.
    #[default]
    #[serde(rename = "13a")]
    V13a,
    /// `mteval-v14.pl`: punctuation and symbols of all scripts apart.
    #[serde(rename = "intl")]
    International,
    /// Chinese characters each apart, the rest as [`BleuTokens::V13a`].
    #[serde(rename = "zh")]
    Chinese,
    /// Every character.
    #[serde(rename = "char")]
    Characters,
    /// What stands between blanks: for text that was taken apart before.
    #[serde(rename = "none")]
    Blanks,
}

impl BleuTokens {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::V13a, Self::International, Self::Chinese, Self::Characters, Self::Blanks];

    /// Its name in signatures.
    pub fn name(self) -> &'static str {
        match self {
            Self::V13a => "13a",
            Self::International => "intl",
            Self::Chinese => "zh",
            Self::Characters => "char",
            Self::Blanks => "none",
        }
    }

    /// The text with blanks between its tokens.
    pub(super) fn apart(self, text: &str) -> String {
        match self {
            Self::V13a => western(&format!(" {} ", unescaped(text))),
            Self::International => international(text),
            Self::Chinese => western(&chinese(text)),
            Self::Characters => text.chars().flat_map(|character| [character, ' ']).collect(),
            Self::Blanks => text.to_string(),
        }
    }
}

/// Rules one after another, each replacing all of its places.
struct Rules<const N: usize>([(Regex, &'static str); N]);

impl<const N: usize> Rules<N> {
    fn new(rules: [(&str, &'static str); N]) -> Self {
        Self(rules.map(|(pattern, with)| (Regex::new(pattern).expect("a pattern of ours"), with)))
    }

    fn apply(&self, text: &str) -> String {
        let replaced =
            |text: String, (pattern, with): &(Regex, &str)| pattern.replace_all(&text, *with).into_owned();
        self.0.iter().fold(text.to_string(), replaced)
    }
}

/// Punctuation of ASCII apart; points and commas where no digit stands before or none behind; a dash behind a digit.
fn western(text: &str) -> String {
    static RULES: LazyLock<Rules<4>> = LazyLock::new(|| {
        Rules::new([
            (r"([{-~\[-` -&(-+:-@/])", " $1 "),
            (r"([^0-9])([.,])", "$1 $2 "),
            (r"([.,])([^0-9])", " $1 $2"),
            (r"([0-9])(-)", "$1 $2 "),
        ])
    });
    RULES.apply(text)
}

fn international(text: &str) -> String {
    static RULES: LazyLock<Rules<3>> = LazyLock::new(|| {
        Rules::new([(r"(\P{N})(\p{P})", "$1 $2 "), (r"(\p{P})(\P{N})", " $1 $2"), (r"(\p{S})", " $1 ")])
    });
    RULES.apply(text)
}

fn unescaped(text: &str) -> String {
    let joined = text.replace("<skipped>", "").replace("-\n", "").replace('\n', " ");
    let entities = [("&quot;", "\""), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")];
    entities.iter().fold(joined, |text, (entity, plain)| text.replace(entity, plain))
}

fn chinese(text: &str) -> String {
    let mut apart = String::new();
    for character in text.trim_matches(is_blank).chars() {
        match is_chinese(character) {
            true => apart.extend([' ', character, ' ']),
            false => apart.push(character),
        }
    }
    apart
}

/// Whether sacreBLEU's tokenizer takes a character for Chinese.
///
/// Its list means to name the ideographs from U+20000 to U+2A6D6 and from U+2F800 to U+2FA1D, but writes them so that Python reads texts of
/// two characters. As it compares them with one character, they are what lies from U+2001 to U+2A6D and from U+2F81 to U+2FA1: quotation
/// marks, dashes and arrows are among it, the ideographs are not. Figures are equal only if the same is done here.
fn is_chinese(character: char) -> bool {
    const RANGES: [(u32, u32); 22] = [
        (0x3400, 0x4DB5),
        (0x4E00, 0x9FA5),
        (0x9FA6, 0x9FBB),
        (0xF900, 0xFA2D),
        (0xFA30, 0xFA6A),
        (0xFA70, 0xFAD9),
        (0x2001, 0x2A6D),
        (0x2F81, 0x2FA1),
        (0xFF00, 0xFFEF),
        (0x2E80, 0x2EFF),
        (0x3000, 0x303F),
        (0x31C0, 0x31EF),
        (0x2F00, 0x2FDF),
        (0x2FF0, 0x2FFF),
        (0x3100, 0x312F),
        (0x31A0, 0x31BF),
        (0xFE10, 0xFE1F),
        (0xFE30, 0xFE4F),
        (0x2600, 0x26FF),
        (0x2700, 0x27BF),
        (0x3200, 0x32FF),
        (0x3300, 0x33FF),
    ];
    RANGES.iter().any(|(first, last)| (*first..=*last).contains(&u32::from(character)))
}

#[cfg(test)]
mod tests {
    use super::super::python_text::words;
    use super::*;

    fn tokens(tokens: BleuTokens, text: &str) -> String {
        words(&tokens.apart(text)).join(" ")
    }

    #[test]
    fn tokens_are_those_of_sacrebleu() {
        let western = "Hello, world! It's 3,000.50 -- x-y 3-4 (a/b) &quot;q&quot; e.g. U.S. 2020.";
        assert_eq!(
            tokens(BleuTokens::V13a, western),
            "Hello , world ! It's 3,000.50 -- x-y 3 - 4 ( a / b ) \" q \" e . g . U . S . 2020 ."
        );
        assert_eq!(
            tokens(BleuTokens::Chinese, "“猫”在垫子上——3.5℃，×2"),
            "“ 猫 ” 在 垫 子 上 — — 3.5 ℃ ， ×2"
        );
        assert_eq!(tokens(BleuTokens::International, "«Ça», 2,5€ 2020."), "« Ça » , 2,5 € 2020.");
        assert_eq!(tokens(BleuTokens::Characters, "a b猫"), "a b 猫");
        assert_eq!(tokens(BleuTokens::Blanks, "a,b\u{1c}c"), "a,b c");
    }

    #[test]
    fn an_ideograph_beyond_the_first_plane_is_not_taken_for_chinese() {
        assert!(!is_chinese('\u{20000}') && is_chinese('→') && is_chinese('㐀') && !is_chinese('×'));
    }
}
