//! Span corruption: Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer" (T5, 2020).
//!
//! Of `n` tokens `noise = round(share n)` are hidden in `round(noise / length)` spans. The lengths of the spans are a random
//! partition of the noise, those of what lies between them one of the rest, and the two take turns, beginning with what stays. Each
//! span becomes one sentinel: the source is the text with `<extra_id_0>`, `<extra_id_1>`, .. in their places, the answer says
//! each sentinel and what it stands for. Both are closed by the end of a text, as in the published code (the paper's figure closes
//! the answer with one more sentinel); every token of the answer counts in the loss, sentinels too.
//!
//! So of a window of `n` tokens the source has always `n - noise + spans + 1` tokens and the answer `noise + spans + 1`, and
//! nothing is padded: 568 tokens make 512 and 114. Windows are cut from all documents one after the other, as there.

use std::ops::Range;
use std::sync::Arc;

use nuwa_models::{Batch, Losses, SequencePair};
use nuwa_tensor::Random;
use nuwa_tokenizer::Tokenizer;

use super::draw::Draw;
use super::sequences::{SequenceTokens, batch, figures};
use super::{Objective, Windows, read};
use crate::{Figures, Result, SpanSettings};

/// Sentinels that a tokenizer gets.
const SENTINELS: usize = 100;
/// The share of the tokens that spans hide, where the settings do not say it.
const SHARE: f64 = 0.15;
/// The fewest tokens of a text.
const SHORTEST: usize = 8;

/// The name of a sentinel.
fn sentinel(number: usize) -> String {
    format!("<extra_id_{number}>")
}

/// The same tokenizer with sentinels; those it lacks are appended, the first of them last, as T5's ids run down.
///
/// # Errors
/// When it cannot be extended.
pub fn with_sentinels(tokenizer: &Tokenizer) -> Result<Tokenizer> {
    let names: Vec<String> = (0..SENTINELS).rev().map(sentinel).collect();
    Ok(tokenizer.with_tokens(&names.iter().map(String::as_str).collect::<Vec<_>>())?)
}

/// The ids of its sentinels, from the first on.
pub fn sentinels(tokenizer: &Tokenizer) -> Vec<u32> {
    (0..).map_while(|number| tokenizer.token_to_id(&sentinel(number))).collect()
}

/// Writes what was hidden.
#[derive(Debug, Clone)]
pub struct SpanCorruption {
    settings: SpanSettings,
    tokens: SequenceTokens,
    sentinels: Arc<[u32]>,
    random: Random,
}

impl SpanCorruption {
    /// The objective of a run with `seed`.
    ///
    /// # Panics
    /// When there is no sentinel.
    pub fn new(settings: SpanSettings, tokens: SequenceTokens, sentinels: Vec<u32>, seed: u64) -> Self {
        assert!(!sentinels.is_empty(), "a span becomes a sentinel");
        Self { settings, tokens, sentinels: sentinels.into(), random: Random::new(seed).named("spans") }
    }

    /// How many of so many tokens are hidden, and in how many spans. Longer texts than there are sentinels for have longer spans.
    fn sizes(&self, tokens: usize) -> [usize; 2] {
        let share = self.settings.share.unwrap_or(SHARE);
        let noise = ((share * tokens as f64).round_ties_even() as usize).clamp(1, tokens - 1);
        let spans = (noise as f64 / self.settings.length).round_ties_even() as usize;
        [noise, spans.clamp(1, noise.min(tokens - noise).min(self.sentinels.len()))]
    }

    /// Tokens of the source and of the answer of a window.
    fn lengths(&self, tokens: usize) -> [usize; 2] {
        let [noise, spans] = self.sizes(tokens);
        [tokens - noise + spans + 1, noise + spans + 1]
    }

    /// The tokens of a window that are used: all of them, but where a source would be longer than the context.
    fn used(&self, context: usize) -> usize {
        (2..=context).rev().find(|&tokens| self.lengths(tokens).iter().all(|length| *length <= context)).unwrap_or(2)
    }

    /// Text `number`.
    fn example(&self, windows: &dyn Windows, number: u64) -> Result<SequencePair> {
        let mut draw = Draw::new(self.random.stream(number));
        let ids = read(windows, number, self.used(windows.context()))?;
        let [noise, spans] = self.sizes(ids.len());
        let hidden = draw.partition(noise, spans);
        let shown = draw.partition(ids.len() - noise, spans);
        let (mut pair, mut rest) = (SequencePair::default(), ids.as_slice());
        for ((shown, hidden), sentinel) in shown.into_iter().zip(hidden).zip(&*self.sentinels) {
            let (stays, later) = rest.split_at(shown);
            let (goes, later) = later.split_at(hidden);
            pair.source.extend(stays.iter().chain([sentinel]));
            pair.answer.extend([sentinel].into_iter().chain(goes));
            rest = later;
        }
        pair.source.push(self.tokens.end);
        pair.answer.push(self.tokens.end);
        Ok(pair)
    }
}

impl Objective for SpanCorruption {
    fn batch(&self, windows: &dyn Windows, numbers: Range<u64>, passes: usize) -> Result<Batch> {
        batch(windows, SHORTEST, self.tokens, passes, numbers.map(|number| self.example(windows, number)))
    }

    fn shortest(&self) -> usize {
        SHORTEST
    }

    fn predicts_every_token(&self) -> bool {
        false
    }

    fn figures(&self, losses: &[Losses]) -> Figures {
        figures(losses)
    }

    fn settings(&self) -> Option<serde_json::Value> {
        Some(serde_json::json!(["span corruption", self.settings, self.tokens.start, self.sentinels[0]]))
    }
}

#[cfg(test)]
mod tests {
    use super::super::sequences::counted::{Counted, END, TOKENS, pairs};
    use super::*;

    /// Sentinels of ids that run down.
    fn objective() -> SpanCorruption {
        SpanCorruption::new(SpanSettings::default(), TOKENS, (300..400).rev().collect(), 7)
    }

    fn is_sentinel(id: &u32) -> bool {
        (300..400).contains(id)
    }

    #[test]
    fn lengths_are_those_of_the_published_pipeline() {
        assert_eq!(objective().lengths(568), [512, 114]);
        assert_eq!(objective().sizes(568), [85, 28]);
        assert_eq!(objective().lengths(141), [128, 29]);
        for context in 8..600 {
            let used = objective().used(context);
            assert!(used + 1 >= context && objective().lengths(used)[0] <= context, "{context}: {used}");
        }
        assert_eq!(objective().sizes(5000)[1], 100, "as many spans as there are sentinels");
    }

    #[test]
    fn the_source_and_the_answer_make_the_text_again() {
        let batch = objective().batch(&Counted(120), 0..100, 1).unwrap();
        assert_eq!(batch.source.ids.len(), 100 * 109, "nothing is padded");
        assert_eq!(batch.targets.ids.len(), 100 * (18 + 6 + 1));
        for (number, SequencePair { source, answer }) in pairs(&batch).into_iter().enumerate() {
            assert_eq!((source.last(), answer.last()), (Some(&END), Some(&END)));
            let hidden: Vec<&[u32]> = answer[..answer.len() - 1].split(is_sentinel).skip(1).collect();
            let marks: Vec<u32> = source.iter().copied().filter(is_sentinel).collect();
            assert_eq!(marks, (394..400).rev().collect::<Vec<u32>>(), "in order, each once");
            assert_eq!(marks, answer.iter().copied().filter(is_sentinel).collect::<Vec<u32>>());
            let shown = source[..source.len() - 1].split(is_sentinel);
            let mut hidden = hidden.into_iter().chain([&[][..]]);
            let whole: Vec<u32> = shown.flat_map(|shown| [shown, hidden.next().unwrap()].concat()).collect();
            assert_eq!(whole, read(&Counted(120), number as u64, 120).unwrap());
        }
    }

    #[test]
    fn spans_are_three_tokens_long_in_the_mean_and_all_lengths_come() {
        let batch = objective().batch(&Counted(120), 0..400, 1).unwrap();
        let mut counts = [0; 14];
        for SequencePair { answer, .. } in pairs(&batch) {
            for span in answer[..answer.len() - 1].split(is_sentinel).skip(1) {
                counts[span.len()] += 1;
            }
        }
        let spans: usize = counts.iter().sum();
        let hidden: usize = counts.iter().enumerate().map(|(length, count)| length * count).sum();
        assert_eq!((spans, hidden), (400 * 6, 400 * 18), "15 % of 120 tokens in 6 spans");
        // The first of 6 parts of 18 is `k` long in C(17 - k, 4) of C(17, 5) partitions.
        let expected = [0.294, 0.221, 0.162, 0.116, 0.080];
        for (length, expected) in (1..).zip(expected) {
            let share = counts[length] as f64 / spans as f64;
            assert!((share - expected).abs() < 0.03, "{length}: {share} {expected}");
        }
        assert_eq!(counts[0], 0);
    }

    #[test]
    fn a_batch_follows_from_seed_and_number() {
        let whole = pairs(&objective().batch(&Counted(64), 4..8, 1).unwrap());
        assert_eq!(whole[2..], pairs(&objective().batch(&Counted(64), 6..8, 1).unwrap()));
    }

    #[test]
    fn sentinels_are_appended_the_first_of_them_last() {
        let settings = nuwa_tokenizer::TrainSettings { vocab_size: 260, ..Default::default() };
        let text = "clay and water ".repeat(9);
        let plain = nuwa_tokenizer::train(std::iter::once(text), &settings, &mut |_| {}).unwrap();
        let with = with_sentinels(&plain).unwrap();
        let (ids, last) = (sentinels(&with), with.vocab_size() as u32 - 1);
        assert_eq!((ids.len(), ids[0], ids[99]), (100, last, last - 99));
        assert!(ids.iter().all(|id| with.is_special(*id)));
        assert_eq!(with_sentinels(&with).unwrap().vocab_size(), with.vocab_size());
        assert!(sentinels(&plain).is_empty());
    }
}
