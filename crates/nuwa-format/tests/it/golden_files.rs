//! What the tests of models that read whole texts have in common: two texts, of which the second may be filled up.

use std::collections::BTreeMap;
use std::path::PathBuf;

use nuwa_models::{Batch, Context, Model, Targets, backward};
use nuwa_tensor::Tape;

use crate::golden::gradients;
use crate::{difference, fixture, golden};

/// Tokens of a text.
pub const LENGTH: usize = 17;

/// transformers' own f32 lies 2e-6 from float64.
pub const TOLERANCE: f32 = 2e-5;

/// The tensors of a golden file.
pub type Golden = BTreeMap<String, Vec<f32>>;

/// The folder of a model of `fixtures/models`, and its golden file.
pub fn of(name: &str) -> (PathBuf, Golden) {
    let folder = fixture("models").join(name);
    let golden = golden(&folder.join("golden.safetensors"));
    (folder, golden)
}

/// The rows of the texts, without those that fill up.
pub fn inside(golden: &Golden, rows: &[f32]) -> Vec<f32> {
    let width = rows.len() / (2 * LENGTH);
    let [first, second] = [0, 1].map(|text| golden["lengths"][text] as usize);
    [&rows[..first * width], &rows[LENGTH * width..(LENGTH + second) * width]].concat()
}

/// The tokens that a file has labels for.
pub fn masked(golden: &Golden) -> Targets {
    let labelled = golden["labels"].iter().enumerate().filter(|(_, label)| **label >= 0.0);
    let (rows, ids): (Vec<u32>, Vec<u32>) = labelled.map(|(row, &label)| (row as u32, label as u32)).unzip();
    let weights = vec![1.0 / rows.len() as f32; rows.len()];
    Targets { rows: Some(rows), ids, weights }
}

/// Holds the loss of a batch and every gradient against those of a file, whose names begin with `prefix`.
pub fn assert_loss_and_gradients(
    model: &dyn Model,
    batch: &Batch,
    golden: &Golden,
    name: &str,
    prefix: &str,
) {
    let loss = backward(model, &Context::new(&Tape::training()), batch).unwrap().total();
    let expected = golden[&format!("{prefix}loss")][0];
    assert!((loss - expected).abs() <= 2e-6, "{name}: {prefix}loss {loss}, expected {expected}");
    let found = gradients(model);
    let of_file = golden.keys().filter(|key| key.starts_with(&format!("{prefix}grad."))).count();
    assert_eq!(found.len(), of_file, "{name}");
    for (tensor, gradient) in found {
        let off = difference(&gradient, &golden[&format!("{prefix}grad.{tensor}")]);
        assert!(off <= 5e-6, "{name}: the {prefix}gradient of {tensor} differs by {off}");
    }
}
