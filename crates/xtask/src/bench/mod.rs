//! Measurements: training steps in turn with PyTorch (`train`) and over context and width (`growth`), cleaning in turn with
//! datatrove (`clean`), builds within budgets (`budgets`), every family beside the others (`families`), inference in turn with
//! llama.cpp (`inference`), a server under load (`serve`), and transfer over the width (`mup`).

mod budgets;
mod clean;
mod families;
mod growth;
mod inference;
mod load;
mod mup;
mod options;
mod ours;
mod plot;
mod rival;
mod serve;
mod train;

use anyhow::{Result, bail};

const USAGE: &str = "\
cargo xtask bench train --against SCRIPT    rival, ours, rival, ours ...: each run in a process of its own
    --sizes tiny,mid,small    which sizes
    --families gpt,llama      which families
    --precision bf16|f32      of activations and products (bf16); the rival: autocast or not, always compiled
    --pairs N                 how many pairs (5)
    --steps N                 steps of each run, the first three unmeasured (20; small: 8)
    --python PATH             the Python that has torch (python3)
    --isa avx2                hold ours to AVX2; the rival gets ATEN_CPU_CAPABILITY=avx2
    --json FILE               also write every figure of every pair

cargo xtask bench growth                    contexts of 256 to 8192, then widths; a Markdown table
    --precision, --isa        as above
    --family gpt|llama        (gpt)
    --steps N                 steps of each run (8)
    --svg FILE                where the plot goes (docs/growth.svg)

cargo xtask bench clean --against SCRIPT    cleaning: crates/xtask/rivals/datatrove_clean.py, ours, and so on
    --python PATH             the Python that has datatrove (python3)
    --pairs N                 how many pairs (3)
    --books FOLDER            English text in .txt files (../shared/data/corpus/en/standard_ebooks)
    --json FILE               also write every figure of every pair

cargo xtask bench inference                 SmolLM2-135M out of a GGUF file: llama.cpp, ours, and so on; a Markdown table
    --python PATH             the Python that has llama-cpp-python (python3)
    --types Q4_1,Q8_0         some of Q4_1, Q4_0, Q8_0, BF16 (all)
    --pairs N, --threads N    how many pairs (3), threads of both (2)
    --models FOLDER           where the files are kept; fetched and made where they are absent (target/bench/inference)
    --json FILE               also write every figure of every pair

cargo xtask bench budgets --texts A.txt,B.txt    builds of each text within each budget: foreseen and measured; a Markdown table
    --budgets 1m,3m           (1m,3m)
    --cleaning on|off         (on)
    --program FILE            the program (target/release/nuwa)

cargo xtask bench families                  a build of every family with the same number of weights in the same time; a Markdown table
    --texts world,A.txt       the embedded world, and texts (world)
    --families gpt2,llama     some of them (all; with xlm, English and Chinese text alone)
    --params N, --budget TIME (1M, 3m)
    --tokens N                as many tokens instead of a time: what is learnt does not depend on what else runs
    --labels TRAIN,TEST       then fine-tune each on texts with labels (csv, jsonl), and measure it on others
    --language en             the language of these texts, for a family that wants to know it
    --pairs A,B,C,D           then fine-tune encoder-decoders on the lines of A and B, and measure them on those of C and D
    --folder FOLDER           where the runs are kept; one that is there is gone on with (a temporary folder)
    --program FILE            as above

cargo xtask bench serve --model FOLDER      a server under load: one client, then many; times, tokens a second, memory
    --clients N, --requests N (64, 10000)
    --tokens N                the most tokens of an answer (32)
    --rival PYTHON            then llama.cpp's server with a slot for each client: a Python that has xllamacpp; the model is a GGUF file
    --abuse yes               then clients that go, stop halfway, read slowly, send what is too large or nonsense
    --program FILE            as above
    --json FILE               also write every figure

cargo xtask bench mup --data SHARDS --tokenizer FOLDER    activations and best learning rates by width, with muP and without
    --widths A,B --rates A,B  of the learning rates (64,512; 1e-3 to 1.6e-2)
    --tokens N, --layers N    of each run (307200, 2)
    --svg FILE                where the plot of the coordinate check goes (docs/mup.svg)
    --program FILE, --folder FOLDER    as above";

/// Does what the words after `cargo xtask bench` say.
pub fn run(arguments: &[String]) -> Result<()> {
    match arguments.first().map(String::as_str) {
        Some("train") => train::run(&arguments[1..]),
        Some("growth") => growth::run(&arguments[1..]),
        Some("clean") => clean::run(&arguments[1..]),
        Some("budgets") => budgets::run(&arguments[1..]),
        Some("families") => families::run(&arguments[1..]),
        Some("mup") => mup::run(&arguments[1..]),
        Some("inference") => inference::run(&arguments[1..]),
        Some("serve") => serve::run(&arguments[1..]),
        Some("help" | "--help" | "-h") => {
            println!("{USAGE}");
            Ok(())
        }
        other => {
            let got = other.unwrap_or("nothing");
            let known = "train, growth, clean, budgets, families, inference or serve";
            bail!(
                "expected {known}, got {got}

{USAGE}"
            )
        }
    }
}

/// The middle value; the mean of the two middle ones where their number is even. NaN for none.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => sorted[half],
        _ => sorted[half - 1].midpoint(sorted[half]),
    }
}

/// The processor's name and the threads it offers.
fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let name = name.map_or(std::env::consts::ARCH, |(_, name)| name.trim());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{name}, {threads} threads")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[7.0]), 7.0);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn an_unknown_measurement_shows_the_usage() {
        let message = run(&["speed".into()]).unwrap_err().to_string();
        assert!(message.contains("got speed") && message.contains("--against SCRIPT"), "{message}");
    }
}
