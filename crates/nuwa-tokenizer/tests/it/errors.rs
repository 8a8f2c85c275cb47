use std::fs;
use std::path::Path;

use nuwa_tokenizer::{Error, Tokenizer, TrainSettings, train};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{corpus, shared, trained};

fn told(folder: &Path, error: &Error) -> String {
    let text = format!("error: {error}\nhint: {}", error.hint().unwrap_or_default());
    text.replace(&folder.display().to_string(), "DIR")
}

fn load_error(name: &str, content: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    told(folder.path(), &Tokenizer::load(&path).unwrap_err())
}

fn train_error(settings: TrainSettings, texts: Vec<String>) -> String {
    told(Path::new("/no/such/folder"), &train(texts.into_iter(), &settings, &mut |_| {}).unwrap_err())
}

/// The message about our `tokenizer.json` after `change`.
fn changed(change: impl FnOnce(&mut Value)) -> String {
    let folder = tempfile::tempdir().unwrap();
    trained(300).save(folder.path()).unwrap();
    let mut value = serde_json::from_slice(&fs::read(folder.path().join("tokenizer.json")).unwrap()).unwrap();
    change(&mut value);
    load_error("tokenizer.json", value.to_string().as_bytes())
}

#[test]
fn missing_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = |path: &Path| told(folder.path(), &Tokenizer::load(path).unwrap_err());
    insta::assert_snapshot!(error(&folder.path().join("tokenizer.json")), @r#"
error: DIR/tokenizer.json does not exist
hint: check the spelling; a relative path starts at the current folder
"#);
    insta::assert_snapshot!(error(&folder.path().join("nowhere")), @r#"
error: DIR/nowhere does not exist
hint: check the spelling; a relative path starts at the current folder
"#);
    insta::assert_snapshot!(error(folder.path()), @r#"
error: DIR holds no tokenizer: expected tokenizer.json, encoder.json with vocab.bpe, vocab.json with merges.txt, a *.tiktoken file, tokenizer.model or a llama2.c tok*.bin
hint: name a folder with tokenizer.json, or train one
"#);
    fs::write(folder.path().join("encoder.json"), "{}").unwrap();
    insta::assert_snapshot!(error(&folder.path().join("encoder.json")), @r#"
error: DIR/vocab.bpe does not exist
hint: check the spelling; a relative path starts at the current folder
"#);
}

#[test]
fn damaged_tokenizer_json_is_explained() {
    insta::assert_snapshot!(load_error("tokenizer.json", b"{\"model\": {\"type\": \"BPE\",\n\"vocab\": {\"a\": 0"), @r#"
error: DIR/tokenizer.json is cut short: its JSON ends unfinished at line 2, column 16
hint: the download or copy was interrupted; fetch the file again
"#);
    insta::assert_snapshot!(load_error("tokenizer.json", b"{\"model\": nonsense}"), @r#"
error: DIR/tokenizer.json is not valid: expected ident at line 1 column 12
hint: compare the file with the place it came from; it may be damaged or edited by hand
"#);
    insta::assert_snapshot!(load_error("tokenizer.json", b""), @r#"
error: DIR/tokenizer.json is cut short: its JSON ends unfinished at line 1, column 0
hint: the download or copy was interrupted; fetch the file again
"#);
    insta::assert_snapshot!(load_error("tokenizer.json", b"\xff\xfe"), @r#"
error: DIR/tokenizer.json is not valid: it is not UTF-8 text; expected JSON
hint: compare the file with the place it came from; it may be damaged or edited by hand
"#);
    insta::assert_snapshot!(load_error("tokenizer.json", b"[1]"), @r#"
error: DIR/tokenizer.json is not valid: expected an object with "model", found a list
hint: compare the file with the place it came from; it may be damaged or edited by hand
"#);
    insta::assert_snapshot!(load_error("tokenizer.json", b"{\"a\": 1}"), @r#"
error: DIR/tokenizer.json is not valid: "model" must be an object with the vocabulary, found nothing
hint: compare the file with the place it came from; it may be damaged or edited by hand
"#);
    insta::assert_snapshot!(changed(|v| v["model"]["type"] = "Magic".into()), @r#"
error: DIR/tokenizer.json is not valid: "model"."type" is "Magic"; expected BPE, WordPiece, WordLevel or Unigram
hint: compare the file with the place it came from; it may be damaged or edited by hand
"#);
    insta::assert_snapshot!(changed(|v| v["model"]["vocab"] = Value::Null), @r#"
error: DIR/tokenizer.json is not valid: "model" of type BPE has no "vocab"
hint: compare the file with the place it came from; it may be damaged or edited by hand
"#);
    insta::assert_snapshot!(changed(|v| v["model"]["vocab"]["a"] = "x".into()), @r#"
error: DIR/tokenizer.json is not valid: "model"."vocab" gives "a" the id "x"; expected a whole number
hint: compare the file with the place it came from; it may be damaged or edited by hand
"#);
    insta::assert_snapshot!(changed(|v| v["model"]["merges"][3] = json!(["a", "Q€"])), @r#"
error: DIR/tokenizer.json is not valid: merge 3 joins "a" and "Q€", but "Q€" is not in "vocab"
hint: compare the file with the place it came from; it may be damaged or edited by hand
"#);
    insta::assert_snapshot!(changed(|v| v["model"]["merges"][3] = json!(["a", "a"])), @r#"
error: DIR/tokenizer.json is not valid: merge 3 joins "a" and "a", but what they make is not in "vocab"
hint: compare the file with the place it came from; it may be damaged or edited by hand
"#);
    insta::assert_snapshot!(changed(|v| v["model"]["merges"][3] = json!("one")), @r#"
error: DIR/tokenizer.json is not valid: merge 3 of "model"."merges" is "one"; expected two tokens
hint: compare the file with the place it came from; it may be damaged or edited by hand
"#);
    insta::assert_snapshot!(changed(|v| v["pre_tokenizer"] = json!({"type": "Scissors"})), @r#"
error: DIR/tokenizer.json is not valid: "pre_tokenizer", of type "Scissors", is none that is known, or lacks a field of its type
hint: compare the file with the place it came from; it may be damaged or edited by hand
"#);
    insta::assert_snapshot!(changed(|v| v["normalizer"] = json!({"type": "Replace"})), @r#"
error: DIR/tokenizer.json is not valid: "normalizer", of type "Replace", is none that is known, or lacks a field of its type: missing field `pattern`
hint: compare the file with the place it came from; it may be damaged or edited by hand
"#);
    insta::assert_snapshot!(changed(|v| v["decoder"] = json!(7)), @r#"
error: DIR/tokenizer.json is not valid: "decoder", a number, is none that is known, or lacks a field of its type
hint: compare the file with the place it came from; it may be damaged or edited by hand
"#);
    insta::assert_snapshot!(changed(|v| v["added_tokens"][0] = json!({"id": 0})), @r#"
error: DIR/tokenizer.json is not valid: entry 0 of "added_tokens" is {"id":0}; expected "id" and "content"
hint: compare the file with the place it came from; it may be damaged or edited by hand
"#);
    insta::assert_snapshot!(changed(|v| v["model"]["vocab"]["zzzz"] = json!(4_000_000_000_u32)), @r#"
error: DIR/tokenizer.json is not valid: token id 4000000000 is beyond any vocabulary (2097152)
hint: compare the file with the place it came from; it may be damaged or edited by hand
"#);
    insta::assert_snapshot!(changed(|v| v["added_tokens"][0]["content"] = "x".repeat(1001).into()), @r#"
error: DIR/tokenizer.json is not valid: the added token of id 0 has a name of 1001 bytes; expected at most 1000
hint: compare the file with the place it came from; it may be damaged or edited by hand
"#);
}

#[test]
fn damaged_files_of_other_forms_are_explained() {
    insta::assert_snapshot!(load_error("x.tiktoken", b"IQ== 0\nIg== one\n"), @r#"
error: DIR/x.tiktoken is not valid: line 2 is "Ig== one"; expected a token in base64, a blank and its rank
hint: compare the file with the place it came from; it may be damaged or edited by hand
"#);
    insta::assert_snapshot!(load_error("x.tiktoken", b"IQ== 0\n"), @r#"
error: DIR/x.tiktoken is not valid: the single byte 0x00 is missing; the file may be cut short
hint: compare the file with the place it came from; it may be damaged or edited by hand
"#);
    insta::assert_snapshot!(load_error("tok512.bin", b"\x07\0"), @r#"
error: DIR/tok512.bin is not valid: it is shorter than its header of 4 bytes
hint: compare the file with the place it came from; it may be damaged or edited by hand
"#);
    insta::assert_snapshot!(load_error("tok512.bin", b"\x07\0\0\0\0\0\0\0\x05\0\0\0<u"), @r#"
error: DIR/tok512.bin is not valid: it ends inside token 0: the file is cut short, or no llama2.c vocabulary
hint: compare the file with the place it came from; it may be damaged or edited by hand
"#);
    insta::assert_snapshot!(load_error("tok512.bin", b"\x07\0\0\0\0\0\0\0\xff\0\0\x0f<unk>"), @r#"
error: DIR/tok512.bin is not valid: token 0 is said to have 251658495 bytes, but the longest has 7
hint: compare the file with the place it came from; it may be damaged or edited by hand
"#);
    insta::assert_snapshot!(load_error("tokenizer.model", b"\x0a\x7fabc"), @r#"
error: DIR/tokenizer.model is not valid: it ends inside a field: the file is cut short, or no SentencePiece model
hint: compare the file with the place it came from; it may be damaged or edited by hand
"#);
    insta::assert_snapshot!(load_error("tokenizer.model", b""), @r#"
error: DIR/tokenizer.model is no tokenizer: the file is empty
hint: name a folder with tokenizer.json, or train one
"#);
    insta::assert_snapshot!(load_error("model.gguf", b"GGUF"), @r#"
error: cannot read DIR/model.gguf: the header asks for 4 bytes where 0 are left: the file is damaged or cut short
hint: the file is damaged or cut short; fetch it again
"#);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("vocab.json"), r#"{"a": 0}"#).unwrap();
    fs::write(folder.path().join("merges.txt"), "#version: 0.2\na b\nab\n").unwrap();
    insta::assert_snapshot!(told(folder.path(), &Tokenizer::load(folder.path()).unwrap_err()), @r#"
error: DIR/merges.txt is not valid: line 3 is "ab"; expected two tokens and a blank
hint: compare the file with the place it came from; it may be damaged or edited by hand
"#);
}

#[test]
fn impossible_training_is_explained() {
    let size = |vocab_size| TrainSettings { vocab_size, ..TrainSettings::default() };
    insta::assert_snapshot!(train_error(size(258), corpus()), @r#"
error: a vocabulary of 258 is too small: 256 bytes and 3 special tokens need 259
hint: ask for at least 259
"#);
    insta::assert_snapshot!(train_error(size(50_000), corpus()), @r#"
error: a vocabulary of 50000 is larger than this text allows: the largest possible is 536
hint: ask for at most 536, give more text, or lower tokenizer.min_frequency
"#);
    insta::assert_snapshot!(train_error(size(300), vec![]), @r#"
error: no text to train a tokenizer on: there is nothing in the 0 texts that were read
hint: check what the earlier stages kept: the reasons are in rejected.jsonl.zst
"#);
    insta::assert_snapshot!(train_error(size(300), vec![String::new(), String::new()]), @r#"
error: no text to train a tokenizer on: there is nothing in the 2 texts that were read
hint: check what the earlier stages kept: the reasons are in rejected.jsonl.zst
"#);
    insta::assert_snapshot!(train_error(TrainSettings { min_frequency: 0, ..size(300) }, corpus()), @r#"
error: tokenizer.min_frequency = 0 is not possible: expected 1 or more
hint: change tokenizer.min_frequency in the recipe
"#);
    let twice = vec!["<|im_end|>".to_string()];
    insta::assert_snapshot!(train_error(TrainSettings { extra_special_tokens: twice, ..size(300) }, corpus()), @r#"
error: tokenizer.extra_special_tokens = "<|im_end|>" is not possible: each token once, and none of them empty
hint: change tokenizer.extra_special_tokens in the recipe
"#);
}

#[test]
fn the_largest_possible_vocabulary_is_possible() {
    let size = |vocab_size| TrainSettings { vocab_size, ..TrainSettings::default() };
    let Err(Error::VocabularyTooLarge { largest, .. }) =
        train(corpus().into_iter(), &size(50_000), &mut |_| {})
    else {
        panic!("expected a vocabulary that is too large");
    };
    assert_eq!(train(corpus().into_iter(), &size(largest), &mut |_| {}).unwrap().vocab_size(), largest);
}

#[test]
fn an_id_out_of_range_is_an_error() {
    let tokenizer = trained(300);
    insta::assert_snapshot!(told(Path::new("/no/such/folder"), &tokenizer.decode(&[5, 300]).unwrap_err()), @r#"
error: token id 300 is not in the vocabulary, whose ids go from 0 to 299
hint: the ids come from another tokenizer; use the one that the model or the shards were made with
"#);
    assert!(tokenizer.stream_decoder().push(u32::MAX).is_err());
}

#[test]
fn no_cut_file_panics() {
    let Some(path) = shared("no_cut_file_panics", "weights/stories260K/tok512.bin") else { return };
    let bytes = fs::read(path).unwrap();
    let folder = tempfile::tempdir().unwrap();
    proptest!(ProptestConfig::with_cases(64), |(end in 0..bytes.len(), at in 0..bytes.len(), byte: u8)| {
        let mut damaged = bytes[..end].to_vec();
        if let Some(slot) = damaged.get_mut(at) {
            *slot = byte;
        }
        for name in ["tok512.bin", "tokenizer.model", "tokenizer.json", "x.tiktoken"] {
            let file = folder.path().join(name);
            fs::write(&file, &damaged).unwrap();
            if let Ok(tokenizer) = Tokenizer::load(&file) {
                prop_assert!(tokenizer.encode("a").is_ok());
            }
        }
    });
}
