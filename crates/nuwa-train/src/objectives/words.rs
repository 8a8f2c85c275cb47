use std::sync::Arc;

use nuwa_tokenizer::Tokenizer;

/// What an objective has to know of the words that tokens are pieces of.
#[derive(Debug, Clone)]
pub struct Words {
    /// Whether each token begins a word.
    starts: Arc<[bool]>,
    /// Whether each token ends a sentence or a line.
    ends_sentence: Arc<[bool]>,
    /// The tokens that are text.
    ordinary: Arc<[u32]>,
}

/// The mark with which WordPiece begins a token that goes on with a word.
const CONTINUATION: &str = "##";

impl Words {
    /// Those of `tokenizer`.
    pub fn new(tokenizer: &Tokenizer) -> Self {
        let tokens: Vec<Token> =
            (0..tokenizer.vocab_size() as u32).map(|id| Token::new(tokenizer, id)).collect();
        let is_word_piece = tokens.iter().any(|token| token.written.starts_with(CONTINUATION));
        let ordinary = (0..).zip(&tokens).filter(|(_, token)| token.is_text).map(|(id, _)| id);
        Self {
            starts: tokens.iter().map(|token| token.starts_word(is_word_piece)).collect(),
            ends_sentence: tokens.iter().map(Token::ends_sentence).collect(),
            ordinary: ordinary.collect(),
        }
    }

    /// Whether token `id` begins a word.
    pub fn starts(&self, id: u32) -> bool {
        self.starts.get(id as usize).copied().unwrap_or(true)
    }

    /// Whether token `id` ends a sentence or a line.
    pub fn ends_sentence(&self, id: u32) -> bool {
        self.ends_sentence.get(id as usize).copied().unwrap_or(false)
    }

    /// The tokens that are text.
    pub fn ordinary(&self) -> &[u32] {
        &self.ordinary
    }
}

/// A token and what it stands for.
struct Token {
    written: String,
    text: String,
    is_text: bool,
}

impl Token {
    fn new(tokenizer: &Tokenizer, id: u32) -> Self {
        let written = tokenizer.id_to_token(id);
        let is_text = written.is_some() && !tokenizer.is_special(id);
        let text = tokenizer.decode(&[id]).unwrap_or_default();
        Self { written: written.unwrap_or_default(), text, is_text }
    }

    /// Where a token is not marked, a word begins with anything but a letter or digit; of scripts without blanks each
    /// character is a word.
    fn starts_word(&self, is_word_piece: bool) -> bool {
        const FIRST_WITHOUT_BLANKS: char = '\u{2E80}';
        if is_word_piece {
            return !self.written.starts_with(CONTINUATION);
        }
        let goes_on = |first: char| first.is_alphanumeric() && first < FIRST_WITHOUT_BLANKS;
        !self.is_text || self.written.starts_with('\u{2581}') || !self.text.starts_with(goes_on)
    }

    fn ends_sentence(&self) -> bool {
        let end = self.text.trim_end_matches(['"', '\'', ')', '\u{201d}', '\u{2019}', ' ']);
        self.text.contains('\n') || end.ends_with(['.', '!', '?', '\u{3002}', '\u{ff01}', '\u{ff1f}'])
    }
}

#[cfg(test)]
impl Words {
    /// Of `vocabulary` made-up tokens, all of them text but the first.
    pub fn made_up(vocabulary: u32, starts: fn(u32) -> bool, ends_sentence: fn(u32) -> bool) -> Self {
        Self {
            starts: (0..vocabulary).map(starts).collect(),
            ends_sentence: (0..vocabulary).map(ends_sentence).collect(),
            ordinary: (1..vocabulary).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use nuwa_tokenizer::{TrainSettings, train};

    use super::*;

    #[test]
    fn words_begin_at_blanks_and_sentences_end_at_marks() {
        let text = "the water sees the water. the clay!\n".repeat(20);
        let settings = TrainSettings { vocab_size: 275, ..TrainSettings::default() };
        let tokenizer = train(std::iter::once(text), &settings, &mut |_| {}).unwrap();
        let words = Words::new(&tokenizer);
        let starts = |text: &str| words.starts(*tokenizer.encode(text).unwrap().first().unwrap());
        assert!(starts(" water") && starts(".") && !starts("ater"));
        let ends = |text: &str| words.ends_sentence(*tokenizer.encode(text).unwrap().last().unwrap());
        assert!(ends("clay.") && ends("clay!") && ends("\n") && !ends("clay,") && !ends("clay"));
        let end = tokenizer.eos().unwrap();
        assert!(words.starts(end) && !words.ordinary().contains(&end));
    }
}
