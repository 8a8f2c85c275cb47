use std::fs;
use std::path::Path;

use nuwa_tokenizer::Tokenizer;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::shared;

fn check(name: &str, path: &str) {
    let (Some(data), Some(folder)) = (shared(name, ""), shared(name, path)) else { return };
    let tokenizer = Tokenizer::load(&folder).unwrap();
    let golden = fs::read_to_string(data.join("tokenizers/golden/golden.jsonl")).unwrap();
    let lines = golden.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut compared = 0;
    for line in lines.filter(|line| line["tokenizer"] == name) {
        compare(&tokenizer, &line, &data);
        compared += 1;
    }
    assert!(compared > 5, "{compared} golden texts for {name}");
}

fn compare(tokenizer: &Tokenizer, line: &Value, data: &Path) {
    let file = line["file"].as_str().unwrap();
    let bytes = fs::read(data.join(file)).unwrap();
    if bytes.len() as u64 != line["bytes"].as_u64().unwrap() {
        println!(
            "skipped: {} on {file}: the file is not the one that the golden ids were made from",
            line["tokenizer"]
        );
        return;
    }
    let text = String::from_utf8(bytes).unwrap();
    let ids = tokenizer.encode(&text).unwrap();
    let first: Vec<u64> = line["first"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect();
    assert_eq!(ids[..24].iter().map(|&id| u64::from(id)).collect::<Vec<_>>(), first, "{file}");
    assert_eq!(ids.len() as u64, line["n"].as_u64().unwrap(), "{file}");
    let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
    let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash, line["sha256_u32le"].as_str().unwrap(), "{file}");
    if line["tokenizer"] != "bert" {
        assert_eq!(tokenizer.decode(&ids).unwrap(), text, "{file}");
    }
}

#[test]
fn gpt2_gives_the_official_ids() {
    check("r50k_base(gpt2)", "tokenizers/gpt2");
}

#[test]
fn cl100k_gives_the_official_ids() {
    check("cl100k_base", "tokenizers/cl100k_base.tiktoken");
}

#[test]
fn bert_gives_the_official_ids() {
    check("bert", "tokenizers/bert");
}

#[test]
fn the_saved_form_gives_the_same_ids_by_the_library_alone() {
    let name = "the_saved_form_gives_the_same_ids_by_the_library_alone";
    let Some(data) = shared(name, "") else { return };
    let text = fs::read_to_string(data.join("corpus/mars/chinese.utf8.txt")).unwrap();
    for path in ["tokenizers/gpt2", "tokenizers/cl100k_base.tiktoken", "tokenizers/llama2/tokenizer.model"] {
        let tokenizer = Tokenizer::load(&data.join(path)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        tokenizer.save(folder.path()).unwrap();
        let saved = Tokenizer::load(folder.path()).unwrap();
        let ids = tokenizer.encode(&text).unwrap();
        assert_eq!(saved.encode(&text).unwrap(), ids, "{path}");
        assert_eq!(saved.encode_by_library(&text, false).unwrap(), ids, "{path}");
        assert_eq!(saved.decode(&ids).unwrap(), text, "{path}");
        assert_eq!(saved.vocab_size(), tokenizer.vocab_size());
        assert_eq!(saved.eos(), tokenizer.eos());
    }
}

#[test]
fn cl100k_has_its_special_tokens_and_its_gaps() {
    let Some(path) = shared("cl100k_has_its_special_tokens_and_its_gaps", "tokenizers/cl100k_base.tiktoken")
    else {
        return;
    };
    let tokenizer = Tokenizer::load(&path).unwrap();
    assert_eq!(tokenizer.eos(), Some(100_257));
    assert_eq!(
        tokenizer.encode_with_special_tokens("<|fim_suffix|><|endofprompt|>").unwrap(),
        [100_260, 100_276]
    );
    assert_eq!((tokenizer.vocab_size(), tokenizer.id_to_token(100_256)), (100_277, None));
    assert!(tokenizer.decode(&[100_256]).is_err());
}
