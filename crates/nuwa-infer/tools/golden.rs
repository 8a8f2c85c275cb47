//! A model beside numbers that another program found: log-probabilities of prompts, and what follows them greedily.
//!
//!     cargo run --release -p nuwa-infer --example golden -- MODEL GOLDEN.json [f32|bf16]
//!
//! The file is a list of `{prompt, ids, prompt_logprobs, greedy_ids}`, in nats, the log-probabilities from the second id on. Without a
//! dtype the model's numbers are used as the file has them, quantised ones by integer products; with `f32` they are unpacked first.

use std::path::Path;

use nuwa_infer::{Engine, GenerateSettings, Prompt, Request, SamplingSettings};
use nuwa_models::{Context, Input, Text};
use nuwa_tensor::{DType, Tape};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    prompt: String,
    ids: Vec<u32>,
    prompt_logprobs: Vec<f64>,
    greedy_ids: Vec<u32>,
}

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, golden, ..] = &arguments[..] else {
        return Err("expected a model and a file of numbers".into());
    };
    let dtype = match arguments.get(2).map(String::as_str) {
        None => None,
        Some("f32") => Some(DType::F32),
        Some("bf16") => Some(DType::Bf16),
        Some(other) => return Err(format!("{other}: expected f32 or bf16").into()),
    };
    let engine = Engine::load_in(Path::new(model), dtype)?;
    let goldens: Vec<Golden> = serde_json::from_str(&std::fs::read_to_string(golden)?)?;
    let mut worst = 0.0_f64;
    for golden in goldens {
        let off = furthest(&golden.prompt_logprobs, &log_probabilities(&engine, &golden.ids)?);
        let own = greedy(&engine, &golden)?;
        let same = own.iter().zip(&golden.greedy_ids).take_while(|(own, other)| own == other).count();
        println!(
            "{:?}: within {off:.5} nats; the first {same} of {} ids are the same",
            golden.prompt,
            golden.greedy_ids.len()
        );
        worst = worst.max(off);
    }
    println!("all within {worst:.5} nats");
    Ok(())
}

/// The log-probability of each id but the first.
fn log_probabilities(engine: &Engine, ids: &[u32]) -> Outcome<Vec<f64>> {
    let tape = Tape::inference();
    let text = Text::causal(ids.to_vec(), 1);
    let rows = engine.model().hidden(&Context::new(&tape), Input::Text(&text))?;
    let logits = engine.model().head().logits(&tape, &rows.hidden)?;
    let of = |(row, next): (usize, &u32)| {
        let row = logits.row_to_host(row);
        let largest = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let sum: f64 = row.iter().map(|logit| (f64::from(*logit) - largest).exp()).sum();
        f64::from(row[*next as usize]) - largest - sum.ln()
    };
    Ok(ids[1..].iter().enumerate().map(|(row, next)| of((row, next))).collect())
}

/// What the model writes after the prompt, as it is written in use: with a cache, token by token.
fn greedy(engine: &Engine, golden: &Golden) -> Outcome<Vec<u32>> {
    let sampling = SamplingSettings::greedy();
    let settings =
        GenerateSettings { max_tokens: golden.greedy_ids.len(), sampling, ..GenerateSettings::default() };
    // No id ends the text, so that it is as long as the other one.
    let request = Request::new(Prompt::of(golden.ids.clone()), &settings, &[]);
    let mut written = engine.scheduler(1)?.write_all(vec![request])?;
    Ok(written.pop().ok_or("nothing was written")??.tokens)
}

fn furthest(known: &[f64], own: &[f64]) -> f64 {
    known.iter().zip(own).map(|(known, own)| (known - own).abs()).fold(0.0, f64::max)
}
