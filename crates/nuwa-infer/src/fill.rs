use nuwa_models::{Context, Input, Model, Prediction, Text};
use nuwa_tensor::{Tape, on_worker};
use nuwa_tokenizer::Tokenizer;

use crate::{Error, Result};

/// A token for the place of a mask.
#[derive(Debug, Clone, PartialEq)]
pub struct Filling {
    /// Its id.
    pub id: u32,
    /// Its text, blanks included.
    pub text: String,
    /// How likely the model finds it, of all tokens.
    pub probability: f64,
}

/// How a mask is written in a text, whatever the tokenizer calls it.
pub const MASK: &str = "[MASK]";

/// The `count` likeliest tokens for each [`MASK`] in `text`, the likeliest first. Masks do not know of each other: each is
/// filled in given the rest of the text. `language` is the number of the text's, of models that tell languages apart.
///
/// # Errors
/// When the model does not predict masked tokens, its tokenizer has no mask, or the text has none or is longer than the context.
pub fn fill(
    model: &dyn Model,
    tokenizer: &Tokenizer,
    text: &str,
    language: Option<u32>,
    count: usize,
) -> Result<Vec<Vec<Filling>>> {
    let predicts = model.config().predicts();
    if predicts != Prediction::MaskedTokens {
        return Err(Error::Predicts { wanted: Prediction::MaskedTokens, predicts });
    }
    let (ids, masks) = masked(tokenizer, text)?;
    let context = model.context();
    if ids.len() > context {
        return Err(Error::PromptTooLong { tokens: ids.len(), context });
    }
    on_worker(move || {
        let tape = Tape::inference();
        let languages = language.map_or(Vec::new(), |language| vec![language; ids.len()]);
        let text = Text { languages, ..Text::bidirectional(ids, 1) };
        let hidden = model.hidden(&Context::new(&tape), Input::Text(&text))?.hidden;
        let logits = model.head().logits(&tape, &tape.rows(&hidden, &masks)?)?;
        (0..masks.len()).map(|mask| likeliest(tokenizer, &logits.row_to_host(mask), count)).collect()
    })
}

/// The ids of a text between the tokens that BERT puts around it, and the rows of its masks.
fn masked(tokenizer: &Tokenizer, text: &str) -> Result<(Vec<u32>, Vec<u32>)> {
    let special = |role: &'static str| tokenizer.token_of_role(role).ok_or(Error::NoToken { role });
    let [class, separator, mask] = [special("cls_token")?, special("sep_token")?, special("mask_token")?];
    let (mut ids, mut masks) = (vec![class], Vec::new());
    let mut parts = text.split(MASK).peekable();
    while let Some(part) = parts.next() {
        let is_before_mask = parts.peek().is_some();
        // The blank before a word is part of its token, and so of the mask.
        ids.extend(tokenizer.encode(if is_before_mask { part.trim_end_matches(' ') } else { part })?);
        if is_before_mask {
            masks.push(ids.len() as u32);
            ids.push(mask);
        }
    }
    ids.push(separator);
    if masks.is_empty() { Err(Error::NoMask) } else { Ok((ids, masks)) }
}

fn likeliest(tokenizer: &Tokenizer, logits: &[f32], count: usize) -> Result<Vec<Filling>> {
    if let Some(id) = logits.iter().position(|logit| !logit.is_finite()) {
        return Err(Error::NotFinite { value: logits[id], id });
    }
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let share = |id: u32| f64::from(logits[id as usize] - largest).exp();
    let sum: f64 = (0..logits.len() as u32).map(share).sum();
    let mut order: Vec<u32> =
        (0..logits.len() as u32).filter(|&id| tokenizer.id_to_token(id).is_some()).collect();
    order.sort_by(|&a, &b| logits[b as usize].total_cmp(&logits[a as usize]).then(a.cmp(&b)));
    let filling = |id| Ok(Filling { id, text: tokenizer.decode(&[id])?, probability: share(id) / sum });
    order.into_iter().take(count).map(filling).collect()
}
