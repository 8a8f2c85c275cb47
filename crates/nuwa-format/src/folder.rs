//! A model folder's weights and configuration, read into a model and written from one.

use std::collections::BTreeSet;
use std::path::Path;

use nuwa_models::{LanguageModel, ModelConfig};
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
        weights.read(&name)
    })?;
    if spare_head && weights.read(HEAD)? != model.head().to_host() {
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

/// The memory that the weights in `folder` take once they are read, in bytes.
///
/// # Errors
/// When there are none, or their headers are damaged.
pub fn weights_memory(folder: &Path) -> Result<u64> {
    Ok(4 * Weights::open(folder)?.elements())
}

/// Holds names, shapes and kinds against the configuration before memory is asked for, so that no configuration makes us
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
            expect_shape(weights, found, &name.shape(*rows))?;
            weights.check_kind(found)?;
            used.insert(found.to_string());
        }
    }
    let spare = |name: &&str| !used.contains(*name) && !TABLES.iter().any(|table| name.ends_with(table));
    let mut unexpected: Vec<String> = weights.names().filter(spare).map(String::from).collect();
    let total = unexpected.len();
    unexpected.retain(|name| name != HEAD);
    check_positions(config, weights)?;
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

fn expect_shape(weights: &Weights, tensor: &str, expected: &[usize]) -> Result<()> {
    if weights.shape(tensor) == Some(expected) {
        return Ok(());
    }
    Err(Error::Shape {
        path: weights.path().to_path_buf(),
        tensor: tensor.to_string(),
        found: weights.shape(tensor).unwrap_or_default().to_vec(),
        expected: format!("{expected:?}"),
    })
}

/// Tables of positions may take this many bytes beside weights of any size.
const FREE_POSITIONS: u64 = 64 << 20;

/// The context is a number that no tensor bears out where positions are rotated: their table takes no more memory than the
/// weights do.
fn check_positions(config: &ModelConfig, weights: &Weights) -> Result<()> {
    let ModelConfig::Llama(own) = config else { return Ok(()) };
    let row = 4 * own.head_dim as u64;
    let most = (FREE_POSITIONS + 4 * weights.elements()) / row;
    if own.max_position_embeddings as u64 <= most {
        return Ok(());
    }
    let context = own.max_position_embeddings;
    let reason = format!(
        "max_position_embeddings = {context}: with head_dim = {}, such a table of positions is larger than the weights; \
         expected at most {most}",
        own.head_dim
    );
    Err(Error::config(&weights.path().with_file_name(CONFIG), reason))
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
        part.stored(&parameter.to_host())
    })?;
    let config = model.config();
    generation::write(&config, tokenizer, Map::new(), folder)?;
    config::write(&config, folder)
}
