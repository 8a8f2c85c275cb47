//! The log-likelihood of whole sentences, token by token.

use nuwa_infer::Window;

use crate::{Error, Result, Scorer};

/// A sentence with the log-likelihood of each of its tokens, given those before.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredSentence {
    /// Its ids.
    pub ids: Vec<u32>,
    /// Of each, in nats.
    pub log_likelihoods: Vec<f64>,
    /// Whether its beginning was cut off, since it was longer than the context.
    pub is_cut: bool,
}

impl ScoredSentence {
    /// That of the sentence, in nats.
    pub fn sum(&self) -> f64 {
        self.log_likelihoods.iter().sum()
    }

    /// The mean of a token.
    pub fn mean(&self) -> f64 {
        self.sum() / self.log_likelihoods.len().max(1) as f64
    }

    /// The sum over the tokens at `places`.
    pub fn sum_at(&self, places: &[usize]) -> f64 {
        places.iter().map(|place| self.log_likelihoods[*place]).sum()
    }
}

/// Sentences that are scored together.
const GROUP: usize = 32;

/// Scores sentences, each at the beginning of a text.
pub fn score(scorer: &dyn Scorer, texts: &[&str]) -> Result<Vec<ScoredSentence>> {
    let start = scorer.start_of_text().ok_or(Error::NoStart)?;
    let mut scored = Vec::new();
    for texts in texts.chunks(GROUP) {
        let mut all = Vec::new();
        for text in texts {
            let ids = scorer.tokenizer().encode(text).map_err(nuwa_infer::Error::from)?;
            let cut = ids.len().saturating_sub(scorer.context());
            all.push(([&[start], &ids[cut..]].concat(), cut > 0));
        }
        let windows: Vec<Window<'_>> = all.iter().map(|(ids, _)| Window { ids, scored_from: 1 }).collect();
        let losses = scorer.score(&windows)?;
        scored.extend(all.into_iter().zip(losses).map(|((ids, is_cut), losses)| ScoredSentence {
            ids: ids[1..].to_vec(),
            log_likelihoods: losses.into_iter().map(|loss| -f64::from(loss)).collect(),
            is_cut,
        }));
    }
    Ok(scored)
}

/// The places of the longest common subsequence of ids in both sentences.
pub fn shared(one: &[u32], other: &[u32]) -> (Vec<usize>, Vec<usize>) {
    let width = other.len() + 1;
    let mut longest = vec![0_u32; (one.len() + 1) * width];
    for at in (0..one.len()).rev() {
        for beside in (0..other.len()).rev() {
            longest[at * width + beside] = match one[at] == other[beside] {
                true => longest[(at + 1) * width + beside + 1] + 1,
                false => longest[(at + 1) * width + beside].max(longest[at * width + beside + 1]),
            };
        }
    }
    let (mut places, mut at, mut beside) = ((Vec::new(), Vec::new()), 0, 0);
    while at < one.len() && beside < other.len() {
        if one[at] == other[beside] {
            places.0.push(at);
            places.1.push(beside);
            (at, beside) = (at + 1, beside + 1);
        } else if longest[(at + 1) * width + beside] >= longest[at * width + beside + 1] {
            at += 1;
        } else {
            beside += 1;
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_tokens_are_the_longest_common_subsequence() {
        assert_eq!(shared(&[1, 2, 3, 4], &[1, 9, 9, 3, 4]), (vec![0, 2, 3], vec![0, 3, 4]));
        assert_eq!(shared(&[], &[1]), (vec![], vec![]));
        assert_eq!(shared(&[5, 6], &[6, 5]).0.len(), 1);
    }
}
