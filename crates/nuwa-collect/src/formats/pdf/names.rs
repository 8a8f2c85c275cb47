//! The characters that names of glyphs stand for: `eacute`, `f_i`, `uni20AC`, `A.small`.
//!
//! `glyph_names.txt` has the names of the Adobe Glyph List, and those of TeX's fonts, that letters of European languages,
//! Hebrew, Arabic and mathematics have. Names of letters with an accent are put together.

use std::collections::HashMap;
use std::sync::LazyLock;

use unicode_normalization::char::compose;

static NAMES: LazyLock<HashMap<&str, String>> = LazyLock::new(|| {
    let pairs = include_str!("glyph_names.txt").split_whitespace().filter_map(|pair| pair.split_once('='));
    pairs
        .filter_map(|(name, codes)| Some((name, codes.split('+').map(character).collect::<Option<_>>()?)))
        .collect()
});

/// Accents as names end with them.
const ACCENTS: [(&str, char); 16] = [
    ("hungarumlaut", '\u{30b}'),
    ("commaaccent", '\u{327}'),
    ("circumflex", '\u{302}'),
    ("dotaccent", '\u{307}'),
    ("dieresis", '\u{308}'),
    ("dotbelow", '\u{323}'),
    ("cedilla", '\u{327}'),
    ("macron", '\u{304}'),
    ("ogonek", '\u{328}'),
    ("acute", '\u{301}'),
    ("breve", '\u{306}'),
    ("caron", '\u{30c}'),
    ("grave", '\u{300}'),
    ("tilde", '\u{303}'),
    ("tonos", '\u{301}'),
    ("ring", '\u{30a}'),
];

/// How names of other shapes of a character end.
const SHAPES: [&str; 5] = ["small", "oldstyle", "superior", "inferior", "fitted"];

/// The text of a glyph; nothing where the name says none.
pub(super) fn text_of_name(name: &str) -> Option<String> {
    let base = name.split('.').next()?;
    let text: String = base.split('_').filter_map(part).collect();
    Some(text).filter(|text| !text.is_empty())
}

fn part(name: &str) -> Option<String> {
    let known = named(name).or_else(|| in_hexadecimal(name));
    known.or_else(|| SHAPES.iter().find_map(|shape| Some(named(name.strip_suffix(shape)?)?.to_lowercase())))
}

fn named(name: &str) -> Option<String> {
    let mut characters = name.chars();
    match (characters.next()?, characters.next()) {
        (letter, None) if letter.is_ascii_alphabetic() => Some(letter.into()),
        _ => NAMES.get(name).cloned().or_else(|| accented(name).map(String::from)),
    }
}

/// `Aacute`; `Acircumflexacute` too.
fn accented(name: &str) -> Option<char> {
    let (base, accent) =
        ACCENTS.iter().find_map(|(ending, accent)| Some((name.strip_suffix(ending)?, *accent)))?;
    let mut base = named(base)?.chars().collect::<Vec<_>>();
    compose(base.pop().filter(|_| base.is_empty())?, accent)
}

/// `uni` and four digits a character, `u` and four to six of one.
fn in_hexadecimal(name: &str) -> Option<String> {
    let is_digits = |digits: &str| digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F'));
    match (name.strip_prefix("uni"), name.strip_prefix('u')) {
        (Some(digits), _) if digits.len().is_multiple_of(4) && is_digits(digits) => {
            (0..digits.len()).step_by(4).map(|at| character(&digits[at..at + 4])).collect()
        }
        (_, Some(digits)) if (4..=6).contains(&digits.len()) && is_digits(digits) => {
            character(digits).map(String::from)
        }
        _ => None,
    }
}

fn character(digits: &str) -> Option<char> {
    char::from_u32(u32::from_str_radix(digits, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use super::text_of_name;

    #[test]
    fn names_say_their_characters() {
        let text = |name| text_of_name(name).unwrap_or_default();
        let names = [
            "A",
            "eacute",
            "Lcommaaccent",
            "Acircumflexacute",
            "f_f_i",
            "fi",
            "germandbls",
            "alpha",
            "afii10066",
        ];
        assert_eq!(names.map(text).join(" "), "A é Ļ Ấ ffi ﬁ ß α б");
        let made = [
            "uni20AC0308",
            "u1040C",
            "hyphen.case",
            "Asmall",
            "oneoldstyle",
            "iotadieresistonos",
            "ff",
            "arrowright",
        ];
        assert_eq!(made.map(text), ["\u{20ac}\u{308}", "\u{1040c}", "-", "a", "1", "ΐ", "ﬀ", "→"]);
        let none = [".notdef", "g23", "uniD801", "uni20ac", "u110000", "nothing", "", "u41"];
        assert_eq!(none.map(text).join(""), "");
    }
}
