use nuwa_models::{Context, Input, Model, Prediction, Queries, Text};
use nuwa_tensor::{AttentionMask, Tape, Tensor, on_worker};
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
/// When the model predicts no hidden tokens, its tokenizer lacks a special token, or the text has no mask or is longer than the context.
pub fn fill(
    model: &dyn Model,
    tokenizer: &Tokenizer,
    text: &str,
    language: Option<u32>,
    count: usize,
) -> Result<Vec<Vec<Filling>>> {
    let predicts = model.config().predicts();
    if !matches!(predicts, Prediction::MaskedTokens | Prediction::AnyOrder) {
        return Err(Error::Predicts { wanted: Prediction::MaskedTokens, predicts });
    }
    let (ids, masks) = masked(tokenizer, text, predicts)?;
    let context = model.context();
    if ids.len() > context {
        return Err(Error::PromptTooLong { tokens: ids.len(), context });
    }
    on_worker(move || {
        let tape = Tape::inference();
        let rows = match predicts {
            Prediction::AnyOrder => of_places(model, &tape, ids, &masks)?,
            _ => {
                let languages = language.map_or(Vec::new(), |language| vec![language; ids.len()]);
                let text = Text { languages, ..Text::bidirectional(ids, 1) };
                tape.rows(&model.hidden(&Context::new(&tape), Input::Text(&text))?.hidden, &masks)?
            }
        };
        let logits = model.head().logits(&tape, &rows)?;
        (0..masks.len()).map(|mask| likeliest(tokenizer, &logits.row_to_host(mask), count)).collect()
    })
}

/// The rows of a second stream for these places, which no token of the text sees but itself.
fn of_places(model: &dyn Model, tape: &Tape, ids: Vec<u32>, places: &[u32]) -> Result<Tensor> {
    let (length, hidden) = (ids.len(), |place: u32| u32::from(places.contains(&place)));
    let ranks: Vec<u32> = (0..length as u32).map(hidden).collect();
    let own = ranks.iter().map(|rank| rank + 1).collect();
    let mask = AttentionMask::full(1, length).in_order(ranks.clone(), own)?;
    let of_queries =
        AttentionMask::full_memory(1, [places.len(), length]).in_order(ranks, vec![1; places.len()])?;
    let queries = Some(Queries::Places { places: places.to_vec(), mask: of_queries });
    let text = Text { mask, queries, ..Text::bidirectional(ids, 1) };
    Ok(model.hidden(&Context::new(tape), Input::Text(&text))?.hidden)
}

/// The ids of a text with the tokens that stand around it, and the rows of its masks: `[CLS] text [SEP]` of BERT,
/// `text <sep> <cls>` of XLNet.
fn masked(tokenizer: &Tokenizer, text: &str, predicts: Prediction) -> Result<(Vec<u32>, Vec<u32>)> {
    let special = |role: &'static str| tokenizer.token_of_role(role).ok_or(Error::NoToken { role });
    let [class, separator, mask] = [special("cls_token")?, special("sep_token")?, special("mask_token")?];
    let (before, after) = match predicts {
        Prediction::AnyOrder => (vec![], vec![separator, class]),
        _ => (vec![class], vec![separator]),
    };
    let (mut ids, mut masks) = (before, Vec::new());
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
    ids.extend(after);
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
