//! The tokenizer of a GGUF file: of the kind `gpt2`, byte-level BPE with its merges, or `llama`, SentencePiece's pieces with scores.

use std::path::Path;

use ahash::AHashMap;
use nuwa_files::gguf::{Gguf, List};
use serde_json::{Value, json};

use super::sentencepiece::{Kind, Piece, SentencePieceModel, adds_begin, piece_kind, to_source};
use super::{Source, check_count, tiktoken};
use crate::added::AddedToken;
use crate::bpe::{Bpe, Merge};
use crate::config::{Config, END_IDS};
use crate::pre::Rule;
use crate::split;
use crate::{Error, Result};

/// The roles of tokens, and the keys of their ids.
const ROLES: [(&str, &str); 7] = [
    ("bos_token", "tokenizer.ggml.bos_token_id"),
    ("eos_token", "tokenizer.ggml.eos_token_id"),
    ("unk_token", "tokenizer.ggml.unknown_token_id"),
    ("pad_token", "tokenizer.ggml.padding_token_id"),
    ("sep_token", "tokenizer.ggml.seperator_token_id"),
    ("cls_token", "tokenizer.ggml.cls_token_id"),
    ("mask_token", "tokenizer.ggml.mask_token_id"),
];

/// The keys of further ids at which writing ends.
const ENDS: [&str; 2] = ["tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"];

/// Names that end a turn or a text whatever the keys say, as llama.cpp has them.
const END_NAMES: [&str; 14] = [
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<｜end▁of▁sentence｜>",
    "<|return|>",
    "<|call|>",
];

pub fn read(path: &Path) -> Result<Source> {
    let file = Gguf::open(path)?;
    let vocabulary = Vocabulary::of(&file)?;
    match file.text("tokenizer.ggml.model")? {
        Some("gpt2") => vocabulary.byte_level(),
        Some("llama") => vocabulary.sentence_piece(),
        None => Err(Error::NoTokenizer { path: path.to_path_buf() }),
        Some(other) => {
            let reason = format!(
                "tokenizer.ggml.model is {other:?}: of the tokenizers in GGUF files gpt2 (byte-level BPE) and llama (SentencePiece's BPE) are read"
            );
            Err(Error::UnknownForm { path: path.to_path_buf(), reason })
        }
    }
}

/// What both kinds have.
struct Vocabulary<'a> {
    file: &'a Gguf,
    tokens: &'a [String],
    kinds: Vec<Kind>,
}

impl<'a> Vocabulary<'a> {
    fn of(file: &'a Gguf) -> Result<Self> {
        const TOKENS: &str = "tokenizer.ggml.tokens";
        const KINDS: &str = "tokenizer.ggml.token_type";
        let invalid = |reason: String| Error::invalid(file.path(), reason);
        let tokens = file.texts(TOKENS)?.unwrap_or_default();
        check_count(tokens.len()).map_err(invalid)?;
        let mut known = AHashMap::with_capacity(tokens.len());
        for (id, token) in tokens.iter().enumerate() {
            if let Some(first) = known.insert(token, id) {
                return Err(invalid(format!("tokens {first} and {id} are both {token:?}")));
            }
        }
        let kinds = match file.list(KINDS)? {
            None => vec![Kind::Normal; tokens.len()],
            Some(List::I32(kinds)) if kinds.len() == tokens.len() => {
                let kind = |(id, &kind): (usize, &i32)| piece_kind(kind as i64 as u64, id);
                kinds.iter().enumerate().map(kind).collect::<Result<_, String>>().map_err(invalid)?
            }
            Some(list) => {
                return Err(invalid(format!(
                    "{KINDS} has {} values, expected an i32 for each of the {} tokens",
                    list.len(),
                    tokens.len()
                )));
            }
        };
        Ok(Self { file, tokens, kinds })
    }

    fn invalid(&self, reason: String) -> Error {
        Error::invalid(self.file.path(), reason)
    }

    /// The id that a key names, where it names one: -1 and the like stand for none.
    fn id(&self, key: &str) -> Result<Option<usize>> {
        let number = self.file.number(key)?;
        let Some(number) = number.filter(|&number| number >= 0.0 && number < f64::from(u32::MAX)) else {
            return Ok(None);
        };
        let size = self.tokens.len();
        match number as usize {
            id if id < size => Ok(Some(id)),
            id => {
                Err(self.invalid(format!("{key} is {id}, expected an id below {size}, the number of tokens")))
            }
        }
    }

    /// Roles of tokens, ends of writing and the chat template.
    fn config(&self) -> Result<Config> {
        let mut roles = Vec::new();
        for (role, key) in ROLES {
            if let Some(id) = self.id(key)? {
                roles.push((role, self.tokens[id].as_str()));
            }
        }
        let mut ends: Vec<usize> = Vec::new();
        for key in ENDS {
            ends.extend(self.id(key)?);
        }
        let named = |(id, token): (usize, &String)| {
            (self.kinds[id] == Kind::Control && END_NAMES.contains(&token.as_str())).then_some(id)
        };
        ends.extend(self.tokens.iter().enumerate().filter_map(named));
        ends.sort_unstable();
        ends.dedup();
        let config = Config::new(&roles).with_note(END_IDS, json!(ends));
        Ok(match self.file.text("tokenizer.chat_template")? {
            Some(template) => config.with_chat_template(template),
            None => config,
        })
    }

    fn byte_level(&self) -> Result<Source> {
        let name = self.file.text("tokenizer.ggml.pre")?;
        let Some(rule) = Rule::named(name) else {
            let reason = format!(
                "tokenizer.ggml.pre is {:?}, a way to cut text that is not known; known are {}",
                name.unwrap_or_default(),
                Rule::known()
            );
            return Err(Error::UnknownForm { path: self.file.path().to_path_buf(), reason });
        };
        let begin = match self.file.flag("tokenizer.ggml.add_bos_token")?.unwrap_or(rule.adds_begin) {
            true => self.id("tokenizer.ggml.bos_token_id")?,
            false => None,
        };
        let frame = json!({
            "version": "1.0", "truncation": null, "padding": null, "normalizer": null,
            "pre_tokenizer": split::pre_tokenizer(rule.patterns),
            "post_processor": begin.map_or(Value::Null, |id| adds_begin(id, &self.tokens[id])),
            "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
        });
        let added = self.added();
        let bpe = Bpe { tokens: self.numbered(), merges: self.merges()?, ignore_merges: rule.ignore_merges };
        let library = tiktoken::library(frame.clone(), &bpe, &added);
        Source::from_bpe(self.file.path(), frame, bpe, &added, self.config()?, library)
    }

    /// Tokens that are found in a text before it is cut.
    fn added(&self) -> Vec<AddedToken> {
        let added = |(id, token): (usize, &String)| match self.kinds[id] {
            Kind::Control | Kind::Unknown => Some(AddedToken::new(id as u32, token, true)),
            Kind::UserDefined => Some(AddedToken::new(id as u32, token, false)),
            _ => None,
        };
        self.tokens.iter().enumerate().filter_map(added).collect()
    }

    /// Tokens with their ids; those that only fill the vocabulary up are none.
    fn numbered(&self) -> Vec<(String, u32)> {
        let used = self.tokens.iter().enumerate().filter(|(id, _)| self.kinds[*id] != Kind::Unused);
        used.map(|(id, token)| (token.clone(), id as u32)).collect()
    }

    fn merges(&self) -> Result<Vec<Merge>> {
        let used = self.tokens.iter().enumerate().filter(|(id, _)| self.kinds[*id] != Kind::Unused);
        let ids: AHashMap<&str, u32> = used.map(|(id, token)| (token.as_str(), id as u32)).collect();
        let lines = self.file.texts("tokenizer.ggml.merges")?.unwrap_or_default();
        let merge = |(number, line): (usize, &String)| {
            // The first character may be a blank itself.
            let first = line.chars().next().map_or(0, char::len_utf8);
            let at = line[first..].find(' ').map(|at| at + first);
            let parts = at.map(|at| (&line[..at], &line[at + 1..]));
            let found = parts.and_then(|(left, right)| {
                let merged = [left, right].concat();
                Some(Merge {
                    left: *ids.get(left)?,
                    right: *ids.get(right)?,
                    merged: *ids.get(merged.as_str())?,
                })
            });
            found.ok_or_else(|| {
                self.invalid(format!("merge {number} of tokenizer.ggml.merges is {line:?}: expected two tokens that make a third"))
            })
        };
        lines.iter().enumerate().map(merge).collect()
    }

    fn sentence_piece(&self) -> Result<Source> {
        const SCORES: &str = "tokenizer.ggml.scores";
        let scores = match self.file.list(SCORES)? {
            Some(List::F32(scores)) if scores.len() == self.tokens.len() => scores,
            found => {
                let found = found.map_or("absent".into(), |list| format!("a list of {} values", list.len()));
                let expected = format!("expected an f32 for each of the {} tokens", self.tokens.len());
                return Err(self.invalid(format!("{SCORES} is {found}, {expected}")));
            }
        };
        let piece = |(id, text): (usize, &String)| {
            check_byte(text, self.kinds[id])
                .map_err(|reason| self.invalid(format!("token {id} {reason}")))?;
            Ok(Piece { text: text.clone(), score: scores[id], kind: self.kinds[id] })
        };
        let pieces = self.tokens.iter().enumerate().map(piece).collect::<Result<Vec<_>>>()?;
        let flag = |key: &str| self.file.flag(&format!("tokenizer.ggml.{key}"));
        let begin = self.id("tokenizer.ggml.bos_token_id")?;
        let adds_begin = flag("add_bos_token")?.unwrap_or(true);
        let model = SentencePieceModel {
            pieces,
            begin: begin.filter(|_| adds_begin),
            end: self.id("tokenizer.ggml.eos_token_id")?,
            adds_first_blank: flag("add_space_prefix")?.unwrap_or(true),
            joins_blanks: flag("remove_extra_whitespaces")?.unwrap_or(false),
            ..SentencePieceModel::default()
        };
        Ok(Source { config: self.config()?, ..to_source(self.file.path(), &model)? })
    }
}

/// A token of a byte is `<0x` with two digits and `>`.
fn check_byte(text: &str, kind: Kind) -> Result<(), String> {
    let digits = text.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    let is_byte =
        digits.is_some_and(|digits| digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    match kind == Kind::Byte && !is_byte {
        true => Err(format!("is {text:?} and of the type of bytes, expected <0x00> to <0xFF>")),
        false => Ok(()),
    }
}
