//! A tokenizer as the keys of a GGUF file, for llama.cpp to give the same ids.

use nuwa_files::gguf::{List, Value};
use serde_json::Value as Json;

use crate::pre::Rule;
use crate::{Error, Result, Tokenizer, bytes};

/// The types of tokens in files.
const NORMAL: i32 = 1;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const UNUSED: i32 = 5;

/// The roles of tokens, and the keys of their ids.
const ROLES: [(&str, &str); 4] =
    [("unk_token", "unknown"), ("pad_token", "padding"), ("cls_token", "cls"), ("mask_token", "mask")];

impl Tokenizer {
    /// The keys that a GGUF file of a model with `ids` ids has to have for llama.cpp to give the same ids of a text; the ids without a
    /// token are filled up.
    ///
    /// # Errors
    /// When llama.cpp has no way to cut or merge text as this tokenizer does.
    pub fn gguf_keys(&self, ids: usize) -> Result<Vec<(String, Value)>> {
        let json: Json =
            serde_json::from_str(self.json()).map_err(|error| inexpressible(error.to_string()))?;
        let (pre, merges) = (pre(&json)?, merges(&json["model"])?);
        let (tokens, kinds) = self.tokens_and_kinds(&json, ids);
        let mut keys = Keys::default();
        keys.put("model", Value::Text("gpt2".into()));
        keys.put("pre", Value::Text(pre.into()));
        keys.put("tokens", Value::List(List::Text(tokens)));
        keys.put("token_type", Value::List(List::I32(kinds)));
        keys.put("merges", Value::List(List::Text(merges)));
        self.put_ids(&mut keys);
        if let Some(template) = self.chat_template() {
            keys.0.push(("tokenizer.chat_template".into(), Value::Text(template.into())));
        }
        Ok(keys.0)
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
        keys.put("add_space_prefix", Value::Bool(false));
    }
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

/// The name under which llama.cpp cuts text as this tokenizer does.
fn pre(json: &Json) -> Result<&'static str> {
    let model = &json["model"];
    if model["type"].as_str().is_some_and(|kind| kind != "BPE") || model["byte_fallback"] == true {
        return Err(inexpressible("its vocabulary is not byte-level BPE, the one kind that is written"));
    }
    // Text is normalised (NFC) before some of these at Hugging Face; llama.cpp's own converter leaves that out.
    let normalizer = json["normalizer"]["type"].as_str();
    if let Some(kind) = normalizer.filter(|kind| *kind != "NFC") {
        return Err(inexpressible(format!("its normalizer ({kind}) has no equal in llama.cpp")));
    }
    let (pre_tokenizer, ignore_merges) = (&json["pre_tokenizer"], model["ignore_merges"] == true);
    if let Some(name) = Rule::name_of(pre_tokenizer, ignore_merges) {
        return Ok(name);
    }
    match Rule::name_of_runs(pre_tokenizer, ignore_merges) {
        Some(name) if !joins_characters(model) => Ok(name),
        Some(_) => Err(inexpressible(
            "it cuts Chinese characters one by one, as llama.cpp does not, and has tokens that would join two of them",
        )),
        None => Err(inexpressible("it cuts text into words as llama.cpp cannot")),
    }
}

/// Whether a token joins the end of a character to the beginning of a Chinese character or of kana, whose first bytes are E3 to E9.
fn joins_characters(model: &Json) -> bool {
    let tokens = model["vocab"].as_object().into_iter().flatten().map(|(token, _)| token);
    let joins = |token: &String| {
        let bytes = bytes::from_characters(token).unwrap_or_default();
        bytes.windows(2).any(|pair| matches!(pair, [0x80..=0xBF, 0xE3..=0xE9]))
    };
    tokens.into_iter().any(joins)
}

/// A merge a line, two tokens with a blank between them.
fn merges(model: &Json) -> Result<Vec<String>> {
    let merges = model["merges"].as_array().into_iter().flatten();
    let line = |merge: &Json| match merge {
        Json::String(line) => Some(line.clone()),
        Json::Array(parts) => Some(format!("{} {}", parts.first()?.as_str()?, parts.get(1)?.as_str()?)),
        _ => None,
    };
    merges.map(|merge| line(merge).ok_or_else(|| inexpressible(format!("{merge} is no merge")))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SplitRule, TrainSettings, train};

    fn trained(split: SplitRule) -> Tokenizer {
        let settings = TrainSettings { vocab_size: 280, split, ..TrainSettings::default() };
        let texts = ["She made people of clay and water. 女娲用黄土造人。".repeat(20)];
        train(texts.into_iter(), &settings, &mut |_| {}).unwrap()
    }

    fn file(tokenizer: &Tokenizer, ids: usize) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gguf");
        let keys = tokenizer.gguf_keys(ids).unwrap();
        let written = nuwa_files::gguf::write(&path, &keys, &[], |_, _| Ok::<(), nuwa_files::Error>(()));
        written.unwrap().confirm().unwrap();
        (folder, path)
    }

    #[test]
    fn what_is_written_gives_the_same_ids() {
        for split in [
            SplitRule::Multilingual,
            SplitRule::Characters,
            SplitRule::Llama3,
            SplitRule::Qwen2,
            SplitRule::Gpt2,
        ] {
            let tokenizer = trained(split);
            let (_folder, path) = file(&tokenizer, 290);
            let read = Tokenizer::load(&path).unwrap();
            for text in ["She made 女娲 people,\n\n  of 1234 clays!", "", " \t x", "don't <|im_end|>", "🙂é"]
            {
                assert_eq!(read.encode(text).unwrap(), tokenizer.encode(text).unwrap(), "{split:?} {text:?}");
                let special = |of: &Tokenizer| of.encode_with_special_tokens(text).unwrap();
                assert_eq!(special(&read), special(&tokenizer), "{split:?} {text:?}");
            }
            let told = |of: &Tokenizer| {
                (of.eos(), of.bos(), of.adds_bos(), of.end_of_turn(), of.chat_template().map(String::from))
            };
            assert_eq!(told(&read), told(&tokenizer), "{split:?}");
            assert_eq!(read.vocab_size(), tokenizer.vocab_size(), "what only fills up is no token");
            assert!(read.ends().contains(&tokenizer.end_of_turn().unwrap()));
        }
    }

    #[test]
    fn characters_one_by_one_are_a_run_where_no_token_joins_two() {
        let tokenizer = trained(SplitRule::Characters);
        let (_folder, path) = file(&tokenizer, 280);
        let read = Tokenizer::load(&path).unwrap();
        for text in ["女娲用黄土造人。", "かなカナ々〇女A1娲", "土土土 water 造人"] {
            assert_eq!(read.encode(text).unwrap(), tokenizer.encode(text).unwrap(), "{text}");
        }
    }

    #[test]
    fn a_rule_that_llama_cpp_lacks_is_refused() {
        // Characters beyond the usual ones are cut as letters, in runs, and their tokens would join usual ones too.
        let settings =
            TrainSettings { vocab_size: 265, split: SplitRule::Characters, ..TrainSettings::default() };
        let texts = ["々々々々 々々々々".repeat(20)];
        let tokenizer = train(texts.into_iter(), &settings, &mut |_| {}).unwrap();
        let error = tokenizer.gguf_keys(280).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the tokenizer cannot be written into a GGUF file: it cuts Chinese characters one by one, as llama.cpp does not, and has \
             tokens that would join two of them"
        );
        assert!(error.hint().unwrap().contains("split = \"multilingual\""));
    }
}
