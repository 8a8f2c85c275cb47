//! Text as tokens: words regardless of case, single characters in scripts without blanks.

use crate::text::{is_unspaced, mix};

/// A word or a character with its place in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub hash: u64,
    pub start: usize,
    pub end: usize,
    pub unspaced: bool,
}

impl Token {
    /// The tokens of a text.
    pub fn all(text: &str) -> Vec<Self> {
        let mut tokens = Vec::with_capacity(text.len() / 5);
        let mut open: Option<Self> = None;
        for (start, character) in text.char_indices() {
            let end = start + character.len_utf8();
            if character.is_alphabetic() && !is_unspaced(character) {
                let token = open.get_or_insert(Self { hash: 0, start, end, unspaced: false });
                token.hash = with(token.hash, character);
                token.end = end;
                continue;
            }
            tokens.extend(open.take());
            if is_unspaced(character) {
                tokens.push(Self { hash: mix(1, character as u64), start, end, unspaced: true });
            }
        }
        tokens.extend(open);
        tokens
    }
}

fn with(hash: u64, character: char) -> u64 {
    match character.is_ascii() {
        true => mix(hash, character.to_ascii_lowercase() as u64),
        false => character.to_lowercase().fold(hash, |hash, lower| mix(hash, lower as u64)),
    }
}
