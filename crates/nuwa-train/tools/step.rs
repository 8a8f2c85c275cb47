//! Training steps of a model of known size, for measuring: forward, backward, clipping at 1, AdamW.
//!
//!     cargo run --release -p nuwa-train --example step -- SIZE PRECISION [STEPS] [FAMILY] [--json] [--isa avx2]
//!         [--context N] [--batch N] [--width N] [--layers N] [--heads N] [--vocabulary N]
//!
//! SIZE is tiny, mid or small; PRECISION is f32 or bf16; FAMILY is gpt, llama, falcon, falcon-sequential (the same layers one
//! after the other), lamda, mixtral, whose eight experts, of which a token meets two, are half as wide as llama's layer, lstm, gru,
//! recurrent_gemma, griffin-recurrent and griffin-attention, which have but one of its kinds of blocks, bert, of whose rows 15 in
//! 100 are predicted, or t5, with as many layers on each side and answers a quarter as long as their source. Prints the median step
//! time after three warm-up steps, tokens a second and the largest resident memory; with `--json` also the time of each operation.

use std::collections::HashMap;
use std::error::Error;
use std::time::{Duration, Instant};

use nuwa_models::{Context, Model, ModelConfig, SequencePair, Targets, Text, backward};
use nuwa_nn::{Optimizer, OptimizerSettings};
use nuwa_tensor::{Precision, Random, Tape, measure, on_worker, simd};
use serde_json::json;

/// Steps that are not measured: the first ones touch their memory for the first time.
const WARM_UP: usize = 3;

const OPTIONS: [&str; 7] = ["isa", "context", "batch", "width", "layers", "heads", "vocabulary"];

/// The model and its batch.
#[derive(Clone, Copy)]
struct Sizes {
    vocabulary: usize,
    context: usize,
    width: usize,
    layers: usize,
    heads: usize,
    batch: usize,
}

struct Run {
    name: String,
    family: String,
    precision: Precision,
    steps: usize,
    sizes: Sizes,
    json: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let run = arguments()?;
    let model = nuwa_models::build(&config(&run)?, 0)?;
    let mut tape = Tape::training().with_precision(run.precision);
    let settings =
        OptimizerSettings { beta2: 0.999, weight_decay: Some(0.01), ..OptimizerSettings::default() };
    let mut optimizer = Optimizer::new(model.parameters(), &settings);
    let batch = Batch::draw(run.sizes);
    let ready = start.elapsed();
    let (mut times, mut loss, mut first, mut optimizing) = (Vec::new(), 0.0, Duration::ZERO, Duration::ZERO);
    let warm_up = WARM_UP.min(run.steps - 1);
    for step in 0..run.steps {
        if step == warm_up && run.json {
            tape.enable_timing();
        }
        let clock = Instant::now();
        let updating = on_worker(|| {
            loss = batch.pass(model.as_ref(), &mut tape)?;
            let update = Instant::now();
            optimizer.step(model.parameters(), 3e-4);
            Ok::<_, nuwa_tensor::Error>(update.elapsed())
        })?;
        if step >= warm_up {
            optimizing += updating;
        }
        tape.skip_time();
        times.push(clock.elapsed().as_secs_f64());
        if step == 0 {
            first = start.elapsed();
        }
    }
    let mut times = times.split_off(warm_up);
    times.sort_by(f64::total_cmp);
    let (fastest, median) = (times[0], times[times.len() / 2]);
    let speed = (run.sizes.batch * run.sizes.context) as f64 / median;
    let (weights, memory) = (model.parameters().count() as f64 / 1e6, peak_memory() / 1e9);
    let precision = if run.precision == Precision::F32 { "f32" } else { "bf16" };
    if !run.json {
        println!(
            "begun after {:.2} s, first step done after {:.2} s",
            ready.as_secs_f64(),
            first.as_secs_f64()
        );
        let (family, name, ms, best) = (&run.family, &run.name, median * 1e3, fastest * 1e3);
        println!(
            "{family} {name} {precision} {weights:.1}M loss {loss:.4} median {ms:.1} ms (fastest {best:.1}) tok/s {speed:.0} rss {memory:.2} GB"
        );
        return Ok(());
    }
    let steps = times.len() as f64;
    let operations = tape.timings().into_iter().map(|row| {
        json!({"name": row.name, "calls": row.calls as f64 / steps, "forward_ms": row.forward.as_secs_f64() * 1e3 / steps,
            "backward_ms": row.backward.as_secs_f64() * 1e3 / steps})
    });
    let report = json!({
        "family": run.family, "size": run.name, "precision": precision, "parameters": model.parameters().count(),
        "loss": loss, "median_ms": median * 1e3, "fastest_ms": fastest * 1e3, "tokens_per_second": speed, "peak_memory_gb": memory,
        "start_seconds": ready.as_secs_f64(), "first_step_seconds": first.as_secs_f64(), "optimizer_ms": optimizing.as_secs_f64() * 1e3 / steps,
        "product_gflops": products(&run, model.as_ref()) / median / 1e9,
        "product_limit_gflops": measure::product_speed(run.precision) / 1e9,
        "operations": operations.collect::<Vec<_>>(),
    });
    println!("{report}");
    Ok(())
}

fn arguments() -> Result<Run, Box<dyn Error>> {
    let (mut plain, mut named, mut json) = (Vec::new(), HashMap::new(), false);
    let mut rest = std::env::args().skip(1);
    while let Some(argument) = rest.next() {
        match argument.strip_prefix("--") {
            Some("json") => json = true,
            Some(name) if !OPTIONS.contains(&name) => return Err(format!("unknown option --{name}").into()),
            Some(name) => {
                drop(named.insert(name.to_string(), rest.next().ok_or("an option without a value")?))
            }
            None => plain.push(argument),
        }
    }
    match named.get("isa").map(String::as_str) {
        None => {}
        Some("avx2") => simd::force(simd::Level::Avx2),
        Some(other) => return Err(format!("--isa {other}: expected avx2").into()),
    }
    let name = plain.first().ok_or("expected a size: tiny, mid or small")?.clone();
    let [vocabulary, context, width, layers, heads, batch] = match name.as_str() {
        "tiny" => [4096, 256, 256, 6, 8, 8],
        "mid" => [8192, 512, 512, 8, 8, 4],
        "small" => [50257, 1024, 768, 12, 12, 1],
        other => return Err(format!("unknown size {other}").into()),
    };
    let number = |name: &str, default: usize| named.get(name).map_or(Ok(default), |text| text.parse());
    let sizes = Sizes {
        vocabulary: number("vocabulary", vocabulary)?,
        context: number("context", context)?,
        width: number("width", width)?,
        layers: number("layers", layers)?,
        heads: number("heads", heads)?,
        batch: number("batch", batch)?,
    };
    let precision = match plain.get(1).map(String::as_str) {
        Some("f32") => Precision::F32,
        Some("bf16") => Precision::Bf16,
        other => return Err(format!("expected a precision, f32 or bf16, got {other:?}").into()),
    };
    let steps: usize = plain.get(2).map_or(Ok(if name == "small" { 8 } else { 20 }), |text| text.parse())?;
    if steps == 0 {
        return Err("expected at least one step".into());
    }
    let family = plain.get(3).cloned().unwrap_or_else(|| "gpt".into());
    Ok(Run { name, family, precision, steps, sizes, json })
}

/// The models of the reference script.
fn config(run: &Run) -> Result<ModelConfig, Box<dyn Error>> {
    let Sizes { vocabulary, context, width, layers, heads, .. } = run.sizes;
    let value = match run.family.as_str() {
        "gpt" => {
            json!({"model_type": "gpt2", "vocab_size": vocabulary, "n_positions": context, "n_embd": width,
            "n_layer": layers, "n_head": heads})
        }
        "llama" => {
            json!({"model_type": "llama", "vocab_size": vocabulary, "max_position_embeddings": context,
            "hidden_size": width, "intermediate_size": (8 * width / 3).next_multiple_of(64),
            "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": heads / 2,
            "rms_norm_eps": 1e-5, "tie_word_embeddings": true})
        }
        "falcon" | "falcon-sequential" => {
            json!({"model_type": "falcon", "vocab_size": vocabulary, "max_position_embeddings": context,
            "hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads,
            "parallel_attn": run.family == "falcon"})
        }
        "lamda" => {
            json!({"model_type": "lamda", "vocab_size": vocabulary, "n_positions": context, "d_model": width,
            "d_kv": width / heads, "d_ff": (8 * width / 3).next_multiple_of(64), "num_layers": layers,
            "num_heads": heads, "tie_word_embeddings": true})
        }
        "bert" => {
            json!({"model_type": "bert", "vocab_size": vocabulary, "max_position_embeddings": context,
            "hidden_size": width, "intermediate_size": 4 * width, "num_hidden_layers": layers,
            "num_attention_heads": heads})
        }
        "t5" => {
            json!({"model_type": "t5", "vocab_size": vocabulary, "d_model": width, "d_kv": width / heads,
            "d_ff": 4 * width, "num_layers": layers, "num_decoder_layers": layers, "num_heads": heads,
            "decoder_start_token_id": 0, "pad_token_id": 0, "eos_token_id": 1})
        }
        "mixtral" => {
            json!({"model_type": "mixtral", "vocab_size": vocabulary, "max_position_embeddings": context,
            "hidden_size": width, "intermediate_size": (8 * width / 3).next_multiple_of(64) / 2,
            "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": heads / 2,
            "rms_norm_eps": 1e-5, "tie_word_embeddings": true, "num_local_experts": 8, "num_experts_per_tok": 2})
        }
        "lstm" | "gru" => {
            json!({"model_type": run.family, "vocab_size": vocabulary, "n_positions": context, "hidden_size": width,
            "num_hidden_layers": layers, "tie_word_embeddings": true})
        }
        "recurrent_gemma" => griffin(run.sizes, &["recurrent", "recurrent", "attention"]),
        "griffin-recurrent" => griffin(run.sizes, &["recurrent"]),
        "griffin-attention" => griffin(run.sizes, &["attention"]),
        other => return Err(format!("unknown family {other}").into()),
    };
    Ok(serde_json::from_value(value)?)
}

/// RecurrentGemma with blocks of these kinds in turn, whose attention sees the whole context.
fn griffin(sizes: Sizes, blocks: &[&str]) -> serde_json::Value {
    let Sizes { vocabulary, context, width, layers, heads, .. } = sizes;
    json!({"model_type": "recurrent_gemma", "vocab_size": vocabulary, "max_position_embeddings": context,
        "hidden_size": width, "intermediate_size": 6 * width, "num_hidden_layers": layers, "num_attention_heads": heads,
        "num_key_value_heads": 1, "attention_window_size": context, "block_types": blocks})
}

struct Batch {
    sizes: Sizes,
    ids: Vec<u32>,
    targets: Vec<u32>,
    weights: Vec<f32>,
}

impl Batch {
    fn draw(sizes: Sizes) -> Self {
        let rows = sizes.batch * sizes.context;
        let random = Random::new(1);
        let draw = |stream: u64| -> Vec<u32> {
            let random = random.stream(stream);
            (0..rows as u64).map(|i| random.words(i)[0] % sizes.vocabulary as u32).collect()
        };
        Self { sizes, ids: draw(0), targets: draw(1), weights: vec![1.0 / rows as f32; rows] }
    }

    /// Forward and backward.
    fn pass(&self, model: &dyn Model, tape: &mut Tape) -> Result<f32, nuwa_tensor::Error> {
        let batch = match model.config().family().registered().model_type {
            "bert" => self.masked(),
            "t5" => self.pairs(),
            _ => {
                let text = Text::causal(self.ids.clone(), self.sizes.batch);
                nuwa_models::Batch::of_every_row(text, self.targets.clone(), self.weights.clone())
            }
        };
        Ok(backward(model, &Context::new(tape), &batch)?.total())
    }

    /// Texts of whose rows 15 in 100 are predicted, evenly spread.
    fn masked(&self) -> nuwa_models::Batch {
        let rows: Vec<u32> = (0..self.ids.len() as u32 * 15 / 100).map(|row| row * 100 / 15).collect();
        let ids = rows.iter().map(|&row| self.targets[row as usize]).collect();
        let weights = vec![1.0 / rows.len() as f32; rows.len()];
        let source = Text::bidirectional(self.ids.clone(), self.sizes.batch);
        nuwa_models::Batch {
            source,
            answer: None,
            targets: Targets { rows: Some(rows), ids, weights },
            classes: None,
        }
    }

    /// Sources, and answers a quarter as long.
    fn pairs(&self) -> nuwa_models::Batch {
        let (source, answer) = (self.sizes.context, self.sizes.context / 4);
        let pair = |(source, answer): (&[u32], &[u32])| SequencePair {
            source: source.into(),
            answer: answer.into(),
        };
        let pairs: Vec<SequencePair> =
            self.ids.chunks(source).zip(self.targets.chunks(answer)).map(pair).collect();
        nuwa_models::Batch::of_pairs(&pairs, 0, 1.0 / (self.sizes.batch * answer) as f32)
    }
}

/// Operations of the matrix products of one step: two for each weight of a matrix and token forward, four backward.
fn products(run: &Run, model: &dyn Model) -> f64 {
    let positions = if run.family == "gpt" { run.sizes.context * run.sizes.width } else { 0 };
    let matrices = model.parameters().iter().filter(|parameter| parameter.shape().axes().len() == 2);
    let idle = positions + model.config().size().idle;
    let weights = matrices.map(|parameter| parameter.shape().elements()).sum::<usize>() - idle;
    6.0 * weights as f64 * (run.sizes.batch * run.sizes.context) as f64
}

/// The largest resident memory in bytes; 0 where the system does not tell.
fn peak_memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) * 1024.0
}
