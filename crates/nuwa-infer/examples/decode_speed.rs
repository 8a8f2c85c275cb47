//! Tokens a second of greedy decoding, alone and with a prompt: a LLaMA of 256 x 6, vocabulary 4,096, random weights.
//!
//!     cargo run --release -p nuwa-infer --example decode_speed

use std::hint::black_box;
use std::time::Instant;

use nuwa_infer::{Sampler, SamplingSettings, Sequence};
use nuwa_models::{ModelConfig, build};

const CONFIG: &str = r#"{"model_type": "llama", "vocab_size": 4096, "hidden_size": 256, "intermediate_size": 688,
    "num_hidden_layers": 6, "num_attention_heads": 8, "num_key_value_heads": 8, "max_position_embeddings": 1024}"#;
const PROMPT: usize = 512;
const TOKENS: usize = 400;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config: ModelConfig = serde_json::from_str(CONFIG)?;
    let model = build(&config, 1)?;
    println!("{} parameters", model.parameters().count());
    for prompt in [1, PROMPT] {
        let prompt: Vec<u32> = (0..prompt as u32).map(|i| i * 7 % 4096).collect();
        for settings in [SamplingSettings::greedy(), SamplingSettings { top_k: 40, ..Default::default() }] {
            let mut sequence = Sequence::new(model.as_ref(), &prompt, TOKENS)?;
            let mut sampler = Sampler::new(&settings, model.vocabulary(), 1)?;
            let start = Instant::now();
            black_box(sequence.next_scores()?);
            let reading = start.elapsed().as_secs_f64();
            let start = Instant::now();
            for _ in 0..TOKENS {
                let id = sampler.choose(&sequence.next_scores()?.to_host())?;
                sequence.push(id);
            }
            let speed = TOKENS as f64 / start.elapsed().as_secs_f64();
            println!(
                "prompt of {}: read at {:.0} tokens/s; temperature {}: {speed:.0} tokens/s",
                prompt.len(),
                prompt.len() as f64 / reading,
                settings.temperature
            );
        }
    }
    Ok(())
}
