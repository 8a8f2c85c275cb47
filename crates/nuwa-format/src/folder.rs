//! A model folder's weights and configuration, read into a model and written from one.

use std::collections::BTreeSet;
use std::path::Path;

use nuwa_models::{LanguageModel, ModelConfig, TensorName};
use nuwa_tokenizer::Tokenizer;
use serde_json::Map;

use crate::config::{self, CONFIG};
use crate::generation;
use crate::layout::{Part, parts};
use crate::weights::{self, WEIGHTS, Weights};
use crate::{Error, Result};

/// Tensors of old files that hold no weights: causal masks and tables of frequencies.
const TABLES: [&str; 3] = [".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq"];

/// The output head's name, in every family.
const HEAD: &str = "lm_head.weight";

/// Reads the model in `folder`.
///
/// # Errors
/// When a file is missing or damaged, or configuration and weights do not fit each other.
pub fn load_model(folder: &Path) -> Result<Box<dyn LanguageModel>> {
    let (config, zeros) = config::read(folder)?;
    let mut weights = Weights::open(folder)?;
    let is_zero = |weights: &Weights, name: &str| {
        zeros.is_some_and(|end| name.ends_with(end)) && resolve(weights, name).is_err()
    };
    let spare_head = check(&config, &weights, |name| is_zero(&weights, name))?;
    let path = weights.path().to_path_buf();
    let model = build(&config, &folder.join(CONFIG), |part| {
        if is_zero(&weights, &part.name) {
            return Ok(vec![0.0; part.range.len()]);
        }
        let name = resolve(&weights, &part.name)?.to_string();
        expect_shape(&weights, &name, &part.shape)?;
        weights.read(&name)
    })?;
    if spare_head && weights.read(HEAD)? != *model.head().values() {
        return Err(Error::NotTied { path });
    }
    Ok(model)
}

/// A model of `config` whose tensors `read` gives.
pub fn build(
    config: &ModelConfig,
    path: &Path,
    mut read: impl FnMut(&Part) -> Result<Vec<f32>>,
) -> Result<Box<dyn LanguageModel>> {
    let model = nuwa_models::build_zeros(config).map_err(|error| Error::config(path, error.to_string()))?;
    for name in model.names() {
        let parameter = model.parameters().get(&name.parameter).expect("names are those of the parameters");
        for part in parts(&name, parameter.shape()) {
            let stored = read(&part)?;
            parameter.set(|values| part.load(&stored, values));
        }
    }
    Ok(model)
}

/// Holds names and first axes against the configuration before memory is asked for, so that no configuration makes us
/// ask for more than the files hold. Tells whether a tied model's file repeats its head.
fn check(config: &ModelConfig, weights: &Weights, is_zero: impl Fn(&str) -> bool) -> Result<bool> {
    if config.layers() > weights.names().len() {
        let tensor = format!("of layer {}", config.layers() - 1);
        return Err(Error::MissingTensor { path: weights.path().to_path_buf(), tensor });
    }
    let mut used = BTreeSet::new();
    for name in config.names() {
        for (part, rows) in name.parts.iter().filter(|(part, _)| !is_zero(part)) {
            let found = resolve(weights, part)?;
            check_rows(weights, found, &name, *rows)?;
            used.insert(found.to_string());
        }
    }
    let spare = |name: &&str| !used.contains(*name) && !TABLES.iter().any(|table| name.ends_with(table));
    let mut unexpected: Vec<String> = weights.names().filter(spare).map(String::from).collect();
    let total = unexpected.len();
    unexpected.retain(|name| name != HEAD);
    if unexpected.is_empty() {
        return Ok(total > 0);
    }
    Err(Error::Unexpected { path: weights.path().to_path_buf(), tensors: unexpected })
}

/// The tensor's name in the file: without its first component where the file holds the model without its head's class.
fn resolve<'a>(weights: &Weights, name: &'a str) -> Result<&'a str> {
    let bare = name.split_once('.').map_or(name, |(_, rest)| rest);
    let found = [name, bare].into_iter().find(|name| weights.shape(name).is_some());
    found.ok_or_else(|| Error::MissingTensor { path: weights.path().to_path_buf(), tensor: name.to_string() })
}

fn check_rows(weights: &Weights, tensor: &str, name: &TensorName, rows: usize) -> Result<()> {
    let shape = weights.shape(tensor).unwrap_or_default();
    let axis = if name.transposed { shape.last() } else { shape.first() };
    if axis == Some(&rows) && shape.len() <= 2 {
        return Ok(());
    }
    let expected = if name.transposed { format!("{rows} columns") } else { format!("{rows} rows") };
    Err(shape_error(weights, tensor, expected))
}

fn expect_shape(weights: &Weights, tensor: &str, expected: &[usize]) -> Result<()> {
    if weights.shape(tensor) == Some(expected) {
        return Ok(());
    }
    Err(shape_error(weights, tensor, format!("{expected:?}")))
}

fn shape_error(weights: &Weights, tensor: &str, expected: String) -> Error {
    Error::Shape {
        path: weights.path().to_path_buf(),
        tensor: tensor.to_string(),
        found: weights.shape(tensor).unwrap_or_default().to_vec(),
        expected,
    }
}

/// Writes `config.json`, `generation_config.json` and `model.safetensors` into `folder`, the configuration last: a
/// folder without it is no model yet.
///
/// # Errors
/// When a file cannot be written.
pub fn save_model(model: &dyn LanguageModel, folder: &Path) -> Result<()> {
    save(model, None, folder)
}

/// The same with the model's tokenizer, whose chat template says what ends an answer.
///
/// # Errors
/// When a file cannot be written.
pub fn save_with_tokenizer(model: &dyn LanguageModel, tokenizer: &Tokenizer, folder: &Path) -> Result<()> {
    tokenizer.save(folder)?;
    save(model, Some(tokenizer), folder)
}

fn save(model: &dyn LanguageModel, tokenizer: Option<&Tokenizer>, folder: &Path) -> Result<()> {
    let mut all = Vec::new();
    for name in model.names() {
        let parameter = model.parameters().get(&name.parameter).expect("names are those of the parameters");
        all.extend(parts(&name, parameter.shape()).into_iter().map(|part| (part, parameter)));
    }
    let tensors: Vec<(&str, &[usize])> =
        all.iter().map(|(part, _)| (part.name.as_str(), &part.shape[..])).collect();
    weights::write(&folder.join(WEIGHTS), &tensors, |index| {
        let (part, parameter) = &all[index];
        part.stored(&parameter.values())
    })?;
    let config = model.config();
    generation::write(&config, tokenizer, Map::new(), folder)?;
    config::write(&config, folder)
}
