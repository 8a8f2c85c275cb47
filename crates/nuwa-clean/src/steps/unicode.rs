//! `unicode`: repairs what wrong decoding has left, and makes equal texts equal.
//!
//! What, in this order:
//! 1. mojibake: UTF-8 that was read as Windows-1252 or Latin-1 ("â€™" for "’"), also twice over, is read right, in
//!    the manner of ftfy (Speer 2019, <https://ftfy.readthedocs.io>). Three or four characters that spell one
//!    UTF-8 sequence are proof; two are taken only where they are common mojibake or where the document holds proof;
//! 2. terminal escape sequences (colours) are removed;
//! 3. line ends become `\n`; control, zero-width and direction characters are removed (joiners stay where a script needs
//!    them: between the letters of Persian, after a virama, within emoji, as the blanks of Khmer and its neighbours);
//! 4. Unicode normal form C (<https://unicode.org/reports/tr15/>).

use nuwa_files::Document;
use nuwa_text::is_needed;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use crate::counted;
use crate::{DocumentStep, Verdict};

/// Which repairs are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UnicodeSettings {
    /// Repair mojibake: UTF-8 that was decoded as Windows-1252 or Latin-1.
    pub repair_mojibake: bool,
    /// Remove terminal escape sequences and control, zero-width and bidirectional characters; line
    /// ends become `\n`.
    pub remove_invisible: bool,
    /// Apply Unicode normalization form C (NFC).
    pub normalize: bool,
}

impl Default for UnicodeSettings {
    fn default() -> Self {
        Self { repair_mojibake: true, remove_invisible: true, normalize: true }
    }
}

/// The step.
#[derive(Debug)]
pub struct Unicode {
    settings: UnicodeSettings,
}

/// Text can have been decoded wrongly more than once.
const MOST_REPAIRS: usize = 4;

impl Unicode {
    /// With these settings.
    pub fn new(settings: &UnicodeSettings) -> Self {
        Self { settings: settings.clone() }
    }

    /// The repaired text, or `None` where nothing is to repair.
    fn repair(&self, text: &str) -> Option<String> {
        let mut repaired: Option<String> = None;
        let mut replace = |change: &dyn Fn(&str) -> Option<String>| -> bool {
            let new = change(repaired.as_deref().unwrap_or(text));
            let changed = new.is_some();
            repaired = new.or(repaired.take());
            changed
        };
        if self.settings.repair_mojibake {
            (0..MOST_REPAIRS).take_while(|_| replace(&repair_mojibake)).count();
        }
        if self.settings.remove_invisible {
            replace(&remove_invisible);
        }
        if self.settings.normalize {
            replace(&normalize);
        }
        repaired
    }
}

impl DocumentStep for Unicode {
    fn name(&self) -> &'static str {
        "unicode"
    }

    fn apply(&self, document: &mut Document) -> Verdict {
        let repaired = self.repair(&document.text);
        let changed = repaired.is_some();
        document.text = repaired.unwrap_or_else(|| std::mem::take(&mut document.text));
        Verdict::changed(changed)
    }
}

/// The byte that Windows-1252 (or Latin-1, where Windows-1252 has a hole) reads as this character.
fn byte_of(character: char) -> Option<u8> {
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
        '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    match character {
        '\u{80}'..='\u{ff}' => Some(character as u8),
        _ => HIGH.iter().position(|&high| high == character).map(|at| 0x80 + at as u8),
    }
}

/// A UTF-8 sequence spelt in characters: what it means, how many bytes of text it takes, how sure it is.
struct Found {
    character: char,
    length: usize,
    proof: bool,
}

fn sequence_at(text: &str, before: Option<char>) -> Option<Found> {
    let mut characters = text.chars();
    let lead = characters.next()?;
    let count = match lead as u32 {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return None,
    };
    let mut bytes = [lead as u32 as u8, 0, 0, 0];
    let mut length = lead.len_utf8();
    let mut second = None;
    for slot in &mut bytes[1..count] {
        let character = characters.next()?;
        *slot = byte_of(character).filter(|byte| (0x80..=0xbf).contains(byte))?;
        length += character.len_utf8();
        second = second.or(Some(character));
    }
    let character = std::str::from_utf8(&bytes[..count]).ok()?.chars().next()?;
    let proof = count > 2 || is_common_pair(lead, second?, before);
    Some(Found { character, length, proof })
}

/// Pairs that are hardly ever meant: "Ã©", "Â£" are; a capital before a closing quotation mark or a space is not.
fn is_common_pair(lead: char, second: char, before: Option<char>) -> bool {
    let starts_word = !before.is_some_and(char::is_alphabetic);
    match (lead, second) {
        ('Â', '\u{a0}'..='\u{bf}') => starts_word,
        ('Ã', '»' | '\u{a0}') => false,
        ('Ã', '\u{80}'..='\u{bf}') => true,
        ('Ã', _) => matches!(second, 'ƒ' | '†' | '‡' | 'ˆ' | '‰' | 'Š' | 'Œ' | 'œ' | 'Ÿ' | 'ž' | 'š'),
        _ => matches!(second, '\u{80}'..='\u{9f}'),
    }
}

/// Cheap: every sequence starts with U+00C2 to U+00F4, which is C3 82 to C3 B4 in UTF-8.
fn candidates(text: &str) -> impl Iterator<Item = usize> {
    let bytes = text.as_bytes();
    memchr::memchr_iter(0xc3, bytes).filter(move |&at| matches!(bytes.get(at + 1), Some(0x82..=0xb4)))
}

fn repair_mojibake(text: &str) -> Option<String> {
    let sequence = |at: usize| sequence_at(&text[at..], text[..at].chars().next_back());
    let found: Vec<(usize, Found)> = candidates(text).filter_map(|at| Some((at, sequence(at)?))).collect();
    if !found.iter().any(|(_, found)| found.proof) && !has_run(&found) {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (at, found) in found {
        if at >= done {
            out.push_str(&text[done..at]);
            out.push(found.character);
            done = at + found.length;
        }
    }
    out.push_str(&text[done..]);
    Some(out)
}

/// Three sequences on end spell a word of another alphabet ("Ð¿Ñ€Ð¸"), which is proof as well.
fn has_run(found: &[(usize, Found)]) -> bool {
    let touch = |one: &(usize, Found), other: &(usize, Found)| one.0 + one.1.length == other.0;
    found.windows(3).any(|three| touch(&three[0], &three[1]) && touch(&three[1], &three[2]))
}

/// Bytes with which something invisible can begin; most text has few of them, so most text is never looked at
/// character by character.
fn may_hide_something(text: &str) -> bool {
    let is_control = |byte: u8| (byte < 0x20 && byte != b'\n' && byte != b'\t') || byte == 0x7f;
    // Without an early end within a chunk, so that the compiler can look at many bytes at once.
    let controls = |chunk: &[u8]| chunk.iter().fold(false, |found, &byte| found | is_control(byte));
    text.as_bytes().chunks(256).any(controls)
        || memchr::memchr3_iter(0xc2, 0xe2, 0xef, text.as_bytes()).any(|at| match &text.as_bytes()[at..] {
            [0xc2, second, ..] => (0x80..=0x9f).contains(second) || *second == 0xad,
            [0xe2, 0x80, third, ..] => (0x8b..=0x8d).contains(third) || (0xa8..=0xae).contains(third),
            [0xe2, 0x81, third, ..] => *third >= 0xa0,
            [0xef, 0xbb, 0xbf, ..] | [0xef, 0xbf, 0xb9..=0xbb, ..] => true,
            _ => false,
        })
}

fn remove_invisible(text: &str) -> Option<String> {
    if !may_hide_something(text) {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let after = &rest[character.len_utf8()..];
        rest = match character {
            '\u{1b}' => after_escape(after),
            _ => after,
        };
        match character {
            '\n' | '\t' => out.push(character),
            '\r' if after.starts_with('\n') => {}
            '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => out.push('\n'),
            '\u{200b}'..='\u{200d}' if joins(character, &out, after) => out.push(character),
            _ if is_invisible(character) => {}
            _ => out.push(character),
        }
    }
    (out != text).then_some(out)
}

fn is_invisible(character: char) -> bool {
    matches!(character, '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{200b}'..='\u{200d}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// Whether a joiner is needed between what was written and what comes; of several in a row the last is looked at.
fn joins(joiner: char, before: &str, after: &str) -> bool {
    let next = after.chars().next();
    !next.is_some_and(is_joiner) && is_needed(joiner, before.chars().next_back(), next)
}

fn is_joiner(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200d}')
}

/// What follows an escape sequence (ECMA-48): `[`, parameters, a final letter; or `]`, anything on the line, a bell or `ESC \`.
fn after_escape(after: &str) -> &str {
    if let Some(parameters) = after.strip_prefix('[') {
        let end = parameters.bytes().position(|byte| !(0x20..=0x3f).contains(&byte));
        return match end {
            Some(end) if (0x40..=0x7e).contains(&parameters.as_bytes()[end]) => &parameters[end + 1..],
            Some(end) => &parameters[end..],
            None => "",
        };
    }
    let command = after.strip_prefix(']').and_then(command_end);
    command.map_or(after, |end| &after[1 + end..])
}

/// Where a command to the terminal ends. Another one never begins in it: so none is searched twice.
fn command_end(command: &str) -> Option<usize> {
    let end = memchr::memchr3(0x07, 0x1b, b'\n', command.as_bytes());
    counted::count(end.unwrap_or(command.len()));
    match &command.as_bytes()[end?..] {
        [0x07, ..] => end.map(|end| end + 1),
        [0x1b, b'\\', ..] => end.map(|end| end + 2),
        _ => None,
    }
}

fn normalize(text: &str) -> Option<String> {
    if text.chars().all(is_surely_normal) || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        return None;
    }
    let normal: String = text.nfc().collect();
    (normal != text).then_some(normal)
}

/// Characters that never compose and never change: quicker than the full tables for most text.
fn is_surely_normal(character: char) -> bool {
    matches!(character, '\0'..'\u{300}' | '\u{2002}'..='\u{20cf}' | '\u{3001}'..='\u{3029}'
        | '\u{3400}'..='\u{9fff}' | '\u{ff01}'..='\u{ff60}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let repaired = Unicode::new(&UnicodeSettings::default()).repair(text);
        assert_eq!(repaired.as_deref().unwrap_or(text), expected);
    }

    #[test]
    fn mojibake_is_read_right() {
        check("Itâ€™s â€œfineâ€\u{9d} â€” really", "It’s “fine” — really");
        check("cafÃ© Â£5 Ã¼ber", "café £5 über");
        check("ÐŸÑ€Ð¸Ð²ÐµÑ‚", "Привет");
        check("ä½\u{a0}å¥½", "你好");
        let twice = "â€™".chars().map(|c| c.to_string()).collect::<String>();
        check(&twice, "’");
        check("ÃƒÂ©", "é");
        check("ðŸ˜€", "😀");
    }

    #[test]
    fn what_is_right_is_left_alone() {
        for text in ["“IRMÔ, «MENÜ» CAFÉ™", "déjà vu, naïve, Ångström", "SEÑOR… é“x”", "你好，世界", "A–B"]
        {
            check(text, text);
        }
    }

    #[test]
    fn the_invisible_goes_and_joiners_stay() {
        check("\u{feff}a\u{200b}b\u{ad}c\u{0}d\r\ne\rf\u{2028}g", "abcd\ne\nf\ng");
        check("\u{1b}[33m    -- Debian\u{1b}[m", "    -- Debian");
        check("a\u{1b}[;\u{1b}[34;1mb\u{1b}[", "ab");
        check("\u{1b}]0;title\u{7}a\u{1b}]8;;https://b\u{1b}\\c\u{1b}]x\ny", "ac]x\ny");
        check("می\u{200c}خواهم 👩\u{200d}💻 a\u{200d}b", "می\u{200c}خواهم 👩\u{200d}💻 ab");
    }

    #[test]
    fn joiners_stay_where_a_script_needs_them() {
        let needed =
            "ന\u{d4d}\u{200d} ක\u{dca}\u{200d}ර ক\u{9cd}\u{200c} ه\u{200d}. ខ្ញុំ\u{200b}ស្រី کتاب\u{200c}ها";
        check(needed, needed);
        check("کتاب\u{200c}\u{200c}ها\u{200c} در", "کتاب\u{200c}ها در");
        check("火\u{200c}星 a\u{200b}b\u{200c}c ខ\u{200b} x\u{200b}ខ", "火星 abc ខ xខ");
    }

    #[test]
    fn commands_without_an_end_are_not_searched_again_and_again() {
        for command in ["\u{1b}]", "\u{1b}]a", "\u{1b}]\u{1b}"] {
            counted::assert_linear(2000, |times| drop(remove_invisible(&command.repeat(times))));
        }
    }

    #[test]
    fn equal_texts_become_equal() {
        check("e\u{301}", "é");
        check("가", "가");
    }
}
