//! The pipeline of the `tokenizers` crate, made when it is first asked for: with 200,000 tokens that takes seconds, and
//! byte-level BPE, which most tokenizers are, is encoded and decoded here without it.

use std::sync::{LazyLock, OnceLock};

use tokenizers::Tokenizer as Pipeline;

use crate::special::{self, Place, Specials};
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
        Self { json: LazyLock::new(json), plain: OnceLock::new(), special: OnceLock::new() }
    }

    /// The text of `tokenizer.json`: as it was read, so that saving changes nothing in it.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// The ids of text. The names of special tokens in it are text, or stand for them if `special`.
    pub fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>> {
        let encoding = self.pipeline(special)?.encode_fast(text, false);
        let encoding = encoding.map_err(|error| failed("encode", error.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The ids of text in which only `places` are special tokens.
    pub fn encode_at(
        &self,
        text: &str,
        specials: &Specials,
        plain: &[(String, u32)],
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
        self.pipeline(false)?.decode(ids, false).map_err(|error| failed("decode", error.to_string()))
    }

    fn pipeline(&self, special: bool) -> Result<&Pipeline> {
        let pipeline = match special {
            false => self.plain.get_or_init(|| self.parse()),
            true => self.special.get_or_init(|| self.with_special()),
        };
        pipeline.as_ref().map_err(|reason| failed("load", reason.clone()))
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

fn failed(action: &'static str, reason: String) -> Error {
    Error::Pipeline { action, reason }
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
