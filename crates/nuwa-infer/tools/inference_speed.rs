//! Speed and memory of inference with a model from a file, as a line of JSON: tokens a second of reading a prompt and of writing, of
//! one sequence and of several together, the seconds to load, and the resident memory.
//!
//!     cargo run --release -p nuwa-infer --example inference_speed -- MODEL [first]
//!
//! With `first` it only writes the first token after a prompt of 10, for whoever times the whole program.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use nuwa_infer::{Engine, GenerateSettings, Prompt, Request, SamplingSettings, Scheduler};
use serde_json::json;

/// Ids of the prompt that is read, of that before what is written, and of the shortest one.
const PROMPT: usize = 512;
const BEGINNING: usize = 16;
const SHORT: usize = 10;
/// Tokens that are written.
const TOKENS: usize = 128;
/// Sequences that are written together.
const TOGETHER: usize = 8;
const ROUNDS: usize = 3;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let path = arguments.first().ok_or("expected the path of a model")?;
    let start = Instant::now();
    let engine = Engine::load(Path::new(path))?;
    let loading = start.elapsed().as_secs_f64();
    if arguments.get(1).is_some_and(|word| word == "first") {
        let mut scheduler = engine.scheduler(1)?;
        scheduler.write_all(vec![request(ids(SHORT, 0), 1)])?;
        println!("{}", json!({ "load": loading, "first": start.elapsed().as_secs_f64() }));
        return Ok(());
    }
    let prompt = best(|round| reading(&engine, round))?;
    let one = best(|round| writing(&engine, 1, round))?;
    let alone = memory();
    let together = best(|round| writing(&engine, TOGETHER, round))?;
    println!(
        "{}",
        json!({ "load": loading, "prompt": prompt, "one": one, "together": together,
            "resident": alone[0], "resident_peak": alone[1] })
    );
    Ok(())
}

/// Ids that are anything and the same for everybody.
fn ids(count: usize, seed: u32) -> Vec<u32> {
    (0..count as u32).map(|i| 1000 + (i * 7919 + seed * 104_729) % 40_000).collect()
}

fn request(ids: Vec<u32>, max_tokens: usize) -> Request {
    let settings =
        GenerateSettings { max_tokens, sampling: SamplingSettings::greedy(), ..GenerateSettings::default() };
    // No id ends a text, so that each is as long as wanted.
    Request::new(Prompt::of(ids), &settings, &[])
}

fn best(mut measure: impl FnMut(u32) -> Outcome<f64>) -> Outcome<f64> {
    (0..ROUNDS as u32).try_fold(0.0_f64, |best, round| Ok(best.max(measure(round)?)))
}

/// Tokens a second of a prompt up to its first token.
fn reading(engine: &Engine, round: u32) -> Outcome<f64> {
    let mut scheduler = engine.scheduler(1)?;
    let start = Instant::now();
    black_box(scheduler.write_all(vec![request(ids(PROMPT, round), 1)])?);
    Ok(PROMPT as f64 / start.elapsed().as_secs_f64())
}

/// Tokens a second of so many sequences, after their first ones.
fn writing(engine: &Engine, sequences: usize, round: u32) -> Outcome<f64> {
    let mut scheduler = engine.scheduler(sequences)?;
    for sequence in 0..sequences as u32 {
        scheduler.submit(request(ids(BEGINNING, round * 100 + sequence), TOKENS + 1))?;
    }
    scheduler.step()?;
    let start = Instant::now();
    run(&mut scheduler)?;
    Ok((sequences * TOKENS) as f64 / start.elapsed().as_secs_f64())
}

fn run(scheduler: &mut Scheduler) -> Outcome {
    while scheduler.pending() > 0 {
        black_box(scheduler.step()?);
    }
    Ok(())
}

/// The bytes of this process in memory now, and at most so far; 0 where the system does not tell.
fn memory() -> [u64; 2] {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    ["VmRSS:", "VmHWM:"].map(|name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        1024 * kib.unwrap_or(0)
    })
}
