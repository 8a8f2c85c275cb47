//! Two parts of a text, of which the second follows the first or not, as the authors of BERT make them (`create_pretraining_data.py`,
//! Devlin et al. 2018).
//!
//! Whole sentences of one document are taken until they fill a text, or in a tenth of the texts any shorter length. `A` is a random
//! number of them, at least one. `B` is the rest; in half of the texts, and where there is no rest, it is whole sentences from a
//! random one on of another document, as many as the rest would be. What is too long loses tokens of the longer part, at either end
//! with the same chance. Documents are met with chances as large as they are long: a text begins with the first sentence, in its
//! window, of the document of a token that is drawn from the window.

use std::ops::Range;

use super::draw::Draw;
use super::masked::{MaskedTokens, Parts, SHORT};
use super::{Windows, read_on};
use crate::Result;

/// What is to be known of tokens to tell sentences and documents.
pub(super) struct Sentences<'a>(&'a MaskedTokens);

/// Windows that are looked at for another document, before one is taken whatever it is of.
const MOST_TRIES: usize = 10;
/// Tokens that are read beyond those that are wanted, so that the last sentence is whole.
const SENTENCE: usize = 64;

impl<'a> Sentences<'a> {
    pub fn of(tokens: &'a MaskedTokens) -> Self {
        Self(tokens)
    }

    /// The parts of text `number`.
    pub fn pair(&self, windows: &dyn Windows, number: u64, draw: &mut Draw) -> Result<Parts> {
        let most = windows.context() - 3;
        let wanted = if draw.chance(SHORT) { 2 + draw.below(most - 1) } else { most };
        let own = read_on(windows, number, wanted + SENTENCE)?;
        let document = self.drawn(&own, windows.context(), draw);
        let sentences = self.filling(self.whole(windows, number, &own, document.clone())?, &own, wanted);
        let count = if sentences.len() > 1 { 1 + draw.below(sentences.len() - 1) } else { 1 };
        let of = |sentences: &[Range<usize>]| -> Vec<u32> {
            sentences.iter().flat_map(|sentence| own[sentence.clone()].iter().copied()).collect()
        };
        let (mut first, mut second) = (of(&sentences[..count]), of(&sentences[count..]));
        let mut label = 0;
        if windows.count() > 1 && (second.is_empty() || draw.chance(0.5)) {
            let wanted = wanted.saturating_sub(first.len()).max(1);
            let stretch = Stretch::of(start(windows, number), &document, own.len());
            second = self.elsewhere(windows, number, wanted, &stretch, draw)?;
            label = 1;
        }
        if second.is_empty() {
            // There is no elsewhere: the only sentence is parted.
            second = first.split_off(first.len() / 2);
        }
        shorten([&mut first, &mut second], most, draw);
        Ok(Parts { first, second: Some(second), label })
    }

    /// The document, among `ids`, of a token that is drawn from the `first` of them.
    fn drawn(&self, ids: &[u32], first: usize, draw: &mut Draw) -> Range<usize> {
        let documents = self.documents(ids);
        let inside: usize = documents.iter().map(|own| within(own, first)).sum();
        if inside == 0 {
            return 0..ids.len();
        }
        let mut place = draw.below(inside);
        for document in documents {
            let tokens = within(&document, first);
            if place < tokens {
                return document;
            }
            place -= tokens;
        }
        0..ids.len()
    }

    /// The documents, without what ends them.
    fn documents(&self, ids: &[u32]) -> Vec<Range<usize>> {
        let mut start = 0;
        let documents = ids.split(|id| Some(*id) == self.0.eos).map(|document| {
            let own = start..start + document.len();
            start = own.end + 1;
            own
        });
        documents.filter(|document| !document.is_empty()).collect()
    }

    /// What is left of a document without the sentence that began before the window.
    fn whole(
        &self,
        windows: &dyn Windows,
        number: u64,
        ids: &[u32],
        document: Range<usize>,
    ) -> Result<Range<usize>> {
        let mut before = [0];
        let is_cut = document.start == 0
            && windows.read_before(number, &mut before)?
            && Some(before[0]) != self.0.eos
            && !self.0.words.ends_sentence(before[0]);
        let next = |at: &usize| self.0.words.ends_sentence(ids[*at]) && *at + 1 < document.end;
        let start = document.clone().find(next).filter(|_| is_cut).map_or(document.start, |end| end + 1);
        Ok(start..document.end)
    }

    /// The sentences of a document from its beginning on until they have so many tokens.
    fn filling(&self, document: Range<usize>, ids: &[u32], wanted: usize) -> Vec<Range<usize>> {
        let (mut sentences, mut start) = (Vec::new(), document.start);
        for at in document.clone() {
            if self.0.words.ends_sentence(ids[at]) || at + 1 == document.end {
                sentences.push(start..at + 1);
                start = at + 1;
                if start - document.start >= wanted {
                    break;
                }
            }
        }
        sentences
    }

    /// Whole sentences with so many tokens of another document than `own`.
    fn elsewhere(
        &self,
        windows: &dyn Windows,
        number: u64,
        wanted: usize,
        own: &Stretch,
        draw: &mut Draw,
    ) -> Result<Vec<u32>> {
        let mut found = Vec::new();
        for _ in 0..MOST_TRIES {
            let others = draw.below(windows.count() as usize - 1) as u64 + 1;
            let other = (number + others) % windows.count();
            let ids = read_on(windows, other, wanted + SENTENCE)?;
            let start = start(windows, other);
            let begun =
                self.documents(&ids).into_iter().filter(|document| document.start < windows.context());
            let (others, same): (Vec<_>, Vec<_>) =
                begun.partition(|document| Stretch::of(start, document, ids.len()).is_of_another_than(own));
            let documents = if others.is_empty() { &same } else { &others };
            let Some(document) = documents.get(draw.below(documents.len().max(1))) else { continue };
            let document = self.whole(windows, other, &ids, document.clone())?;
            found = self.sentences_from_one_on(document, windows.context(), &ids, wanted, draw);
            if !others.is_empty() {
                break;
            }
        }
        Ok(found)
    }

    /// Sentences of a document from a random one on that begins within the `first` tokens.
    fn sentences_from_one_on(
        &self,
        document: Range<usize>,
        first: usize,
        ids: &[u32],
        wanted: usize,
        draw: &mut Draw,
    ) -> Vec<u32> {
        let mut all = self.filling(document.clone(), ids, usize::MAX);
        all.retain(|sentence| sentence.start < first);
        let begins = all.get(draw.below(all.len().max(1))).map_or(document.start, |own| own.start);
        let chosen = self.filling(begins..document.end, ids, wanted);
        chosen.into_iter().flat_map(|sentence| ids[sentence].iter().copied()).collect()
    }
}

/// What was read of a document: the numbers of its tokens, and whether the document begins and ends with them.
struct Stretch {
    tokens: Range<u64>,
    begins: bool,
    ends: bool,
}

impl Stretch {
    /// The tokens `document` among so many that were read from number `start` on.
    fn of(start: u64, document: &Range<usize>, read: usize) -> Self {
        let tokens = start + document.start as u64..start + document.end as u64;
        Self { tokens, begins: document.start > 0, ends: document.end < read }
    }

    /// Whether it is certain that the two are of two documents: that one begins or ends between them.
    fn is_of_another_than(&self, own: &Self) -> bool {
        let (first, second) = if self.tokens.start < own.tokens.start { (self, own) } else { (own, self) };
        let is_apart = first.ends && first.tokens.end <= second.tokens.start;
        first.tokens.start != second.tokens.start && (second.begins || is_apart)
    }
}

/// The number of a window's first token, or what orders it among others.
fn start(windows: &dyn Windows, number: u64) -> u64 {
    windows.place(number).map_or(number * windows.context() as u64, |(_, start)| start)
}

/// Tokens of a document among the first `length`.
fn within(document: &Range<usize>, length: usize) -> usize {
    document.end.min(length).saturating_sub(document.start)
}

/// Takes tokens off the longer part until both have so many.
fn shorten(parts: [&mut Vec<u32>; 2], most: usize, draw: &mut Draw) {
    let [first, second] = parts;
    while first.len() + second.len() > most {
        let longer = if first.len() > second.len() { &mut *first } else { &mut *second };
        match draw.chance(0.5) {
            true => drop(longer.remove(0)),
            false => drop(longer.pop()),
        }
    }
}

#[cfg(test)]
mod tests {
    use nuwa_tensor::Random;

    use super::*;
    use crate::objectives::{Special, Words};

    const SPECIAL: Special = Special { padding: 1000, class: 1001, separator: 1002, mask: 1003 };
    const DOCUMENT: u64 = 90;

    /// Documents of ninety tokens: in each, tokens say the document, and every sixth ends a sentence.
    struct Documents;

    fn token(at: u64) -> u32 {
        match at % DOCUMENT {
            last if last == DOCUMENT - 1 => 0,
            place => (1 + 2 * (at / DOCUMENT) + u64::from(place % 6 == 5)) as u32,
        }
    }

    impl Windows for Documents {
        fn count(&self) -> u64 {
            300
        }

        fn context(&self) -> usize {
            64
        }

        fn read(&self, number: u64, ids: &mut [u32]) -> Result<()> {
            ids.iter_mut().zip(number * 64..).for_each(|(id, at)| *id = token(at));
            Ok(())
        }

        fn read_before(&self, number: u64, ids: &mut [u32]) -> Result<bool> {
            let Some(first) = (number * 64).checked_sub(ids.len() as u64) else { return Ok(false) };
            ids.iter_mut().zip(first..).for_each(|(id, at)| *id = token(at));
            Ok(true)
        }

        fn read_behind(&self, number: u64, ids: &mut [u32]) -> Result<usize> {
            ids.iter_mut().zip((number + 1) * 64..).for_each(|(id, at)| *id = token(at));
            Ok(ids.len())
        }
    }

    fn tokens() -> MaskedTokens {
        let words = Words::made_up(1000, |_| true, |id| id > 0 && id % 2 == 0);
        MaskedTokens { special: SPECIAL, eos: Some(0), words }
    }

    fn pairs() -> Vec<Parts> {
        let tokens = tokens();
        let of = |number: u64| {
            let mut draw = Draw::new(Random::new(number));
            Sentences::of(&tokens).pair(&Documents, number, &mut draw).unwrap()
        };
        (0..300).map(of).collect()
    }

    /// The document of a token.
    fn document(id: u32) -> u32 {
        (id - 1) / 2
    }

    #[test]
    fn parts_are_of_one_document_each_and_of_two_where_the_second_comes_from_elsewhere() {
        let mut elsewhere = 0;
        for Parts { first, second, label } in pairs() {
            let second = second.unwrap();
            assert!(!first.is_empty() && !second.is_empty() && first.len() + second.len() <= 61);
            let of = |part: &[u32]| {
                assert!(part.iter().all(|id| document(*id) == document(part[0])), "{part:?}");
                document(part[0])
            };
            assert_eq!(of(&first) != of(&second), label == 1);
            elsewhere += label;
        }
        assert!((130..200).contains(&elsewhere), "{elsewhere} of 300");
    }

    #[test]
    fn sentences_are_whole_where_nothing_is_too_long() {
        let (mut whole, mut short) = (0, 0);
        for Parts { first, second, .. } in pairs() {
            let second = second.unwrap();
            let all = first.len() + second.len();
            short += usize::from(all < 50);
            if all < 61 {
                // A tail of fewer tokens is all that the window has of its document.
                let ends = |part: &[u32]| matches!(part.len() % 6, 0 | 5) || part.len() < 5;
                assert!(ends(&first) && ends(&second), "{} and {}", first.len(), second.len());
                whole += 1;
            }
        }
        // Documents have ninety tokens: some end before a text is full.
        assert!(whole > 60 && (20..200).contains(&short), "{whole} whole, {short} short");
    }

    #[test]
    fn two_stretches_are_of_two_documents_where_one_begins_or_ends_between_them() {
        let of = |start: u64, document: Range<usize>| Stretch::of(start, &document, 100);
        let own = of(1000, 0..100);
        assert!(!of(1100, 0..50).is_of_another_than(&own), "the document may go on");
        assert!(of(1100, 7..50).is_of_another_than(&own), "one begins there");
        assert!(of(1100, 0..50).is_of_another_than(&of(1000, 0..90)), "the own one ended");
        assert!(of(900, 0..50).is_of_another_than(&own), "that one ended before");
        assert!(!of(900, 0..100).is_of_another_than(&own));
        assert!(of(900, 0..100).is_of_another_than(&of(1000, 3..100)), "the own one begins later");
        assert!(!of(1001, 2..50).is_of_another_than(&of(1000, 3..80)), "the same beginning");
    }

    #[test]
    fn the_longer_part_is_shortened_at_both_ends() {
        let (mut first, mut second) = ((0..20).collect::<Vec<u32>>(), vec![90, 91, 92]);
        shorten([&mut first, &mut second], 10, &mut Draw::new(Random::new(1)));
        assert_eq!((first.len(), second.as_slice()), (7, &[90, 91, 92][..]));
        assert!(first[0] > 0 && first[6] < 19, "{first:?}");
    }
}
