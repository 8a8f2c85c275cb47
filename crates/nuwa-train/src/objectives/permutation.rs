//! Permutation language modelling: Yang et al., "XLNet: Generalized Autoregressive Pretraining for Language Understanding" (2019).
//!
//! A text is `A <sep> B <sep> <cls>`: `B` follows `A`, or in half of the texts comes from elsewhere, which is not to be told. Of
//! its tokens one in `K` is predicted: those that come last in a random order, each from all that are not predicted and from
//! those of them that come before it. As in the published pipeline they are spans of 1 to 5 tokens, of lengths `n` as likely as
//! `1 / n`, each from the beginning of a word on and somewhere within `n K` tokens of its own; what is then missing of one in
//! `K` is drawn from all others. No token stands for a hidden one. Special tokens are not predicted, the end of a document is.
//!
//! The published pipeline needs texts of even length, since the first half of each is the memory of the next and so must not see
//! the second. Here memory is what stands before a text, which is no part of it: any length will do.

use std::ops::Range;
use std::sync::Arc;

use nuwa_models::{Batch, Before, Losses, Queries, Targets, Text};
use nuwa_tensor::{AttentionMask, Random};

use super::draw::Draw;
use super::masked::Parts;
use super::measured::Mean;
use super::window_parts::pair;
use super::{Masked, MaskedTokens, Objective, Windows, read};
use crate::{Error, Figures, MaskedSettings, PermutationSettings, Result};

/// The special tokens of XLNet: their roles, and their names where a tokenizer does not have them yet, in the order of
/// [`Special`](super::Special).
pub const NAMES: [(&str, &str); 4] =
    [("pad_token", "<pad>"), ("cls_token", "<cls>"), ("sep_token", "<sep>"), ("mask_token", "<mask>")];

/// The fewest tokens of a text: with three special ones, others that one in two can be predicted of.
const SHORTEST: usize = 8;
/// The segment of the token that stands for the text.
const LAST_SEGMENT: u32 = 2;

/// Predicts tokens in any order.
#[derive(Debug, Clone)]
pub struct Permutation {
    settings: PermutationSettings,
    /// Whose pairs the texts are.
    masked: Masked,
    random: Random,
}

impl Permutation {
    /// The objective of a run with `seed`.
    pub fn new(settings: PermutationSettings, tokens: MaskedTokens, seed: u64) -> Self {
        let masked = Masked::new(MaskedSettings::default(), tokens, seed);
        Self { settings, masked, random: Random::new(seed).named("orders") }
    }

    /// Text `number`.
    fn example(&self, windows: &dyn Windows, number: u64) -> Result<Example> {
        let mut draw = Draw::new(self.random.stream(number));
        let context = windows.context();
        let parts = match self.settings.pairs {
            true => pair(&self.masked.tokens, windows, number, context - 3, &mut draw)?,
            false => Parts::one(read(windows, number, context - 2)?),
        };
        let (ids, segments) = self.joined(&parts);
        let predicted = self.chosen(&ids, &mut draw);
        let ranks = draw.shuffled((1..=predicted.len() as u32).collect());
        Ok(Example { ids, segments, order: predicted.into_iter().zip(ranks).collect() })
    }

    /// The tokens of a text and their segments.
    fn joined(&self, parts: &Parts) -> (Vec<u32>, Vec<u32>) {
        let special = self.masked.tokens.special;
        let (mut ids, mut segments) = (Vec::new(), Vec::new());
        for (segment, part) in (0..).zip([Some(&parts.first), parts.second.as_ref()].into_iter().flatten()) {
            ids.extend(part.iter().copied().chain([special.separator]));
            segments.resize(ids.len(), segment);
        }
        ids.push(special.class);
        segments.push(LAST_SEGMENT);
        (ids, segments)
    }

    /// How many tokens of a text of this length are predicted.
    fn count(&self, length: usize) -> usize {
        (length / self.settings.one_in as usize).max(1)
    }

    /// The places that are predicted, in rising order.
    fn chosen(&self, ids: &[u32], draw: &mut Draw) -> Vec<u32> {
        let wanted = self.count(ids.len());
        let mut is_chosen = vec![false; ids.len()];
        let (mut at, mut left) = (0, wanted);
        while at < ids.len() && left > 0 {
            let length = self.span(draw).min(left);
            let around = length * self.settings.one_in as usize;
            let before = draw.below(around);
            let start = (at + before..ids.len()).find(|&place| self.begins(ids[place]));
            let Some(span) = start.map(|start| start..start + length).filter(|span| span.end < ids.len())
            else {
                break;
            };
            at = span.end + around - before;
            for place in span.filter(|&place| self.is_text(ids[place])) {
                is_chosen[place] = true;
                left -= 1;
            }
        }
        let others = (0..ids.len()).filter(|&place| !is_chosen[place] && self.is_text(ids[place])).collect();
        draw.shuffled(others).into_iter().take(left).for_each(|place: usize| is_chosen[place] = true);
        (0..ids.len() as u32).filter(|&place| is_chosen[place as usize]).collect()
    }

    /// The length of a span.
    fn span(&self, draw: &mut Draw) -> usize {
        let longest = self.settings.longest_span as usize;
        let total: f64 = (1..=longest).map(|length| 1.0 / length as f64).sum();
        let mut rest = draw.uniform() * total;
        for length in 1..longest {
            rest -= 1.0 / length as f64;
            if rest < 0.0 {
                return length;
            }
        }
        longest
    }

    fn is_text(&self, id: u32) -> bool {
        // Not that of padding, which may be the one that ends documents.
        let special = self.masked.tokens.special;
        ![special.class, special.separator, special.mask].contains(&id)
    }

    fn begins(&self, id: u32) -> bool {
        self.is_text(id) && self.masked.tokens.words.starts(id)
    }

    /// What stands before the texts `numbers`, where memory is asked for.
    fn before(&self, windows: &dyn Windows, numbers: Range<u64>) -> Result<Option<Arc<Before>>> {
        let (length, texts) = (self.settings.memory as usize, (numbers.end - numbers.start) as usize);
        if length == 0 {
            return Ok(None);
        }
        let (mut ids, mut first) = (Vec::with_capacity(texts * length), Vec::with_capacity(texts));
        for number in numbers {
            let mut own = vec![self.masked.tokens.special.padding; length];
            let has_any = windows.read_before(number, &mut own)?;
            first.push(if has_any { 0 } else { length as u32 });
            ids.extend(own);
        }
        Ok(Some(Arc::new(Before { text: Text::bidirectional(ids, texts), first })))
    }
}

impl Objective for Permutation {
    fn batch(&self, windows: &dyn Windows, numbers: Range<u64>, passes: usize) -> Result<Batch> {
        let context = windows.context();
        if context < SHORTEST {
            let needed = SHORTEST as u64;
            return Err(Error::TooShort { part: "training", tokens: context as u64, needed });
        }
        let examples: Vec<Example> =
            numbers.clone().map(|number| self.example(windows, number)).collect::<Result<_>>()?;
        let batch = batch(&examples, [context, self.count(context)], passes);
        Ok(Batch { source: Text { before: self.before(windows, numbers)?, ..batch.source }, ..batch })
    }

    fn shortest(&self) -> usize {
        SHORTEST
    }

    fn predicts_every_token(&self) -> bool {
        false
    }

    fn figures(&self, losses: &[Losses]) -> Figures {
        let mean = Mean::of(losses.iter().map(|losses| &losses.tokens));
        Figures::from([
            ("predicted_loss".to_string(), mean.loss),
            ("predicted_accuracy".to_string(), mean.accuracy),
        ])
    }

    fn settings(&self) -> Option<serde_json::Value> {
        Some(serde_json::json!(["permutation", self.settings]))
    }
}

/// One text with what is to be predicted in it.
struct Example {
    ids: Vec<u32>,
    segments: Vec<u32>,
    /// The places that are predicted, in rising order, and when each is, from 1 on; the others are there from the beginning.
    order: Vec<(u32, u32)>,
}

/// Texts of `context` tokens, of each of which `count` are predicted.
fn batch(examples: &[Example], [context, count]: [usize; 2], passes: usize) -> Batch {
    let texts = examples.len();
    let mut ranks = vec![0; texts * context];
    let (mut ids, mut segments, mut targets) = (Vec::new(), Vec::new(), Vec::new());
    let (mut places, mut limits) = (Vec::new(), Vec::new());
    for (number, example) in examples.iter().enumerate() {
        ids.extend(&example.ids);
        segments.extend(&example.segments);
        for &(place, rank) in &example.order {
            ranks[number * context + place as usize] = rank;
            places.push(place);
            limits.push(rank);
            targets.push(example.ids[place as usize]);
        }
    }
    // A token sees itself, a query does not see what it stands for.
    let of_tokens = ranks.iter().map(|rank| rank + 1).collect();
    let order = "there is a rank a token and a limit a query";
    let mask = AttentionMask::full(texts, context).in_order(ranks.clone(), of_tokens).expect(order);
    let of_queries =
        AttentionMask::full_memory(texts, [count, context]).in_order(ranks, limits).expect(order);
    let queries = Some(Queries::Places { places, mask: of_queries });
    let weights = vec![1.0 / (targets.len() * passes) as f32; targets.len()];
    Batch {
        source: Text { segments, mask, queries, ..Text::bidirectional(ids, texts) },
        answer: None,
        targets: Targets { rows: None, ids: targets, weights },
        classes: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Special, Words};
    use super::*;

    const SPECIAL: Special = Special { padding: 100, class: 101, separator: 102, mask: 103 };
    const END: u32 = 0;

    /// Two hundred windows of counted tokens: every tenth ends a document, those that 5 divides end a sentence.
    struct Counted(usize);

    impl Windows for Counted {
        fn count(&self) -> u64 {
            200
        }

        fn context(&self) -> usize {
            self.0
        }

        fn read(&self, number: u64, ids: &mut [u32]) -> Result<()> {
            ids.iter_mut().zip(number * self.0 as u64..).for_each(|(id, at)| *id = token(at));
            Ok(())
        }

        fn read_before(&self, number: u64, ids: &mut [u32]) -> Result<bool> {
            let Some(first) = (number * self.0 as u64).checked_sub(ids.len() as u64) else {
                return Ok(false);
            };
            ids.iter_mut().zip(first..).for_each(|(id, at)| *id = token(at));
            Ok(true)
        }
    }

    fn token(at: u64) -> u32 {
        if at % 10 == 9 { END } else { 1 + (at % 90) as u32 }
    }

    /// Odd tokens begin a word.
    fn permutation(settings: PermutationSettings) -> Permutation {
        let words = Words::made_up(100, |id| id % 2 == 1, |id| id % 5 == 0);
        Permutation::new(settings, MaskedTokens { special: SPECIAL, eos: Some(END), words }, 3)
    }

    fn places_of(batch: &Batch) -> &[u32] {
        match &batch.source.queries {
            Some(Queries::Places { places, .. }) => places,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_batch_follows_from_seed_and_number() {
        let settings = PermutationSettings { memory: 16, ..PermutationSettings::default() };
        let whole = permutation(settings.clone()).batch(&Counted(32), 4..8, 1).unwrap();
        let part = permutation(settings).batch(&Counted(32), 6..8, 1).unwrap();
        assert_eq!(whole.source.ids[64..], part.source.ids);
        assert_eq!(places_of(&whole)[10..], *places_of(&part));
        let before = |batch: &Batch| batch.source.before.as_ref().unwrap().text.ids.clone();
        assert_eq!(before(&whole)[32..], before(&part));
    }

    #[test]
    fn one_token_in_six_is_predicted_in_odd_texts_as_in_even_ones() {
        for (context, count) in [(32, 5), (33, 5), (128, 21), (127, 21), (8, 1)] {
            let batch =
                permutation(PermutationSettings::default()).batch(&Counted(context), 0..200, 1).unwrap();
            let places = places_of(&batch);
            assert_eq!((batch.targets.ids.len(), places.len()), (200 * count, 200 * count));
            for (text, places) in places.chunks_exact(count).enumerate() {
                assert!(places.is_sorted_by(|a, b| a < b), "{places:?}");
                let ids = &batch.source.ids[text * context..][..context];
                assert_eq!((ids[context - 2], ids[context - 1]), (SPECIAL.separator, SPECIAL.class));
                assert!(
                    places.iter().all(|&place| ids[place as usize] < 100),
                    "special tokens are not predicted"
                );
                let targets = &batch.targets.ids[text * count..][..count];
                assert!(places.iter().zip(targets).all(|(&place, id)| ids[place as usize] == *id));
            }
            assert!((batch.targets.weights.iter().sum::<f32>() - 1.0).abs() < 1e-3);
        }
        let ends = permutation(PermutationSettings::default()).batch(&Counted(128), 0..200, 1).unwrap();
        assert!(ends.targets.ids.contains(&END), "the end of a document is predicted, too");
    }

    #[test]
    fn spans_are_as_long_as_published_and_begin_with_words() {
        let objective = permutation(PermutationSettings::default());
        let mut draw = Draw::new(Random::new(1));
        let mut counts = [0.0; 6];
        (0..60_000).for_each(|_| counts[objective.span(&mut draw)] += 1.0 / 60_000.0);
        let total: f64 = (1..=5).map(|length| 1.0 / f64::from(length)).sum();
        for (length, share) in counts.iter().enumerate().skip(1) {
            let expected = 1.0 / length as f64 / total;
            assert!((share - expected).abs() < 0.01, "{length}: {share}, expected {expected}");
        }
        // Long texts, so that few tokens are drawn one by one: most of what follows a visible token begins a word.
        let batch = objective.batch(&Counted(512), 0..50, 1).unwrap();
        let (mut begins, mut all, mut longest) = (0, 0, 0);
        for (text, places) in places_of(&batch).chunks_exact(85).enumerate() {
            for run in places.chunk_by(|a, b| a + 1 == *b) {
                let id = batch.source.ids[text * 512 + run[0] as usize];
                begins += usize::from(id % 2 == 1);
                all += 1;
                longest = longest.max(run.len());
            }
        }
        assert!(begins * 100 > all * 80, "{begins} of {all} spans begin with a word");
        assert!((5..12).contains(&longest), "{longest}");
    }

    #[test]
    fn segments_follow_the_published_form_and_pairs_are_half_true() {
        let batch = permutation(PermutationSettings::default()).batch(&Counted(32), 0..200, 1).unwrap();
        let mut follows = 0;
        for (number, (ids, segments)) in
            batch.source.ids.chunks_exact(32).zip(batch.source.segments.chunks_exact(32)).enumerate()
        {
            let middle = ids.iter().position(|&id| id == SPECIAL.separator).unwrap();
            assert!(segments[..=middle].iter().all(|&segment| segment == 0));
            assert!(segments[middle + 1..31].iter().all(|&segment| segment == 1));
            assert_eq!(segments[31], 2);
            let mut window = vec![0; 32];
            Counted(32).read(number as u64, &mut window).unwrap();
            follows += usize::from([&ids[..middle], &ids[middle + 1..30]].concat() == window[..29]);
        }
        assert!((80..120).contains(&follows), "{follows} of 200 follow");
        let settings = PermutationSettings { pairs: false, ..PermutationSettings::default() };
        let batch = permutation(settings).batch(&Counted(32), 0..1, 1).unwrap();
        assert_eq!(batch.source.ids[..30], (0..30).map(token).collect::<Vec<_>>());
    }

    #[test]
    fn memory_is_what_stands_before_a_text() {
        let settings = PermutationSettings { memory: 40, ..PermutationSettings::default() };
        let batch = permutation(settings).batch(&Counted(32), 0..4, 1).unwrap();
        let before = batch.source.before.unwrap();
        assert_eq!(before.first, [40, 40, 0, 0], "the first texts have less before them");
        let expected: Vec<u32> = (3 * 32 - 40..3 * 32).map(token).collect();
        assert_eq!(before.text.ids[120..], expected);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let objective = permutation(PermutationSettings::default());
        assert!(objective.batch(&Counted(7), 0..1, 1).is_err());
        let wrong = PermutationSettings { one_in: 1, ..PermutationSettings::default() };
        let told = wrong.check().unwrap_err().to_string();
        assert!(told.contains("pretrain.permutation.one_in"), "{told}");
    }
}
