//! What a model is trained to do, as data: an objective turns windows of tokens into batches, and knows no tensors.

mod causal;
mod causal_languages;
mod continuation;
mod cross_lingual;
mod draw;
mod infilling;
mod language_windows;
mod masked;
mod masked_answers;
mod measured;
mod next_sentence;
mod permutation;
mod sequences;
pub mod span_corruption;
mod translations;
mod unified;
mod window_parts;
mod words;

use std::fmt::Debug;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

pub use causal::Causal;
pub use causal_languages::CausalLanguages;
pub use continuation::Continuation;
pub use cross_lingual::{CrossLingual, Translation};
pub use infilling::{Infilling, InfillingTokens};
pub use masked::{Masked, MaskedTokens, Special};
pub use masked_answers::MaskedAnswers;
use nuwa_models::{Batch, Family, Losses, ModelConfig, Prediction};
use nuwa_shards::Part;
use nuwa_tokenizer::Tokenizer;
pub use permutation::Permutation;
pub use sequences::SequenceTokens;
pub use span_corruption::SpanCorruption;
pub use unified::Unified;
pub use words::Words;

use crate::{Figures, PretrainSettings, Result, SequenceObjective};

/// Windows of consecutive tokens, by number.
pub trait Windows {
    /// How many there are before they are repeated.
    fn count(&self) -> u64;

    /// The tokens of each, without the one that follows it.
    fn context(&self) -> usize;

    /// Reads the tokens of window `number` and, where `ids` has room for it, the one that follows.
    ///
    /// # Errors
    /// When they cannot be read.
    fn read(&self, number: u64, ids: &mut [u32]) -> Result<()>;

    /// The part of the shards that a window is of, and the number of its first token there, where that is known.
    fn place(&self, number: u64) -> Option<(Part, u64)> {
        let _ = number;
        None
    }

    /// Reads the tokens just before window `number`; false where there are not so many, or nobody knows them.
    ///
    /// # Errors
    /// As [`Windows::read`].
    fn read_before(&self, number: u64, ids: &mut [u32]) -> Result<bool> {
        let _ = (number, ids);
        Ok(false)
    }

    /// Reads the tokens just behind window `number`, as many as there are, and gives how many those were.
    ///
    /// # Errors
    /// As [`Windows::read`].
    fn read_behind(&self, number: u64, ids: &mut [u32]) -> Result<usize> {
        let _ = (number, ids);
        Ok(0)
    }
}

/// A window with so many tokens that follow it, or as many as there are.
fn read_on(windows: &dyn Windows, number: u64, more: usize) -> Result<Vec<u32>> {
    let (context, mut ids) = (windows.context(), vec![0; windows.context() + more]);
    windows.read(number, &mut ids[..context])?;
    let there = windows.read_behind(number, &mut ids[context..])?;
    ids.truncate(context + there);
    Ok(ids)
}

/// The first `length` tokens of a window.
fn read(windows: &dyn Windows, number: u64, length: usize) -> Result<Vec<u32>> {
    let mut ids = vec![0; windows.context()];
    windows.read(number, &mut ids)?;
    ids.truncate(length);
    Ok(ids)
}

/// What a model is trained to do.
pub trait Objective: Debug + Send + Sync {
    /// One pass over the texts `numbers`: a function of the windows, the seed and the numbers alone. Its loss is a mean
    /// divided by `passes`, so that the losses of so many passes add up to a mean.
    ///
    /// # Errors
    /// When the windows cannot be read.
    fn batch(&self, windows: &dyn Windows, numbers: Range<u64>, passes: usize) -> Result<Batch>;

    /// The fewest tokens that a window may have.
    fn shortest(&self) -> usize {
        1
    }

    /// Whether its loss, over the length of the text, is bits a byte: whether every token is predicted from those before it.
    fn predicts_every_token(&self) -> bool {
        true
    }

    /// What is told of the losses of a step besides their sum.
    fn figures(&self, losses: &[Losses]) -> Figures {
        let _ = losses;
        Figures::new()
    }

    /// Whether a model that may predict masked tokens or the next one is to predict the next one.
    fn makes_causal(&self) -> bool {
        false
    }

    /// The codes of the languages that its texts are told to be in, by number, where they are told some.
    fn languages(&self) -> &[String] {
        &[]
    }

    /// The token that fills up its texts, where a model has to know it.
    fn padding(&self) -> Option<u32> {
        None
    }

    /// What decides its batches besides the seed, for objectives that have settings.
    fn settings(&self) -> Option<serde_json::Value> {
        None
    }
}

/// What of a model its objective depends on.
#[derive(Debug, Clone, Copy)]
pub struct ModelKind {
    family: Family,
    predicts: Prediction,
    /// What the decoder of an encoder-decoder reads first, where that is known.
    start: Option<u32>,
}

impl From<Family> for ModelKind {
    /// Of a new model.
    fn from(family: Family) -> Self {
        Self { family, predicts: family.registered().predicts, start: None }
    }
}

impl From<&ModelConfig> for ModelKind {
    fn from(config: &ModelConfig) -> Self {
        Self { family: config.family(), predicts: config.predicts(), start: config.decoder_start() }
    }
}

/// What such a model is trained to do on the shards in `folder`, which `tokenizer` made, and the tokenizer with the special tokens that this needs: those
/// it lacks are appended.
///
/// # Errors
/// When the tokenizer cannot be extended, or the shards do not say what the objective needs: their languages.
pub fn of(
    model: ModelKind,
    (tokenizer, folder): (&Tokenizer, &Path),
    settings: &PretrainSettings,
    seed: u64,
) -> Result<(Tokenizer, Arc<dyn Objective>)> {
    if model.family == Family::Xlm
        && (model.predicts == Prediction::NextToken || settings.languages.is_causal())
    {
        return of_languages(tokenizer, folder, settings, seed);
    }
    match model.predicts {
        Prediction::NextToken => Ok((tokenizer.clone(), Arc::new(Causal::new(tokenizer.eos(), settings)))),
        Prediction::AnyOrder => {
            let tokenizer = tokenizer.with_special_tokens(&permutation::NAMES)?;
            let tokens = MaskedTokens::of(&tokenizer);
            Ok((tokenizer, Arc::new(Permutation::new(settings.permutation.clone(), tokens, seed))))
        }
        Prediction::Answer => of_sequences(model, tokenizer, settings, seed),
        Prediction::MaskedTokens | Prediction::Nothing => {
            let tokenizer = tokenizer.with_special_tokens(&Special::NAMES)?;
            let (masked, tokens) = (settings.masked.clone(), MaskedTokens::of(&tokenizer));
            let objective: Arc<dyn Objective> = match model.family {
                Family::Unilm => Arc::new(Unified::new(masked, tokens, seed)),
                Family::Xlm => {
                    let settings = (&settings.languages, &masked);
                    Arc::new(CrossLingual::new(settings, &tokenizer, folder, seed)?)
                }
                _ => Arc::new(Masked::new(masked, tokens, seed)),
            };
            Ok((tokenizer, objective))
        }
    }
}

/// The same of a model that predicts the next token in many languages.
fn of_languages(
    tokenizer: &Tokenizer,
    folder: &Path,
    settings: &PretrainSettings,
    seed: u64,
) -> Result<(Tokenizer, Arc<dyn Objective>)> {
    let tokenizer = tokenizer.with_special_tokens(&Special::NAMES[..1])?;
    let languages = language_windows::LanguageWindows::languages(folder)?;
    let (causal, padding) = (Causal::new(tokenizer.eos(), settings), tokenizer.token_of_role("pad_token"));
    let objective = CausalLanguages::new(causal, &settings.languages, languages, padding, seed);
    Ok((tokenizer, Arc::new(objective)))
}

/// The same of an encoder-decoder.
fn of_sequences(
    model: ModelKind,
    tokenizer: &Tokenizer,
    settings: &PretrainSettings,
    seed: u64,
) -> Result<(Tokenizer, Arc<dyn Objective>)> {
    const NAMES: [(&str, &str); 3] =
        [("eos_token", "</s>"), ("pad_token", "<pad>"), ("mask_token", "<mask>")];
    let chosen = settings.sequence_objective.unwrap_or(match model.family.registered().model_type {
        "t5" => SequenceObjective::SpanCorruption,
        "bart" => SequenceObjective::Infilling,
        _ => SequenceObjective::Continuation,
    });
    let names = if chosen == SequenceObjective::Infilling { &NAMES[..] } else { &NAMES[..2] };
    let mut tokenizer = tokenizer.with_special_tokens(names)?;
    if chosen == SequenceObjective::SpanCorruption {
        tokenizer = span_corruption::with_sentinels(&tokenizer)?;
    }
    let end = tokenizer.eos().expect("it was appended where it was missing");
    let tokens = SequenceTokens { start: model.start.unwrap_or(end), end };
    let spans = settings.spans.clone();
    let objective: Arc<dyn Objective> = match chosen {
        SequenceObjective::Continuation => Arc::new(Continuation::new(tokens, seed)),
        SequenceObjective::SpanCorruption => {
            Arc::new(SpanCorruption::new(spans, tokens, span_corruption::sentinels(&tokenizer), seed))
        }
        SequenceObjective::Infilling => {
            let mask = tokenizer.token_of_role("mask_token").expect("it was appended where it was missing");
            let tokens = InfillingTokens { sequence: tokens, mask, words: Words::new(&tokenizer) };
            Arc::new(Infilling::new(spans, tokens, seed))
        }
    };
    Ok((tokenizer, objective))
}
