//! Masked words and next sentence: Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language
//! Understanding" (2018).
//!
//! A text is `[CLS] A [SEP] B [SEP]` of whole sentences of one document: `B` follows `A`, or in half of the texts comes from another
//! document, and is to be told ([`next_sentence`](super::next_sentence)). Without that question it is `[CLS] window [SEP]`, where a
//! window may hold several documents with the token between them, as in RoBERTa's full sentences (Liu et al. 2019). Of all
//! tokens a share is chosen, by token or by word; 80 % of them are replaced by `[MASK]`, 10 % by any token, 10 % stay, and all
//! are to be predicted. A tenth of the texts is shorter; what is shorter is filled up with `[PAD]`, which no token attends to. Masks
//! are drawn anew whenever a text is met; the authors draw ten of each text beforehand.

use std::ops::Range;

use nuwa_models::{Batch, Classes, Losses, Targets, Text};
use nuwa_tensor::{AttentionMask, Random};
use nuwa_tokenizer::Tokenizer;

use super::draw::Draw;
use super::measured::Mean;
use super::next_sentence::Sentences;
use super::{Objective, Windows, Words, read};
use crate::{Error, Figures, MaskedSettings, Result};

/// The special tokens of the objective.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Special {
    /// Fills up a text.
    pub padding: u32,
    /// Begins a text.
    pub class: u32,
    /// Ends a part of a text.
    pub separator: u32,
    /// Stands for a masked token.
    pub mask: u32,
}

impl Special {
    /// Their roles in a tokenizer, and their names where it does not have them yet, in the order of the fields.
    pub const NAMES: [(&str, &str); 4] =
        [("pad_token", "[PAD]"), ("cls_token", "[CLS]"), ("sep_token", "[SEP]"), ("mask_token", "[MASK]")];
}

/// What the objective knows of the vocabulary.
#[derive(Debug, Clone)]
pub struct MaskedTokens {
    /// The special tokens.
    pub special: Special,
    /// The token that ends documents.
    pub eos: Option<u32>,
    /// The words.
    pub words: Words,
}

impl MaskedTokens {
    /// Those of a tokenizer that has the special ones.
    ///
    /// # Panics
    /// When it has them not.
    pub fn of(tokenizer: &Tokenizer) -> Self {
        let [padding, class, separator, mask] =
            Special::NAMES.map(|(role, _)| tokenizer.token_of_role(role).expect("it has the special tokens"));
        Self {
            special: Special { padding, class, separator, mask },
            eos: tokenizer.eos(),
            words: Words::new(tokenizer),
        }
    }
}

/// Predicts masked tokens, and whether the second part of a text follows the first.
#[derive(Debug, Clone)]
pub struct Masked {
    pub(super) settings: MaskedSettings,
    pub(super) tokens: MaskedTokens,
    random: Random,
}

/// Shares of chosen tokens that become `[MASK]`, and that become any token.
const REPLACED: f64 = 0.8;
const ANY: f64 = 0.1;
/// Share of the texts that are shorter.
pub(super) const SHORT: f64 = 0.1;
/// The fewest tokens of a text.
const SHORTEST: usize = 8;

impl Masked {
    /// The objective of a run with `seed`.
    pub fn new(settings: MaskedSettings, tokens: MaskedTokens, seed: u64) -> Self {
        Self { settings, tokens, random: Random::new(seed).named("masks") }
    }

    /// Text `number`.
    fn example(&self, windows: &dyn Windows, number: u64) -> Result<Example> {
        let mut draw = Draw::new(self.random.stream(number));
        let parts = match self.settings.next_sentence {
            true => Sentences::of(&self.tokens).pair(windows, number, &mut draw)?,
            false => {
                let length = length(windows.context(), &mut draw);
                Parts::one(read(windows, number, length - 2)?)
            }
        };
        let mut example = Example::new(&parts, self.tokens.special);
        example.targets = self.hide(&mut example.ids, &mut draw);
        Ok(example)
    }

    /// Chooses what is to be predicted of a text, and hides most of it; gives the places and what was there.
    pub(super) fn hide(&self, ids: &mut [u32], draw: &mut Draw) -> Vec<(usize, u32)> {
        let words = self.words_of(ids);
        let wanted = ((self.settings.share * ids.len() as f64).round() as usize).max(1);
        let mut chosen: Vec<usize> = Vec::new();
        for word in draw.shuffled(words) {
            // A word that would be too much makes room for shorter ones.
            if chosen.len() + word.len() <= wanted {
                chosen.extend(word);
            }
        }
        if chosen.is_empty() {
            chosen.push(1);
        }
        chosen.sort_unstable();
        let mut hide = |row: usize| {
            let hidden = ids[row];
            ids[row] = self.replacement(hidden, draw);
            (row, hidden)
        };
        chosen.into_iter().map(&mut hide).collect()
    }

    /// The tokens that may be chosen, those that are chosen together side by side.
    pub(super) fn words_of(&self, ids: &[u32]) -> Vec<Range<usize>> {
        let Special { class, separator, .. } = self.tokens.special;
        let mut words: Vec<Range<usize>> = Vec::new();
        for (at, &id) in ids.iter().enumerate() {
            if id == class || id == separator || Some(id) == self.tokens.eos {
                continue;
            }
            match words.last_mut() {
                Some(word)
                    if self.settings.whole_words && word.end == at && !self.tokens.words.starts(id) =>
                {
                    word.end = at + 1;
                }
                _ => words.push(at..at + 1),
            }
        }
        words
    }

    pub(super) fn replacement(&self, id: u32, draw: &mut Draw) -> u32 {
        replacement(&self.tokens, id, draw)
    }
}

/// The tokens of a text.
pub(super) fn length(context: usize, draw: &mut Draw) -> usize {
    match draw.chance(SHORT) {
        true => SHORTEST + draw.below(context - SHORTEST + 1),
        false => context,
    }
}

/// What stands in the place of a token that is to be predicted.
pub(super) fn replacement(tokens: &MaskedTokens, id: u32, draw: &mut Draw) -> u32 {
    let ordinary = tokens.words.ordinary();
    match draw.uniform() {
        share if share < REPLACED => tokens.special.mask,
        share if share < REPLACED + ANY && !ordinary.is_empty() => ordinary[draw.below(ordinary.len())],
        _ => id,
    }
}

impl Objective for Masked {
    fn batch(&self, windows: &dyn Windows, numbers: Range<u64>, passes: usize) -> Result<Batch> {
        let context = windows.context();
        if context < SHORTEST {
            let needed = SHORTEST as u64;
            return Err(Error::TooShort { part: "training", tokens: context as u64, needed });
        }
        let examples: Vec<Example> =
            numbers.map(|number| self.example(windows, number)).collect::<Result<_>>()?;
        Ok(batch(&examples, context, self.tokens.special.padding, passes, self.settings.next_sentence))
    }

    fn shortest(&self) -> usize {
        SHORTEST
    }

    fn predicts_every_token(&self) -> bool {
        false
    }

    fn figures(&self, losses: &[Losses]) -> Figures {
        let mut figures = Figures::new();
        let mut tell = |name: &str, mean: Mean| {
            figures.insert(format!("{name}_loss"), mean.loss);
            figures.insert(format!("{name}_accuracy"), mean.accuracy);
        };
        tell("masked", Mean::of(losses.iter().map(|losses| &losses.tokens)));
        if losses.iter().any(|losses| losses.classes.is_some()) {
            tell("next_sentence", Mean::of(losses.iter().filter_map(|losses| losses.classes.as_ref())));
        }
        figures
    }

    fn settings(&self) -> Option<serde_json::Value> {
        let parts = if self.settings.next_sentence { "sentences" } else { "windows" };
        Some(serde_json::json!(["masked", self.settings, parts]))
    }
}

/// The parts of a text.
pub(super) struct Parts {
    pub first: Vec<u32>,
    pub second: Option<Vec<u32>>,
    /// 0 where the second follows the first, 1 where it comes from elsewhere.
    pub label: u32,
}

impl Parts {
    pub fn one(first: Vec<u32>) -> Self {
        Self { first, second: None, label: 0 }
    }
}

/// One text with what is to be predicted in it.
struct Example {
    ids: Vec<u32>,
    length: usize,
    /// Where the second segment begins.
    second: usize,
    label: u32,
    /// Rows and tokens.
    targets: Vec<(usize, u32)>,
}

impl Example {
    fn new(parts: &Parts, special: Special) -> Self {
        let mut ids = vec![special.class];
        ids.extend(&parts.first);
        ids.push(special.separator);
        let second = ids.len();
        if let Some(part) = &parts.second {
            ids.extend(part);
            ids.push(special.separator);
        }
        Self { length: ids.len(), second, label: parts.label, targets: Vec::new(), ids }
    }
}

/// The examples side by side, filled up to `context` tokens each.
fn batch(examples: &[Example], context: usize, padding: u32, passes: usize, next_sentence: bool) -> Batch {
    let (mut ids, mut segments, mut ranges) = (Vec::new(), Vec::new(), Vec::new());
    let (mut rows, mut targets) = (Vec::new(), Vec::new());
    for (number, example) in examples.iter().enumerate() {
        ids.extend(example.ids.iter().copied().chain(std::iter::repeat(padding)).take(context));
        segments.extend((0..context).map(|at| u32::from(at >= example.second && at < example.length)));
        ranges.extend(std::iter::repeat_n([0, example.length as u32], context));
        rows.extend(example.targets.iter().map(|(row, _)| (number * context + row) as u32));
        targets.extend(example.targets.iter().map(|(_, id)| *id));
    }
    let mask =
        AttentionMask::new(examples.len(), context, ranges).expect("a text is no longer than the context");
    let weights = vec![1.0 / (targets.len() * passes) as f32; targets.len()];
    let labels = examples.iter().map(|example| example.label).collect();
    let classes = Classes {
        texts: None,
        labels,
        weights: vec![1.0 / (examples.len() * passes) as f32; examples.len()],
    };
    Batch {
        source: Text { segments, mask, ..Text::bidirectional(ids, examples.len()) },
        answer: None,
        targets: Targets { rows: Some(rows), ids: targets, weights },
        classes: next_sentence.then_some(classes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECIAL: Special = Special { padding: 100, class: 101, separator: 102, mask: 103 };
    const END: u32 = 0;

    /// Two hundred windows of counted tokens: every fiftieth ends a document, those that 5 divides end a sentence.
    struct Counted;

    impl Windows for Counted {
        fn count(&self) -> u64 {
            200
        }

        fn context(&self) -> usize {
            32
        }

        fn read(&self, number: u64, ids: &mut [u32]) -> Result<()> {
            let token = |at: u64| if at % 50 == 49 { END } else { 1 + (at % 90) as u32 };
            ids.iter_mut().zip(number * 32..).for_each(|(id, at)| *id = token(at));
            Ok(())
        }
    }

    fn masked(settings: MaskedSettings) -> Masked {
        let words = Words::made_up(100, |id| id % 2 == 1, |id| id % 5 == 0);
        Masked::new(settings, MaskedTokens { special: SPECIAL, eos: Some(END), words }, 3)
    }

    /// The batch with its masks taken out again.
    fn restored(batch: &Batch) -> Vec<u32> {
        let mut ids = batch.source.ids.clone();
        let rows = batch.targets.rows.as_ref().unwrap();
        rows.iter().zip(&batch.targets.ids).for_each(|(&row, &id)| ids[row as usize] = id);
        ids
    }

    #[test]
    fn a_batch_follows_from_seed_and_number() {
        let whole = masked(MaskedSettings::default()).batch(&Counted, 4..8, 1).unwrap();
        let part = masked(MaskedSettings::default()).batch(&Counted, 6..8, 1).unwrap();
        assert_eq!(whole.source.ids[64..], part.source.ids);
        assert_eq!(whole.classes.unwrap().labels[2..], part.classes.unwrap().labels);
    }

    #[test]
    fn a_text_has_two_parts_of_which_the_second_follows_or_not() {
        let batch = masked(MaskedSettings::default()).batch(&Counted, 0..200, 1).unwrap();
        let labels = &batch.classes.as_ref().unwrap().labels;
        let elsewhere = labels.iter().filter(|label| **label == 1).count();
        assert!((80..140).contains(&elsewhere), "{elsewhere} of 200 come from elsewhere");
        let (ids, segments) = (restored(&batch), &batch.source.segments);
        let mut shorter = 0;
        for (number, (text, segments)) in ids.chunks_exact(32).zip(segments.chunks_exact(32)).enumerate() {
            let length = text.iter().position(|&id| id == SPECIAL.padding).unwrap_or(32);
            shorter += usize::from(length < 32);
            let middle = text.iter().position(|&id| id == SPECIAL.separator).unwrap();
            assert_eq!((text[0], text[length - 1]), (SPECIAL.class, SPECIAL.separator));
            assert_eq!(segments.iter().position(|&segment| segment == 1), Some(middle + 1));
            assert!(segments[length..].iter().all(|&segment| segment == 0));
            assert!(!text.contains(&END), "text {number} goes over the end of a document");
        }
        assert!((20..195).contains(&shorter), "{shorter} of 200 are shorter");
    }

    #[test]
    fn of_what_is_to_be_predicted_eight_in_ten_are_masks() {
        let batch = masked(MaskedSettings::default()).batch(&Counted, 0..200, 1).unwrap();
        let rows = batch.targets.rows.as_ref().unwrap();
        let tokens = restored(&batch).iter().filter(|&&id| id != SPECIAL.padding).count();
        let share = |count: usize, of: usize| count as f64 / of as f64;
        assert!((share(rows.len(), tokens) - 0.15).abs() < 0.01, "{} of {tokens}", rows.len());
        let shown: Vec<u32> = rows.iter().map(|&row| batch.source.ids[row as usize]).collect();
        let masks = shown.iter().filter(|&&id| id == SPECIAL.mask).count();
        let same = shown.iter().zip(&batch.targets.ids).filter(|(shown, hidden)| shown == hidden).count();
        assert!((share(masks, rows.len()) - 0.8).abs() < 0.05, "{masks} masks of {}", rows.len());
        assert!((share(same, rows.len()) - 0.1).abs() < 0.04, "{same} stay of {}", rows.len());
        let special = [SPECIAL.class, SPECIAL.separator, SPECIAL.padding, END];
        assert!(batch.targets.ids.iter().all(|id| !special.contains(id)), "special tokens are not predicted");
        assert!((batch.targets.weights.iter().sum::<f32>() - 1.0).abs() < 1e-3);
    }

    #[test]
    fn whole_words_are_masked_whole() {
        let settings = MaskedSettings { whole_words: true, share: 0.4, next_sentence: false };
        let batch = masked(settings).batch(&Counted, 0..50, 1).unwrap();
        assert!(batch.classes.is_none());
        let rows = batch.targets.rows.as_ref().unwrap();
        let ids = restored(&batch);
        let chosen = |row: u32| rows.contains(&row);
        // Even tokens go on with a word, but none goes over the end of a document.
        for row in 0..ids.len() as u32 - 1 {
            let (this, next) = (ids[row as usize], ids[row as usize + 1]);
            if (1..100).contains(&this) && (1..100).contains(&next) && next % 2 == 0 {
                assert_eq!(chosen(row), chosen(row + 1), "row {row}: {this} {next}");
            }
        }
    }

    #[test]
    fn a_short_window_is_an_error() {
        struct Short;
        impl Windows for Short {
            fn count(&self) -> u64 {
                1
            }
            fn context(&self) -> usize {
                7
            }
            fn read(&self, _: u64, _: &mut [u32]) -> Result<()> {
                Ok(())
            }
        }
        assert!(masked(MaskedSettings::default()).batch(&Short, 0..1, 1).is_err());
        assert!(MaskedSettings { share: 0.0, ..MaskedSettings::default() }.check().is_err());
    }
}
