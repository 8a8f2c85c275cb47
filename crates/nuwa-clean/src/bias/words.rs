//! Text as tokens: words regardless of case, single characters in scripts without blanks.

use nuwa_text::{Role, mix, role, stacks};

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
        let mut before = ' ';
        for (start, character) in text.char_indices() {
            let end = start + character.len_utf8();
            let fresh = Self { hash: 0, start, end, unspaced: false };
            match role(character) {
                Role::Letter if character.is_alphabetic() => {
                    tokens.extend(open.take_if(|token| token.unspaced));
                    open.get_or_insert(fresh).grow(character, end);
                }
                Role::Unspaced if !stacks(before) => {
                    let token = Self { hash: mix(1, character as u64), unspaced: true, ..fresh };
                    tokens.extend(open.replace(token));
                }
                Role::Sign | Role::Unspaced => {
                    open.iter_mut().for_each(|token| token.grow(character, end));
                }
                Role::Joiner => {}
                Role::Letter | Role::Other => tokens.extend(open.take()),
            }
            before = character;
        }
        tokens.extend(open);
        tokens
    }

    fn grow(&mut self, character: char, end: usize) {
        self.hash = with(self.hash, character);
        self.end = end;
    }
}

fn with(hash: u64, character: char) -> u64 {
    match character.is_ascii() {
        true => mix(hash, character.to_ascii_lowercase() as u64),
        false => character.to_lowercase().fold(hash, |hash, lower| mix(hash, lower as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_words_without_digits() {
        let text = "Don't 3x क्षेत्र می\u{200c}خواهم 火星 ที่ ស្រី";
        let tokens = Token::all(text);
        let written: Vec<&str> = tokens.iter().map(|token| &text[token.start..token.end]).collect();
        assert_eq!(written, ["Don", "t", "x", "क्षेत्र", "می\u{200c}خواهم", "火", "星", "ที่", "ស្រី"]);
        assert_eq!(tokens.iter().filter(|token| token.unspaced).count(), 4);
    }
}
