//! The tokenizer against the official libraries' numbers, against its own library, and against damaged files.

mod chat;
mod errors;
mod forging;
mod golden;
mod llama2c;
mod properties;
mod save;
mod sentence_piece;
mod training;

use std::path::PathBuf;

use nuwa_tokenizer::{Tokenizer, TrainSettings, train};

/// A path in the shared data, or `None` after saying that `test` is skipped.
fn shared(test: &str, path: &str) -> Option<PathBuf> {
    let full = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(path);
    if full.exists() {
        return Some(full);
    }
    println!("skipped: {test}: ../shared/data is absent");
    None
}

/// A small bilingual corpus with enough repetition for some hundreds of merges.
fn corpus() -> Vec<String> {
    let english = (0..200).map(|n| {
        format!("The river {n} runs to the sea, and the sea isn't full.\n\nWhere does river {} go?", n * 7)
    });
    let chinese = (0..200).map(|n| format!("第{n}条河流入大海，大海却不满。河水从何处来，仍归何处。"));
    english.chain(chinese).collect()
}

fn trained(vocab_size: usize) -> Tokenizer {
    let settings = TrainSettings { vocab_size, ..TrainSettings::default() };
    train(corpus().into_iter(), &settings, &mut |_| {}).unwrap()
}
