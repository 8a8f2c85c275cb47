//! The bytes that each id stands for, in an order in which those that begin alike stand side by side.

use std::collections::HashMap;

use nuwa_tokenizer::Tokenizer;

use super::TokenMask;
use super::symbol::is_plain;
use crate::{Error, Result};

/// The ids of a tokenizer by what they write. Special tokens write nothing and are left out.
#[derive(Debug)]
pub struct Vocabulary {
    /// Sorted by their bytes.
    tokens: Vec<Token>,
    /// Where each id stands among them.
    places: HashMap<u32, usize>,
    /// Ids that write nothing but whole characters of a JSON string without an escape.
    plain: TokenMask,
    /// Characters of the longest of those.
    longest_plain: usize,
}

#[derive(Debug)]
struct Token {
    id: u32,
    bytes: Box<[u8]>,
    /// How many of its first bytes the one before has too.
    shared: usize,
    is_plain: bool,
}

impl Vocabulary {
    /// The ids of a tokenizer, of a model that knows `size` of them.
    ///
    /// # Errors
    /// When the text of its tokens depends on those beside them, as that of WordPiece does.
    pub fn new(tokenizer: &Tokenizer, size: usize) -> Result<Self> {
        let ids = (0..tokenizer.vocab_size() as u32).filter(|id| !tokenizer.is_special(*id));
        let mut tokens = Vec::new();
        for id in ids {
            if tokenizer.id_to_token(id).is_none() {
                continue;
            }
            let bytes = tokenizer.token_bytes(id).ok_or(Error::TokensAreNoBytes)?;
            if !bytes.is_empty() {
                tokens.push((bytes, id));
            }
        }
        Ok(Self::of(tokens, size))
    }

    /// These tokens, of a model that knows `size` ids.
    pub fn of(mut all: Vec<(Vec<u8>, u32)>, size: usize) -> Self {
        all.sort();
        let (mut tokens, mut plain, mut longest_plain): (Vec<Token>, _, _) =
            (Vec::with_capacity(all.len()), TokenMask::none(size), 0);
        for (bytes, id) in all {
            let shared = tokens.last().map_or(0, |last| common(&last.bytes, &bytes));
            let text = std::str::from_utf8(&bytes).ok().filter(|text| text.bytes().all(is_plain));
            if let Some(text) = text {
                plain.insert(id);
                longest_plain = longest_plain.max(text.chars().count());
            }
            tokens.push(Token { id, is_plain: text.is_some(), bytes: bytes.into(), shared });
        }
        let places = tokens.iter().enumerate().map(|(place, token)| (token.id, place)).collect();
        Self { tokens, places, plain, longest_plain }
    }

    /// The bytes of an id.
    pub fn bytes(&self, id: u32) -> Option<&[u8]> {
        self.places.get(&id).map(|place| &*self.tokens[*place].bytes)
    }

    /// How many ids the model knows.
    pub fn size(&self) -> usize {
        self.plain.size()
    }

    /// Ids that write nothing but whole plain characters of a string, and the most characters of one.
    pub fn plain(&self) -> (&TokenMask, usize) {
        (&self.plain, self.longest_plain)
    }

    /// Puts the ids into `mask` whose bytes can be gone through from `begin` on, of those that are not plain or of all; `step` gives
    /// where a byte leads, none where nowhere.
    pub fn walk<S>(
        &self,
        begin: S,
        all: bool,
        mask: &mut TokenMask,
        step: &mut dyn FnMut(&S, u8) -> Option<S>,
    ) {
        // States after 0, 1, ... bytes of the last token, as far as it could be gone through.
        let mut states = vec![begin];
        // The bytes that the states stand for are those of a token that may lie before the last one.
        let mut known = 0;
        for token in &self.tokens {
            known = known.min(token.shared);
            if token.is_plain && !all {
                continue;
            }
            // Where a byte of the shared part led nowhere, it does so here.
            if states.len() <= known {
                continue;
            }
            states.truncate(known + 1);
            for byte in &token.bytes[known..] {
                let Some(next) = states.last().and_then(|state| step(state, *byte)) else { break };
                states.push(next);
            }
            known = token.bytes.len();
            if states.len() == token.bytes.len() + 1 {
                mask.insert(token.id);
            }
        }
    }
}

/// How many of their first bytes two texts have in common.
fn common(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}
