//! The model of a `tokenizer.json` of the byte-level BPE kind, read in one pass.

use std::borrow::Cow;

use ahash::AHashMap;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A byte-level BPE vocabulary.
#[derive(Debug, Default)]
pub struct Bpe {
    /// Tokens as they are written, and their ids.
    pub tokens: Vec<(String, u32)>,
    /// In the order in which they are tried.
    pub merges: Vec<Merge>,
    /// A word that is a token is taken as it is (tiktoken's and Llama 3's rule).
    pub ignore_merges: bool,
}

/// Two ids that stand side by side, and the one that they become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Merge {
    pub left: u32,
    pub right: u32,
    pub merged: u32,
}

/// The fields of `model` that matter; others decide nothing.
#[derive(Deserialize)]
pub struct Model<'a> {
    #[serde(rename = "type")]
    kind: Option<String>,
    dropout: Option<f32>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    byte_fallback: bool,
    #[serde(default)]
    ignore_merges: bool,
    #[serde(borrow)]
    vocab: Vocabulary<'a>,
    #[serde(borrow)]
    merges: Vec<Pair<'a>>,
}

impl Model<'_> {
    /// `None` when the model does more than merge bytes, or joins what is no token.
    pub fn into_bpe(self) -> Option<Bpe> {
        let absent = |value: &Option<String>| value.as_deref().is_none_or(str::is_empty);
        let plain = self.kind.is_none_or(|kind| kind == "BPE")
            && self.dropout.is_none()
            && absent(&self.continuing_subword_prefix)
            && absent(&self.end_of_word_suffix)
            && !self.byte_fallback;
        if !plain {
            return None;
        }
        let ids: AHashMap<&str, u32> =
            self.vocab.0.iter().map(|(token, id)| (token.0.as_ref(), *id)).collect();
        let mut joined = String::new();
        let merges = self.merges.iter().map(|pair| pair.resolve(&ids, &mut joined)).collect::<Option<_>>()?;
        let tokens = self.vocab.0.into_iter().map(|(token, id)| (token.0.into_owned(), id)).collect();
        Some(Bpe { tokens, merges, ignore_merges: self.ignore_merges })
    }
}

/// A string of a JSON text, copied only where it has escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A merge, in the newer form of two strings or in the older one of a line.
enum Pair<'a> {
    Two(Text<'a>, Text<'a>),
    Line(Text<'a>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Pair<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Parts)
    }
}

struct Parts;

impl<'de> Visitor<'de> for Parts {
    type Value = Pair<'de>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.write_str("two tokens")
    }

    fn visit_borrowed_str<E: Error>(self, line: &'de str) -> Result<Self::Value, E> {
        Ok(Pair::Line(Text(line.into())))
    }

    fn visit_str<E: Error>(self, line: &str) -> Result<Self::Value, E> {
        Ok(Pair::Line(Text(line.to_string().into())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
        let mut next = || parts.next_element()?.ok_or(Error::custom("expected two tokens"));
        Ok(Pair::Two(next()?, next()?))
    }
}

impl Pair<'_> {
    fn resolve(&self, ids: &AHashMap<&str, u32>, joined: &mut String) -> Option<Merge> {
        let (left, right) = match self {
            Self::Two(left, right) => (&*left.0, &*right.0),
            Self::Line(line) => line.0.split_once(' ')?,
        };
        joined.clear();
        joined.extend([left, right]);
        Some(Merge { left: *ids.get(left)?, right: *ids.get(right)?, merged: *ids.get(joined.as_str())? })
    }
}

/// A JSON object as a list, which is faster to make than a map.
struct Vocabulary<'a>(Vec<(Text<'a>, u32)>);

impl<'de: 'a, 'a> Deserialize<'de> for Vocabulary<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries)
    }
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Vocabulary<'de>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.write_str("tokens and their ids")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::with_capacity(map.size_hint().unwrap_or(1 << 16));
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Vocabulary(entries))
    }
}
