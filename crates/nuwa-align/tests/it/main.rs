//! Alignment against PyTorch, against itself, and on files in every form.

mod adapters;
mod feedback;
mod forms;
mod golden;
mod joining;
mod labels;
mod masked_answers;
mod mending;
mod mixing;
mod opinions;
mod preferences;
mod programs;
mod prompts;
mod ratings;
mod rendering;
mod rewards;
mod sequences;
mod tuning;

use std::path::{Path, PathBuf};

use nuwa_align::pack::Example;
use nuwa_align::{SftSettings, TuningSettings, trainer};
use nuwa_models::Model;
use nuwa_train::{PrecisionChoice, Trainer};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

fn load(name: &str) -> Box<dyn Model> {
    nuwa_format::load_model(&fixtures().join("models").join(name)).unwrap()
}

/// Settings in which numbers can be compared: f32, nothing held out.
fn exact() -> TuningSettings {
    TuningSettings {
        precision: PrecisionChoice::F32,
        held_out: Some(0.0),
        warmup: 0.0,
        ..TuningSettings::default()
    }
}

fn sft_settings() -> SftSettings {
    SftSettings { epochs: Some(2), batch_tokens: Some(1000), tuning: exact(), ..SftSettings::default() }
}

fn tuned(name: &str) -> Trainer {
    trainer(load(name), None, &exact(), 0)
}

/// Examples of random ids of unlike lengths, of which the later ids are answers.
fn examples(count: usize) -> Vec<Example> {
    let random = nuwa_tensor::Random::new(3);
    let example = |index: usize| {
        let own = random.stream(index as u64);
        let length = 4 + own.below(0, 9) as usize;
        let ids = (0..length).map(|at| own.below(1 + at as u64, 97) as u32).collect();
        let trained = (0..length).map(|at| at > index % 3).collect();
        Example::of(ids, trained)
    };
    (0..count).map(example).collect()
}

/// The gradient of every weight.
fn gradient(trainer: &mut Trainer) -> Vec<f32> {
    trainer.collect_gradient();
    trainer.parameters().gradients_to_host()
}

fn difference(one: &[f32], other: &[f32]) -> f32 {
    assert_eq!(one.len(), other.len());
    one.iter().zip(other).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max)
}
