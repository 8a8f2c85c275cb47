//! The hash of all weights after 20 training steps on small made-up data, for each kind of training:
//!
//!     cargo xtask hashes [--release]
//!
//! A change that is to keep the results bit for bit keeps these lines. They depend on the instruction set (`nuwa doctor`
//! names it), so they are compared on one machine and are in no test.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use nuwa_align::pack::Example;
use nuwa_align::{Dpo, DpoSettings, LoraAdapters, LoraSettings, Sft, SftSettings, TuningSettings, trainer};
use nuwa_models::{Model, ModelConfig};
use nuwa_nn::{OptimizerSettings, Schedule, ScheduleKind};
use nuwa_shards::{IdWidth, Part, ShardWriter, Shards};
use nuwa_tensor::{Parameters, Precision, Random};
use nuwa_train::objectives::Causal;
use nuwa_train::{Loader, PrecisionChoice, Pretraining, Steps, Trainer, TrainerSettings};
use serde_json::json;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const STEPS: u64 = 20;
const VOCABULARY: usize = 97;
const CONTEXT: usize = 72;

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    write_shards(folder.path())?;
    for family in ["gpt2", "llama"] {
        for (name, precision) in [("f32", Precision::F32), ("bf16", Precision::Bf16)] {
            for accumulation in [1, 3] {
                let hash = pretrained(folder.path(), family, precision, accumulation)?;
                println!("pretrain {family} {name} accumulation {accumulation}: {hash}");
            }
        }
        for (name, choice) in [("f32", PrecisionChoice::F32), ("bf16", PrecisionChoice::Bf16)] {
            println!("sft {family} {name}: {}", fine_tuned(family, choice, false)?);
            println!("sft with lora {family} {name}: {}", fine_tuned(family, choice, true)?);
            println!("dpo {family} {name}: {}", preferring(family, choice)?);
        }
    }
    Ok(())
}

fn model(family: &str) -> Result<Box<dyn Model>> {
    let config = match family {
        "gpt2" => {
            json!({"model_type": "gpt2", "vocab_size": VOCABULARY, "n_positions": CONTEXT, "n_embd": 48,
            "n_layer": 2, "n_head": 3})
        }
        _ => json!({"model_type": "llama", "vocab_size": VOCABULARY, "max_position_embeddings": CONTEXT,
            "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 2, "num_attention_heads": 6,
            "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "tie_word_embeddings": false}),
    };
    Ok(nuwa_models::build(&serde_json::from_value::<ModelConfig>(config)?, 7)?)
}

/// Of the path, the shape and the values of each parameter, wherever it lies.
fn hash(parameters: &Parameters) -> String {
    let bytes = parameters.iter().flat_map(|parameter| {
        let about = format!("{} {}", parameter.entry().path(), parameter.shape());
        let values: Vec<u8> = parameter.to_host().iter().flat_map(|value| value.to_le_bytes()).collect();
        [about.into_bytes(), values]
    });
    nuwa_files::hash_blocks(bytes)
}

/// Documents of random ids that end in 0.
fn write_shards(folder: &Path) -> Result<()> {
    let random = Random::new(9);
    let mut writer = ShardWriter::create(folder, Part::Train, IdWidth::for_vocabulary(VOCABULARY), 100_000);
    for document in 0..60 {
        let random = random.stream(document);
        let length = 20 + random.below(0, 80);
        let mut ids: Vec<u32> = (1..length).map(|at| 1 + random.below(at, 96) as u32).collect();
        ids.push(0);
        writer.push(&ids, "text")?;
    }
    writer.finish()?;
    Ok(())
}

fn schedule() -> Schedule {
    Schedule { floor: 0.1, warmup: 4, ..Schedule::new(ScheduleKind::Cosine, 3e-3, STEPS) }
}

fn pretrained(shards: &Path, family: &str, precision: Precision, accumulation: usize) -> Result<String> {
    let settings = TrainerSettings {
        optimizer: OptimizerSettings::default(),
        precision,
        dropout: 0.1,
        seed: 3,
        ..TrainerSettings::default()
    };
    let mut trainer = Trainer::new(model(family)?, None, settings);
    let loader = Loader::new(Shards::open(shards, Part::Train)?, CONTEXT, 3)?;
    let objective = Arc::new(Causal { eos: Some(0) });
    run(&mut Pretraining::new(loader, objective, [4, accumulation]), &mut trainer)
}

/// Passes of about 200 positions, several a step.
fn tuning(precision: PrecisionChoice) -> TuningSettings {
    TuningSettings {
        micro_batch_tokens: 200,
        held_out: Some(0.0),
        dropout: Some(0.1),
        precision,
        ..TuningSettings::default()
    }
}

/// Random ids of unlike lengths, of which the later ones are an answer.
fn examples(count: u64) -> Vec<Example> {
    let example = |index| {
        let random = Random::new(5).stream(index);
        let length = 8 + random.below(0, CONTEXT as u64 - 8);
        let ids = (0..length).map(|at| random.below(1 + at, VOCABULARY as u64) as u32).collect();
        let trained = (0..length).map(|at| at > length / 3).collect();
        Example::of(ids, trained)
    };
    (0..count).map(example).collect()
}

fn fine_tuned(family: &str, precision: PrecisionChoice, lora: bool) -> Result<String> {
    let tuning = tuning(precision);
    let model = model(family)?;
    let settings = LoraSettings { rank: 4, ..LoraSettings::default() };
    let adapters = lora.then(|| LoraAdapters::new(model.as_ref(), &settings, 1)).transpose()?;
    let mut trainer = trainer(model, adapters.map(Arc::new), &tuning, 2);
    let settings = SftSettings { epochs: Some(4), batch_tokens: Some(500), tuning, ..SftSettings::default() };
    run(&mut Sft::of_examples(examples(80), Vec::new(), &settings, 1)?, &mut trainer)
}

fn preferring(family: &str, precision: PrecisionChoice) -> Result<String> {
    let tuning = tuning(precision);
    let mut trainer = trainer(model(family)?, None, &tuning, 2);
    let settings = DpoSettings {
        epochs: Some(4),
        batch_pairs: Some(6),
        sft_weight: 0.1,
        tuning,
        ..DpoSettings::default()
    };
    let pairs = examples(80).chunks_exact(2).map(|pair| [pair[0].clone(), pair[1].clone()]).collect();
    run(&mut Dpo::of_pairs(pairs, Vec::new(), &settings, &mut trainer, 1)?, &mut trainer)
}

fn run(source: &mut dyn Steps, trainer: &mut Trainer) -> Result<String> {
    trainer.set_schedule(schedule());
    for step in 0..STEPS {
        trainer.step(source, step)?;
    }
    Ok(hash(trainer.parameters()))
}
