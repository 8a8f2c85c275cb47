//! Writing with a model that fills in masks from the left alone (UniLM: Dong et al. 2019): behind what is written stands one
//! `[MASK]`, its most fitting token takes its place, and so on. Each token is read from the whole text so far; nothing is cached.

use std::path::Path;
use std::sync::Arc;

use nuwa_models::unilm::Task;
use nuwa_models::{Context, Family, Input, Model, Prediction, Text};
use nuwa_tensor::{Tape, log_sum_exp, on_worker};
use nuwa_tokenizer::Tokenizer;

use crate::writer::Writer;
use crate::{Error, Finish, Flow, GenerateSettings, Generation, LogProbability, Result, Sampler};

/// A model of the family UniLM with its tokenizer.
pub struct MaskedWriter {
    model: Box<dyn Model>,
    tokenizer: Tokenizer,
    class: u32,
    separator: u32,
    mask: u32,
    /// Ids that are never written.
    forbidden: Arc<[u32]>,
}

/// What a text begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskedBeginning {
    /// The ids up to the first that is written.
    ids: Vec<u32>,
    /// Whether they are a source that an answer is written to, or the beginning of one text.
    is_source: bool,
}

impl MaskedWriter {
    /// Reads the model folder `folder`.
    ///
    /// # Errors
    /// When a file is missing or damaged, or as [`MaskedWriter::new`].
    pub fn load(folder: &Path) -> Result<Self> {
        Self::new(nuwa_format::load_model(folder)?, Tokenizer::load(folder)?)
    }

    /// Puts a model and its tokenizer together.
    ///
    /// # Errors
    /// When the model is of another family or has no head for words, or the tokenizer lacks the special tokens.
    pub fn new(model: Box<dyn Model>, tokenizer: Tokenizer) -> Result<Self> {
        let config = model.config();
        if config.family() != Family::Unilm || config.predicts() != Prediction::MaskedTokens {
            return Err(Error::Predicts { wanted: Prediction::NextToken, predicts: config.predicts() });
        }
        let special = |role: &'static str| tokenizer.token_of_role(role).ok_or(Error::NoToken { role });
        let [class, separator, mask] = [special("cls_token")?, special("sep_token")?, special("mask_token")?];
        let (known, written) = (model.vocabulary(), tokenizer.vocab_size());
        if written > known {
            return Err(Error::Vocabulary { tokenizer: written, model: known });
        }
        let is_text = |id: u32| tokenizer.id_to_token(id).is_some() && !tokenizer.is_special(id);
        let forbidden = (0..known as u32).filter(|&id| id != separator && !is_text(id)).collect();
        Ok(Self { model, tokenizer, class, separator, mask, forbidden })
    }

    /// The beginning of a text that is gone on with.
    ///
    /// # Errors
    /// When the tokenizer refuses it.
    pub fn beginning(&self, text: &str) -> Result<MaskedBeginning> {
        let ids = [&[self.class][..], &self.tokenizer.encode(text)?].concat();
        Ok(MaskedBeginning { ids, is_source: false })
    }

    /// A source that an answer is written to.
    ///
    /// # Errors
    /// When the tokenizer refuses it.
    pub fn source(&self, text: &str) -> Result<MaskedBeginning> {
        let ids = [&[self.class][..], &self.tokenizer.encode(text)?, &[self.separator]].concat();
        Ok(MaskedBeginning { ids, is_source: true })
    }

    /// Writes on until the model ends the text, it is as long as was asked for, or the context is full. `goes_on` is asked before
    /// each token; `on_text` is given the text as it comes, in whole characters.
    ///
    /// # Errors
    /// When a setting makes no sense, or the context has no room for a token behind the beginning.
    pub fn write(
        &self,
        beginning: &MaskedBeginning,
        settings: &GenerateSettings,
        goes_on: &mut dyn FnMut() -> Flow,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Generation> {
        settings.check()?;
        let (context, first) = (self.model.context(), beginning.ids.len());
        if first >= context {
            return Err(Error::PromptTooLong { tokens: first, context: context - 1 });
        }
        let sampler = Sampler::new(&settings.sampling, self.model.vocabulary(), settings.seed)?;
        let mut sampler = sampler.without(Arc::clone(&self.forbidden));
        sampler.observe(&beginning.ids);
        let mut writer = Writer::new(&self.tokenizer, &beginning.ids, settings.stop.clone())?;
        let (mut ids, mut log_probabilities, mut ended_by) = (beginning.ids.clone(), Vec::new(), None);
        let most = settings.max_tokens.min(context - first);
        let finish = loop {
            if ids.len() - first == most {
                break Finish::Length;
            }
            if goes_on().is_break() {
                break Finish::Interrupted;
            }
            let logits = self.next_logits(&ids, beginning)?;
            let id = sampler.choose(&logits)?;
            let log_probability = logits[id as usize] - log_sum_exp(&logits);
            if id == self.separator {
                ended_by = Some(LogProbability { id, log_probability });
                break Finish::EndOfText;
            }
            ids.push(id);
            log_probabilities.push(log_probability);
            sampler.wrote(&[id]);
            on_text(&writer.push(id)?);
            if writer.is_stopped() {
                break Finish::Stop;
            }
        };
        on_text(&writer.finish());
        let finish = if writer.is_stopped() { Finish::Stop } else { finish };
        let top = vec![Vec::new(); log_probabilities.len()];
        let tokens = ids.split_off(first);
        Ok(Generation { text: writer.take_text(), tokens, log_probabilities, top, reused: 0, ended_by, finish })
    }

    /// The logits of the token behind `ids`: those of a mask in its place.
    fn next_logits(&self, ids: &[u32], beginning: &MaskedBeginning) -> Result<Vec<f32>> {
        let text = self.masked_text(ids, beginning);
        let row = ids.len() as u32;
        on_worker(|| {
            let tape = Tape::inference();
            let hidden = self.model.hidden(&Context::new(&tape), Input::Text(&text))?.hidden;
            Ok(self.model.head().logits(&tape, &tape.rows(&hidden, &[row])?)?.row_to_host(0))
        })
    }

    fn masked_text(&self, ids: &[u32], beginning: &MaskedBeginning) -> Text {
        let ids = [ids, &[self.mask]].concat();
        match beginning.is_source {
            true => Task::SequenceToSequence.text(ids, beginning.ids.len()),
            false => {
                let length = ids.len();
                Task::LeftToRight.text(ids, length)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use nuwa_models::ModelConfig;
    use nuwa_tokenizer::{TrainSettings, train};

    use super::*;
    use crate::SamplingSettings;

    const SPECIAL: [(&str, &str); 4] =
        [("pad_token", "[PAD]"), ("cls_token", "[CLS]"), ("sep_token", "[SEP]"), ("mask_token", "[MASK]")];

    fn writer() -> MaskedWriter {
        let settings = TrainSettings { vocab_size: 270, ..TrainSettings::default() };
        let tokenizer = train(std::iter::once("clay and water ".repeat(9)), &settings, &mut |_| {}).unwrap();
        let tokenizer = tokenizer.with_special_tokens(&SPECIAL).unwrap();
        let config: ModelConfig = serde_json::from_str(&format!(
            r#"{{"model_type": "unilm", "vocab_size": {}, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
                "num_attention_heads": 4, "max_position_embeddings": 24, "type_vocab_size": 6, "initializer_range": 0.4}}"#,
            tokenizer.vocab_size()
        ))
        .unwrap();
        MaskedWriter::new(nuwa_models::build(&config, 3).unwrap(), tokenizer).unwrap()
    }

    fn written(writer: &MaskedWriter, beginning: &MaskedBeginning) -> Generation {
        let sampling = SamplingSettings::greedy();
        let settings = GenerateSettings { max_tokens: 6, sampling, ..GenerateSettings::default() };
        writer.write(beginning, &settings, &mut || Flow::Continue(()), &mut |_| {}).unwrap()
    }

    /// Each token is the likeliest for a mask behind the text so far, computed from a mask with explicit keys.
    #[test]
    fn what_is_written_is_what_fills_the_next_mask() {
        let writer = writer();
        for beginning in [writer.beginning("clay and").unwrap(), writer.source("water").unwrap()] {
            let mut ids = beginning.ids.clone();
            for (token, log_probability) in {
                let found = written(&writer, &beginning);
                found.tokens.into_iter().zip(found.log_probabilities)
            } {
                let length = ids.len() + 1;
                let second = if beginning.is_source { beginning.ids.len() } else { length };
                let sees = |at: usize| if beginning.is_source && at < second { second } else { at + 1 };
                let ranges = (0..length).map(|at| [0, sees(at) as u32]).collect();
                let (first, other) = if beginning.is_source { (4, 5) } else { (2, 2) };
                let text = Text {
                    mask: nuwa_tensor::AttentionMask::new(1, length, ranges).unwrap(),
                    segments: (0..length).map(|at| if at < second { first } else { other }).collect(),
                    ..Text::bidirectional([&ids[..], &[writer.mask]].concat(), 1)
                };
                let tape = Tape::inference();
                let hidden = writer.model.hidden(&Context::new(&tape), Input::Text(&text)).unwrap().hidden;
                let logits = writer.model.head().logits(&tape, &hidden).unwrap().row_to_host(length - 1);
                let allowed = (0..logits.len() as u32).filter(|id| !writer.forbidden.contains(id));
                let best =
                    allowed.max_by(|a, b| logits[*a as usize].total_cmp(&logits[*b as usize])).unwrap();
                assert_eq!(token, best);
                let expected = logits[best as usize] - log_sum_exp(&logits);
                assert!((log_probability - expected).abs() < 1e-4, "{log_probability} {expected}");
                ids.push(token);
            }
            assert!(ids.len() > beginning.ids.len(), "something was written");
        }
    }

    #[test]
    fn the_context_ends_a_text() {
        let writer = writer();
        let long = writer.beginning(&"x".repeat(40)).unwrap();
        let settings = GenerateSettings::default();
        let refused = writer.write(&long, &settings, &mut || Flow::Continue(()), &mut |_| {});
        assert!(matches!(refused, Err(Error::PromptTooLong { .. })));
        let short = writer.beginning("clay").unwrap();
        let all = writer.write(&short, &settings, &mut || Flow::Continue(()), &mut |_| {}).unwrap();
        assert!(short.ids.len() + all.tokens.len() <= 24);
        let stopped = writer.write(&short, &settings, &mut || Flow::Break(()), &mut |_| {}).unwrap();
        assert_eq!((stopped.finish, stopped.tokens.len()), (Finish::Interrupted, 0));
    }
}
