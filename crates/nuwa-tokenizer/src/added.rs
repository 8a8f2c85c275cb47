//! Tokens that are found in a text before it is cut into words: special ones, and those that were added to a vocabulary.

use regex_automata::meta::Regex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// An entry of `added_tokens`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AddedToken {
    pub id: u32,
    pub content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    pub lstrip: bool,
    #[serde(default)]
    pub rstrip: bool,
    #[serde(default)]
    pub normalized: bool,
    #[serde(default)]
    pub special: bool,
}

impl AddedToken {
    /// A token that takes nothing around it.
    pub fn new(id: u32, content: &str, special: bool) -> Self {
        let (single_word, lstrip, rstrip, normalized) = (false, false, false, false);
        Self { id, content: content.into(), single_word, lstrip, rstrip, normalized, special }
    }

    /// As it is written in `tokenizer.json`.
    pub fn to_json(&self) -> Value {
        json!(self)
    }
}

/// Finds added tokens as the `tokenizers` crate does where there is no normalizer: leftmost and longest, first those
/// that are not normalized, then the others.
#[derive(Debug, Default)]
pub struct AddedTokens {
    stages: Vec<Stage>,
    /// Whether there are only special ones, so that plain text need not be searched.
    all_special: bool,
}

#[derive(Debug)]
struct Stage {
    regex: Regex,
    /// The id of each pattern of the regex, and whether it is special.
    tokens: Vec<(u32, bool)>,
}

/// A part of a text: an added token, or what stands between two.
pub enum Part<'t> {
    Token(u32),
    Text(&'t str),
}

impl AddedTokens {
    /// `None` when one of them also takes the blanks around it, or wants to be a word of its own.
    pub fn new(tokens: &[AddedToken]) -> Option<Self> {
        if tokens.iter().any(|token| token.single_word || token.lstrip || token.rstrip) {
            return None;
        }
        let of = |normalized| tokens.iter().filter(move |token| token.normalized == normalized);
        let stages = [false, true].into_iter().filter(|&normalized| of(normalized).next().is_some());
        let stages = stages.map(|normalized| Stage::new(of(normalized))).collect::<Option<_>>()?;
        Some(Self { stages, all_special: tokens.iter().all(|token| token.special) })
    }

    /// Hands over the parts of `text` in order; the names of special tokens are text unless `special`.
    pub fn split<'t>(&self, text: &'t str, special: bool, take: &mut impl FnMut(Part<'t>)) {
        let stages = if self.all_special && !special { &[] } else { self.stages.as_slice() };
        split(stages, text, special, take);
    }
}

impl Stage {
    fn new<'a>(tokens: impl Iterator<Item = &'a AddedToken>) -> Option<Self> {
        let mut tokens: Vec<&AddedToken> = tokens.filter(|token| !token.content.is_empty()).collect();
        // Of patterns that match at one place the first wins.
        tokens.sort_by_key(|token| std::cmp::Reverse(token.content.len()));
        let patterns: Vec<String> = tokens.iter().map(|token| escape(&token.content)).collect();
        let regex = Regex::new_many(&patterns).ok()?;
        Some(Self { regex, tokens: tokens.iter().map(|token| (token.id, token.special)).collect() })
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if r"\.+*?()|[]{}^$#&-~".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

fn split<'t>(stages: &[Stage], text: &'t str, special: bool, take: &mut impl FnMut(Part<'t>)) {
    let Some((stage, rest)) = stages.split_first() else {
        if !text.is_empty() {
            take(Part::Text(text));
        }
        return;
    };
    let mut position = 0;
    for found in stage.regex.find_iter(text) {
        let (id, is_special) = stage.tokens[found.pattern().as_usize()];
        if is_special && !special {
            continue;
        }
        split(rest, &text[position..found.start()], special, take);
        take(Part::Token(id));
        position = found.end();
    }
    split(rest, &text[position..], special, take);
}
