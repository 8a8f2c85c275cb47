use std::path::Path;
use std::sync::Arc;

use ahash::AHashMap;
use serde::Deserialize;
use serde_json::{Value, json};
use tokenizers::{Encoding, PostProcessor, PostProcessorWrapper, Token};

use crate::added::{AddedToken, AddedTokens, Part};
use crate::byte_level::ByteLevelEncoder;
use crate::chat::{self, Message};
use crate::config::Config;
use crate::decode::{Pieces, StreamDecoder};
use crate::import::{self, Source};
use crate::library::Library;
use crate::said::{self, ChatText, Said};
use crate::special::{Place, PlainTokens, Specials};
use crate::{Error, Result};

/// Text to ids and back. Cheap to clone; can be used from many threads at once.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: Arc<Inner>,
    config: Arc<Config>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub library: Library,
    /// Encodes without the library, with the tokens that are looked for first.
    fast: Option<(ByteLevelEncoder, AddedTokens)>,
    pub pieces: Option<Pieces>,
    /// All tokens by id.
    pub tokens: Vec<Option<String>>,
    ids: AHashMap<String, u32>,
    is_special: Vec<bool>,
    specials: Specials,
    /// Added tokens that are recognised in any text.
    plain_added: PlainTokens,
    /// Whether a model of it expects the token that begins a text.
    adds_bos: bool,
    eos: Option<u32>,
    bos: Option<u32>,
}

impl Tokenizer {
    /// Reads a tokenizer: a folder with `tokenizer.json`, with `encoder.json` and `vocab.bpe` (or `vocab.json` and
    /// `merges.txt`), with a `*.tiktoken` file, a SentencePiece `tokenizer.model` or a llama2.c `tok*.bin`; or one
    /// of these files itself.
    ///
    /// # Errors
    /// When there is no tokenizer, or it is damaged or of a kind that is not read.
    pub fn load(path: &Path) -> Result<Self> {
        Self::from_source(import::read(path)?)
    }

    pub(crate) fn from_source(source: Source) -> Result<Self> {
        let Source { path, library, frame, tokens, bpe, config } = source;
        let ids = by_token(&tokens);
        let added = added_tokens(&path, &frame, &ids)?;
        let config = if config.is_empty() { guess_config(&added, &ids) } else { config };
        let id_of = |role: &str| config.token(role).and_then(|token| ids.get(token).copied());
        let fast = bpe.and_then(|bpe| {
            let names = added.iter().filter(|token| token.special).map(|token| token.content.as_str());
            let encoder = ByteLevelEncoder::new(&frame["pre_tokenizer"], &bpe)?.without_names(names);
            Some((encoder, AddedTokens::new(&added)?))
        });
        let begin = id_of("bos_token");
        let inner = Inner {
            eos: id_of("eos_token"),
            bos: begin,
            adds_bos: begin.is_some() && first_mark(&frame["post_processor"]) == begin,
            fast,
            pieces: Pieces::new(&frame["decoder"], &tokens),
            is_special: special_flags(&added, tokens.len()),
            specials: Specials::new(&added, !frame["normalizer"].is_null()),
            plain_added: PlainTokens::new(&added).map_err(|reason| Error::invalid(&path, reason))?,
            library,
            tokens,
            ids,
        };
        Ok(Self { inner: Arc::new(inner), config: Arc::new(config) })
    }

    /// What it says about itself apart from its vocabulary.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// The text of its `tokenizer.json`.
    pub(crate) fn json(&self) -> &str {
        self.inner.library.json()
    }

    /// Writes `tokenizer.json` and `tokenizer_config.json` into `folder`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<()> {
        nuwa_files::write_atomically(&folder.join("tokenizer.json"), self.inner.library.json().as_bytes())?;
        nuwa_files::write_json(&folder.join("tokenizer_config.json"), &self.config.to_json())?;
        Ok(())
    }

    /// The ids of plain text: nothing is put before or after it, and the names of special tokens in it are text.
    ///
    /// # Errors
    /// When the rules of the tokenizer do not fit the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        self.inner.encode(text, false)
    }

    /// The ids of text in which the names of special tokens stand for them, whoever wrote them. For a conversation
    /// there is [`Tokenizer::encode_chat`].
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_with_special_tokens(&self, text: &str) -> Result<Vec<u32>> {
        self.inner.encode(text, true)
    }

    /// Hands over the ids of text in parts, so that those of a long text are never all in memory. The names of special tokens
    /// are text, or stand for them if `special`.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_in_parts(&self, text: &str, special: bool, take: &mut dyn FnMut(&[u32])) -> Result<()> {
        const PART: usize = 1 << 16;
        let mut ids = Vec::new();
        self.inner.encode_into(text, special, &mut ids, &mut |ids: &mut Vec<u32>| {
            if ids.len() >= PART {
                take(ids);
                ids.clear();
            }
        })?;
        take(&ids);
        Ok(())
    }

    /// The text of `ids`, special tokens written out by name. Bytes that are not UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// When an id is unknown.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.inner.decode(ids, false)
    }

    /// The text of `ids` with the special tokens left out.
    ///
    /// # Errors
    /// When an id is unknown.
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

    /// The bytes that a token stands for within a text; of tokenizers whose tokens depend on those beside them, those that it
    /// stands for alone. None where `id` has no token.
    pub fn token_bytes(&self, id: u32) -> Option<Vec<u8>> {
        self.inner.check_id(id).ok()?;
        match &self.inner.pieces {
            Some(pieces) => Some(pieces.get(id).to_vec()),
            None => self.inner.library.decode(&[id]).ok().map(String::into_bytes),
        }
    }

    /// Whether `id` is a special token.
    pub fn is_special(&self, id: u32) -> bool {
        self.inner.is_special(id)
    }

    /// The id that ends a text (`eos_token`).
    pub fn eos(&self) -> Option<u32> {
        self.inner.eos
    }

    /// The ids at which writing ends: that of `eos_token`, and those that came with the vocabulary as ends of turns or texts.
    pub fn ends(&self) -> Vec<u32> {
        let further =
            self.config.note(crate::config::END_IDS).and_then(Value::as_array).into_iter().flatten();
        let further = further.filter_map(|id| u32::try_from(id.as_u64()?).ok());
        let mut ends: Vec<u32> = self.eos().into_iter().collect();
        for id in further.filter(|&id| (id as usize) < self.vocab_size()) {
            if !ends.contains(&id) {
                ends.push(id);
            }
        }
        ends
    }

    /// The id that begins a text (`bos_token`). See [`Tokenizer::adds_bos`] for whether one is wanted.
    pub fn bos(&self) -> Option<u32> {
        self.inner.bos
    }

    /// Whether a model of this tokenizer expects [`Tokenizer::bos`] before a text.
    pub fn adds_bos(&self) -> bool {
        self.inner.adds_bos
    }

    /// The chat template, in Jinja.
    pub fn chat_template(&self) -> Option<&str> {
        self.config.chat_template()
    }

    /// A conversation as the text that the model was tuned on; `add_generation_prompt` opens the answer.
    ///
    /// # Errors
    /// When there is no chat template, or it refuses the conversation.
    pub fn apply_chat_template(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String> {
        Ok(self.chat(messages, None, add_generation_prompt)?.text().to_string())
    }

    /// As [`Tokenizer::apply_chat_template`], with the tools that the template may tell the model of, and in the form
    /// that [`Tokenizer::encode_chat`] takes.
    ///
    /// # Errors
    /// As [`Tokenizer::apply_chat_template`].
    pub fn chat(
        &self,
        messages: &[Message],
        tools: Option<&Value>,
        add_generation_prompt: bool,
    ) -> Result<ChatText> {
        let template = self.chat_template().ok_or(Error::NoChatTemplate)?;
        let write = |messages: &[Message], tools: Option<&Value>| {
            chat::render(template, &self.config, messages, tools, add_generation_prompt)
        };
        said::write_marked(&Said { messages, tools }, &self.inner.specials, write)
    }

    /// The ids of a conversation, or of a part of one: special tokens are those that the template wrote; their names in
    /// what was said are text.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_chat(&self, chat: &ChatText) -> Result<Vec<u32>> {
        let (inner, text) = (&self.inner, chat.text());
        let was_said = |bytes: &_| chat.was_said(bytes);
        let places = || inner.specials.places(text, was_said);
        if inner.specials.any(text, was_said) {
            return inner.encode_at(text, &places());
        }
        let ids = self.encode_with_special_tokens(text)?;
        // A name may only come out of what was said once it is normalised.
        let found = || ids.iter().filter(|&&id| self.is_special(id)).count();
        if inner.specials.normalised && found() > places().len() {
            return inner.encode_at(text, &places());
        }
        Ok(ids)
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

    /// The same tokenizer with a note in its configuration.
    pub(crate) fn with_note(&self, key: &str, value: Value) -> Self {
        let config = Config::clone(&self.config).with_note(key, value);
        Self { inner: Arc::clone(&self.inner), config: Arc::new(config) }
    }

    /// The token that the chat template puts after an answer: a special one, or one that was added to the vocabulary.
    pub fn end_of_turn(&self) -> Option<u32> {
        // No template writes this of its own.
        const ANSWER: &str = "an-answer-of-no-meaning";
        let turns = [Message::new("user", "question"), Message::new("assistant", ANSWER)];
        let text = self.apply_chat_template(&turns, false).ok()?;
        let after = &text[text.rfind(ANSWER)? + ANSWER.len()..];
        let ids = self.encode_with_special_tokens(after).ok()?;
        let is_added = |id: &u32| self.inner.plain_added.contains(*id);
        ids.iter().copied().find(|&id| self.is_special(id)).or_else(|| ids.iter().copied().find(is_added))
    }

    /// The ids by the `tokenizers` crate alone, to hold the faster road against.
    #[doc(hidden)]
    pub fn encode_by_library(&self, text: &str, special: bool) -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        self.inner.library.encode_into(text, special, &mut ids, &mut |_| {})?;
        Ok(ids)
    }
}

impl Inner {
    fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>> {
        // One allocation for most texts.
        let mut ids = Vec::with_capacity(if self.fast.is_some() { text.len() / 3 } else { 0 });
        self.encode_into(text, special, &mut ids, &mut |_| {})?;
        Ok(ids)
    }

    fn encode_into(
        &self,
        text: &str,
        special: bool,
        ids: &mut Vec<u32>,
        take: &mut impl FnMut(&mut Vec<u32>),
    ) -> Result<()> {
        if let Some((encoder, added)) = &self.fast {
            added.split(text, special, &mut |part| match part {
                Part::Token(id) => ids.push(id),
                Part::Text(text) => encoder.encode_into(text, ids, take),
            });
            return Ok(());
        }
        if !special && self.specials.any(text, |_| true) && self.library.finds_names()? {
            ids.extend(self.encode_at(text, &[])?);
            return Ok(());
        }
        self.library.encode_into(text, special, ids, take)
    }

    /// The ids of text in which only `places` are special tokens.
    fn encode_at(&self, text: &str, places: &[Place]) -> Result<Vec<u32>> {
        if self.fast.is_none() {
            return self.library.encode_at(text, &self.specials, &self.plain_added, places);
        }
        let (mut ids, mut done) = (Vec::new(), 0);
        for Place { taken, id, .. } in places {
            ids.append(&mut self.encode(&text[done..taken.start], false)?);
            ids.push(*id);
            done = taken.end;
        }
        ids.append(&mut self.encode(&text[done..], false)?);
        Ok(ids)
    }

    pub(crate) fn is_special(&self, id: u32) -> bool {
        self.is_special.get(id as usize).copied().unwrap_or(false)
    }
}

fn by_token(tokens: &[Option<String>]) -> AHashMap<String, u32> {
    let pairs = tokens.iter().enumerate();
    pairs.filter_map(|(id, token)| Some((token.clone()?, id as u32))).collect()
}

/// The added tokens with the ids that the library gives them, whatever the file says.
/// Names of added tokens are looked for at every place of a text.
const LONGEST_NAME: usize = 1000;

fn added_tokens(path: &Path, frame: &Value, ids: &AHashMap<String, u32>) -> Result<Vec<AddedToken>> {
    let list = frame.get("added_tokens").filter(|list| !list.is_null()).cloned().unwrap_or(json!([]));
    let mut added: Vec<AddedToken> = serde_json::from_value(list)
        .map_err(|error| Error::invalid(path, format!("\"added_tokens\": {error}")))?;
    if let Some(long) = added.iter().find(|token| token.content.len() > LONGEST_NAME) {
        let bytes = long.content.len();
        let reason = format!(
            "the added token of id {} has a name of {bytes} bytes; expected at most {LONGEST_NAME}",
            long.id
        );
        return Err(Error::invalid(path, reason));
    }
    added.retain_mut(|token| ids.get(&token.content).map(|&id| token.id = id).is_some());
    Ok(added)
}

fn special_flags(added: &[AddedToken], size: usize) -> Vec<bool> {
    let mut flags = vec![false; size];
    added.iter().for_each(|token| flags[token.id as usize] = token.special);
    flags
}

/// What a `post_processor` puts before a text.
fn first_mark(post_processor: &Value) -> Option<u32> {
    // A text of one token, so that what stands behind it is not taken for what stands before.
    let text = Encoding::from_tokens(vec![Token::new(u32::MAX, String::new(), (0, 0))], 0);
    let wrapper = PostProcessorWrapper::deserialize(post_processor).ok()?;
    let encoding = wrapper.process(text, None, true).ok()?;
    encoding.get_ids().first().copied().filter(|id| *id != u32::MAX)
}

/// Without a `tokenizer_config.json` the usual names tell begin and end.
fn guess_config(added: &[AddedToken], ids: &AHashMap<String, u32>) -> Config {
    let special: Vec<&str> =
        added.iter().filter(|token| token.special).map(|token| token.content.as_str()).collect();
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
