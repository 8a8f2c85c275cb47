//! Losses and gradients against `fixtures/align`, made by PyTorch from the papers' formulas.

use std::collections::BTreeMap;

use nuwa_align::pack::{self, Example};
use nuwa_align::{Dpo, DpoSettings, Kto, PreferenceLoss, RecordSteps, Sft, trainer};
use nuwa_format::parts;
use nuwa_train::{Steps, Trainer};
use safetensors::SafeTensors;

use crate::{difference, exact, fixtures, load, sft_settings, tuned};

const MODELS: [&str; 2] = ["gpt2", "llama"];

pub struct Golden {
    pub floats: BTreeMap<String, Vec<f32>>,
    pub examples: Vec<Example>,
}

pub fn golden(name: &str) -> Golden {
    with_stored(name, |tensors| {
        let integers =
            |name: &str| -> Vec<i32> { words(tensors, name).into_iter().map(i32::from_le_bytes).collect() };
        let (ids, starts) = (integers("ids"), integers("starts"));
        let example = |(row, &start): (&[i32], &i32)| {
            let ids: Vec<u32> = row.iter().take_while(|id| **id >= 0).map(|id| *id as u32).collect();
            let trained = (0..ids.len()).map(|at| at >= start as usize).collect();
            Example::of(ids, trained)
        };
        let examples = ids.chunks_exact(ids.len() / starts.len()).zip(&starts).map(example).collect();
        Golden { floats: floats(tensors), examples }
    })
}

fn words(tensors: &SafeTensors<'_>, name: &str) -> Vec<[u8; 4]> {
    tensors.tensor(name).unwrap().data().as_chunks::<4>().0.to_vec()
}

fn floats(tensors: &SafeTensors<'_>) -> BTreeMap<String, Vec<f32>> {
    let is_float = |name: &&str| !["ids", "starts"].contains(name);
    let names = tensors.names().into_iter().filter(is_float);
    names
        .map(|name| (name.to_string(), words(tensors, name).into_iter().map(f32::from_le_bytes).collect()))
        .collect()
}

fn with_stored<T>(name: &str, read: impl FnOnce(&SafeTensors<'_>) -> T) -> T {
    let bytes = std::fs::read(fixtures().join("align").join(format!("{name}.safetensors"))).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    read(&tensors)
}

/// The largest difference between the gradient and the golden one of `prefix`.
pub fn off(trainer: &mut Trainer, golden: &Golden, prefix: &str) -> f32 {
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

/// Chosen and rejected.
fn pairs(golden: &Golden) -> Vec<[Example; 2]> {
    golden.examples.chunks_exact(2).map(|pair| [pair[0].clone(), pair[1].clone()]).collect()
}

/// The model with all its weights times `scale`.
fn reference(name: &str, scale: f32) -> Trainer {
    let model = load(name);
    model.parameters().set(|values| values.iter_mut().for_each(|value| *value *= scale));
    trainer(model, None, &exact(), 0)
}

#[test]
fn dpo_and_its_variants_are_the_papers_formulas() {
    for name in MODELS {
        let golden = golden(name);
        for variant in ["sigmoid", "smoothed", "normalised", "free", "with_sft"] {
            let settings = DpoSettings {
                beta: Some(0.3),
                batch_pairs: Some(16),
                label_smoothing: if variant == "smoothed" { 0.1 } else { 0.0 },
                length_normalised: Some(variant == "normalised"),
                reference_free: variant == "free",
                sft_weight: if variant == "with_sft" { 0.2 } else { 0.0 },
                tuning: exact(),
                ..DpoSettings::default()
            };
            let pairs = pairs(&golden);
            let mut reference = reference(name, 0.9);
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

#[test]
fn relatives_of_dpo_are_the_papers_formulas() {
    let golden = Golden { floats: with_stored("losses", floats), ..golden("llama") };
    for loss in PreferenceLoss::ALL {
        let (lambda, label_smoothing) = match loss {
            PreferenceLoss::Robust | PreferenceLoss::Aot => (None, 0.1),
            PreferenceLoss::Orpo => (Some(0.25), 0.0),
            PreferenceLoss::Dpop => (Some(5.0), 0.0),
            _ => (None, 0.0),
        };
        let settings = DpoSettings {
            loss,
            beta: loss.has_reference().then_some(0.3),
            lambda,
            label_smoothing,
            batch_pairs: Some(16),
            tuning: exact(),
            ..DpoSettings::default()
        };
        // The usual one is held against its numbers above, that of single answers below.
        if loss == PreferenceLoss::Sigmoid || loss.is_unpaired() {
            continue;
        }
        let mut reference = reference("llama", 0.9);
        let mut dpo = Dpo::of_pairs(pairs(&golden), Vec::new(), &settings, &mut reference, 0).unwrap();
        let mut trainer = tuned("llama");
        let found = dpo.step(&mut trainer, 0).unwrap().loss as f32;
        let name = loss.name();
        let expected = golden.floats[&format!("{name}.loss")][0];
        assert!((found - expected).abs() < 1e-5, "{name}: {found} {expected}");
        let off = off(&mut trainer, &golden, name);
        assert!(off < 1e-5, "{name}: gradients differ by {off}");
    }
}

#[test]
fn kto_is_the_papers_formula() {
    let golden = Golden { floats: with_stored("losses", floats), ..golden("llama") };
    let settings = DpoSettings {
        loss: PreferenceLoss::Kto,
        beta: Some(0.3),
        desirable_weight: Some(1.2),
        epochs: Some(1),
        batch_pairs: Some(16),
        tuning: exact(),
        ..DpoSettings::default()
    };
    // So that the step sees them in the order of the numbers: the answer before each is part of them.
    let order = pack::steps(&vec![1; golden.examples.len()], 16, 1, 0).remove(0);
    let mut examples: Vec<(Example, bool)> = vec![(golden.examples[0].clone(), true); order.len()];
    for (row, place) in order.into_iter().enumerate() {
        examples[place] = (golden.examples[row].clone(), row % 2 == 0);
    }
    let mut reference = reference("llama", 1.1);
    let mut kto = Kto::of_examples(examples, Vec::new(), &settings, &mut reference, 0).unwrap();
    let mut trainer = tuned("llama");
    let measured = kto.step(&mut trainer, 0).unwrap();
    let expected = ["kto.loss", "kto.distance"].map(|name| f64::from(golden.floats[name][0]));
    assert!((measured.loss - expected[0]).abs() < 1e-5, "{} {}", measured.loss, expected[0]);
    assert!((measured.figures["kl"] - expected[1]).abs() < 1e-5, "{:?} {}", measured.figures, expected[1]);
    let off = off(&mut trainer, &golden, "kto");
    assert!(off < 1e-5, "gradients differ by {off}");
}
