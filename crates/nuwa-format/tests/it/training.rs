//! The training curves of `fixtures/train`: 20 steps as PyTorch took them.

use nuwa_format::load_model;
use nuwa_models::{Input, LanguageModel, Sequences};
use nuwa_nn::{AdamW, OptimizerSettings};
use nuwa_tensor::{LossRows, Tape};

use crate::{difference, fixture, golden, ids, logits};

const STEPS: usize = 20;
const BATCH: usize = 4;
const LENGTH: usize = 17;
const RATE: f32 = 1e-3;

/// Loss of one batch; its gradients are added to the parameters'.
fn loss(model: &dyn LanguageModel, tape: &Tape, batch: &[u32]) -> f32 {
    let (mut inputs, mut targets) = (Vec::new(), Vec::new());
    for sequence in batch.chunks_exact(LENGTH) {
        inputs.extend_from_slice(&sequence[..LENGTH - 1]);
        targets.extend_from_slice(&sequence[1..]);
    }
    let sequences = Sequences::causal(BATCH, LENGTH - 1);
    let hidden = model.hidden(tape, &inputs, Input::Sequences(&sequences)).unwrap();
    let weights = vec![1.0 / targets.len() as f32; targets.len()];
    let rows = LossRows { targets: &targets, weights: &weights };
    let loss = tape.cross_entropy(&hidden, model.head(), rows).unwrap().total;
    tape.backward(&loss).unwrap();
    loss.scalar().unwrap()
}

fn follow(name: &str) {
    let model = load_model(&fixture("train").join(name)).unwrap();
    let curve = golden(&fixture("train").join(name).join("curve.safetensors"));
    let settings = OptimizerSettings::default();
    assert_eq!(
        (settings.beta1, settings.beta2, settings.epsilon, settings.weight_decay, settings.clip),
        (0.9, 0.95, 1e-8, 0.1, 1.0)
    );
    let mut optimizer = AdamW::new(model.parameters(), &settings);
    let tape = Tape::training();
    let (mut losses, mut norms) = (Vec::new(), Vec::new());
    for batch in ids(&curve["ids"]).chunks_exact(BATCH * LENGTH) {
        losses.push(loss(model.as_ref(), &tape, batch));
        norms.push(optimizer.step(model.parameters(), RATE));
    }
    assert_eq!(losses.len(), STEPS);
    let probe = logits(model.as_ref(), &ids(&curve["probe"]), LENGTH);
    let off = [
        difference(&losses, &curve["losses"]),
        difference(&norms, &curve["norms"]),
        difference(&probe, &curve["probe_logits"]),
    ];
    println!("{name}: losses {:.1e}, norms {:.1e}, probe logits {:.1e}", off[0], off[1], off[2]);
    // float64 lies 1e-6, 4e-6 and 5e-6 from the curve.
    assert!(off[0] <= 5e-6 && off[1] <= 2e-5 && off[2] <= 5e-5, "{name}: {off:?}");
}

#[test]
fn gpt2_follows_the_curve() {
    follow("gpt2");
}

#[test]
fn llama_follows_the_curve() {
    follow("llama");
}
