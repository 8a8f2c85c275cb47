//! Rendered dialogues cut to the context and gathered into steps, each accounted for.
//!
//! Examples of dialogues go through the model one after the other in one long row, each seeing itself alone, so there is
//! neither padding nor an example that does not fit in: nothing can clog.

use std::collections::BTreeMap;

use nuwa_tensor::Random;
use serde::{Deserialize, Serialize};

use crate::LongDialogues;
use crate::render::Rendered;

/// Ids of which each but the first is predicted from those before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// At least two.
    pub ids: Vec<u32>,
    /// Whether the model learns to give this id; never the first.
    pub trained: Vec<bool>,
    /// Another id in the place of the last one, and its share of the loss there, above 0 and below 1: what is rated by several
    /// people has no one right rating.
    pub other: Option<(u32, f32)>,
}

impl Example {
    fn new(rendered: &Rendered, start: usize, end: usize) -> Self {
        Self::after(rendered, start, start, end)
    }

    /// From `start` to `end`, after what stands between `first` and `start`, which is trained on elsewhere.
    fn after(rendered: &Rendered, first: usize, start: usize, end: usize) -> Self {
        let mut trained = rendered.trained[first..end].to_vec();
        trained[..=start - first].fill(false);
        Self::of(rendered.ids[first..end].to_vec(), trained)
    }

    /// These ids, of which those marked are learnt.
    pub fn of(ids: Vec<u32>, trained: Vec<bool>) -> Self {
        Self { ids, trained, other: None }
    }

    /// How many positions of the model it takes.
    pub fn positions(&self) -> usize {
        self.ids.len() - 1
    }

    /// How many ids are trained on.
    pub fn trained_tokens(&self) -> usize {
        self.trained.iter().filter(|&&trained| trained).count()
    }
}

/// What became of every dialogue.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PackingStats {
    /// Dialogues in all.
    pub dialogues: u64,
    /// Dialogues that are used whole.
    pub whole: u64,
    /// Dialogues that were cut into several examples.
    pub split: u64,
    /// Dialogues of which only the beginning is used.
    pub truncated: u64,
    /// Dialogues, of those used whole, that stand in one conversation with others.
    #[serde(default)]
    pub joined: u64,
    /// Dialogues that are not used, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Examples that hold no token to train on; what they stood before is in other examples.
    pub empty_pieces: u64,
    /// Tokens of earlier examples that later ones begin with, to see as much as the context holds.
    #[serde(default)]
    pub repeated_tokens: u64,
    /// Examples that are trained on.
    pub pieces: u64,
    /// Their positions.
    pub tokens: u64,
    /// Their tokens that are trained on.
    pub trained_tokens: u64,
    /// Positions of the longest example: as far into the context answers are trained.
    #[serde(default)]
    pub longest: u64,
    /// Ratings of answers, an example each, besides the dialogues; `tokens` and `trained_tokens` count theirs too.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ratings: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Cuts dialogues into examples of at most `context` positions.
#[derive(Debug)]
pub struct Packer {
    context: usize,
    long: LongDialogues,
    examples: Vec<Example>,
    stats: PackingStats,
}

impl Packer {
    /// For a model of that context.
    pub fn new(context: usize, long: LongDialogues) -> Self {
        Self { context, long, examples: Vec::new(), stats: PackingStats::default() }
    }

    /// Takes in one dialogue.
    pub fn add(&mut self, rendered: &Rendered) {
        self.stats.dialogues += 1;
        let fits = rendered.ids.len() <= self.context + 1;
        match self.long {
            _ if fits => self.whole(rendered, 1),
            LongDialogues::Drop => self.drop("longer than the context"),
            LongDialogues::Truncate => match self.keep(Example::new(rendered, 0, self.context + 1)) {
                true => self.stats.truncated += 1,
                false => self.drop("longer than the context, with no answer in its beginning"),
            },
            LongDialogues::Split => self.split(rendered),
        }
    }

    /// Takes in a conversation joined from `dialogues` dialogues, which fits the context.
    pub fn add_joined(&mut self, rendered: &Rendered, dialogues: u64) {
        self.stats.dialogues += dialogues;
        self.stats.joined += dialogues;
        self.whole(rendered, dialogues);
    }

    /// Takes in an example of a rating.
    pub fn add_rating(&mut self, example: Example) {
        self.stats.ratings += u64::from(self.keep(example));
    }

    /// The examples, and what became of each dialogue.
    pub fn finish(self) -> (Vec<Example>, PackingStats) {
        (self.examples, self.stats)
    }

    fn whole(&mut self, rendered: &Rendered, dialogues: u64) {
        let length = rendered.ids.len();
        match length > 1 && self.keep(Example::new(rendered, 0, length)) {
            true => self.stats.whole += dialogues,
            false => self.drop("no token to train on"),
        }
    }

    fn split(&mut self, rendered: &Rendered) {
        let (mut start, mut kept) = (0, 0);
        while start + 1 < rendered.ids.len() {
            let (end, next) = self.cut(rendered, start);
            let first = self.first_seen(rendered, start, end);
            match self.keep(Example::after(rendered, first, start, end)) {
                true => {
                    kept += 1;
                    self.stats.repeated_tokens += (start - first) as u64;
                }
                false => self.stats.empty_pieces += 1,
            }
            start = next;
        }
        match kept {
            0 => self.drop("no token to train on"),
            _ => self.stats.split += 1,
        }
    }

    /// Where the example that begins at `start` ends and where the next begins: before a turn that is no answer, so that none
    /// loses its question, or else in the midst of a turn, whose last id is then the first that the next example sees.
    fn cut(&self, rendered: &Rendered, start: usize) -> (usize, usize) {
        let most = start + self.context + 1;
        if most >= rendered.ids.len() {
            return (rendered.ids.len(), rendered.ids.len());
        }
        let can_end = |&turn: &usize| turn > start + 1 && turn <= most && !is_answer(rendered, turn);
        let between = rendered.turns.iter().copied().filter(can_end).max();
        between.map_or((most, most - 1), |turn| (turn, turn))
    }

    /// Where what the example from `start` to `end` sees begins: as early as the context allows, at a turn that is no answer, or,
    /// of a turn that is cut, in its midst.
    fn first_seen(&self, rendered: &Rendered, start: usize, end: usize) -> usize {
        let earliest = end.saturating_sub(self.context + 1);
        let turns = rendered.turns.iter().copied();
        let mut whole = turns.filter(|&turn| turn >= earliest && !is_answer(rendered, turn));
        whole.find(|&turn| turn <= start).unwrap_or(earliest.min(start))
    }

    fn keep(&mut self, example: Example) -> bool {
        let trained = example.trained_tokens();
        if trained == 0 {
            return false;
        }
        self.stats.pieces += 1;
        self.stats.tokens += example.positions() as u64;
        self.stats.trained_tokens += trained as u64;
        self.stats.longest = self.stats.longest.max(example.positions() as u64);
        self.examples.push(example);
        true
    }

    fn drop(&mut self, reason: &str) {
        *self.stats.dropped.entry(reason.into()).or_default() += 1;
    }
}

/// Which of `sizes` each step uses: every epoch all of them once, in an order of its own that follows from `seed`, as many
/// a step as make up `batch`.
pub fn steps(sizes: &[usize], batch: usize, epochs: u64, seed: u64) -> Vec<Vec<usize>> {
    let random = Random::new(seed).named("order");
    (0..epochs)
        .flat_map(|epoch| groups(random.stream(epoch).permutation(sizes.len()), sizes, batch))
        .collect()
}

/// Cuts `order` into runs whose sizes sum up to at most `limit`; one that is larger makes a run of its own.
pub fn groups(order: impl IntoIterator<Item = usize>, sizes: &[usize], limit: usize) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut filled = usize::MAX;
    for index in order {
        if filled.saturating_add(sizes[index]) > limit {
            groups.push(Vec::new());
            filled = 0;
        }
        filled += sizes[index];
        if let Some(group) = groups.last_mut() {
            group.push(index);
        }
    }
    groups
}

/// Whether the turn that begins at `start` is trained on.
fn is_answer(rendered: &Rendered, start: usize) -> bool {
    let end = rendered.turns.iter().copied().find(|&turn| turn > start).unwrap_or(rendered.ids.len());
    rendered.trained[start..end].contains(&true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Turns of a question (not trained on) and an answer, of the given lengths.
    fn dialogue(lengths: &[(usize, usize)]) -> Rendered {
        let mut rendered = Rendered::default();
        for &(question, answer) in lengths {
            for (length, trained) in [(question, false), (answer, true)] {
                rendered.turns.push(rendered.ids.len());
                rendered.ids.extend(rendered.ids.len() as u32..(rendered.ids.len() + length) as u32);
                rendered.trained.resize(rendered.ids.len(), trained);
            }
        }
        rendered
    }

    fn packed(context: usize, long: LongDialogues, dialogues: &[Rendered]) -> (Vec<Example>, PackingStats) {
        let mut packer = Packer::new(context, long);
        dialogues.iter().for_each(|dialogue| packer.add(dialogue));
        packer.finish()
    }

    #[test]
    fn long_dialogues_are_cut_before_questions() {
        let (examples, stats) = packed(10, LongDialogues::Split, &[dialogue(&[(3, 3), (3, 3), (2, 2)])]);
        let spans: Vec<(u32, u32)> =
            examples.iter().map(|example| (example.ids[0], *example.ids.last().unwrap())).collect();
        assert_eq!(spans, [(0, 5), (6, 15)]);
        assert_eq!((stats.split, stats.whole, stats.trained_tokens), (1, 0, 3 + 3 + 2));
    }

    #[test]
    fn a_turn_longer_than_the_context_is_cut_and_loses_no_token() {
        let (examples, stats) = packed(4, LongDialogues::Split, &[dialogue(&[(2, 11)])]);
        assert_eq!((stats.trained_tokens, stats.empty_pieces), (11, 0));
        assert!(examples.iter().all(|example| example.positions() <= 4));
    }

    #[test]
    fn pieces_of_a_long_dialogue_see_as_much_as_the_context_holds() {
        let (examples, stats) = packed(128, LongDialogues::Split, &[dialogue(&[(2400, 5)])]);
        assert_eq!((examples.len(), examples[0].positions(), examples[0].trained_tokens()), (1, 128, 5));
        assert_eq!((stats.split, stats.longest), (1, 128));
        let (examples, stats) = packed(20, LongDialogues::Split, &[dialogue(&[(5, 5), (5, 5), (5, 5)])]);
        let spans: Vec<(u32, u32)> =
            examples.iter().map(|example| (example.ids[0], *example.ids.last().unwrap())).collect();
        assert_eq!(spans, [(0, 19), (10, 29)], "the second question is seen again before the third");
        assert_eq!((stats.trained_tokens, stats.repeated_tokens), (15, 10));
    }

    #[test]
    fn what_is_dropped_is_counted_with_the_reason() {
        let long = dialogue(&[(20, 2)]);
        let (examples, stats) = packed(8, LongDialogues::Drop, &[long.clone(), dialogue(&[(1, 1)])]);
        assert_eq!((examples.len(), stats.whole, stats.dropped["longer than the context"]), (1, 1, 1));
        let (_, stats) = packed(8, LongDialogues::Truncate, &[long]);
        assert_eq!(stats.dropped["longer than the context, with no answer in its beginning"], 1);
    }

    proptest! {
        #[test]
        fn every_dialogue_is_accounted_for(
            lengths in prop::collection::vec(prop::collection::vec((1_usize..30, 1_usize..30), 1..6), 1..20),
            context in 2_usize..40,
            way in 0_usize..3,
        ) {
            let long = [LongDialogues::Split, LongDialogues::Truncate, LongDialogues::Drop][way];
            let dialogues: Vec<Rendered> = lengths.iter().map(|turns| dialogue(turns)).collect();
            let (examples, stats) = packed(context, long, &dialogues);
            let dropped: u64 = stats.dropped.values().sum();
            prop_assert_eq!(stats.whole + stats.split + stats.truncated + dropped, dialogues.len() as u64);
            prop_assert!(examples.iter().all(|example| example.trained_tokens() > 0 && !example.trained[0]));
            prop_assert!(examples.iter().all(|example| (1..=context).contains(&example.positions())));
            let sizes: Vec<usize> = examples.iter().map(Example::positions).collect();
            let steps = steps(&sizes, 64, 2, 7);
            let mut used: Vec<usize> = steps.concat();
            used.sort_unstable();
            let twice: Vec<usize> = (0..sizes.len()).flat_map(|index| [index, index]).collect();
            prop_assert_eq!(used, twice);
            prop_assert!(steps.iter().all(|step| !step.is_empty()));
        }
    }
}
