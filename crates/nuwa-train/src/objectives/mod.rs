//! What a model is trained to do, as data: an objective turns windows of tokens into batches, and knows no tensors.

mod causal;
mod draw;
mod masked;
mod measured;
mod permutation;
mod words;

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

pub use causal::Causal;
pub use masked::{Masked, MaskedTokens, Special};
use nuwa_models::{Batch, Losses, Prediction};
use nuwa_tokenizer::Tokenizer;
pub use permutation::Permutation;
pub use words::Words;

use crate::{Figures, PretrainSettings, Result};

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

    /// Reads the tokens just before window `number`; false where there are not so many, or nobody knows them.
    ///
    /// # Errors
    /// As [`Windows::read`].
    fn read_before(&self, number: u64, ids: &mut [u32]) -> Result<bool> {
        let _ = (number, ids);
        Ok(false)
    }
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

    /// What decides its batches besides the seed, for objectives that have settings.
    fn settings(&self) -> Option<serde_json::Value> {
        None
    }
}

/// What a model that predicts so is trained to do on the text of `tokenizer`, and the tokenizer with the special tokens that
/// this needs: those it lacks are appended.
///
/// # Errors
/// When the tokenizer cannot be extended.
pub fn of(
    predicts: Prediction,
    tokenizer: &Tokenizer,
    settings: &PretrainSettings,
    seed: u64,
) -> Result<(Tokenizer, Arc<dyn Objective>)> {
    if predicts == Prediction::NextToken {
        return Ok((tokenizer.clone(), Arc::new(Causal::new(tokenizer.eos(), settings))));
    }
    if predicts == Prediction::AnyOrder {
        let tokenizer = tokenizer.with_special_tokens(&permutation::NAMES)?;
        let objective = Permutation::new(settings.permutation.clone(), MaskedTokens::of(&tokenizer), seed);
        return Ok((tokenizer, Arc::new(objective)));
    }
    let tokenizer = tokenizer.with_special_tokens(&Special::NAMES)?;
    let objective = Masked::new(settings.masked.clone(), MaskedTokens::of(&tokenizer), seed);
    Ok((tokenizer, Arc::new(objective)))
}
