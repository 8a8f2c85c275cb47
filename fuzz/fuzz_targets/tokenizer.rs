//! Tokenizers of other programs; the first byte chooses the name of the file, and with it the format.
#![no_main]

use nuwa_fuzz::{Files, chosen};
use nuwa_tokenizer::Tokenizer;

const NAMES: [&str; 5] = ["tokenizer.json", "a.tiktoken", "tokenizer.model", "tokenizer.bin", "vocab.json"];

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((name, bytes)) = chosen(bytes, NAMES.len()) else { return };
    let files = Files::new(&[(NAMES[name], bytes), ("merges.txt", b"#version: 0.2\na b\n")]);
    let Ok(tokenizer) = Tokenizer::load(&files.path(NAMES[name])) else { return };
    let Ok(ids) = tokenizer.encode("Ünïcode and 中文, \u{1f600} and a b.") else { return };
    let _ = tokenizer.decode(&ids);
});
