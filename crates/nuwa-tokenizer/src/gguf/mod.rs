//! A tokenizer as the keys of a GGUF file, for llama.cpp to give the same ids.

mod byte_level;
mod sentence_piece;

use nuwa_files::gguf::{List, Value};
use serde_json::Value as Json;

use crate::{Error, Result, Tokenizer};

/// The types of tokens in files.
const NORMAL: i32 = 1;
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const UNUSED: i32 = 5;
const BYTE: i32 = 6;

/// The roles of tokens, and the keys of their ids.
const ROLES: [(&str, &str); 4] =
    [("unk_token", "unknown"), ("pad_token", "padding"), ("cls_token", "cls"), ("mask_token", "mask")];

impl Tokenizer {
    /// The keys that a GGUF file of a model with `ids` ids has to have for llama.cpp to give the same ids of a text; the ids without a
    /// token are filled up.
    ///
    /// As llama.cpp's own converter does, two rules of Hugging Face's are left out: text is normalised (NFC) before some byte-level rules,
    /// and Metaspace puts no blank before a text that begins with one.
    ///
    /// # Errors
    /// When llama.cpp has no way to cut or merge text as this tokenizer does.
    pub fn gguf_keys(&self, ids: usize) -> Result<Vec<(String, Value)>> {
        let json: Json =
            serde_json::from_str(self.json()).map_err(|error| inexpressible(error.to_string()))?;
        let (tokens, mut kinds) = self.tokens_and_kinds(&json, ids);
        let form = self.form(&json, &tokens, &mut kinds)?;
        let mut keys = Keys::default();
        keys.put("model", Value::Text(form.model.into()));
        keys.put("pre", Value::Text(form.pre.into()));
        keys.put("tokens", Value::List(List::Text(tokens)));
        keys.put("token_type", Value::List(List::I32(kinds)));
        keys.put(form.rule.0, Value::List(form.rule.1));
        self.put_ids(&mut keys);
        keys.put("add_space_prefix", Value::Bool(form.puts_blank_first));
        if let Some(template) = self.chat_template() {
            keys.0.push(("tokenizer.chat_template".into(), Value::Text(template.into())));
        }
        Ok(keys.0)
    }

    fn form(&self, json: &Json, tokens: &[String], kinds: &mut [i32]) -> Result<Form> {
        let model = &json["model"];
        match (model["type"].as_str().unwrap_or("BPE"), model["byte_fallback"] == true) {
            ("BPE", false) => byte_level::form(json),
            ("BPE", true) => sentence_piece::form(json, self.chat_template().is_some(), tokens, kinds),
            (kind, _) => Err(inexpressible(format!(
                "its vocabulary is of the type {kind}; BPE, byte-level or SentencePiece's, is what is written"
            ))),
        }
    }

    /// The text and the type of each id.
    fn tokens_and_kinds(&self, json: &Json, ids: usize) -> (Vec<String>, Vec<i32>) {
        let added = json["added_tokens"].as_array().into_iter().flatten();
        let added: Vec<u64> = added.filter_map(|token| token["id"].as_u64()).collect();
        let token = |id: u32| match self.id_to_token(id) {
            // Texts are told apart there, those of ids without a token too.
            None => (format!("[PAD{id}]"), UNUSED),
            Some(text) if self.is_special(id) => (text, CONTROL),
            Some(text) if added.contains(&id.into()) => (text, USER_DEFINED),
            Some(text) => (text, NORMAL),
        };
        (0..ids.max(self.vocab_size()) as u32).map(token).unzip()
    }

    /// Ids with a role. Without them llama.cpp takes those of other models.
    fn put_ids(&self, keys: &mut Keys) {
        let end = self.eos().or(self.bos());
        let begin = self.bos().or(end);
        let further = self.end_of_turn().into_iter().chain(self.ends()).find(|&id| Some(id) != end);
        for (role, id) in [("bos", begin), ("eos", end), ("eot", self.end_of_turn().or(further).or(end))] {
            if let Some(id) = id {
                keys.put(&format!("{role}_token_id"), Value::U32(id));
            }
        }
        for (role, key) in ROLES {
            if let Some(id) = self.token_of_role(role) {
                keys.put(&format!("{key}_token_id"), Value::U32(id));
            }
        }
        keys.put("add_bos_token", Value::Bool(self.adds_bos()));
        keys.put("add_eos_token", Value::Bool(false));
    }
}

/// How a kind of vocabulary makes tokens of text there.
struct Form {
    model: &'static str,
    /// The rule that cuts text into words.
    pre: &'static str,
    /// What says which tokens come of which, under its key.
    rule: (&'static str, List),
    /// Whether a blank is put before a text and before what follows a special token.
    puts_blank_first: bool,
}

/// Keys of the tokenizer.
#[derive(Default)]
struct Keys(Vec<(String, Value)>);

impl Keys {
    fn put(&mut self, key: &str, value: Value) {
        self.0.push((format!("tokenizer.ggml.{key}"), value));
    }
}

fn inexpressible(reason: impl Into<String>) -> Error {
    Error::Inexpressible { reason: reason.into() }
}

/// The pairs that are merged, the first first.
fn merges(model: &Json) -> Result<Vec<(&str, &str)>> {
    let merges = model["merges"].as_array().into_iter().flatten();
    merges.map(|merge| pair(merge).ok_or_else(|| inexpressible(format!("{merge} is no merge")))).collect()
}

/// A merge is written as two tokens, or as a line with a blank between them.
fn pair(merge: &Json) -> Option<(&str, &str)> {
    match merge {
        Json::String(line) => line.split_once(' '),
        Json::Array(parts) => Some((parts.first()?.as_str()?, parts.get(1)?.as_str()?)),
        _ => None,
    }
}
