//! GPT-2's pair of files: token to id, and the merges in order of rank.

use std::path::Path;

use serde_json::{Value, json};

use super::Source;
use crate::added::AddedToken;
use crate::config::Config;
use crate::{Error, Result, train::END_OF_TEXT};

pub fn read(vocabulary_path: &Path, merges_path: &Path) -> Result<Source> {
    let text = nuwa_files::read_to_string(vocabulary_path)?;
    let vocabulary: Value =
        serde_json::from_str(&text).map_err(|error| Error::json(vocabulary_path, &error))?;
    let merges = read_merges(merges_path)?;
    let end = vocabulary[END_OF_TEXT].as_u64().and_then(|id| u32::try_from(id).ok());
    let added: Vec<Value> =
        end.map(|id| AddedToken::new(id, END_OF_TEXT, true).to_json()).into_iter().collect();
    let value = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "post_processor": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true},
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
            "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false, "vocab": vocabulary, "merges": merges,
        },
    });
    let config = match end {
        Some(_) => {
            Config::new(&[("eos_token", END_OF_TEXT), ("bos_token", END_OF_TEXT), ("unk_token", END_OF_TEXT)])
        }
        None => Config::load(vocabulary_path.parent().unwrap_or(Path::new(".")))?,
    };
    Source::from_value(vocabulary_path, value, config)
}

fn read_merges(path: &Path) -> Result<Vec<Value>> {
    let text = nuwa_files::read_to_string(path)?;
    let is_content =
        |&(index, line): &(usize, &str)| !(line.is_empty() || index == 0 && line.starts_with("#version"));
    let mut merges = Vec::new();
    for (index, line) in text.lines().enumerate().filter(is_content) {
        let Some((left, right)) =
            line.split_once(' ').filter(|(_, right)| !right.is_empty() && !right.contains(' '))
        else {
            return Err(Error::invalid(
                path,
                format!("line {} is {line:?}; expected two tokens and a blank", index + 1),
            ));
        };
        merges.push(json!([left, right]));
    }
    Ok(merges)
}
