//! A task of one's own, as a file describes it: multiple choice by likelihood, with a standard error.
//!
//!     cargo run -p nuwa-eval --example own_task -- MODEL
//!
//! MODEL is a model folder; left out: a small model of random weights, which guesses.

use std::path::Path;

use nuwa_eval::tasks::{Items, Options, Task};
use nuwa_infer::Engine;
use nuwa_tokenizer::{TrainSettings, train};

/// Templates are Jinja over the fields of an item.
const TASK: &str = r#"
name = "opposites"
version = 1
kind = "multiple-choice"
prompt = "The opposite of {{ word }} is"
choices = "options"
target = "answer"
"#;

const ITEMS: &str = r#"{"word": "hot", "options": ["cold", "wet"], "answer": 0}
{"word": "up", "options": ["left", "down"], "answer": 1}
{"word": "early", "options": ["late", "often"], "answer": 0}
"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = match std::env::args_os().nth(1) {
        Some(model) => Engine::load(Path::new(&model))?,
        None => guessing()?,
    };
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("opposites.toml");
    std::fs::write(&file, TASK)?;
    let task = Task::read(&file)?;
    let items = Items::parse(Path::new("items.jsonl"), "items.jsonl", ITEMS)?;
    let result = task.evaluate(&engine, &items, &Options::default(), &mut |_| {})?;

    for (name, figure) in &result.metrics {
        println!("{name}: {:.2} ± {:.2}", figure.value, figure.stderr.unwrap_or_default());
    }
    for shown in &result.shown {
        let mark = if shown.is_right { "right" } else { "wrong" };
        println!("{} -> {} ({mark}, expected {})", shown.prompt, shown.given, shown.expected);
    }
    Ok(())
}

fn guessing() -> Result<Engine, Box<dyn std::error::Error>> {
    let settings = TrainSettings { vocab_size: 260, ..TrainSettings::default() };
    let tokenizer = train(std::iter::once("clay and water ".repeat(9)), &settings, &mut |_| {})?;
    let config = r#"{"model_type": "llama", "vocab_size": 260, "hidden_size": 16, "intermediate_size": 32,
        "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 64}"#;
    Ok(Engine::new(nuwa_models::build(&serde_json::from_str(config)?, 1)?, tokenizer)?)
}
