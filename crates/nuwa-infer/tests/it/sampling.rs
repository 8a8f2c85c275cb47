//! The distributions that transformers' logits processors give, from `fixtures/sampling`.

use std::path::Path;

use nuwa_infer::{Sampler, SamplingSettings};
use safetensors::SafeTensors;
use serde_json::Value;

const TOLERANCE: f64 = 2e-6;

fn numbers<T>(file: &SafeTensors<'_>, name: &str, parse: fn([u8; 4]) -> T) -> Vec<T> {
    let tensor = file.tensor(name).unwrap();
    tensor.data().as_chunks::<4>().0.iter().map(|&bytes| parse(bytes)).collect()
}

fn settings(golden: &Value) -> SamplingSettings {
    let number = |key: &str, absent: f64| golden[key].as_f64().unwrap_or(absent);
    SamplingSettings {
        temperature: number("temperature", 1.0),
        top_k: number("top_k", 0.0) as usize,
        top_p: number("top_p", 1.0),
        min_p: number("min_p", 0.0),
        repetition_penalty: number("repetition_penalty", 1.0),
        ..SamplingSettings::default()
    }
}

fn distribution(settings: &SamplingSettings, logits: &[f32], previous: &[i32]) -> Vec<f64> {
    let mut sampler = Sampler::new(settings, logits.len(), 0).unwrap();
    sampler.observe(&previous.iter().map(|&id| id as u32).collect::<Vec<_>>());
    let candidates = sampler.candidates(logits).unwrap();
    let total: f64 = candidates.iter().map(|candidate| f64::from(candidate.weight)).sum();
    let mut probabilities = vec![0.0; logits.len()];
    for candidate in candidates {
        probabilities[candidate.id as usize] = f64::from(candidate.weight) / total;
    }
    probabilities
}

#[test]
fn distributions_equal_those_of_transformers() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/sampling");
    let bytes = std::fs::read(folder.join("sampling.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let listed: Vec<Value> =
        serde_json::from_slice(&std::fs::read(folder.join("settings.json")).unwrap()).unwrap();
    let logits = numbers(&file, "logits", f32::from_le_bytes);
    let previous = numbers(&file, "previous", i32::from_le_bytes);
    for golden in &listed {
        let name = golden["name"].as_str().unwrap();
        let expected = numbers(&file, &format!("probabilities.{name}"), f32::from_le_bytes);
        let rows = logits.chunks(50).zip(previous.chunks(8)).zip(expected.chunks(50));
        for (row, ((logits, previous), expected)) in rows.enumerate() {
            let got = distribution(&settings(golden), logits, previous);
            for (id, (&got, &expected)) in got.iter().zip(expected).enumerate() {
                let context = format!("{name}, row {row}, id {id}: {got}, expected {expected}");
                assert_eq!(got == 0.0, expected == 0.0, "{context}");
                assert!((got - f64::from(expected)).abs() < TOLERANCE, "{context}");
            }
        }
    }
}
