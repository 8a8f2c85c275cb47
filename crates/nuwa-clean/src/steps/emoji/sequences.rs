//! Where emoji are in a text: the sequences of Unicode Technical Standard #51 (<https://unicode.org/reports/tr51/>).
//!
//! A sequence is a pair of regional indicators (a flag), a key with U+20E3 (a keycap), or an emoji with what may follow it:
//! a skin tone, the variation selector U+FE0F, tags (the flags of England, Scotland and Wales), and further emoji behind a
//! zero-width joiner. Skin tones are not told apart.
//!
//! What is a character of text by default ("©", "™", "↔", digits) is an emoji only with U+FE0F behind it, and never with
//! U+FE0E. Two exceptions: "❤", "☺" and "☹", which mean nothing else; and what lies beyond U+1F000, which is no text.

use super::names::{Name, name};

const JOINER: char = '\u{200d}';
const EMOJI_SELECTOR: char = '\u{fe0f}';
const TEXT_SELECTOR: char = '\u{fe0e}';
const KEYCAP: char = '\u{20e3}';

/// An emoji found at the beginning of a text: its bytes and its name.
pub(super) type Found = (usize, Name);

/// Where an emoji may begin, in order; most text has few such places.
pub(super) fn candidates(text: &str) -> impl Iterator<Item = usize> {
    let bytes = text.as_bytes();
    memchr::memchr3_iter(0xf0, 0xe2, 0xef, bytes).filter_map(move |at| match bytes[at..] {
        [0xf0, 0x9f, ..] => Some(at),
        // A keycap's sign stands behind its key, and so does a selector behind the few that have other first bytes.
        [0xe2, 0x83, 0xa3, ..] => Some(key_before(text, at)),
        [0xef, 0xb8, 0x8f, ..] => text[..at].char_indices().next_back().map(|(before, _)| before),
        [0xe2, 0x84..=0xaf, ..] => Some(at),
        _ => None,
    })
}

fn key_before(text: &str, at: usize) -> usize {
    let mut before = text[..at].char_indices().rev().filter(|(_, character)| *character != EMOJI_SELECTOR);
    before.next().map_or(at, |(key, _)| key)
}

/// The emoji at the beginning of `text`.
pub(super) fn emoji_at(text: &str) -> Option<Found> {
    let mut sequence = String::new();
    let mut length = element(text, &mut sequence)?;
    let first = (length, sequence.len());
    while let Some(joined) = text[length..].strip_prefix(JOINER) {
        let before = sequence.len();
        sequence.push(JOINER);
        match element(joined, &mut sequence) {
            Some(next) => length += JOINER.len_utf8() + next,
            None => {
                sequence.truncate(before);
                break;
            }
        }
    }
    known(text, length, &sequence).or_else(|| {
        // An unknown joined sequence is told one by one.
        let (alone, name) = known(text, first.0, &sequence[..first.1])?;
        let joiner = if alone < length { JOINER.len_utf8() } else { 0 };
        Some((alone + joiner, name))
    })
}

fn known(text: &str, length: usize, sequence: &str) -> Option<Found> {
    let found = name(sequence)?;
    let is_text = text[length..].starts_with(TEXT_SELECTOR);
    let needs_selector =
        found.text_by_default && sequence < "\u{1f000}" && !["❤", "☺", "☹"].contains(&sequence);
    let selected = text[..length].contains(EMOJI_SELECTOR);
    (!is_text && (selected || !needs_selector)).then_some((length, found))
}

/// One emoji without joiners, added to `sequence` as the table writes it; gives its bytes.
fn element(text: &str, sequence: &mut String) -> Option<usize> {
    let mut characters = text.chars().peekable();
    let first = characters.next()?;
    let mut length = first.len_utf8();
    sequence.push(first);
    if is_regional(first)
        && let Some(second) = characters.next_if(|&second| is_regional(second))
    {
        sequence.push(second);
        return Some(length + second.len_utf8());
    }
    while let Some(next) = characters.next_if(|&next| belongs(next)) {
        length += next.len_utf8();
        if next != EMOJI_SELECTOR && !is_tone(next) {
            sequence.push(next);
        }
    }
    Some(length)
}

fn is_regional(character: char) -> bool {
    ('\u{1f1e6}'..='\u{1f1ff}').contains(&character)
}

fn is_tone(character: char) -> bool {
    ('\u{1f3fb}'..='\u{1f3ff}').contains(&character)
}

/// What may follow an emoji and is part of it.
fn belongs(character: char) -> bool {
    matches!(character, EMOJI_SELECTOR | KEYCAP | '\u{e0020}'..='\u{e007f}') || is_tone(character)
}
