//! Models with a head for labels or scores in transformers' form, as its `...ForSequenceClassification` classes load it: the
//! folder of a model whose head for tokens is replaced by `score.weight` `[outputs, width]`, of BERT by `classifier.weight` and
//! `classifier.bias` behind the pooler, of others with a layer in front ([`LabelHead`](nuwa_models::LabelHead)). A reward model is
//! one of them, with one output. transformers has no such class for Marian; its file here is as BART's.
//!
//! transformers reads a decoder's score at the rightmost id that is not `pad_token_id`. So that id has to be one that no answer
//! ends with: where the tokenizer has no padding of its own, it is the end of a text, or the beginning of one where answers end
//! with the former.

use std::collections::BTreeSet;
use std::path::Path;

use nuwa_models::{Config, Model, ModelConfig, Scored, TensorName};
use nuwa_tokenizer::Tokenizer;
use serde_json::{Map, Value, json};

use crate::config::{self, CONFIG};
use crate::folder::{Opened, check_copies, fill, open, read, write_weights};
use crate::labels::Labels;
use crate::weights::Weights;
use crate::{Error, Result};

/// The outputs of the head for labels that the weights of such a model have, where they have one.
pub fn outputs(config: &dyn Config, weights: &Weights) -> Option<usize> {
    match weights.shape(config.label_head().weight)? {
        [outputs, _] => Some(*outputs),
        _ => None,
    }
}

/// Whether `folder` holds a model with a head for scores or labels.
///
/// # Errors
/// When the weights or the configuration are missing or damaged.
pub fn is_scored(folder: &Path) -> Result<bool> {
    let config = config::load_config(folder)?;
    Ok(outputs(&*config, &Weights::open(folder)?).is_some())
}

/// Reads the model in `folder`, which has a head for scores or labels.
///
/// # Errors
/// When it has none, or as [`crate::load_model`].
pub fn load_scored(folder: &Path) -> Result<Scored> {
    let weights = Weights::open(folder)?;
    let Some(outputs) = outputs(&*config::load_config(folder)?, &weights) else {
        return Err(Error::ScoresNothing { folder: folder.to_path_buf() });
    };
    let names = |config: &ModelConfig| Scored::names_of(config, outputs);
    let opened = open(folder, weights, names)?;
    filled(folder, opened, |config| Scored::zeros(config, outputs), |_| true)
}

/// The same with the labels that it tells.
///
/// # Errors
/// As there, and when `config.json` does not name the labels as transformers does.
pub fn load_labelled(folder: &Path) -> Result<(Scored, Labels)> {
    let model = match load_scored(folder) {
        Err(Error::ScoresNothing { folder }) => Err(Error::TellsNothing { folder }),
        other => other,
    }?;
    let labels = Labels::load(folder, model.outputs())?;
    Ok((model, labels))
}

/// Makes a reward model of the model in `folder`, which writes: all its weights but the head, and a new head of one output drawn
/// under `seed`.
///
/// # Errors
/// As [`crate::load_model`].
pub fn scored_from(folder: &Path, seed: u64) -> Result<Scored> {
    let weights = Weights::open(folder)?;
    if outputs(&*config::load_config(folder)?, &weights).is_some() {
        return Err(Error::Scores { folder: folder.to_path_buf() });
    }
    let opened = open(folder, weights, |config| config.names())?;
    filled(folder, opened, |config| Scored::new(config, 1, seed), |name| !Scored::is_of_head(name))
}

/// Makes a model that tells `labels` of the one in `folder`: all its weights but the heads, and a new head drawn under `seed`, as
/// is a pooler that the folder does not have. A head for the same labels that is there already is kept.
///
/// # Errors
/// As [`crate::load_model`].
pub fn labelled_from(folder: &Path, labels: &Labels, seed: u64) -> Result<Scored> {
    let (weights, config) = (Weights::open(folder)?, config::load_config(folder)?);
    let found = outputs(&*config, &weights);
    let keeps_head = match found {
        Some(outputs) => outputs == labels.names.len() && Labels::load(folder, outputs)? == *labels,
        None => false,
    };
    let opened = open(folder, weights, |config| match found {
        Some(outputs) => Scored::names_of(config, outputs),
        None => config.names(),
    })?;
    let has: BTreeSet<String> = opened.config.names().into_iter().map(|name| name.parameter).collect();
    let is_there = |name: &str| has.contains(name) || (keeps_head && Scored::is_of_head(name));
    filled(folder, opened, |config| Scored::for_labels(config, labels.names.len(), seed), is_there)
}

/// The model that `make` gives, those of its parameters that `is_there` filled from the folder.
fn filled(
    folder: &Path,
    Opened { config, mut weights }: Opened,
    make: impl FnOnce(&ModelConfig) -> nuwa_models::Result<Scored>,
    is_there: impl Fn(&str) -> bool,
) -> Result<Scored> {
    let path = folder.join(CONFIG);
    let model = make(&config).map_err(|error| Error::config(&path, error.to_string()))?;
    let mut names: Vec<TensorName> = model.names();
    names.retain(|name| is_there(&name.parameter));
    fill(&model, &names, |part| read(&config, &mut weights, &part.name))?;
    check_copies(&config, &mut weights)?;
    Ok(model)
}

/// Writes a reward model with its tokenizer, to be read again by [`load_scored`] and by transformers.
///
/// # Errors
/// When a file cannot be written, or the model has no head that scores.
pub fn save_scored(model: &dyn Model, tokenizer: &Tokenizer, folder: &Path) -> Result<()> {
    save(model, None, tokenizer, folder)
}

/// Writes a model that tells `labels` with its tokenizer, to be read again by [`load_labelled`] and by transformers.
///
/// # Errors
/// As [`save_scored`].
pub fn save_labelled(model: &dyn Model, labels: &Labels, tokenizer: &Tokenizer, folder: &Path) -> Result<()> {
    save(model, Some(labels), tokenizer, folder)
}

fn save(model: &dyn Model, labels: Option<&Labels>, tokenizer: &Tokenizer, folder: &Path) -> Result<()> {
    let Some(score) = model.score() else {
        return Err(Error::ScoresNothing { folder: folder.to_path_buf() });
    };
    tokenizer.save(folder)?;
    write_weights(model, folder)?;
    let config = model.config();
    let mut more = Map::new();
    more.insert("architectures".into(), json!([architecture(config.architecture())]));
    match labels {
        Some(labels) => labels.put_into(&mut more, true),
        None => Labels::unnamed(score.weight().rows()).put_into(&mut more, false),
    }
    let padding = padding(tokenizer, config.is_encoder_decoder());
    more.insert("pad_token_id".into(), padding.map_or(Value::Null, Value::from));
    config::write(&config, more, folder)
}

/// The ends of the names of classes with other heads.
const OTHER_HEADS: [&str; 9] = [
    "ForConditionalGeneration",
    "MTModel",
    "WithLMHeadModel",
    "LMHeadModel",
    "ForCausalLM",
    "ForPreTraining",
    "ForMaskedLM",
    "ForNextSentencePrediction",
    "Model",
];

/// The class that transformers loads such a model with.
fn architecture(other: &str) -> String {
    let family = OTHER_HEADS.iter().find_map(|end| other.strip_suffix(end)).unwrap_or(other);
    format!("{family}ForSequenceClassification")
}

/// An id that no answer ends with or, of an encoder-decoder, whose texts all end with the end of a text, that of the tokenizer.
fn padding(tokenizer: &Tokenizer, reads_sources: bool) -> Option<u32> {
    if reads_sources {
        return tokenizer.token_of_role("pad_token");
    }
    let end = tokenizer.end_of_turn().or(tokenizer.eos());
    let named = ["<|pad|>", "<pad>", "[PAD]", "<|endoftext|>"].map(|name| tokenizer.token_to_id(name));
    let of_role = tokenizer.token_of_role("pad_token");
    let candidates = named.into_iter().chain([of_role, tokenizer.eos(), tokenizer.bos()]);
    candidates.flatten().find(|id| Some(*id) != end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_those_of_transformers() {
        let others = [
            "LlamaForCausalLM",
            "GPT2LMHeadModel",
            "GPTNeoForCausalLM",
            "BertForPreTraining",
            "BertModel",
            "XLMWithLMHeadModel",
            "XLNetLMHeadModel",
            "T5ForConditionalGeneration",
            "MarianMTModel",
        ];
        let expected = ["Llama", "GPT2", "GPTNeo", "Bert", "Bert", "XLM", "XLNet", "T5", "Marian"];
        assert_eq!(
            others.map(architecture),
            expected.map(|family| format!("{family}ForSequenceClassification"))
        );
    }
}
