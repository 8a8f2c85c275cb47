//! Text infilling and sentence permutation: Lewis et al., "BART: Denoising Sequence-to-Sequence Pre-training" (2020).
//!
//! The sentences of each document are put into a random order; then a share of its tokens is hidden in spans whose lengths are
//! Poisson numbers. Each span becomes one mask, whatever its length; one of length 0 hides nothing and is a mask between two
//! tokens. The encoder reads that, the decoder writes the whole original; both are closed by the end of a text.
//!
//! Lengths are drawn until they add up to `round(share n)` of the document's `n` tokens, the last one cut to fit, as in the
//! published code. Where spans stand, each order of spans and shown tokens is as likely as another, so spans never overlap and
//! exactly that share is hidden (there they may, and some less is). A sentence ends after a token whose text ends in a full
//! stop, an exclamation or question mark, also those of Chinese, or holds a line break ([`Words::ends_sentence`]). The token that
//! ends documents stays where it is, and no span goes over it.

use std::ops::Range;

use nuwa_models::{Batch, Losses, SequencePair};
use nuwa_tensor::Random;

use super::draw::Draw;
use super::sequences::{SequenceTokens, batch, figures};
use super::{Objective, Windows, Words, read};
use crate::{Figures, Result, SpanSettings};

/// The share of the tokens that spans hide, where the settings do not say it.
const SHARE: f64 = 0.3;
/// The fewest tokens of a text.
const SHORTEST: usize = 8;

/// What the objective knows of the vocabulary.
#[derive(Debug, Clone)]
pub struct InfillingTokens {
    /// Those of all sequences.
    pub sequence: SequenceTokens,
    /// Stands for a span.
    pub mask: u32,
    /// Where sentences end.
    pub words: Words,
}

/// Writes a text whole that it reads with gaps, its sentences out of order.
#[derive(Debug, Clone)]
pub struct Infilling {
    settings: SpanSettings,
    tokens: InfillingTokens,
    random: Random,
}

impl Infilling {
    /// The objective of a run with `seed`.
    pub fn new(settings: SpanSettings, tokens: InfillingTokens, seed: u64) -> Self {
        Self { settings, tokens, random: Random::new(seed).named("infilling") }
    }

    /// Text `number`.
    fn example(&self, windows: &dyn Windows, number: u64) -> Result<SequencePair> {
        let (mut draw, end) = (Draw::new(self.random.stream(number)), self.tokens.sequence.end);
        // One place is that of the end.
        let room = windows.context() - 1;
        let mut pair = SequencePair { source: Vec::new(), answer: read(windows, number, room)? };
        for document in pair.answer.split_inclusive(|id| *id == end) {
            let (text, ends) = match document.split_last() {
                Some((last, text)) if *last == end => (text, &document[text.len()..]),
                _ => (document, &[][..]),
            };
            let text = self.out_of_order(text, &mut draw);
            self.infill(&text, &mut pair.source, &mut draw);
            pair.source.extend(ends);
        }
        // Masks that hide nothing can only make a text longer where hardly any other span is.
        pair.source.truncate(room);
        for side in [&mut pair.source, &mut pair.answer] {
            if side.last() != Some(&end) {
                side.push(end);
            }
        }
        Ok(pair)
    }

    /// The sentences in a random order.
    fn out_of_order(&self, text: &[u32], draw: &mut Draw) -> Vec<u32> {
        let mut sentences: Vec<Vec<u32>> = Vec::new();
        let mut has_ended = true;
        for &id in text {
            let ends = self.tokens.words.ends_sentence(id);
            match sentences.last_mut() {
                // What ends a sentence twice, a full stop and a line break, ends it once.
                Some(sentence) if !has_ended || ends => sentence.push(id),
                _ => sentences.push(vec![id]),
            }
            has_ended = ends;
        }
        draw.shuffled(sentences).concat()
    }

    /// The text with masks for some of it.
    fn infill(&self, text: &[u32], source: &mut Vec<u32>, draw: &mut Draw) {
        let spans = self.spans(text.len(), draw);
        let shown = text.len() - spans.iter().sum::<usize>();
        let places = std::iter::repeat_n(None, shown).chain(spans.into_iter().map(Some));
        let (order, mut rest) = (draw.shuffled(places.collect()), text);
        for place in order {
            let (here, later) = rest.split_at(place.unwrap_or(1));
            match place {
                Some(_) => source.push(self.tokens.mask),
                None => source.extend(here),
            }
            rest = later;
        }
    }

    /// The lengths of the spans in a document of so many tokens.
    fn spans(&self, tokens: usize, draw: &mut Draw) -> Vec<usize> {
        let wanted = (self.settings.share.unwrap_or(SHARE) * tokens as f64).round() as usize;
        let (mut spans, mut hidden) = (Vec::new(), 0);
        while hidden < wanted {
            let length = draw.poisson(self.settings.length).min(wanted - hidden);
            hidden += length;
            spans.push(length);
        }
        spans
    }
}

impl Objective for Infilling {
    fn batch(&self, windows: &dyn Windows, numbers: Range<u64>, passes: usize) -> Result<Batch> {
        let examples = numbers.map(|number| self.example(windows, number));
        batch(windows, SHORTEST, self.tokens.sequence, passes, examples)
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
        Some(serde_json::json!(["infilling", self.settings, self.tokens.sequence.start, self.tokens.mask]))
    }
}

#[cfg(test)]
mod tests {
    use super::super::sequences::counted::{Counted, END, TOKENS, pairs};
    use super::*;

    const MASK: u32 = 250;

    fn objective(settings: SpanSettings) -> Infilling {
        let words = Words::made_up(200, |_| true, |id| id % 5 == 0 && id > 0);
        Infilling::new(settings, InfillingTokens { sequence: TOKENS, mask: MASK, words }, 5)
    }

    #[test]
    fn the_answer_is_the_whole_original() {
        let batch = objective(SpanSettings::default()).batch(&Counted(64), 0..50, 1).unwrap();
        for (number, SequencePair { source, answer }) in pairs(&batch).into_iter().enumerate() {
            let mut whole = read(&Counted(64), number as u64, 63).unwrap();
            if whole.last() != Some(&END) {
                whole.push(END);
            }
            assert_eq!(answer, whole);
            let ends = |ids: &[u32]| ids.iter().filter(|id| **id == END).count();
            assert_eq!(ends(&source), ends(&answer), "documents end as before");
            assert!(source.len() <= 64);
        }
    }

    #[test]
    fn three_tenths_are_hidden_in_spans_of_poisson_lengths() {
        // Sentences stay whole and in order where none ends, so that gaps can be measured.
        let words = Words::made_up(100_000, |_| true, |_| false);
        let tokens = InfillingTokens { sequence: TOKENS, mask: MASK, words };
        let objective = Infilling::new(SpanSettings::default(), tokens, 5);
        let (mut draw, mut counts, mut hidden) = (Draw::new(Random::new(1)), [0.0; 12], 0);
        let text: Vec<u32> = (1000..2000).collect();
        for _ in 0..40 {
            let mut source = Vec::new();
            objective.infill(&text, &mut source, &mut draw);
            let mut next = 1000;
            let masks = source.iter().filter(|id| **id == MASK).count();
            let (mut spans, mut together) = (Vec::new(), 0);
            for id in source.into_iter().chain([2000]) {
                match id {
                    MASK => together += 1,
                    shown => {
                        // Spans side by side are one gap; those alone tell their length.
                        if together == 1 {
                            spans.push((shown - next) as usize);
                        }
                        hidden += (shown - next) as usize;
                        (next, together) = (shown + 1, 0);
                    }
                }
            }
            assert!((80..125).contains(&masks), "{masks} masks");
            spans.into_iter().for_each(|length| counts[length.min(11)] += 1.0);
        }
        assert_eq!(hidden, 40 * 300);
        let total: f64 = counts.iter().sum();
        let mut expected = (-3.0_f64).exp();
        for (length, count) in counts.iter().enumerate().take(8) {
            let share = count / total;
            assert!((share - expected).abs() < 0.025, "{length}: {share} {expected}");
            expected *= 3.0 / (length + 1) as f64;
        }
    }

    #[test]
    fn sentences_of_a_document_are_permuted_and_stay_whole() {
        let all_shown = SpanSettings { share: Some(0.0), ..SpanSettings::default() };
        let batch = objective(all_shown).batch(&Counted(120), 0..20, 1).unwrap();
        let mut moved = 0;
        for SequencePair { source, answer } in pairs(&batch) {
            moved += usize::from(source != answer);
            let documents = |ids: &[u32]| -> Vec<Vec<u32>> { ids.split(|id| *id == END).map(<[u32]>::to_vec).collect() };
            for (noisy, whole) in documents(&source).into_iter().zip(documents(&answer)) {
                let sentences = |ids: &[u32]| {
                    let mut all: Vec<Vec<u32>> = ids.split_inclusive(|id| id % 5 == 0).map(<[u32]>::to_vec).collect();
                    all.sort();
                    all
                };
                // Only the last sentence of a window may lack its end.
                match whole.last() {
                    Some(last) if last % 5 != 0 => assert_eq!(noisy.len(), whole.len()),
                    _ => assert_eq!(sentences(&noisy), sentences(&whole)),
                }
            }
        }
        assert!(moved > 15, "{moved} of 20 are out of order");
    }

    #[test]
    fn a_batch_follows_from_seed_and_number() {
        let objective = objective(SpanSettings::default());
        let whole = pairs(&objective.batch(&Counted(64), 4..8, 1).unwrap());
        assert_eq!(whole[2..], pairs(&objective.batch(&Counted(64), 6..8, 1).unwrap()));
    }
}
