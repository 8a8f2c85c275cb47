//! Every instruction set gives what the portable copy gives.

use nuwa_tensor::ops::activation::Activation;
use nuwa_tensor::simd::{Level, detect, force, levels};
use nuwa_tensor::{
    AdamWSettings, AttentionMask, AttentionOptions, HeadLayout, HeadLoss, LossRows, OptimizerState,
    ParametersBuilder, Precision, Random, Tape,
};
use proptest::prelude::*;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The level belongs to the whole process: a test that compares bits must not run while another one changes it.
static LEVEL: Mutex<()> = Mutex::new(());

/// Keeps the level as it is until the guard is dropped.
pub fn hold() -> MutexGuard<'static, ()> {
    LEVEL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What rows and the width of a head stay below; Miri, which is some thousand times slower, gets fewer.
const MOST: usize = if cfg!(miri) { 10 } else { 40 };

/// All numbers of one small step: outputs, loss, gradients, weights after AdamW.
fn step(precision: Precision, rows: usize, width: usize, heads: usize, seed: u64) -> Vec<f32> {
    let head_dim = width / heads;
    let layout = HeadLayout { heads, kv_heads: heads, head_dim };
    let mut builder = ParametersBuilder::new(seed);
    let normal = |values: &mut [f32], random: Random| random.fill_normal(values, 0.3);
    let table = builder.add("table".into(), [19, width], true, normal);
    let norm = builder.add("norm".into(), [width], false, normal);
    let bias = builder.add("bias".into(), [width], false, normal);
    let qkv = builder.add("qkv".into(), [layout.width(), width], true, normal);
    let gate = builder.add("gate".into(), [2 * width, width], true, normal);
    let out = builder.add("out".into(), [width, width], true, normal);
    let all = builder.finish();
    let tape = Tape::training().with_precision(precision);
    tape.set_random(Random::new(seed));
    let ids: Vec<u32> = (0..rows as u32).map(|i| i * 5 % 19).collect();
    let x = tape.embedding(&ids, &table).unwrap();
    let h = tape.layer_norm(&x, &norm, &bias, 1e-5).unwrap();
    let qkv = tape.linear(&h, &qkv, None).unwrap();
    let h =
        tape.attention(&qkv, layout, &AttentionMask::causal(1, rows), AttentionOptions::default()).unwrap();
    let x = tape.add(&x, &tape.dropout(&h, 0.1).unwrap()).unwrap();
    let x = tape.linear_add(&x, &tape.rms_norm(&x, &norm, 1e-5).unwrap(), &out, Some(&bias)).unwrap();
    let x =
        tape.add(&x, &tape.linear_activation(&x, &out, Some(&bias), Activation::GeluTanh).unwrap()).unwrap();
    let h = tape.gated_activation(&tape.linear(&x, &gate, None).unwrap(), Activation::Silu).unwrap();
    let h = tape.activation(&tape.activation(&h, Activation::Gelu).unwrap(), Activation::GeluTanh).unwrap();
    let y = tape.rms_norm(&tape.add(&x, &h).unwrap(), &norm, 1e-5).unwrap();
    let rows = LossRows { targets: &ids, weights: &vec![0.1; ids.len()] };
    let loss = tape.backward_losses(&[HeadLoss::new(&y, &table, rows)]).unwrap().remove(0);
    let mut numbers = [&y.to_host()[..], &loss.rows[..], &all.gradients_to_host()[..]].concat();
    let settings = AdamWSettings { betas: [0.9, 0.95], epsilon: 1e-8, weight_decay: 0.1, clip: 1.0 };
    numbers.push(OptimizerState::new(&all).step(&all, &settings, 1e-3));
    numbers
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn agree(rows in 1..MOST, head_dim in 1..MOST, heads in 1_usize..4, seed in 0_u64..1000) {
        let _held = hold();
        let width = head_dim * heads;
        // Another order of sums may round a number of bf16 to its other neighbour, 2^-8 away, and that goes on.
        for (precision, tolerance) in [(Precision::F32, 1e-4), (Precision::Bf16, 0.1)] {
            force(Level::Baseline);
            let expected = step(precision, rows, width, heads, seed);
            let largest = expected.iter().fold(1.0_f32, |a, b| a.max(b.abs()));
            for level in levels().skip(1) {
                force(level);
                let found = step(precision, rows, width, heads, seed);
                for (a, b) in found.iter().zip(&expected) {
                    prop_assert!((a - b).abs() <= tolerance * largest, "{precision:?} {level:?}: {a} against {b}");
                }
            }
        }
        force(detect());
    }
}
