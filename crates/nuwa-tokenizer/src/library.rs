//! The pipeline of the `tokenizers` crate, made when it is first asked for: with 200,000 tokens that takes seconds, and
//! byte-level BPE, which most tokenizers are, is encoded and decoded here without it.

use std::sync::{LazyLock, OnceLock};

use tokenizers::Tokenizer as Pipeline;

use crate::special::{self, Place, PlainTokens, Specials};
use crate::{Error, Result};

type Make<T> = Box<dyn FnOnce() -> T + Send>;

/// A `tokenizer.json` and the library's pipeline of it.
#[derive(Debug)]
pub struct Library {
    json: LazyLock<String, Make<String>>,
    /// Takes the names of special tokens in a text for text.
    plain: OnceLock<Result<Pipeline, String>>,
    /// Recognises special tokens.
    special: OnceLock<Result<Pipeline, String>>,
    pieces: Pieces,
}

/// How long texts are cut: what the library keeps of a text takes some sixty bytes for each of its own.
#[derive(Debug, Clone, Copy)]
struct Pieces {
    /// The longest piece.
    bytes: usize,
    /// Whether the blank before which a text is cut is put there again by the rules.
    drops_blank: bool,
}

/// Longer texts go through the library in pieces.
const LONGEST: usize = 1 << 20;

impl Pieces {
    /// A text in pieces, cut before blanks where there are any.
    fn of(self, text: &str) -> impl Iterator<Item = &str> {
        let mut rest = text;
        std::iter::from_fn(move || {
            if rest.len() <= self.bytes {
                return Some(std::mem::take(&mut rest)).filter(|piece| !piece.is_empty());
            }
            let most = rest.floor_char_boundary(self.bytes);
            let blank = rest[..most].rfind(' ').filter(|&at| at >= most / 2);
            let (piece, after) = rest.split_at(blank.unwrap_or(most));
            rest = if self.drops_blank { after.strip_prefix(' ').unwrap_or(after) } else { after };
            Some(piece)
        })
    }
}

impl Library {
    /// A `tokenizer.json` whose pipeline was made already.
    pub fn ready(json: String, pipeline: Pipeline) -> Self {
        let library = Self::new(Box::new(|| json));
        library.plain.get_or_init(|| Ok(for_plain_text(pipeline)));
        library
    }

    /// A `tokenizer.json` that is written when it is asked for.
    pub fn new(json: Make<String>) -> Self {
        let pieces = Pieces { bytes: LONGEST, drops_blank: false };
        Self { json: LazyLock::new(json), plain: OnceLock::new(), special: OnceLock::new(), pieces }
    }

    /// For rules that make a text up to `growth` times as long, and put a blank before it or not.
    pub fn in_pieces(mut self, growth: usize, puts_blank_first: bool) -> Self {
        self.pieces = Pieces { bytes: (LONGEST / growth.max(1)).max(1024), drops_blank: puts_blank_first };
        self
    }

    /// The text of `tokenizer.json`: as it was read, so that saving changes nothing in it.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// Adds the ids of text; `take` may take some away after each piece. The names of special tokens in it are text, or stand
    /// for them if `special`.
    pub fn encode_into(
        &self,
        text: &str,
        special: bool,
        ids: &mut Vec<u32>,
        take: &mut impl FnMut(&mut Vec<u32>),
    ) -> Result<()> {
        let pipeline = self.pipeline(special)?;
        for piece in self.pieces.of(text) {
            let encoding = pipeline.encode_fast(piece, false);
            let encoding = encoding.map_err(|error| Error::pipeline("encode", error.to_string()))?;
            ids.extend_from_slice(encoding.get_ids());
            take(ids);
        }
        Ok(())
    }

    /// The ids of text in which only `places` are special tokens.
    pub fn encode_at(
        &self,
        text: &str,
        specials: &Specials,
        plain: &PlainTokens,
        places: &[Place],
    ) -> Result<Vec<u32>> {
        special::encode(self.pipeline(false)?, specials, plain, text, places)
    }

    /// Whether the names of special tokens become these tokens although text was asked for.
    pub fn finds_names(&self) -> Result<bool> {
        Ok(special::finds_names(self.pipeline(false)?))
    }

    /// The text of ids, special tokens written out.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.pipeline(false)?.decode(ids, false).map_err(|error| Error::pipeline("decode", error.to_string()))
    }

    fn pipeline(&self, special: bool) -> Result<&Pipeline> {
        let pipeline = match special {
            false => self.plain.get_or_init(|| self.parse()),
            true => self.special.get_or_init(|| self.with_special()),
        };
        pipeline.as_ref().map_err(|reason| Error::pipeline("load", reason.clone()))
    }

    fn parse(&self) -> Result<Pipeline, String> {
        let pipeline = serde_json::from_str(&self.json).map_err(|error| error.to_string())?;
        Ok(for_plain_text(pipeline))
    }

    fn with_special(&self) -> Result<Pipeline, String> {
        let mut pipeline = self.plain.get_or_init(|| self.parse()).clone()?;
        pipeline.set_encode_special_tokens(false);
        Ok(pipeline)
    }
}

/// Cutting and padding are the business of whoever makes batches.
fn for_plain_text(mut pipeline: Pipeline) -> Pipeline {
    pipeline.with_padding(None);
    if pipeline.with_truncation(None).is_err() {
        return pipeline;
    }
    pipeline.set_encode_special_tokens(true);
    pipeline
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_before_blanks() {
        let cut = |bytes, drops_blank, text: &'static str| -> Vec<&str> {
            Pieces { bytes, drops_blank }.of(text).collect()
        };
        assert_eq!(cut(6, false, "one two three"), ["one", " two", " three"]);
        assert_eq!(cut(6, true, "one two three"), ["one", "two", "three"]);
        assert_eq!(cut(4, true, "\u{4e2d}\u{6587}\u{5b57}"), ["\u{4e2d}", "\u{6587}", "\u{5b57}"]);
        assert_eq!(cut(6, true, ""), [""; 0]);
    }
}
