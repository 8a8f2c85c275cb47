//! Ids back to text: at once, or id by id without ever cutting a character.

use std::sync::Arc;

use serde_json::Value;

use crate::bytes;
use crate::tokenizer::Inner;
use crate::{Error, Result};

/// The bytes each id stands for, where the decoder of a `tokenizer.json` is of a kind that has such a table.
#[derive(Debug)]
pub struct Pieces {
    by_id: Vec<Option<Box<[u8]>>>,
    /// SentencePiece adds a blank before the text when encoding; decoding takes it away.
    drops_first_blank: bool,
}

impl Pieces {
    /// `tokens` are all tokens by id; `None` for a decoder that looks at more than one token at a time.
    pub fn new(decoder: &Value, tokens: &[Option<String>]) -> Option<Self> {
        let (bytes_of, drops_first_blank): (fn(&str) -> Vec<u8>, bool) = match kind(decoder)? {
            Kind::ByteLevel => (byte_level_piece, false),
            Kind::SentencePiece { drops_first_blank } => (sentencepiece_piece, drops_first_blank),
        };
        let by_id = tokens.iter().map(|token| token.as_deref().map(|token| bytes_of(token).into())).collect();
        Some(Self { by_id, drops_first_blank })
    }

    /// The bytes of a token.
    pub fn get(&self, id: u32) -> &[u8] {
        self.by_id.get(id as usize).and_then(Option::as_deref).unwrap_or_default()
    }

    /// The text of `ids`, all of which are in the vocabulary.
    pub fn decode(&self, ids: impl Iterator<Item = u32>) -> String {
        let mut bytes = Vec::new();
        ids.for_each(|id| bytes.extend_from_slice(self.get(id)));
        let first = usize::from(self.drops_first_blank && bytes.first() == Some(&b' '));
        String::from_utf8_lossy(&bytes[first..]).into_owned()
    }
}

enum Kind {
    ByteLevel,
    SentencePiece { drops_first_blank: bool },
}

fn kind(decoder: &Value) -> Option<Kind> {
    if decoder["type"] == "ByteLevel" {
        return Some(Kind::ByteLevel);
    }
    let steps = decoder["decoders"].as_array()?;
    let (replace, rest) = steps.split_first()?;
    let replaces_blank =
        replace["type"] == "Replace" && replace["pattern"]["String"] == "▁" && replace["content"] == " ";
    let is = |step: &Value, name: &str| step["type"] == name;
    match rest {
        _ if !replaces_blank => None,
        [fallback, fuse] if is(fallback, "ByteFallback") && is(fuse, "Fuse") => {
            Some(Kind::SentencePiece { drops_first_blank: false })
        }
        [fallback, fuse, strip]
            if is(fallback, "ByteFallback") && is(fuse, "Fuse") && strips_first_blank(strip) =>
        {
            Some(Kind::SentencePiece { drops_first_blank: true })
        }
        _ => None,
    }
}

fn strips_first_blank(step: &Value) -> bool {
    step["type"] == "Strip" && step["content"] == " " && step["start"] == 1 && step["stop"] == 0
}

/// An added token is not written in byte characters; what is not, stands for itself.
fn byte_level_piece(token: &str) -> Vec<u8> {
    bytes::from_characters(token).unwrap_or_else(|| token.as_bytes().to_vec())
}

fn sentencepiece_piece(token: &str) -> Vec<u8> {
    let byte = token.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    match byte.filter(|digits| digits.len() == 2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
        Some(byte) => vec![byte],
        None => token.replace('▁', " ").into_bytes(),
    }
}

/// Turns ids into text as they come, whole characters only.
///
/// Feed it the prompt's ids too (and ignore what they give), so that a blank at the start of the continuation is
/// not taken for the one at the start of the text.
#[derive(Debug, Clone)]
pub struct StreamDecoder {
    inner: Arc<Inner>,
    skips_special: bool,
    state: State,
}

#[derive(Debug, Clone)]
enum State {
    /// Bytes that do not end a character yet.
    Pieces { pending: Vec<u8>, at_start: bool },
    /// The ids of the last text given out, and those since.
    Window { given: Vec<u32>, pending: Vec<u32> },
}

impl StreamDecoder {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        let state = match inner.pieces {
            Some(_) => State::Pieces { pending: Vec::new(), at_start: true },
            None => State::Window { given: Vec::new(), pending: Vec::new() },
        };
        Self { inner, skips_special: false, state }
    }

    /// Lets special tokens (begin and end of text, chat marks) leave no trace in the text.
    pub fn skip_special_tokens(mut self) -> Self {
        self.skips_special = true;
        self
    }

    /// Takes one id; gives the characters that it completes, if any.
    ///
    /// # Errors
    /// When the id is unknown.
    pub fn push(&mut self, id: u32) -> Result<Option<String>> {
        self.inner.check_id(id)?;
        if self.skips_special && self.inner.is_special(id) {
            return Ok(None);
        }
        let text = match (&mut self.state, &self.inner.pieces) {
            (State::Pieces { pending, at_start }, Some(pieces)) => {
                let piece = pieces.get(id);
                let drop = usize::from(*at_start && pieces.drops_first_blank && piece.first() == Some(&b' '));
                *at_start &= piece.is_empty();
                pending.extend_from_slice(&piece[drop..]);
                take_characters(pending)
            }
            (State::Window { given, pending }, _) => {
                pending.push(id);
                step_window(&self.inner, given, pending)?
            }
            (State::Pieces { .. }, None) => String::new(),
        };
        Ok((!text.is_empty()).then_some(text))
    }

    /// What is left: the bytes of a character that was never finished become U+FFFD. Ready for a new text after.
    pub fn finish(&mut self) -> String {
        let rest = match &mut self.state {
            State::Pieces { pending, .. } => String::from_utf8_lossy(pending).into_owned(),
            State::Window { given, pending } => {
                let before = self.inner.library.decode(given).unwrap_or_default();
                given.append(pending);
                difference(&before, &self.inner.library.decode(given).unwrap_or_default())
            }
        };
        *self = Self { skips_special: self.skips_special, ..Self::new(Arc::clone(&self.inner)) };
        rest
    }
}

/// Takes from `bytes` all up to an unfinished character at the end; bytes that can be none become U+FFFD.
fn take_characters(bytes: &mut Vec<u8>) -> String {
    let unfinished = match bytes.utf8_chunks().last() {
        Some(chunk) => unfinished_length(chunk.invalid()),
        None => 0,
    };
    let rest = bytes.split_off(bytes.len() - unfinished);
    let text = String::from_utf8_lossy(bytes).into_owned();
    *bytes = rest;
    text
}

/// How many of the bytes at the end, which are no character, may still become one.
fn unfinished_length(invalid: &[u8]) -> usize {
    match std::str::from_utf8(invalid) {
        Err(error) if error.error_len().is_none() => invalid.len(),
        _ => 0,
    }
}

fn step_window(inner: &Inner, given: &mut Vec<u32>, pending: &mut Vec<u32>) -> Result<String> {
    let before = inner.library.decode(given)?;
    let all: Vec<u32> = given.iter().chain(pending.iter()).copied().collect();
    let after = inner.library.decode(&all)?;
    if after.ends_with('\u{fffd}') {
        return Ok(String::new());
    }
    *given = std::mem::take(pending);
    Ok(difference(&before, &after))
}

/// What `after` has beyond the part it shares with `before`.
fn difference(before: &str, after: &str) -> String {
    let shared =
        before.chars().zip(after.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
    after[shared..].to_string()
}

impl Inner {
    pub(crate) fn check_id(&self, id: u32) -> Result<()> {
        match self.tokens.get(id as usize) {
            Some(Some(_)) => Ok(()),
            _ => Err(Error::UnknownId { id, size: self.tokens.len() }),
        }
    }

    pub(crate) fn decode(&self, ids: &[u32], skips_special: bool) -> Result<String> {
        ids.iter().try_for_each(|&id| self.check_id(id))?;
        let kept = ids.iter().copied().filter(|&id| !(skips_special && self.is_special(id)));
        match &self.pieces {
            Some(pieces) => Ok(pieces.decode(kept)),
            None => self.library.decode(&kept.collect::<Vec<_>>()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_taken_whole() {
        let mut bytes = "a女".as_bytes()[..3].to_vec();
        assert_eq!(take_characters(&mut bytes), "a");
        bytes.push("女".as_bytes()[2]);
        assert_eq!(take_characters(&mut bytes), "女");
        bytes.extend([b'x', 0xff, b'y', 0xe5]);
        assert_eq!(take_characters(&mut bytes), "x\u{fffd}y");
        bytes.push(b'z');
        assert_eq!(take_characters(&mut bytes), "\u{fffd}z");
        assert!(bytes.is_empty());
    }
}
