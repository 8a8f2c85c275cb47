use std::ops::Range;

use nuwa_infer::Window;
use nuwa_tokenizer::Tokenizer;

use super::{Plan, words};
use crate::Result;

/// How much text there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    pub tokens: u64,
    pub words: u64,
    pub characters: u64,
    pub bytes: u64,
}

impl Size {
    fn of(text: &str, tokens: usize) -> Self {
        Self {
            tokens: tokens as u64,
            words: words(text),
            characters: text.chars().count() as u64,
            bytes: text.len() as u64,
        }
    }
}

/// A text as ids, cut into the blocks that are scored.
#[derive(Debug)]
pub struct Document {
    /// The start of a text, then the text.
    ids: Vec<u32>,
    pub blocks: Vec<Block>,
    pub size: Size,
    /// Whether decoding gives the text again.
    pub comes_back: bool,
}

/// Ids that one window scores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The window, as places in the document's ids.
    pub seen: Range<usize>,
    /// The first place that is scored; all to the end of the window are.
    scored_from: usize,
    /// The text of what is scored.
    pub size: Size,
}

impl Document {
    pub fn new(text: &str, tokenizer: &Tokenizer, plan: Plan) -> Result<Self> {
        let mut ids = vec![plan.start];
        ids.extend(tokenizer.encode(text).map_err(nuwa_infer::Error::from)?);
        let mut decoder = tokenizer.stream_decoder();
        let mut rest = Some(text);
        let mut blocks = Vec::new();
        for (seen, scored_from) in spans(ids.len(), plan) {
            let mut written = String::new();
            for &id in &ids[scored_from..seen.end] {
                written.extend(decoder.push(id).map_err(nuwa_infer::Error::from)?);
            }
            if seen.end == ids.len() {
                written.push_str(&decoder.finish());
            }
            rest = rest.and_then(|rest| rest.strip_prefix(written.as_str()));
            let size = Size::of(&written, seen.end - scored_from);
            blocks.push(Block { seen, scored_from, size });
        }
        let size = Size::of(text, ids.len() - 1);
        Ok(Self { ids, blocks, size, comes_back: rest == Some("") })
    }

    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    pub fn window(&self, block: &Block) -> Window<'_> {
        Window { ids: &self.ids[block.seen.clone()], scored_from: block.scored_from - block.seen.start }
    }
}

/// The windows over `length` ids, of which the first is only seen, each with the first place it scores.
///
/// The first window scores all it sees. Each later one scores the next `stride` ids and reaches back as far as the
/// context allows.
fn spans(length: usize, plan: Plan) -> impl Iterator<Item = (Range<usize>, usize)> {
    let mut scored_from = 1;
    std::iter::from_fn(move || {
        if scored_from >= length {
            return None;
        }
        let most = if scored_from == 1 { plan.context } else { plan.stride };
        let end = length.min(scored_from + most);
        let first = end.saturating_sub(plan.context + 1);
        Some((first..end, std::mem::replace(&mut scored_from, end)))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn windows_reach_back_as_far_as_the_context_allows() {
        let plan = Plan { start: 0, context: 4, stride: 2 };
        let windows: Vec<_> = spans(10, plan).collect();
        assert_eq!(windows, [(0..5, 1), (2..7, 5), (4..9, 7), (5..10, 9)]);
        assert_eq!(spans(3, plan).collect::<Vec<_>>(), [(0..3, 1)]);
        assert_eq!(spans(1, plan).count(), 0);
    }

    proptest! {
        #[test]
        fn each_place_is_scored_once_with_enough_before_it(
            length in 1_usize..300,
            context in 1_usize..60,
            share in 0.0..1.0,
        ) {
            let stride = ((context as f64 * share) as usize).max(1);
            let mut next = 1;
            for (seen, scored_from) in spans(length, Plan { start: 0, context, stride }) {
                prop_assert_eq!(scored_from, next);
                prop_assert!(seen.start < scored_from && scored_from < seen.end && seen.len() <= context + 1);
                let seen_before = scored_from - seen.start;
                prop_assert!(seen.start == 0 || seen_before > context - stride, "{} before", seen_before);
                next = seen.end;
            }
            prop_assert_eq!(next, length);
        }
    }
}
