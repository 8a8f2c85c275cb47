//! How a model rates answers.

use std::collections::BTreeMap;

use nuwa_tokenizer::{Attribute, Message, RatingTokens, Tokenizer};
use serde::{Deserialize, Serialize};

use crate::{
    Error, Flow, GenerateSettings, Generation, Prompt, Request, Result, SamplingSettings, Scheduler,
};

/// What a model finds of an answer: for each attribute `P(1) / (P(0) + P(1))`, the likelihoods being those of the rating's token.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ratings(pub BTreeMap<Attribute, f64>);

/// What each attribute counts in the order of answers (LaMDA, section 6.1).
const WEIGHTS: [(Attribute, f64); 3] =
    [(Attribute::Sensible, 3.0), (Attribute::Specific, 1.0), (Attribute::Interesting, 1.0)];

impl Ratings {
    /// The rating for an attribute, where there is one.
    pub fn get(&self, attribute: Attribute) -> Option<f64> {
        self.0.get(&attribute).copied()
    }

    /// `3 P(sensible) + P(specific) + P(interesting)`; what is not rated counts nothing.
    pub fn quality(&self) -> f64 {
        WEIGHTS.iter().map(|(attribute, weight)| weight * self.get(*attribute).unwrap_or(0.0)).sum()
    }

    /// Whether it is safe with at least this probability, or nothing is known of that.
    pub fn is_safe(&self, least: f64) -> bool {
        self.get(Attribute::Safe).is_none_or(|safe| safe >= least)
    }
}

/// The ids that stand after an answer: the token that ends its turn, or its text.
pub(crate) fn end_of_answer(tokenizer: &Tokenizer) -> Option<u32> {
    tokenizer.end_of_turn().or(tokenizer.eos())
}

/// The ids of a conversation that ends with an answer, up to the token that ends it: as [`rate`] takes them.
///
/// # Errors
/// When the template fails.
pub fn answered_ids(tokenizer: &Tokenizer, turns: &[Message]) -> Result<Vec<u32>> {
    let before = &turns[..turns.len().saturating_sub(1)];
    let opened = tokenizer.chat(before, None, true)?;
    let whole = tokenizer.chat(turns, None, false)?;
    let start = if whole.text().starts_with(opened.text()) { opened.text().len() } else { 0 };
    let end = start + whole.text()[start..].trim_end().len();
    let mut ids = if start > 0 { tokenizer.encode_chat(&opened)? } else { Vec::new() };
    ids.extend(tokenizer.encode_chat(&whole.part(start..end))?);
    if ids.last().is_none_or(|last| !tokenizer.is_special(*last)) {
        ids.extend(tokenizer.eos());
    }
    Ok(ids)
}

/// Rates answers, each given as all ids of its conversation up to the token that ends it. What conversations have in common is
/// read once where they come after each other; of one longer than the context the beginning is left out. Fewer come back where
/// `goes_on` says so.
///
/// # Errors
/// When the tokenizer cannot write ratings, an answer is empty, or the model fails.
pub fn rate(
    scheduler: &mut Scheduler,
    answered: &[Vec<u32>],
    attributes: &[Attribute],
    goes_on: &mut dyn FnMut() -> Flow,
) -> Result<Vec<Ratings>> {
    let tokens = RatingTokens::of(scheduler.engine().tokenizer())?;
    let context = scheduler.engine().model().context();
    let request = |ids: &Vec<u32>, attribute: Attribute| {
        let mut row = [ids, tokens.name(attribute)].concat();
        row.drain(..row.len().saturating_sub(context));
        let settings = GenerateSettings {
            max_tokens: 1,
            sampling: SamplingSettings::greedy(),
            ..GenerateSettings::default()
        };
        let watched = [false, true].map(|is_so| tokens.rating(is_so)).to_vec();
        Request { watched, ..Request::new(Prompt::of(row), &settings, &[]) }
    };
    let requests =
        answered.iter().flat_map(|ids| attributes.iter().map(move |attribute| request(ids, *attribute)));
    let told = scheduler.write_all_while(requests.collect(), goes_on)?;
    let told: Vec<f64> = told.into_iter().map(|told| Ok(probability(&told?))).collect::<Result<_>>()?;
    let of = |told: &[f64]| attributes.iter().copied().zip(told.iter().copied()).collect();
    match attributes.is_empty() {
        true => Ok(vec![Ratings::default(); answered.len()]),
        false => Ok(told.chunks(attributes.len()).map(|told| Ratings(of(told))).collect()),
    }
}

/// The probability of 1 among 0 and 1, which are watched in this order.
fn probability(told: &Generation) -> f64 {
    let log = |place: usize| {
        told.top.first().and_then(|top| top.get(place)).map(|told| f64::from(told.log_probability))
    };
    match (log(0), log(1)) {
        (Some(zero), Some(one)) => 1.0 / (1.0 + (zero - one).exp()),
        _ => f64::NAN,
    }
}

/// The attributes that a model rates.
///
/// # Errors
/// When it was taught none.
pub(crate) fn taught(tokenizer: &Tokenizer) -> Result<Vec<Attribute>> {
    let attributes = tokenizer.taught_ratings();
    if attributes.is_empty() { Err(Error::NotTaughtToRate) } else { Ok(attributes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sense_counts_as_much_as_three_and_what_is_not_rated_counts_nothing() {
        let rated = |all: &[(Attribute, f64)]| Ratings(all.iter().copied().collect());
        let all = rated(&[
            (Attribute::Sensible, 0.5),
            (Attribute::Specific, 0.25),
            (Attribute::Interesting, 1.0),
            (Attribute::Safe, 0.4),
        ]);
        assert_eq!(all.quality(), 2.75);
        assert!(all.is_safe(0.4) && !all.is_safe(0.41));
        let none = rated(&[]);
        assert!(none.quality() == 0.0 && none.is_safe(1.0));
    }
}
