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
    told(Path::new("none"), &train(texts.into_iter(), &settings, &mut |_| {}).unwrap_err())
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
    insta::assert_snapshot!(error(&folder.path().join("tokenizer.json")), @"");
    insta::assert_snapshot!(error(&folder.path().join("nowhere")), @"");
    insta::assert_snapshot!(error(folder.path()), @"");
    fs::write(folder.path().join("encoder.json"), "{}").unwrap();
    insta::assert_snapshot!(error(&folder.path().join("encoder.json")), @"");
}

#[test]
fn damaged_tokenizer_json_is_explained() {
    insta::assert_snapshot!(load_error("tokenizer.json", b"{\"model\": {\"type\": \"BPE\",\n\"vocab\": {\"a\": 0"), @"");
    insta::assert_snapshot!(load_error("tokenizer.json", b"{\"model\": nonsense}"), @"");
    insta::assert_snapshot!(load_error("tokenizer.json", b""), @"");
    insta::assert_snapshot!(load_error("tokenizer.json", b"\xff\xfe"), @"");
    insta::assert_snapshot!(load_error("tokenizer.json", b"[1]"), @"");
    insta::assert_snapshot!(load_error("tokenizer.json", b"{\"a\": 1}"), @"");
    insta::assert_snapshot!(changed(|v| v["model"]["type"] = "Magic".into()), @"");
    insta::assert_snapshot!(changed(|v| v["model"]["vocab"] = Value::Null), @"");
    insta::assert_snapshot!(changed(|v| v["model"]["vocab"]["a"] = "x".into()), @"");
    insta::assert_snapshot!(changed(|v| v["model"]["merges"][3] = json!(["a", "Q€"])), @"");
    insta::assert_snapshot!(changed(|v| v["model"]["merges"][3] = json!("one")), @"");
    insta::assert_snapshot!(changed(|v| v["pre_tokenizer"] = json!({"type": "Scissors"})), @"");
    insta::assert_snapshot!(changed(|v| v["normalizer"] = json!({"type": "Replace"})), @"");
    insta::assert_snapshot!(changed(|v| v["decoder"] = json!(7)), @"");
    insta::assert_snapshot!(changed(|v| v["added_tokens"][0] = json!({"id": 0})), @"");
    insta::assert_snapshot!(changed(|v| v["model"]["vocab"]["zzzz"] = json!(4_000_000_000_u32)), @"");
}

#[test]
fn damaged_files_of_other_forms_are_explained() {
    insta::assert_snapshot!(load_error("x.tiktoken", b"IQ== 0\nIg== one\n"), @"");
    insta::assert_snapshot!(load_error("x.tiktoken", b"IQ== 0\n"), @"");
    insta::assert_snapshot!(load_error("tok512.bin", b"\x07\0"), @"");
    insta::assert_snapshot!(load_error("tok512.bin", b"\x07\0\0\0\0\0\0\0\x05\0\0\0<u"), @"");
    insta::assert_snapshot!(load_error("tok512.bin", b"\x07\0\0\0\0\0\0\0\xff\0\0\x0f<unk>"), @"");
    insta::assert_snapshot!(load_error("tokenizer.model", b"\x0a\x7fabc"), @"");
    insta::assert_snapshot!(load_error("tokenizer.model", b""), @"");
    insta::assert_snapshot!(load_error("model.gguf", b"GGUF"), @"");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("vocab.json"), r#"{"a": 0}"#).unwrap();
    fs::write(folder.path().join("merges.txt"), "#version: 0.2\na b\nab\n").unwrap();
    insta::assert_snapshot!(told(folder.path(), &Tokenizer::load(folder.path()).unwrap_err()), @"");
}

#[test]
fn impossible_training_is_explained() {
    let size = |vocab_size| TrainSettings { vocab_size, ..TrainSettings::default() };
    insta::assert_snapshot!(train_error(size(258), corpus()), @"");
    insta::assert_snapshot!(train_error(size(50_000), corpus()), @"");
    insta::assert_snapshot!(train_error(size(300), vec![]), @"");
    insta::assert_snapshot!(train_error(size(300), vec![String::new(), String::new()]), @"");
    insta::assert_snapshot!(train_error(TrainSettings { min_frequency: 0, ..size(300) }, corpus()), @"");
    let twice = vec!["<|im_end|>".to_string()];
    insta::assert_snapshot!(train_error(TrainSettings { extra_special_tokens: twice, ..size(300) }, corpus()), @"");
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
    insta::assert_snapshot!(told(Path::new("none"), &tokenizer.decode(&[5, 300]).unwrap_err()), @"");
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
