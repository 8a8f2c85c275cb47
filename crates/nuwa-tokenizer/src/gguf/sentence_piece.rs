//! SentencePiece's BPE as llama.cpp has it: pieces with scores, and bytes for characters that are none.
//!
//! Both programs join the best pair of neighbours until no pair is left. By `tokenizer.json` the best pair is the first in the list of
//! merges, and only those in it are joined; llama.cpp joins any two neighbours that make a token, and the best are those whose token has the
//! highest score. In both the leftmost of equals comes first.
//!
//! Whether two neighbours that make a token T ever stand beside each other is decided by T's own characters: until they are joined,
//! nothing was joined across their ends, so what was joined inside is what is joined in the text T alone. So at most one pair ever
//! makes T: the two that are left last in T alone. Minus the place of that pair in the list is T's score, and no order of merges is
//! beyond scores. Where the two that are left last are not in the list, llama.cpp joins them with any score, and no file says
//! what the tokenizer does.

use ahash::AHashMap;
use nuwa_files::gguf::List;
use serde_json::Value as Json;

use super::{BYTE, CONTROL, Form, UNKNOWN, USER_DEFINED, inexpressible, merges};
use crate::import::sentencepiece::{BLANK, check_pieces};
use crate::{Error, Result};

/// Whole numbers up to this one are told apart as f32.
const MOST_MERGES: usize = 1 << 24;

/// The form of a vocabulary of that kind. `kinds` learns which tokens stand for bytes and for what is unknown.
pub fn form(json: &Json, chats: bool, tokens: &[String], kinds: &mut [i32]) -> Result<Form> {
    let model = &json["model"];
    check_pieces(tokens.iter().map(String::len)).map_err(inexpressible)?;
    check_model(model)?;
    let puts_blank_first = puts_blank_first(json, chats)?;
    check_added(json, puts_blank_first)?;
    for (token, kind) in tokens.iter().zip(&mut *kinds) {
        match *kind {
            _ if is_byte(token) => *kind = BYTE,
            CONTROL if model["unk_token"] == token.as_str() => *kind = UNKNOWN,
            _ => {}
        }
    }
    let scores = Merges::of(model)?.scores(model, tokens, kinds)?;
    Ok(Form { model: "llama", pre: "default", rule: ("scores", List::F32(scores)), puts_blank_first })
}

/// `<0x00>` to `<0xFF>`.
fn is_byte(token: &str) -> bool {
    let digits = token.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    digits.is_some_and(|digits| {
        digits.len() == 2 && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F'))
    })
}

fn check_model(model: &Json) -> Result<()> {
    for key in ["dropout", "continuing_subword_prefix", "end_of_word_suffix", "ignore_merges"] {
        let value = &model[key];
        let is_set = !(value.is_null() || *value == false || *value == "" || value.as_f64() == Some(0.0));
        if is_set {
            return Err(inexpressible(format!("its {key} is {value}, which has no equal in llama.cpp")));
        }
    }
    let bytes = (0..=u8::MAX).map(|byte| format!("<0x{byte:02X}>"));
    match bytes.into_iter().find(|byte| model["vocab"][byte].is_null()) {
        Some(byte) => {
            Err(inexpressible(format!("it has no token {byte}, and llama.cpp needs all 256 bytes")))
        }
        None => Ok(()),
    }
}

/// Whether a blank is put before a text. Blanks become `▁`; nothing else is done to a text before it is cut.
fn puts_blank_first(json: &Json, chats: bool) -> Result<bool> {
    let (mut puts_first, mut marks) = (false, false);
    for rule in rules(&json["normalizer"], "normalizers") {
        match rule["type"].as_str() {
            Some("Prepend") if !puts_first && rule["prepend"] == BLANK => puts_first = true,
            Some("Replace") if rule["pattern"]["String"] == " " && rule["content"] == BLANK => marks = true,
            kind => return Err(no_equal("normalizer", kind)),
        }
    }
    for rule in rules(&json["pre_tokenizer"], "pretokenizers") {
        match rule["type"].as_str() {
            // No blanks are left to cut at.
            Some("Split") if marks && rule["pattern"]["String"] == " " && rule["invert"] != true => {}
            Some("Metaspace") if !puts_first && rule["replacement"] == BLANK && rule["split"] == false => {
                marks = true;
                puts_first = rule["prepend_scheme"] != "never" && rule["add_prefix_space"] != false;
                check_metaspace(puts_first && chats)?;
            }
            kind => return Err(no_equal("pre-tokenizer", kind)),
        }
    }
    match marks {
        true => Ok(puts_first),
        false => {
            Err(inexpressible(format!("it leaves blanks as they are, llama.cpp writes {BLANK} for them")))
        }
    }
}

/// Metaspace puts a blank before a text that begins with none, and perhaps not after special tokens, which conversations are full of; llama.cpp does so
/// always. For texts alone the difference is a second blank before one that begins with a blank, and llama.cpp's own converter leaves it at that.
fn check_metaspace(differs: bool) -> Result<()> {
    match differs {
        true => Err(inexpressible(
            "it has a chat template, and its pre-tokenizer (Metaspace) puts blanks after special tokens in another way than llama.cpp",
        )),
        false => Ok(()),
    }
}

fn rules<'a>(part: &'a Json, list: &str) -> Vec<&'a Json> {
    match part[list].as_array() {
        Some(rules) => rules.iter().collect(),
        None if part.is_null() => Vec::new(),
        None => vec![part],
    }
}

fn no_equal(part: &str, kind: Option<&str>) -> Error {
    let kind = kind.unwrap_or("without a type");
    inexpressible(format!("its {part} ({kind}) has no equal in llama.cpp, as it is set"))
}

/// Added tokens are looked for there in the text as it came, and take nothing around them.
fn check_added(json: &Json, puts_blank_first: bool) -> Result<()> {
    for token in json["added_tokens"].as_array().into_iter().flatten() {
        let content = token["content"].as_str().unwrap_or_default();
        let set = ["single_word", "lstrip", "rstrip"].into_iter().find(|&flag| token[flag] == true);
        if let Some(flag) = set {
            return Err(inexpressible(format!(
                "its added token {content:?} is {flag}, which llama.cpp has not"
            )));
        }
        if token["normalized"] == true && (puts_blank_first || content.contains([' ', '▁'])) {
            return Err(inexpressible(format!(
                "its added token {content:?} is normalized: looked for when blanks are {BLANK} already, by llama.cpp before"
            )));
        }
    }
    Ok(())
}

/// The place of each pair in the list of merges.
struct Merges<'a>(AHashMap<(&'a str, &'a str), usize>);

/// What is left of the characters of a text when all merges are done.
#[derive(Debug, PartialEq)]
enum Left<'t> {
    /// One piece, made by the merge at that place.
    Merged(usize),
    /// Two pieces.
    Pair(&'t str, &'t str),
    /// More pieces, or a character.
    Others,
}

impl<'a> Merges<'a> {
    fn of(model: &'a Json) -> Result<Self> {
        let pairs = merges(model)?;
        if pairs.len() > MOST_MERGES {
            return Err(inexpressible(format!("it has more than {MOST_MERGES} merges")));
        }
        let of_bytes = |&&(left, right): &&(&str, &str)| {
            is_byte(left) || is_byte(right) || is_byte(&[left, right].concat())
        };
        if let Some((left, right)) = pairs.iter().find(of_bytes) {
            return Err(inexpressible(format!("it merges {left:?} and {right:?}, llama.cpp no bytes")));
        }
        // Of a pair that is there twice the library takes the later one too.
        Ok(Self(pairs.into_iter().enumerate().map(|(place, pair)| (pair, place)).collect()))
    }

    /// The score of each token.
    fn scores(&self, model: &Json, tokens: &[String], kinds: &[i32]) -> Result<Vec<f32>> {
        let score = |(token, &kind): (&String, &i32)| {
            // Cut out of a text before anything is merged, so that no text has it.
            let is_cut_out = kind == USER_DEFINED && !token.contains(BLANK);
            match self.left_of(token) {
                Left::Merged(place) => Ok(-(place as f32)),
                Left::Pair(left, right) if !is_cut_out => Err(inexpressible(format!(
                    "llama.cpp would join {left:?} and {right:?}, since {token:?} is a token; its merges do not"
                ))),
                _ if !is_cut_out && token.chars().count() == 1 && model["vocab"][token].is_null() => {
                    Err(inexpressible(format!("llama.cpp would take any {token:?} for its added token")))
                }
                _ => Ok(-(self.0.len() as f32)),
            }
        };
        tokens.iter().zip(kinds).map(score).collect()
    }

    fn left_of<'t>(&self, text: &'t str) -> Left<'t> {
        let mut bounds: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        loop {
            let pair = |at: usize| (&text[bounds[at]..bounds[at + 1]], &text[bounds[at + 1]..bounds[at + 2]]);
            let pairs = 0..bounds.len().saturating_sub(2);
            let best = pairs.filter_map(|at| Some((*self.0.get(&pair(at))?, at))).min();
            match (best, bounds.len()) {
                (Some((place, _)), 3) => return Left::Merged(place),
                (Some((_, at)), _) => drop(bounds.remove(at + 1)),
                (None, 3) => return Left::Pair(pair(0).0, pair(0).1),
                (None, _) => return Left::Others,
            }
        }
    }
}
