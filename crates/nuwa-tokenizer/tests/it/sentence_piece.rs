//! SentencePiece's BPE in GGUF files: what is written makes the same ids by llama.cpp's rule, and what it cannot make is refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use nuwa_files::gguf::{List, Value};
use nuwa_tokenizer::Tokenizer;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::shared;

const TEXTS: [&str; 16] = [
    "",
    " ",
    "Once upon a time, there was a little girl named Lily.",
    " leading, trailing ",
    "two  three   sixteen                 blanks\t\ttabs\n\n\nlines\r\n",
    "女娲用黄土造人，2024年。かな漢字カナ",
    "🙂👩‍👩‍👧 emoji, e\u{301}, \u{a0}\u{3000}",
    "<s>begin</s> <s> <unk> and <0x41> <0xE5>",
    "</s></s>\n<s>x",
    "▁ written ▁▁ out",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaa ---------------- ==== ////",
    "don't can't WE'LL I'd",
    "3.14159 12345678 1,000",
    "Привет, мир! Ελληνικά 한국어 مرحبا",
    "x = y+z; // comment\n\treturn {'a': [1]}",
    "\u{0}\u{7f}\u{feff}\u{10ffff}",
];

/// A GGUF file with nothing but the tokenizer's keys.
fn file(tokenizer: &Tokenizer) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.gguf");
    let keys = tokenizer.gguf_keys(tokenizer.vocab_size() + 3).unwrap();
    let written = nuwa_files::gguf::write(&path, &keys, &[], |_, _| Ok::<(), nuwa_files::Error>(()));
    written.unwrap().confirm().unwrap();
    (folder, path)
}

fn assert_same(read: &Tokenizer, tokenizer: &Tokenizer, text: &str) {
    assert_eq!(read.encode(text).unwrap(), tokenizer.encode(text).unwrap(), "{text:?}");
    let special = |of: &Tokenizer| of.encode_with_special_tokens(text).unwrap();
    assert_eq!(special(read), special(tokenizer), "{text:?}");
    let ids = tokenizer.encode(text).unwrap();
    assert_eq!(read.decode(&ids).unwrap(), tokenizer.decode(&ids).unwrap(), "{text:?}");
}

/// llama.cpp's rule: any two neighbours that make a token are joined, the highest score first, then the leftmost.
struct ByScores {
    ids: BTreeMap<String, usize>,
    scores: Vec<f32>,
    puts_blank_first: bool,
}

impl ByScores {
    fn of(tokenizer: &Tokenizer) -> Self {
        let keys = tokenizer.gguf_keys(0).unwrap();
        let key = |name: &str| {
            let found = keys.iter().find(|(key, _)| key.strip_prefix("tokenizer.ggml.") == Some(name));
            found.map(|(_, value)| value).unwrap()
        };
        let (Value::List(List::Text(tokens)), Value::List(List::F32(scores)), Value::Bool(first)) =
            (key("tokens"), key("scores"), key("add_space_prefix"))
        else {
            panic!("keys of other types")
        };
        let ids = tokens.iter().enumerate().map(|(id, token)| (token.clone(), id)).collect();
        Self { ids, scores: scores.clone(), puts_blank_first: *first }
    }

    fn encode(&self, text: &str) -> Vec<u32> {
        let first = if self.puts_blank_first && !text.is_empty() { "▁" } else { "" };
        let mut pieces: Vec<String> =
            (first.to_string() + &text.replace(' ', "▁")).chars().map(String::from).collect();
        loop {
            let pairs = pieces.windows(2).enumerate();
            let pairs =
                pairs.filter_map(|(at, pair)| Some((self.scores[*self.ids.get(&pair.concat())?], at)));
            let best = pairs.reduce(|best, pair| if pair.0 > best.0 { pair } else { best });
            let Some((_, at)) = best else { break };
            let right = pieces.remove(at + 1);
            pieces[at].push_str(&right);
        }
        let ids = |piece: &String| match self.ids.get(piece) {
            Some(&id) => vec![id as u32],
            None => piece.bytes().map(|byte| self.ids[&format!("<0x{byte:02X}>")] as u32).collect(),
        };
        pieces.iter().flat_map(ids).collect()
    }
}

/// A `tokenizer.json` as transformers makes it of Llama 2's, with these pieces after the bytes.
fn llama(pieces: &[String], merges: &[[String; 2]]) -> Json {
    let special = ["<unk>", "<s>", "</s>"].map(String::from);
    let bytes = (0..=u8::MAX).map(|byte| format!("<0x{byte:02X}>"));
    let tokens = special.iter().cloned().chain(bytes).chain(pieces.iter().cloned());
    let vocab: BTreeMap<String, usize> = tokens.enumerate().map(|(id, token)| (token, id)).collect();
    let added = special.iter().enumerate().map(|(id, token)| added(id, token, true));
    let begin = json!({"SpecialToken": {"id": "<s>", "type_id": 0}});
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added.collect::<Vec<_>>(),
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        ]},
        "pre_tokenizer": null,
        "post_processor": {
            "type": "TemplateProcessing", "single": [begin, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [begin, {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
        },
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0},
        ]},
        "model": {
            "type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
            "vocab": vocab, "merges": merges,
        },
    })
}

fn added(id: usize, content: &str, special: bool) -> Json {
    json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": special})
}

fn strings<const N: usize>(pieces: [&str; N]) -> Vec<String> {
    pieces.map(String::from).to_vec()
}

fn pairs<const N: usize>(merges: [[&str; 2]; N]) -> Vec<[String; 2]> {
    merges.map(|pair| pair.map(String::from)).to_vec()
}

/// Pieces of `a`, `b` and blanks, among them one of two merges that others stand between.
fn small() -> Json {
    let pieces = strings(["▁", "a", "b", "ab", "▁a", "aab", "▁▁", "aa"]);
    let merges = [["a", "ab"], ["a", "a"], ["▁", "▁"], ["a", "b"], ["▁", "a"], ["aa", "b"]];
    llama(&pieces, &pairs(merges))
}

fn load(json: &Json) -> Tokenizer {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tokenizer.json"), json.to_string()).unwrap();
    Tokenizer::load(folder.path()).unwrap()
}

#[test]
fn a_small_vocabulary_is_read_back() {
    let mut json = small();
    json["added_tokens"].as_array_mut().unwrap().push(added(267, "<tag>", false));
    let without_prefix = json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"});
    let split = json!({"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": false});
    let metaspace =
        json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": false});
    let gemma = [("normalizer", without_prefix), ("pre_tokenizer", split)];
    for changes in [&[][..], &gemma, &[("normalizer", Json::Null), ("pre_tokenizer", metaspace)]] {
        let mut json = json.clone();
        changes.iter().for_each(|(part, value)| json[part] = value.clone());
        // Where no blank is put before a text, none is taken away.
        json["decoder"]["decoders"].as_array_mut().unwrap().truncate(if changes.is_empty() { 4 } else { 3 });
        let tokenizer = load(&json);
        let (_folder, path) = file(&tokenizer);
        let read = Tokenizer::load(&path).unwrap();
        let (ids, rule) = (|text: &str| tokenizer.encode(text).unwrap(), ByScores::of(&tokenizer));
        for text in ["aab  abaa", "  b a ", "aaaaabb", "a<tag>b<s>a", "<tag> <tag>a</s>ab", "女娲a🙂"]
            .into_iter()
            .chain(TEXTS)
        {
            assert_same(&read, &tokenizer, text);
            assert!(text.contains("<tag>") || rule.encode(text) == ids(text), "{text:?}");
        }
        let told = |of: &Tokenizer| (of.bos(), of.eos(), of.adds_bos());
        assert_eq!(told(&read), (Some(1), Some(2), true));
        assert_eq!(told(&read), told(&tokenizer));
    }
}

#[test]
fn keys_are_those_that_llama_cpp_reads() {
    let tokenizer = load(&small()).with_chat_template("{{ messages[0].content }}").unwrap();
    let keys: BTreeMap<String, Value> = tokenizer.gguf_keys(269).unwrap().into_iter().collect();
    let of = |key: &str| format!("{:?}", keys[&format!("tokenizer.{key}")]);
    assert_eq!((of("ggml.model"), of("ggml.pre")), ("Text(\"llama\")".into(), "Text(\"default\")".into()));
    assert_eq!((of("ggml.bos_token_id"), of("ggml.eos_token_id")), ("U32(1)".into(), "U32(2)".into()));
    assert_eq!(
        (of("ggml.add_bos_token"), of("ggml.add_space_prefix")),
        ("Bool(true)".into(), "Bool(true)".into())
    );
    assert!(of("chat_template").contains("messages[0].content"));
    let Value::List(List::I32(kinds)) = &keys["tokenizer.ggml.token_type"] else { panic!("no kinds") };
    assert_eq!(kinds[..4], [2, 3, 3, 6]);
    assert_eq!(kinds[258..], [6, 1, 1, 1, 1, 1, 1, 1, 1, 5, 5]);
    let Value::List(List::F32(scores)) = &keys["tokenizer.ggml.scores"] else { panic!("no scores") };
    // "aab" comes of "aa" and "b", whose merge is the last, since "a" and "a" are merged before "a" and "b".
    assert_eq!(scores[262..267], [-3.0, -4.0, -5.0, -2.0, -1.0]);
}

#[test]
fn a_token_that_only_llama_cpp_would_make_is_refused() {
    let mut json = small();
    json["model"]["merges"].as_array_mut().unwrap().pop();
    let error = load(&json).gguf_keys(0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the tokenizer cannot be written into a GGUF file: llama.cpp would join \"aa\" and \"b\", since \"aab\" is a token; its merges do not"
    );
    assert!(error.hint().unwrap().contains("Export as safetensors"));
}

#[test]
fn what_llama_cpp_has_no_equal_for_is_refused() {
    let rule = |kind: &str| json!({"type": kind});
    let metaspace = |split: bool| json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": split});
    let stripped = json!({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "});
    let left_stripped = json!({"id": 1, "content": "<s>", "single_word": false, "lstrip": true, "rstrip": false, "normalized": false, "special": true});
    let normalized = json!({"id": 1, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": true, "special": true});
    let cases = [
        ("/normalizer/normalizers/0", rule("NFKC"), "its normalizer (NFKC) has no equal"),
        ("/normalizer/normalizers/0", rule("Lowercase"), "its normalizer (Lowercase) has no equal"),
        ("/normalizer/normalizers/0", stripped, "its normalizer (Replace) has no equal"),
        ("/normalizer/normalizers", json!([]), "it leaves blanks as they are"),
        ("/pre_tokenizer", rule("Whitespace"), "its pre-tokenizer (Whitespace) has no equal"),
        ("/pre_tokenizer", metaspace(true), "its pre-tokenizer (Metaspace) has no equal"),
        ("/added_tokens/1", left_stripped, "its added token \"<s>\" is lstrip"),
        ("/added_tokens/1", normalized, "its added token \"<s>\" is normalized"),
        ("/model/ignore_merges", json!(true), "its ignore_merges is true"),
        ("/model/merges/0", json!(["<0x41>", "a"]), "it merges \"<0x41>\" and \"a\""),
    ];
    for (place, value, reason) in cases {
        let mut json = small();
        json["model"]["vocab"]["<0x41>a"] = json!(267);
        *json.pointer_mut(place).unwrap() = value;
        let error = load(&json).gguf_keys(0).unwrap_err().to_string();
        assert!(error.contains(reason), "{place}: {error}");
    }
    let mut json = small();
    json["model"]["vocab"].as_object_mut().unwrap().remove("<0x41>");
    let error = load(&json).gguf_keys(0).unwrap_err().to_string();
    assert!(error.contains("it has no token <0x41>"), "{error}");
}

#[test]
fn metaspace_is_written_for_texts_and_not_for_chats() {
    let mut json = small();
    json["normalizer"] = Json::Null;
    json["pre_tokenizer"] =
        json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false});
    let tokenizer = load(&json);
    let (_folder, path) = file(&tokenizer);
    let read = Tokenizer::load(&path).unwrap();
    for text in ["a ab", "aab  a ", "女a", ""] {
        assert_eq!(read.encode(text).unwrap(), tokenizer.encode(text).unwrap(), "{text:?}");
    }
    let error = tokenizer.with_chat_template("{{ messages }}").unwrap().gguf_keys(0).unwrap_err();
    assert!(
        error.to_string().contains("it has a chat template, and its pre-tokenizer (Metaspace)"),
        "{error}"
    );
}

#[test]
fn real_vocabularies_are_read_back() {
    const NAME: &str = "real_vocabularies_are_read_back";
    for path in ["weights/stories260K/tok512.bin", "tokenizers/llama2/tokenizer.model"] {
        let (Some(data), Some(path)) = (shared(NAME, "corpus/mars"), shared(NAME, path)) else { return };
        let tokenizer = Tokenizer::load(&path).unwrap();
        let (_folder, written) = file(&tokenizer);
        let (read, rule) = (Tokenizer::load(&written).unwrap(), ByScores::of(&tokenizer));
        for text in TEXTS {
            assert_same(&read, &tokenizer, text);
            assert_eq!(rule.encode(text), tokenizer.encode(text).unwrap(), "{text:?}");
        }
        for entry in fs::read_dir(data).unwrap() {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            let text = &text[..text.floor_char_boundary(20_000)];
            assert_same(&read, &tokenizer, text);
            // The plain rule takes steps by the square of the length.
            let part = &text[..text.floor_char_boundary(400)];
            assert_eq!(rule.encode(part), tokenizer.encode(part).unwrap(), "{part}");
        }
    }
}

/// Merges of `a`, `b` and blanks in any order, and pieces that no merge makes; `c` is never merged and `d` has no piece.
fn any_vocabulary() -> impl Strategy<Value = (Vec<String>, Vec<[String; 2]>)> {
    let picks = prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..12);
    let further = prop::collection::vec("[abd▁]{2,3}", 0..2);
    (picks, further).prop_flat_map(|(picks, further)| {
        let mut pieces = strings(["a", "b", "▁", "c"]);
        let mut merges: Vec<[String; 2]> = Vec::new();
        for (left, right) in picks {
            let mergeable: Vec<&String> = pieces.iter().filter(|piece| *piece != "c").collect();
            let pair = [left, right].map(|index| index.get(&mergeable).to_string());
            let piece = pair.concat();
            if piece.chars().count() <= 6 && !merges.contains(&pair) {
                merges.push(pair);
                pieces.push(piece);
            }
        }
        pieces.extend(further);
        let mut known = std::collections::HashSet::new();
        pieces.retain(|piece| known.insert(piece.clone()));
        (Just(pieces), Just(merges).prop_shuffle())
    })
}

proptest! {
    #[test]
    fn any_merges_become_scores_or_are_refused_with_reason(
        (pieces, merges) in any_vocabulary(), texts in prop::collection::vec("[abcd ]{0,14}", 24), first in any::<bool>(),
    ) {
        let mut json = llama(&pieces, &merges);
        if !first {
            json["normalizer"]["normalizers"].as_array_mut().unwrap().remove(0);
        }
        let tokenizer = load(&json);
        let error = tokenizer.gguf_keys(0).err().map(|error| error.to_string());
        // Behind "c", a token becomes two where llama.cpp would make it one.
        let begin = tokenizer.encode("c").unwrap().len();
        let halved = pieces.iter().filter(|piece| piece.chars().count() > 1).find(|piece| {
            tokenizer.encode(&format!("c{}", piece.replace('▁', " "))).unwrap().len() == begin + 2
        });
        prop_assert_eq!(error.is_some(), halved.is_some(), "{:?} {:?}", error, halved);
        if let Some(error) = error {
            prop_assert!(error.contains("llama.cpp would join"), "{}", error);
            return Ok(());
        }
        let (_folder, path) = file(&tokenizer);
        let (read, rule) = (Tokenizer::load(&path).unwrap(), ByScores::of(&tokenizer));
        for text in texts {
            let ids = tokenizer.encode(&text).unwrap();
            prop_assert_eq!(&rule.encode(&text), &ids, "{:?}", text);
            prop_assert_eq!(&read.encode(&text).unwrap(), &ids, "{:?}", text);
        }
    }
}
