//! Model folders against golden numbers from transformers, llama2.c's known text, and damaged files.

mod bert;
mod damaged;
mod encoder_decoders;
mod export;
mod gguf;
mod golden;
mod golden_files;
mod llama2c;
mod other_models;
mod training;
mod xlm;
mod xlnet;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use nuwa_models::{Context, Input, Model, NewRows, Text};
use nuwa_tensor::{DType, Tape};
use safetensors::{Dtype, SafeTensors};

/// A path in `fixtures`.
fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(path)
}

/// The folders in `fixtures/models`.
fn model_folders() -> Vec<PathBuf> {
    let entries = fs::read_dir(fixture("models")).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    assert_eq!(folders.len(), 46, "folders in fixtures/models");
    folders
}

/// Those of them whose model predicts the next token.
fn decoders() -> Vec<PathBuf> {
    let other = ["bert", "xlm", "marian", "t5", "bart", "xlnet"];
    let is_decoder = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        !other.iter().any(|family| name.starts_with(family))
    };
    model_folders().into_iter().filter(is_decoder).collect()
}

/// A golden file's tensors, all as f32.
fn golden(path: &Path) -> BTreeMap<String, Vec<f32>> {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let values = |view: safetensors::tensor::TensorView<'_>| {
        let words = view.data().as_chunks::<4>().0.iter().copied();
        match view.dtype() {
            Dtype::F32 => words.map(f32::from_le_bytes).collect::<Vec<f32>>(),
            Dtype::I32 => words.map(|word| i32::from_le_bytes(word) as f32).collect(),
            other => panic!("{other:?} in {}", path.display()),
        }
    };
    file.tensors().into_iter().map(|(name, view)| (name, values(view))).collect()
}

fn ids(values: &[f32]) -> Vec<u32> {
    values.iter().map(|&id| id as u32).collect()
}

/// The scores of all positions of `ids`, which are sequences of `length`.
fn logits(model: &dyn Model, ids: &[u32], length: usize) -> Vec<f32> {
    let tape = Tape::inference();
    let text = Text::causal(ids.to_vec(), ids.len() / length);
    let rows = model.hidden(&Context::new(&tape), Input::Text(&text)).unwrap();
    model.head().logits(&tape, &rows.hidden).unwrap().to_host()
}

/// The `count` most likely ids after `prompt`, one at a time through the cache.
fn greedy(model: &dyn Model, prompt: &[u32], count: usize) -> Vec<u32> {
    let tape = Tape::inference();
    let mut cache = model.new_cache(prompt.len() + count, DType::F32);
    let mut next = prompt.to_vec();
    let mut chosen = Vec::new();
    while chosen.len() < count {
        let new = vec![NewRows { cache: &mut cache, ids: &next }];
        let hidden = model.hidden(&Context::new(&tape), Input::Next(new)).unwrap().hidden;
        let scores = model.head().logits(&tape, &hidden).unwrap();
        let last = scores.row_to_host(next.len() - 1);
        let best = (0..last.len()).max_by(|&a, &b| last[a].total_cmp(&last[b])).unwrap() as u32;
        chosen.push(best);
        next = vec![best];
    }
    chosen
}

/// The largest difference between two lists of numbers.
fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    assert!(a.iter().all(|x| x.is_finite()));
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Copies the files of a model folder.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for name in ["config.json", "generation_config.json", "model.safetensors"] {
        fs::write(to.join(name), fs::read(from.join(name)).unwrap()).unwrap();
    }
}
