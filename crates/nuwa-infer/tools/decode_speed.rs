//! Tokens a second of decoding, of a LLaMA of 256 x 6, vocabulary 4,096, random weights: one sequence and many together, and how
//! soon a chat turn starts when what stands before it is known.
//!
//!     cargo run --release -p nuwa-infer --example decode_speed

use std::hint::black_box;
use std::time::Instant;

use nuwa_infer::{
    Engine, GenerateSettings, Prompt, Request, Sampler, SamplingSettings, Scheduler, SchedulerSettings,
    Sequence,
};
use nuwa_models::{Model, ModelConfig, build, build_for_inference};
use nuwa_tensor::DType;
use nuwa_tokenizer::{TrainSettings, train};

const CONFIG: &str = r#"{"model_type": "llama", "vocab_size": 4096, "hidden_size": 256, "intermediate_size": 688,
    "num_hidden_layers": 6, "num_attention_heads": 8, "num_key_value_heads": 8, "max_position_embeddings": 1024}"#;
const PROMPT: usize = 512;
const TOKENS: usize = 400;
const SLOTS: [usize; 5] = [1, 2, 4, 8, 16];
const TURN: usize = 20;
const ROUNDS: usize = 7;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let config: ModelConfig = serde_json::from_str(CONFIG)?;
    let models = [model(&config, DType::F32)?, model(&config, DType::Bf16)?];
    for model in &models {
        println!("{} parameters", model.parameters().count());
        for prompt in [1, PROMPT] {
            for settings in [SamplingSettings::greedy(), SamplingSettings { top_k: 40, ..Default::default() }]
            {
                one_sequence(model.as_ref(), &ids(prompt, 0), &settings)?;
            }
        }
    }
    // Words that differ from each other, for as many tokens as the model knows.
    let letter = |word: u32, place: u32| char::from(b'a' + ((word * 7919) / 26_u32.pow(place) % 26) as u8);
    let words: Vec<String> =
        (0..60_000).map(|word| (0..5).map(|place| letter(word, place)).collect()).collect();
    let settings = TrainSettings { vocab_size: 4096, ..TrainSettings::default() };
    let tokenizer = train([words.join(" ")].into_iter(), &settings, &mut |_| ())?;
    for (model, dtype) in models.into_iter().zip([DType::F32, DType::Bf16]) {
        let engine = Engine::new(model, tokenizer.clone())?;
        many_sequences(&engine, dtype)?;
        chat_turn(&engine)?;
    }
    Ok(())
}

/// The same weights in `dtype`, as a model from a file has them.
fn model(config: &ModelConfig, dtype: DType) -> Result<Box<dyn Model>, Box<dyn std::error::Error>> {
    let (drawn, model) = (build(config, 1)?, build_for_inference(config, dtype)?);
    for (parameter, drawn) in model.parameters().iter().zip(drawn.parameters().iter()) {
        parameter.from_host(&drawn.to_host());
    }
    Ok(model)
}

fn ids(count: usize, seed: u32) -> Vec<u32> {
    (0..count as u32).map(|i| (i * 7 + seed * 13) % 256).collect()
}

fn one_sequence(model: &dyn Model, prompt: &[u32], settings: &SamplingSettings) -> Outcome {
    let mut sequence = Sequence::new(model, prompt, TOKENS)?;
    let mut sampler = Sampler::new(settings, model.vocabulary(), 1)?;
    let start = Instant::now();
    black_box(sequence.next_logits()?);
    let reading = start.elapsed().as_secs_f64();
    let start = Instant::now();
    for _ in 0..TOKENS {
        let id = sampler.choose(&sequence.next_logits()?.to_host())?;
        sequence.push(id);
    }
    let speed = TOKENS as f64 / start.elapsed().as_secs_f64();
    println!(
        "prompt of {}: read at {:.0} tokens/s; temperature {}: {speed:.0} tokens/s",
        prompt.len(),
        prompt.len() as f64 / reading,
        settings.temperature
    );
    Ok(())
}

fn request(ids: Vec<u32>, max_tokens: usize) -> Request {
    let sampling = SamplingSettings::greedy();
    let settings = GenerateSettings { max_tokens, sampling, ..GenerateSettings::default() };
    Request::new(Prompt::of(ids), &settings, &[])
}

/// Each number of sequences in turn, several times; the median of each, and its ratio to one sequence. Weights and caches are of
/// one kind.
fn many_sequences(engine: &Engine, cache: DType) -> Outcome {
    let mut speeds = vec![Vec::new(); SLOTS.len()];
    for _ in 0..ROUNDS {
        for (slots, speeds) in SLOTS.into_iter().zip(&mut speeds) {
            let settings = SchedulerSettings { slots, cache, ..SchedulerSettings::default() };
            let mut scheduler = Scheduler::new(engine, settings)?;
            for seed in 0..slots as u32 {
                scheduler.submit(request(ids(16, seed), TOKENS / 4 + 1))?;
            }
            scheduler.step()?;
            let start = Instant::now();
            while scheduler.pending() > 0 {
                black_box(scheduler.step()?);
            }
            speeds.push((slots * TOKENS / 4) as f64 / start.elapsed().as_secs_f64());
        }
    }
    let medians: Vec<f64> = speeds.into_iter().map(median).collect();
    for (slots, speed) in SLOTS.iter().zip(&medians) {
        let ratio = speed / medians[0];
        println!(
            "{slots} sequences, weights and cache in {cache:?}: {speed:.0} tokens/s, {ratio:.2} times one"
        );
    }
    Ok(())
}

/// The time to the first token of a turn after [`PROMPT`] ids that are known, and of the same when they are not.
fn chat_turn(engine: &Engine) -> Outcome {
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS as u32 {
        let mut scheduler = engine.scheduler(1)?;
        let turn = [ids(PROMPT, round), ids(TURN, 9)].concat();
        for (known, times) in [ids(1, 99), ids(PROMPT, round)].into_iter().zip(&mut times) {
            scheduler.write_all(vec![request(known, 1)])?;
            let start = Instant::now();
            scheduler.write_all(vec![request(turn.clone(), 1)])?;
            times.push(start.elapsed().as_secs_f64());
            scheduler = engine.scheduler(1)?;
        }
    }
    let [fresh, known] = times.map(median);
    let [all, ratio] = [1e3 * fresh, fresh / known];
    println!(
        "a turn of {TURN} after {PROMPT}: {all:.1} ms; after {PROMPT} known ones {:.1} ms, {ratio:.1} times as soon",
        1e3 * known
    );
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
