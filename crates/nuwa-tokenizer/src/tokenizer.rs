use std::path::Path;
use std::sync::{Arc, OnceLock};

use ahash::AHashMap;
use serde_json::Value;
use tokenizers::Tokenizer as Pipeline;

use crate::byte_level::ByteLevelEncoder;
use crate::chat::{self, Message};
use crate::config::Config;
use crate::decode::{Pieces, StreamDecoder};
use crate::import::{self, Source};
use crate::{Error, Result};

/// Text to ids and back. Cheap to clone; can be used from many threads at once.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: Arc<Inner>,
    config: Arc<Config>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    /// `tokenizer.json` as it was read, so that saving changes nothing in it.
    json: String,
    /// Takes special tokens in the text for plain text.
    pub pipeline: Pipeline,
    /// Recognises special tokens; made when first needed.
    special_pipeline: OnceLock<Pipeline>,
    fast: Option<ByteLevelEncoder>,
    pub pieces: Option<Pieces>,
    /// All tokens by id.
    pub tokens: Vec<Option<String>>,
    ids: AHashMap<String, u32>,
    is_special: Vec<bool>,
    /// Added tokens that are recognised even in plain text.
    plain_added: Vec<String>,
    end_of_text: Option<u32>,
    beginning_of_text: Option<u32>,
}

impl Tokenizer {
    /// Reads a tokenizer: a folder with `tokenizer.json`, with `encoder.json` and `vocab.bpe` (or `vocab.json` and
    /// `merges.txt`), with a `*.tiktoken` file, a SentencePiece `tokenizer.model` or a llama2.c `tok*.bin`; or one
    /// of these files itself.
    pub fn load(path: &Path) -> Result<Self> {
        Self::from_source(import::read(path)?)
    }

    pub(crate) fn from_source(source: Source) -> Result<Self> {
        let Source { path, json, value, pipeline, config } = source;
        let tokens = tokens_by_id(&path, &pipeline)?;
        let ids = by_token(&tokens);
        let is_special = special_flags(&pipeline, tokens.len());
        let config = if config.is_empty() { guess_config(&value, &ids) } else { config };
        let id_of = |role: &str| config.token(role).and_then(|token| ids.get(token).copied());
        let inner = Inner {
            end_of_text: id_of("eos_token"),
            beginning_of_text: id_of("bos_token"),
            fast: ByteLevelEncoder::from_json(&value),
            pieces: Pieces::new(&value["decoder"], &tokens),
            plain_added: plain_added_tokens(&value),
            special_pipeline: OnceLock::new(),
            pipeline: for_plain_text(pipeline),
            json,
            tokens,
            ids,
            is_special,
        };
        Ok(Self { inner: Arc::new(inner), config: Arc::new(config) })
    }

    /// Writes `tokenizer.json` and `tokenizer_config.json` into `folder`.
    pub fn save(&self, folder: &Path) -> Result<()> {
        nuwa_files::write_atomically(&folder.join("tokenizer.json"), self.inner.json.as_bytes())?;
        nuwa_files::write_json(&folder.join("tokenizer_config.json"), &self.config.to_json())?;
        Ok(())
    }

    /// The ids of plain text: nothing is put before or after it, and the names of special tokens in it are text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        match &self.inner.fast {
            Some(fast) if !self.inner.holds_added_token(text) => Ok(fast.encode(text)),
            _ => run(&self.inner.pipeline, text, false),
        }
    }

    /// The ids of text in which the names of special tokens stand for them, as in a rendered chat.
    pub fn encode_with_special_tokens(&self, text: &str) -> Result<Vec<u32>> {
        run(self.inner.special_pipeline(), text, false)
    }

    /// The text of `ids`, special tokens written out by name. Bytes that are not UTF-8 become U+FFFD.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.inner.decode(ids, false)
    }

    /// The text of `ids` with the special tokens left out.
    pub fn decode_skipping_special_tokens(&self, ids: &[u32]) -> Result<String> {
        self.inner.decode(ids, true)
    }

    /// A decoder that takes one id at a time.
    pub fn stream_decoder(&self) -> StreamDecoder {
        StreamDecoder::new(Arc::clone(&self.inner))
    }

    /// The highest id plus one: the rows that an embedding needs. Some ids below may have no token.
    pub fn vocab_size(&self) -> usize {
        self.inner.tokens.len()
    }

    /// The id of a token written as in `tokenizer.json`.
    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        self.inner.ids.get(token).copied()
    }

    /// A token as it is written in `tokenizer.json`.
    pub fn id_to_token(&self, id: u32) -> Option<String> {
        self.inner.tokens.get(id as usize)?.clone()
    }

    /// Whether `id` is a special token.
    pub fn is_special(&self, id: u32) -> bool {
        self.inner.is_special(id)
    }

    /// The id that ends a text (`eos_token`).
    pub fn end_of_text(&self) -> Option<u32> {
        self.inner.end_of_text
    }

    /// The id that begins a text (`bos_token`). See [`Tokenizer::adds_beginning_of_text`] for whether one is wanted.
    pub fn beginning_of_text(&self) -> Option<u32> {
        self.inner.beginning_of_text
    }

    /// Whether a model of this tokenizer expects [`Tokenizer::beginning_of_text`] before a text.
    pub fn adds_beginning_of_text(&self) -> bool {
        let with_marks = run(self.inner.special_pipeline(), "a", true);
        self.inner.beginning_of_text.is_some()
            && with_marks.is_ok_and(|ids| ids.first() == self.inner.beginning_of_text.as_ref())
    }

    /// The chat template, in Jinja.
    pub fn chat_template(&self) -> Option<&str> {
        self.config.chat_template()
    }

    /// A conversation as the text that the model was tuned on; `add_generation_prompt` opens the answer.
    pub fn apply_chat_template(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String> {
        self.apply_chat_template_with_tools(messages, None, add_generation_prompt)
    }

    /// As [`Tokenizer::apply_chat_template`], with the tools that the template may tell the model of.
    pub fn apply_chat_template_with_tools(
        &self,
        messages: &[Message],
        tools: Option<&Value>,
        add_generation_prompt: bool,
    ) -> Result<String> {
        let template = self.chat_template().ok_or(Error::NoChatTemplate)?;
        chat::render(template, &self.config, messages, tools, add_generation_prompt)
    }

    /// The same tokenizer with another chat template.
    ///
    /// # Errors
    /// When the template does not parse.
    pub fn with_chat_template(&self, template: &str) -> Result<Self> {
        chat::check(template)?;
        let config = Config::clone(&self.config).with_chat_template(template);
        Ok(Self { inner: Arc::clone(&self.inner), config: Arc::new(config) })
    }

    /// The special token that the chat template puts after an answer.
    pub fn end_of_turn(&self) -> Option<u32> {
        const ANSWER: &str = "answer";
        let turns = [Message::new("user", "question"), Message::new("assistant", ANSWER)];
        let text = self.apply_chat_template(&turns, false).ok()?;
        let after = &text[text.rfind(ANSWER)? + ANSWER.len()..];
        let ids = self.encode_with_special_tokens(after).ok()?;
        ids.into_iter().find(|&id| self.is_special(id))
    }

    /// The ids of plain text by the `tokenizers` crate alone, to hold the faster road against.
    #[doc(hidden)]
    pub fn encode_by_library(&self, text: &str) -> Result<Vec<u32>> {
        run(&self.inner.pipeline, text, false)
    }
}

impl Inner {
    fn special_pipeline(&self) -> &Pipeline {
        self.special_pipeline.get_or_init(|| {
            let mut pipeline = self.pipeline.clone();
            pipeline.set_encode_special_tokens(false);
            pipeline
        })
    }

    pub(crate) fn is_special(&self, id: u32) -> bool {
        self.is_special.get(id as usize).copied().unwrap_or(false)
    }

    fn holds_added_token(&self, text: &str) -> bool {
        self.plain_added.iter().any(|token| text.contains(token.as_str()))
    }
}

fn run(pipeline: &Pipeline, text: &str, add_marks: bool) -> Result<Vec<u32>> {
    let encoding = pipeline.encode_fast(text, add_marks);
    let encoding =
        encoding.map_err(|error| Error::Pipeline { action: "encode", reason: error.to_string() })?;
    Ok(encoding.get_ids().to_vec())
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

/// More ids than any vocabulary has: a higher one in a file would only make us ask for memory.
const HIGHEST_ID: u32 = 1 << 24;

fn tokens_by_id(path: &Path, pipeline: &Pipeline) -> Result<Vec<Option<String>>> {
    let vocabulary = pipeline.get_vocab(true);
    let Some(&highest) = vocabulary.values().max() else {
        return Err(Error::invalid(path, "the vocabulary is empty"));
    };
    if highest > HIGHEST_ID {
        return Err(Error::invalid(
            path,
            format!("token id {highest} is beyond any vocabulary ({HIGHEST_ID})"),
        ));
    }
    let mut tokens = vec![None; highest as usize + 1];
    for (token, id) in vocabulary {
        tokens[id as usize] = Some(token);
    }
    for (id, added) in pipeline.get_added_tokens_decoder() {
        if let Some(slot) = tokens.get_mut(id as usize) {
            *slot = Some(added.content);
        }
    }
    Ok(tokens)
}

fn by_token(tokens: &[Option<String>]) -> AHashMap<String, u32> {
    let pairs = tokens.iter().enumerate();
    pairs.filter_map(|(id, token)| Some((token.clone()?, id as u32))).collect()
}

fn added_tokens(json: &Value) -> impl Iterator<Item = &Value> {
    json["added_tokens"].as_array().into_iter().flatten()
}

fn special_flags(pipeline: &Pipeline, size: usize) -> Vec<bool> {
    let mut flags = vec![false; size];
    for (id, token) in pipeline.get_added_tokens_decoder() {
        if let Some(flag) = flags.get_mut(id as usize) {
            *flag = token.special;
        }
    }
    flags
}

fn plain_added_tokens(json: &Value) -> Vec<String> {
    let plain = added_tokens(json).filter(|token| token["special"] != true);
    plain.filter_map(|token| Some(token["content"].as_str()?.to_string())).collect()
}

/// Without a `tokenizer_config.json` the usual names tell begin and end.
fn guess_config(json: &Value, ids: &AHashMap<String, u32>) -> Config {
    let special: Vec<&str> = added_tokens(json)
        .filter(|token| token["special"] == true)
        .filter_map(|token| token["content"].as_str())
        .collect();
    let known = |names: &[&'static str]| {
        names.iter().copied().find(|name| special.contains(name) && ids.contains_key(*name))
    };
    let end = known(&["<|endoftext|>", "</s>", "<|end_of_text|>", "<eos>", "<｜end▁of▁sentence｜>", "[SEP]"]);
    let begin =
        known(&["<s>", "<|begin_of_text|>", "<bos>", "<｜begin▁of▁sentence｜>", "<|endoftext|>", "[CLS]"]);
    let roles = [("eos_token", end), ("bos_token", begin)];
    let roles: Vec<(&str, &str)> = roles.iter().filter_map(|&(role, token)| Some((role, token?))).collect();
    Config::new(&roles)
}
