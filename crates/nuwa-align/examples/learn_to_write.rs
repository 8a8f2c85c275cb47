//! From text to a model that writes, without files of settings: a vocabulary, shards, 150 steps of training, a sample.
//!
//!     cargo run --release -p nuwa-align --example learn_to_write

use std::error::Error;
use std::sync::Arc;

use nuwa_infer::{Engine, GenerateSettings, SamplingSettings};
use nuwa_nn::{Schedule, ScheduleKind};
use nuwa_shards::{IdWidth, Part, ShardWriter, Shards};
use nuwa_tokenizer::{TrainSettings, train};
use nuwa_train::objectives::Causal;
use nuwa_train::{Loader, Pretraining, Trainer, TrainerSettings};

const STEPS: u64 = 150;
const CONTEXT: usize = 32;

fn main() -> Result<(), Box<dyn Error>> {
    let texts = (0..300)
        .map(|n| format!("On day {} she made people of clay, and day {} she rested.", n % 30, n % 30 + 1));
    let settings = TrainSettings { vocab_size: 320, ..TrainSettings::default() };
    let tokenizer = train(texts.clone(), &settings, &mut |_| {})?;

    // Documents as token ids on disk, each with the token that ends a text.
    let folder = tempfile::tempdir()?;
    let width = IdWidth::for_vocabulary(tokenizer.vocab_size());
    let mut shards = ShardWriter::create(folder.path(), Part::Train, width, 100_000);
    for text in texts {
        let ids: Vec<u32> = tokenizer.encode(&text)?.into_iter().chain(tokenizer.eos()).collect();
        shards.push(&ids, &text)?;
    }
    shards.finish()?;

    // The fields of Hugging Face's config.json.
    let config = serde_json::json!({"model_type": "llama", "vocab_size": tokenizer.vocab_size(), "hidden_size": 64,
        "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "max_position_embeddings": CONTEXT});
    let model = nuwa_models::build(&serde_json::from_value(config)?, 1)?;
    let mut trainer = Trainer::new(model, None, TrainerSettings::default());
    trainer.set_schedule(Schedule {
        floor: 0.1,
        warmup: 10,
        ..Schedule::new(ScheduleKind::Cosine, 3e-3, STEPS)
    });

    // What a step is made of: 8 windows of CONTEXT tokens, of which each next token is predicted.
    let loader = Loader::new(Shards::open(folder.path(), Part::Train)?, CONTEXT, 1)?;
    let mut source = Pretraining::new(loader, Arc::new(Causal { eos: tokenizer.eos() }), [8, 1]);
    for step in 0..STEPS {
        let loss = trainer.step(&mut source, step)?.measured.loss;
        if step % 30 == 0 || step + 1 == STEPS {
            println!("step {step:3}  loss {loss:.3} nats per token");
        }
    }

    let engine = Engine::new(trainer.into_model(), tokenizer)?;
    let settings =
        GenerateSettings { max_tokens: 20, sampling: SamplingSettings::greedy(), ..Default::default() };
    println!("On day 7{}", engine.generate("On day 7", &settings, &mut |_| {})?.text);
    Ok(())
}
