//! OpenAI's `*.tiktoken` files (also Llama 3's `tokenizer.model`): a token in base64 and its rank on each line.
//!
//! The file has neither the split rule nor the special tokens; they are known by the number of tokens.

use std::path::Path;

use ahash::AHashMap;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rayon::prelude::*;
use serde_json::{Map, Value, json};

use super::{Source, check_count, check_lengths, hugging_face};
use crate::added::AddedToken;
use crate::bpe::{Bpe, Merge};
use crate::config::Config;
use crate::library::Library;
use crate::split::{self, GPT2, LLAMA3, O200K, QWEN2};
use crate::{Error, Result, bytes, train::END_OF_TEXT};

/// Bytes that are compared at most to find the parts of all tokens; the largest vocabularies need a tenth.
const LONGEST_PARTS: u64 = 500_000_000;

type Ranks = AHashMap<Vec<u8>, u32>;

/// What belongs to a vocabulary but is not in its file.
struct Known {
    pattern: &'static str,
    special: Vec<(u32, String)>,
    end: &'static str,
    begin: &'static str,
}

pub fn looks_like(bytes: &[u8]) -> bool {
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    std::str::from_utf8(line).is_ok_and(|line| parse_line(line).is_some())
}

pub fn read(path: &Path) -> Result<Source> {
    let ranks = read_ranks(path)?;
    let known = known(ranks.len() as u32);
    let added: Vec<AddedToken> =
        known.special.iter().map(|(id, name)| AddedToken::new(*id, name, true)).collect();
    let frame = json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null,
        "pre_tokenizer": split::pre_tokenizer(&[known.pattern]),
        "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
    });
    let bpe = bpe(&ranks, &added);
    let config = Config::new(&[("eos_token", known.end), ("bos_token", known.begin)]);
    let library = library(frame.clone(), &bpe, &added);
    Source::from_bpe(path, frame, bpe, &added, config, library)
}

/// The special tokens are in the vocabulary too: the library numbers added tokens that are not by itself.
fn bpe(ranks: &Ranks, special: &[AddedToken]) -> Bpe {
    let tokens = ranks.iter().map(|(token, &rank)| (bytes::to_characters(token), rank));
    let special = special.iter().map(|token| (token.content.clone(), token.id));
    let mut tokens: Vec<(String, u32)> = tokens.chain(special).collect();
    tokens.sort_unstable_by_key(|(_, id)| *id);
    Bpe { tokens, merges: merges(ranks), ignore_merges: true }
}

/// `tokenizer.json`, written when it is asked for.
pub fn library(mut frame: Value, bpe: &Bpe, added: &[AddedToken]) -> Library {
    let (tokens, merges, ignore_merges) = (bpe.tokens.clone(), bpe.merges.clone(), bpe.ignore_merges);
    frame["added_tokens"] = added.iter().map(AddedToken::to_json).collect();
    Library::new(Box::new(move || {
        frame["model"] = model(&tokens, &merges, ignore_merges);
        hugging_face::written(frame)
    }))
}

fn model(tokens: &[(String, u32)], merges: &[Merge], ignore_merges: bool) -> Value {
    let by_id: AHashMap<u32, &str> = tokens.iter().map(|(token, id)| (*id, token.as_str())).collect();
    let pairs = merges.iter().map(|merge| json!([by_id[&merge.left], by_id[&merge.right]]));
    let vocabulary: Map<String, Value> =
        tokens.iter().map(|(token, id)| (token.clone(), Value::from(*id))).collect();
    json!({
        "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
        "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": ignore_merges,
        "vocab": vocabulary, "merges": pairs.collect::<Vec<_>>(),
    })
}

fn parse_line(line: &str) -> Option<(Vec<u8>, u32)> {
    let (token, rank) = line.trim_end().split_once(' ')?;
    Some((BASE64_STANDARD.decode(token).ok().filter(|token| !token.is_empty())?, rank.parse().ok()?))
}

fn read_ranks(path: &Path) -> Result<Ranks> {
    let text = nuwa_files::read_to_string(path)?;
    let mut ranks = Ranks::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |what: &str| Error::invalid(path, format!("line {} is {line:?}; {what}", index + 1));
        let (token, rank) =
            parse_line(line).ok_or_else(|| wrong("expected a token in base64, a blank and its rank"))?;
        if ranks.insert(token, rank).is_some() {
            return Err(wrong("the same token came before"));
        }
        check_count(ranks.len()).map_err(|reason| Error::invalid(path, reason))?;
    }
    check_lengths(ranks.keys().map(Vec::len), LONGEST_PARTS)
        .map_err(|reason| Error::invalid(path, reason))?;
    match (0..=255).find(|&byte: &u8| !ranks.contains_key(&[byte][..])) {
        Some(byte) => Err(Error::invalid(
            path,
            format!("the single byte {byte:#04x} is missing; the file may be cut short"),
        )),
        None => Ok(ranks),
    }
}

/// Every way to put a token together from two others, in order of the token's rank: tiktoken merges any pair of
/// neighbours that is a token.
fn merges(ranks: &Ranks) -> Vec<Merge> {
    let mut merges: Vec<Merge> =
        ranks.par_iter().flat_map_iter(|(token, &merged)| parts(ranks, token, merged)).collect();
    merges.par_sort_unstable_by_key(|merge| (merge.merged, merge.left, merge.right));
    merges
}

fn parts(ranks: &Ranks, token: &[u8], merged: u32) -> impl Iterator<Item = Merge> {
    (1..token.len()).filter_map(move |middle| {
        let (left, right) = token.split_at(middle);
        Some(Merge { left: *ranks.get(left)?, right: *ranks.get(right)?, merged })
    })
}

fn known(count: u32) -> Known {
    let gpt = |pattern, special: Vec<(u32, &str)>| Known {
        pattern,
        special: special.into_iter().map(|(id, name)| (id, name.to_string())).collect(),
        end: END_OF_TEXT,
        begin: END_OF_TEXT,
    };
    match count {
        50_256 => gpt(GPT2, vec![(50_256, END_OF_TEXT)]),
        // p50k_base leaves GPT-2's end of text where it was and puts runs of blanks around it.
        50_280 => gpt(GPT2, vec![(50_256, END_OF_TEXT)]),
        100_256 => {
            let fill =
                [(100_258, "<|fim_prefix|>"), (100_259, "<|fim_middle|>"), (100_260, "<|fim_suffix|>")];
            gpt(LLAMA3, [&[(100_257, END_OF_TEXT)], &fill[..], &[(100_276, "<|endofprompt|>")]].concat())
        }
        199_998 => gpt(O200K, vec![(199_999, END_OF_TEXT), (200_018, "<|endofprompt|>")]),
        128_000 => llama3(count),
        151_643 => {
            gpt(QWEN2, vec![(151_643, END_OF_TEXT), (151_644, "<|im_start|>"), (151_645, "<|im_end|>")])
        }
        _ => gpt(LLAMA3, vec![(count, END_OF_TEXT)]),
    }
}

fn llama3(count: u32) -> Known {
    let mut names: Vec<String> = [
        "begin_of_text",
        "end_of_text",
        "reserved_special_token_0",
        "reserved_special_token_1",
        "finetune_right_pad_id",
        "reserved_special_token_2",
        "start_header_id",
        "end_header_id",
        "eom_id",
        "eot_id",
        "python_tag",
    ]
    .map(|name| format!("<|{name}|>"))
    .to_vec();
    names.extend((3..=247).map(|number| format!("<|reserved_special_token_{number}|>")));
    let special = (count..).zip(names).collect();
    Known { pattern: LLAMA3, special, end: "<|end_of_text|>", begin: "<|begin_of_text|>" }
}
