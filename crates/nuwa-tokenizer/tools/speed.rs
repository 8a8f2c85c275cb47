//! How fast texts are encoded and vocabularies are learnt:
//! `cargo run --release -p nuwa-tokenizer --example speed -- TOKENIZER FILE...`, where TOKENIZER is a path or, to
//! learn one from the files, `train:RULE:SIZE`.
use std::path::Path;
use std::time::Instant;

use nuwa_tokenizer::{SplitRule, Tokenizer, TrainSettings, train};
use rayon::prelude::*;

fn main() -> nuwa_tokenizer::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let texts: Vec<String> = arguments
        .map(|file| String::from_utf8_lossy(&std::fs::read(file).unwrap_or_default()).into_owned())
        .collect();
    let bytes = texts.iter().map(String::len).sum::<usize>() as f64;
    let tokenizer = match name.strip_prefix("train:") {
        Some(wanted) => learn(wanted, &texts)?,
        None => load(Path::new(&name))?,
    };
    let speed = |what: &str, start: Instant, tokens: usize| {
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{what}: {:.1} MB/s, {tokens} tokens, {:.3} bytes per token",
            bytes / seconds / 1e6,
            bytes / tokens as f64
        );
    };
    for _ in 0..2 {
        let start = Instant::now();
        let ids = texts.iter().map(|text| tokenizer.encode(text)).collect::<Result<Vec<_>, _>>()?;
        speed("encode, one thread", start, ids.iter().map(Vec::len).sum());
        let start = Instant::now();
        for (ids, text) in ids.iter().zip(&texts) {
            assert!(tokenizer.decode(ids)? == *text);
        }
        speed("decode, one thread", start, ids.iter().map(Vec::len).sum());
    }
    let start = Instant::now();
    let count: usize = texts.par_iter().map(|text| tokenizer.encode(text).map_or(0, |ids| ids.len())).sum();
    speed("encode, all threads", start, count);
    let start = Instant::now();
    let count: usize =
        texts.iter().map(|text| tokenizer.encode_by_library(text, false).map_or(0, |ids| ids.len())).sum();
    speed("encode, one thread, the library", start, count);
    Ok(())
}

fn load(path: &Path) -> nuwa_tokenizer::Result<Tokenizer> {
    let start = Instant::now();
    let tokenizer = Tokenizer::load(path)?;
    println!("loaded: {:.2} s", start.elapsed().as_secs_f64());
    Ok(tokenizer)
}

fn learn(wanted: &str, texts: &[String]) -> nuwa_tokenizer::Result<Tokenizer> {
    let (rule, size) = wanted.split_once(':').unwrap_or((wanted, "8192"));
    let split = match rule {
        "llama3" => SplitRule::Llama3,
        "qwen2" => SplitRule::Qwen2,
        "gpt2" => SplitRule::Gpt2,
        _ => SplitRule::Multilingual,
    };
    let start = Instant::now();
    let settings =
        TrainSettings { split, vocab_size: size.parse().unwrap_or(8192), ..TrainSettings::default() };
    let tokenizer = train(texts.iter().cloned(), &settings, &mut |_| {})?;
    println!("trained {rule} {size}: {:.2} s", start.elapsed().as_secs_f64());
    Ok(tokenizer)
}
