//! `generation_config.json`: the ids that begin and end a text, by which other programs know where to stop, and what an answer begins
//! with.

use std::path::Path;

use nuwa_models::ModelConfig;
use nuwa_tokenizer::Tokenizer;
use serde_json::{Map, Value};

use crate::Result;
use crate::config::LARGEST;

const GENERATION_CONFIG: &str = "generation_config.json";
const BEGIN: &str = "bos_token_id";
const END: &str = "eos_token_id";
const START: &str = "decoder_start_token_id";
const PAD: &str = "pad_token_id";

/// What `folder` holds; empty where the file is absent.
pub fn load(folder: &Path) -> Result<Map<String, Value>> {
    let path = folder.join(GENERATION_CONFIG);
    if path.exists() { Ok(nuwa_files::read_json_at_most(&path, LARGEST)?) } else { Ok(Map::new()) }
}

/// Writes it: what there was `earlier`, and as ends the id that ends an answer in the tokenizer's chat template, the one
/// that ends a text, and those there were.
pub fn write(
    config: &ModelConfig,
    tokenizer: Option<&Tokenizer>,
    earlier: Map<String, Value>,
    folder: &Path,
) -> Result<()> {
    let path = folder.join(GENERATION_CONFIG);
    let config = serde_json::to_value(config)
        .map_err(|source| nuwa_files::Error::Json { path: path.clone(), source })?;
    let mut generation = earlier;
    let of_answers = if config[START].is_null() { &[][..] } else { &[START, PAD][..] };
    for name in [BEGIN].iter().chain(of_answers).filter(|name| !config[**name].is_null()) {
        generation.entry(*name).or_insert(config[*name].clone());
    }
    let of_tokenizer = |id: fn(&Tokenizer) -> Option<u32>| Value::from(tokenizer.and_then(id));
    let candidates = [
        of_tokenizer(Tokenizer::end_of_turn),
        of_tokenizer(Tokenizer::eos),
        tokenizer.map(Tokenizer::ends).unwrap_or_default().into(),
        config[END].clone(),
        generation.remove(END).unwrap_or_default(),
    ];
    match &different(&candidates)[..] {
        [] => {}
        [only] => drop(generation.insert(END.into(), only.clone())),
        several => drop(generation.insert(END.into(), several.into())),
    }
    Ok(nuwa_files::write_json(&path, &generation)?)
}

/// The ids of `candidates`, each an id, a list of ids or nothing; every one once.
fn different(candidates: &[Value]) -> Vec<Value> {
    let all = candidates
        .iter()
        .flat_map(|value| value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice));
    let mut ids = Vec::new();
    for id in all.filter(|id| id.is_u64()) {
        if !ids.contains(id) {
            ids.push(id.clone());
        }
    }
    ids
}
