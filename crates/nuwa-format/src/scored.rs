//! Reward models in transformers' form: the folder of a causal model whose head for tokens is replaced by `score.weight`
//! `[outputs, width]`, as its `...ForSequenceClassification` classes load it.
//!
//! transformers reads the score at the rightmost id that is not `pad_token_id`. So that id has to be one that no answer ends
//! with: where the tokenizer has no padding of its own, it is the end of a text, or the beginning of one where answers end with
//! the former.

use std::path::Path;

use nuwa_models::{Model, ModelConfig, SCORE, Scored, TensorName};
use nuwa_tokenizer::Tokenizer;
use serde_json::{Map, Value, json};

use crate::config::{self, CONFIG};
use crate::folder::{Opened, check_copies, fill, open, read, write_weights};
use crate::weights::Weights;
use crate::{Error, Result};

/// Whether `folder` holds a reward model.
///
/// # Errors
/// When the weights are missing or damaged.
pub fn is_scored(folder: &Path) -> Result<bool> {
    Ok(Weights::open(folder)?.shape(SCORE).is_some())
}

/// Reads the reward model in `folder`.
///
/// # Errors
/// When it holds a model that writes, or as [`crate::load_model`].
pub fn load_scored(folder: &Path) -> Result<Scored> {
    let weights = Weights::open(folder)?;
    let outputs = match weights.shape(SCORE) {
        Some([outputs, _]) => *outputs,
        Some(_) | None => return Err(Error::ScoresNothing { folder: folder.to_path_buf() }),
    };
    let names = |config: &ModelConfig| Scored::names_of(config, outputs);
    scored(folder, weights, names, |config| Scored::zeros(config, outputs))
}

/// Makes a reward model of the model in `folder`, which writes: all its weights but the head, and a new head of one output drawn
/// under `seed`.
///
/// # Errors
/// As [`crate::load_model`].
pub fn scored_from(folder: &Path, seed: u64) -> Result<Scored> {
    let weights = Weights::open(folder)?;
    if weights.shape(SCORE).is_some() {
        return Err(Error::Scores { folder: folder.to_path_buf() });
    }
    scored(folder, weights, |config| config.names(), |config| Scored::new(config, 1, seed))
}

fn scored(
    folder: &Path,
    weights: Weights,
    names: impl FnOnce(&ModelConfig) -> Vec<TensorName>,
    make: impl FnOnce(&ModelConfig) -> nuwa_models::Result<Scored>,
) -> Result<Scored> {
    let Opened { config, mut weights } = open(folder, weights, names)?;
    let path = folder.join(CONFIG);
    let model = make(&config).map_err(|error| Error::config(&path, error.to_string()))?;
    let mut names = model.names();
    names.retain(|name| weights.shape(SCORE).is_some() || name.parameter != SCORE);
    fill(&model, &names, |part| read(&config, &mut weights, &part.name))?;
    check_copies(&config, &mut weights)?;
    Ok(model)
}

/// Writes a reward model with its tokenizer, to be read again by [`load_scored`] and by transformers.
///
/// # Errors
/// When a file cannot be written, or the model has no head that scores.
pub fn save_scored(model: &dyn Model, tokenizer: &Tokenizer, folder: &Path) -> Result<()> {
    let Some(score) = model.score() else {
        return Err(Error::ScoresNothing { folder: folder.to_path_buf() });
    };
    let outputs = score.weight().rows();
    tokenizer.save(folder)?;
    write_weights(model, folder)?;
    let config = model.config();
    let labels = |index: usize| (index.to_string(), json!(format!("LABEL_{index}")));
    let numbers = |index: usize| (format!("LABEL_{index}"), json!(index));
    let mut more = Map::new();
    more.insert("architectures".into(), json!([architecture(config.architecture())]));
    more.insert("id2label".into(), (0..outputs).map(labels).collect::<Map<_, _>>().into());
    more.insert("label2id".into(), (0..outputs).map(numbers).collect::<Map<_, _>>().into());
    more.insert("pad_token_id".into(), padding(tokenizer).map_or(Value::Null, Value::from));
    config::write(&config, more, folder)
}

/// The class that transformers loads such a model with.
fn architecture(causal: &str) -> String {
    let family = causal.trim_end_matches("LMHeadModel").trim_end_matches("ForCausalLM");
    format!("{family}ForSequenceClassification")
}

/// An id that no answer ends with.
fn padding(tokenizer: &Tokenizer) -> Option<u32> {
    let end = tokenizer.end_of_turn().or(tokenizer.eos());
    let named = ["<|pad|>", "<pad>", "[PAD]", "<|endoftext|>"].map(|name| tokenizer.token_to_id(name));
    let candidates = named.into_iter().chain([tokenizer.eos(), tokenizer.bos()]);
    candidates.flatten().find(|id| Some(*id) != end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_those_of_transformers() {
        let named = ["LlamaForCausalLM", "GPT2LMHeadModel", "GPTNeoForCausalLM"].map(architecture);
        let expected = ["Llama", "GPT2", "GPTNeo"].map(|family| format!("{family}ForSequenceClassification"));
        assert_eq!(named, expected);
    }
}
