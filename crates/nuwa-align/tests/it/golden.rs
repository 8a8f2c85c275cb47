//! Losses and gradients against `fixtures/align`, made by PyTorch from the papers' formulas.

use std::collections::BTreeMap;

use nuwa_align::pack::Example;
use nuwa_align::{Dpo, DpoSettings, RecordSteps, Sft, trainer};
use nuwa_format::parts;
use nuwa_train::{Steps, Trainer};
use safetensors::SafeTensors;

use crate::{difference, exact, fixtures, load, sft_settings, tuned};

const MODELS: [&str; 2] = ["gpt2", "llama"];

struct Golden {
    floats: BTreeMap<String, Vec<f32>>,
    examples: Vec<Example>,
}

fn golden(name: &str) -> Golden {
    let bytes = std::fs::read(fixtures().join("align").join(format!("{name}.safetensors"))).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let words =
        |name: &str| -> Vec<[u8; 4]> { tensors.tensor(name).unwrap().data().as_chunks::<4>().0.to_vec() };
    let integers = |name: &str| -> Vec<i32> { words(name).into_iter().map(i32::from_le_bytes).collect() };
    let (ids, starts) = (integers("ids"), integers("starts"));
    let example = |(row, &start): (&[i32], &i32)| {
        let ids: Vec<u32> = row.iter().take_while(|id| **id >= 0).map(|id| *id as u32).collect();
        let trained = (0..ids.len()).map(|at| at >= start as usize).collect();
        Example::of(ids, trained)
    };
    let examples = ids.chunks_exact(ids.len() / starts.len()).zip(&starts).map(example).collect();
    let is_float = |name: &&str| !["ids", "starts"].contains(name);
    let names = tensors.names().into_iter().filter(is_float);
    let floats = names
        .map(|name| (name.to_string(), words(name).into_iter().map(f32::from_le_bytes).collect()))
        .collect();
    Golden { floats, examples }
}

/// The largest difference between the gradient and the golden one of `prefix`.
fn off(trainer: &mut Trainer, golden: &Golden, prefix: &str) -> f32 {
    trainer.collect_gradient();
    let model = trainer.model();
    let mut worst: f32 = 0.0;
    for name in model.names() {
        let parameter = model.parameters().get(&name.parameter).unwrap();
        let gradient = parameter.gradient();
        for part in parts(&name, parameter.shape()) {
            let expected = &golden.floats[&format!("{prefix}.grad.{}", part.name)];
            worst = worst.max(difference(&part.stored_gradient(&gradient), expected));
        }
    }
    worst
}

#[test]
fn sft_is_the_mean_over_the_tokens_of_all_answers() {
    for name in MODELS {
        let golden = golden(name);
        let mut trainer = tuned(name);
        let mut sft = Sft::of_examples(golden.examples.clone(), Vec::new(), &sft_settings(), 0).unwrap();
        assert_eq!(sft.count(), 2, "two epochs of one step");
        let loss = sft.step(&mut trainer, 0).unwrap().loss;
        assert!((loss as f32 - golden.floats["sft.loss"][0]).abs() < 1e-5, "{name}: {loss}");
        let off = off(&mut trainer, &golden, "sft");
        assert!(off < 1e-5, "{name}: gradients differ by {off}");
    }
}

#[test]
fn dpo_and_its_variants_are_the_papers_formulas() {
    for name in MODELS {
        let golden = golden(name);
        for variant in ["sigmoid", "smoothed", "normalised", "free", "with_sft"] {
            let settings = DpoSettings {
                beta: 0.3,
                batch_pairs: Some(16),
                label_smoothing: if variant == "smoothed" { 0.1 } else { 0.0 },
                length_normalised: variant == "normalised",
                reference_free: variant == "free",
                sft_weight: if variant == "with_sft" { 0.2 } else { 0.0 },
                tuning: exact(),
                ..DpoSettings::default()
            };
            let pairs =
                golden.examples.chunks_exact(2).map(|pair| [pair[0].clone(), pair[1].clone()]).collect();
            let reference = load(name);
            reference.parameters().set(|values| values.iter_mut().for_each(|value| *value *= 0.9));
            let mut reference = trainer(reference, None, &exact(), 0);
            let mut dpo = Dpo::of_pairs(pairs, Vec::new(), &settings, &mut reference, 0).unwrap();
            let mut trainer = tuned(name);
            let measured = dpo.step(&mut trainer, 0).unwrap();
            let expected = golden.floats[&format!("{variant}.loss")][0];
            assert!(
                (measured.loss as f32 - expected).abs() < 1e-5,
                "{name} {variant}: {} {expected}",
                measured.loss
            );
            let off = off(&mut trainer, &golden, variant);
            assert!(off < 1e-5, "{name} {variant}: gradients differ by {off}");
        }
    }
}
