//! Masked words under four masks: Dong et al., "Unified Language Model Pre-training for Natural Language Understanding and
//! Generation" (UniLM, 2019).
//!
//! Of every six texts two are read from both sides, `[CLS] A [SEP] B [SEP]` with BERT's question whether `B` follows `A`; two are
//! sequence to sequence, `A` and what follows it, of which `B` is written from left to right; one is read from left to right and one
//! from right to left, `[CLS] A [SEP]`. Of all tokens a share is chosen in runs: in 80 % of the draws one word, in 20 % two or three
//! side by side, each as often. 80 % of the chosen tokens are replaced by `[MASK]`, 10 % by any token, 10 % stay, and all are
//! to be predicted. Of a sequence to sequence the `[SEP]` at the end may be chosen too, so that the model learns to stop. `A` and `B`
//! are a window of the text, cut after a sentence; which texts are shorter, and what words are, is as [`Masked`](super::Masked) has it.

use std::ops::Range;

use nuwa_models::unilm::Task;
use nuwa_models::{Batch, Classes, Losses, Targets, Text};
use nuwa_tensor::{AttentionMask, Random};

use super::draw::Draw;
use super::masked::{Masked, MaskedTokens, Parts, length};
use super::window_parts::{cut, pair};
use super::{Objective, Windows, read};
use crate::{Error, Figures, MaskedSettings, Result};

/// Predicts masked tokens under four masks.
#[derive(Debug, Clone)]
pub struct Unified {
    masked: Masked,
    tasks: Random,
    random: Random,
}

/// The tasks of six texts.
const OF_SIX: [Task; 6] = [
    Task::BothSides,
    Task::BothSides,
    Task::SequenceToSequence,
    Task::SequenceToSequence,
    Task::LeftToRight,
    Task::RightToLeft,
];

/// Share of the draws that choose one word.
const ONE_WORD: f64 = 0.8;

impl Unified {
    /// The objective of a run with `seed`.
    pub fn new(settings: MaskedSettings, tokens: MaskedTokens, seed: u64) -> Self {
        let random = Random::new(seed);
        Self {
            masked: Masked::new(settings, tokens, seed),
            tasks: random.named("tasks"),
            random: random.named("unified"),
        }
    }

    /// The task of text `number`: those of every six texts are in an order of their own.
    fn task(&self, number: u64) -> Task {
        let group = OF_SIX.len() as u64;
        let order = self.tasks.stream(number / group).permutation(OF_SIX.len());
        OF_SIX[order[(number % group) as usize]]
    }

    fn example(&self, windows: &dyn Windows, number: u64) -> Result<Example> {
        let mut draw = Draw::new(self.random.stream(number));
        let (task, length) = (self.task(number), length(windows.context(), &mut draw));
        let tokens = &self.masked.tokens;
        let parts = match task {
            Task::BothSides if self.masked.settings.next_sentence => {
                pair(tokens, windows, number, length - 3, &mut draw)?
            }
            Task::BothSides | Task::SequenceToSequence => {
                let mut first = read(windows, number, length - 3)?;
                let second = first.split_off(cut(tokens, &first, &mut draw));
                Parts { first, second: Some(second), label: 0 }
            }
            Task::LeftToRight | Task::RightToLeft => Parts::one(read(windows, number, length - 2)?),
        };
        let mut example = Example::new(task, &parts, self.masked.tokens.special);
        let chosen: Vec<usize> = self.choose(&example, &mut draw).into_iter().flatten().collect();
        for row in chosen {
            let hidden = example.ids[row];
            example.ids[row] = self.masked.replacement(hidden, &mut draw);
            example.targets.push((row, hidden));
        }
        Ok(example)
    }

    /// Runs of places to predict, none of them overlapping, in their order.
    fn choose(&self, example: &Example, draw: &mut Draw) -> Vec<Range<usize>> {
        let mut words = self.masked.words_of(&example.ids);
        if example.task == Task::SequenceToSequence {
            words.push(example.ids.len() - 1..example.ids.len());
        }
        let wanted = ((self.masked.settings.share * example.ids.len() as f64).round() as usize).max(1);
        let mut is_free = vec![true; words.len()];
        let (mut runs, mut count): (Vec<Range<usize>>, usize) = (Vec::new(), 0);
        for first in draw.shuffled((0..words.len()).collect()) {
            let most = if draw.chance(ONE_WORD) { 1 } else { 2 + draw.below(2) };
            let mut end = first;
            while end < words.len() && end - first < most && is_free[end] && follows(&words, first, end) {
                // A run that would be too much is shortened, and a word that would be makes room for shorter ones.
                if count + words[end].end - words[first].start > wanted {
                    break;
                }
                end += 1;
            }
            if end > first {
                is_free[first..end].fill(false);
                count += words[end - 1].end - words[first].start;
                runs.push(words[first].start..words[end - 1].end);
            }
        }
        if runs.is_empty() {
            runs.push(1..2);
        }
        runs.sort_by_key(|run| run.start);
        runs
    }
}

/// Whether word `at` stands beside the one before it, or is the first of its run.
fn follows(words: &[Range<usize>], first: usize, at: usize) -> bool {
    at == first || words[at - 1].end == words[at].start
}

impl Objective for Unified {
    fn batch(&self, windows: &dyn Windows, numbers: Range<u64>, passes: usize) -> Result<Batch> {
        let context = windows.context();
        if context < self.shortest() {
            let needed = self.shortest() as u64;
            return Err(Error::TooShort { part: "training", tokens: context as u64, needed });
        }
        let examples: Vec<Example> =
            numbers.map(|number| self.example(windows, number)).collect::<Result<_>>()?;
        let batch = batch(&examples, context, self.masked.tokens.special.padding, passes);
        let classes = batch.classes.filter(|_| self.masked.settings.next_sentence);
        Ok(Batch { classes, ..batch })
    }

    fn shortest(&self) -> usize {
        self.masked.shortest()
    }

    fn predicts_every_token(&self) -> bool {
        false
    }

    fn figures(&self, losses: &[Losses]) -> Figures {
        self.masked.figures(losses)
    }

    fn settings(&self) -> Option<serde_json::Value> {
        Some(serde_json::json!(["unified", self.masked.settings]))
    }
}

/// One text with what is to be predicted in it.
struct Example {
    task: Task,
    ids: Vec<u32>,
    /// Where the second part begins; the length where there is none.
    second: usize,
    label: u32,
    /// Rows and tokens.
    targets: Vec<(usize, u32)>,
}

impl Example {
    fn new(task: Task, parts: &Parts, special: super::Special) -> Self {
        let mut ids = vec![special.class];
        ids.extend(&parts.first);
        ids.push(special.separator);
        let second = ids.len();
        if let Some(part) = &parts.second {
            ids.extend(part);
            ids.push(special.separator);
        }
        Self { task, second, label: parts.label, targets: Vec::new(), ids }
    }
}

/// The examples side by side, filled up to `context` tokens each. Whether the second part follows is asked of texts that are read
/// from both sides alone.
fn batch(examples: &[Example], context: usize, padding: u32, passes: usize) -> Batch {
    let (mut ids, mut segments, mut ranges) = (Vec::new(), Vec::new(), Vec::new());
    let (mut rows, mut targets) = (Vec::new(), Vec::new());
    for (number, example) in examples.iter().enumerate() {
        let length = example.ids.len();
        let [first, second] = example.task.segments();
        ids.extend(example.ids.iter().copied().chain(std::iter::repeat(padding)).take(context));
        segments.extend((0..length).map(|at| if at < example.second { first } else { second }));
        segments.resize((number + 1) * context, 0);
        ranges.extend((0..length).map(|at| example.task.sees(at, example.second, length)));
        ranges.resize((number + 1) * context, [0, length as u32]);
        rows.extend(example.targets.iter().map(|(row, _)| (number * context + row) as u32));
        targets.extend(example.targets.iter().map(|(_, id)| *id));
    }
    let mask =
        AttentionMask::new(examples.len(), context, ranges).expect("a text is no longer than the context");
    let weights = vec![1.0 / (targets.len() * passes) as f32; targets.len()];
    Batch {
        source: Text { segments, mask, ..Text::bidirectional(ids, examples.len()) },
        answer: None,
        targets: Targets { rows: Some(rows), ids: targets, weights },
        classes: classes(examples, passes),
    }
}

/// Whether the second part follows the first, of the texts that ask it.
fn classes(examples: &[Example], passes: usize) -> Option<Classes> {
    let asking = examples.iter().zip(0..).filter(|(example, _)| example.task == Task::BothSides);
    let (labels, texts): (Vec<u32>, Vec<u32>) = asking.map(|(example, text)| (example.label, text)).unzip();
    let weights = vec![1.0 / (texts.len() * passes) as f32; texts.len()];
    (!texts.is_empty()).then_some(Classes { texts: Some(texts), labels, weights })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objectives::{Special, Words};

    const SPECIAL: Special = Special { padding: 100, class: 101, separator: 102, mask: 103 };
    const END: u32 = 0;

    /// Windows of counted tokens: every tenth ends a document, those that 5 divides end a sentence.
    struct Counted;

    impl Windows for Counted {
        fn count(&self) -> u64 {
            600
        }

        fn context(&self) -> usize {
            64
        }

        fn read(&self, number: u64, ids: &mut [u32]) -> Result<()> {
            let token = |at: u64| if at % 50 == 49 { END } else { 1 + (at % 90) as u32 };
            ids.iter_mut().zip(number * 64..).for_each(|(id, at)| *id = token(at));
            Ok(())
        }
    }

    fn unified() -> Unified {
        let words = Words::made_up(100, |_| true, |id| id % 5 == 0);
        let tokens = MaskedTokens { special: SPECIAL, eos: Some(END), words };
        Unified::new(MaskedSettings::default(), tokens, 3)
    }

    fn share(count: usize, of: usize) -> f64 {
        count as f64 / of as f64
    }

    #[test]
    fn of_every_six_texts_each_task_has_its_share() {
        let unified = unified();
        for group in 0..100 {
            let tasks: Vec<Task> = (6 * group..6 * group + 6).map(|number| unified.task(number)).collect();
            let count = |task| tasks.iter().filter(|own| **own == task).count();
            assert_eq!(Task::ALL.map(count), [2, 2, 1, 1]);
        }
        let first: Vec<Task> = (0..60).step_by(6).map(|number| unified.task(number)).collect();
        assert!(first.iter().any(|task| *task != first[0]), "the order differs from six to six");
    }

    #[test]
    fn masks_and_segments_are_those_of_the_task() {
        let unified = unified();
        let batch = unified.batch(&Counted, 0..60, 1).unwrap();
        let classes = batch.classes.unwrap();
        let asked = classes.texts.unwrap();
        for number in 0..60 {
            let task = unified.task(number);
            let rows = number as usize * 64..(number as usize + 1) * 64;
            let (ids, segments) = (&batch.source.ids[rows.clone()], &batch.source.segments[rows]);
            let length = ids.iter().position(|&id| id == SPECIAL.padding).unwrap_or(64);
            let [first, second] = task.segments();
            assert_eq!(segments[0], first);
            assert_eq!(segments[length - 1], second, "{task:?}");
            assert_eq!(asked.contains(&(number as u32)), task == Task::BothSides);
        }
        assert!((classes.weights.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        assert_eq!(batch.targets.weights.iter().sum::<f32>().round(), 1.0);
    }

    #[test]
    fn shares_are_those_of_the_paper() {
        let unified = unified();
        let (mut tokens, mut chosen, mut masks, mut same, mut ends, mut pairs) = (0, 0, 0, 0, 0, 0);
        for number in 0..600 {
            let example = unified.example(&Counted, number).unwrap();
            tokens += example.ids.len();
            chosen += example.targets.len();
            let last = example.ids.len() - 1;
            for &(row, hidden) in &example.targets {
                masks += usize::from(example.ids[row] == SPECIAL.mask);
                same += usize::from(example.ids[row] == hidden);
                if hidden == SPECIAL.separator {
                    assert!(
                        example.task == Task::SequenceToSequence && row == last,
                        "{:?} {row}",
                        example.task
                    );
                    ends += 1;
                }
                assert!(![SPECIAL.class, SPECIAL.padding, END].contains(&hidden));
            }
            pairs += usize::from(example.task == Task::SequenceToSequence);
        }
        assert!((share(chosen, tokens) - 0.15).abs() < 0.01, "{chosen} of {tokens}");
        assert!((share(masks, chosen) - 0.8).abs() < 0.03, "{masks} masks of {chosen}");
        assert!((share(same, chosen) - 0.1).abs() < 0.03, "{same} stay of {chosen}");
        assert!((share(ends, pairs) - 0.15).abs() < 0.07, "{ends} ends of {pairs} are to be predicted");
    }

    #[test]
    fn one_draw_in_five_takes_words_side_by_side() {
        let unified = unified();
        let mut lengths = [0; 4];
        for number in 0..600 {
            let parts = Parts::one(read(&Counted, number, 62).unwrap());
            let example = Example::new(Task::LeftToRight, &parts, SPECIAL);
            let mut draw = Draw::new(Random::new(number));
            for run in unified.choose(&example, &mut draw) {
                lengths[run.len().min(4) - 1] += 1;
            }
        }
        let all: usize = lengths.iter().sum();
        // Some runs are shorter than drawn: what lies behind is taken, ends a document, or would be too much.
        assert!((share(lengths[0], all) - 0.82).abs() < 0.04, "{lengths:?}");
        assert!(lengths[1] > all / 20 && lengths[2] > all / 20 && lengths[3] == 0, "{lengths:?}");
    }

    #[test]
    fn a_batch_follows_from_seed_and_number() {
        let whole = unified().batch(&Counted, 4..8, 1).unwrap();
        let part = unified().batch(&Counted, 6..8, 1).unwrap();
        assert_eq!(whole.source.ids[2 * 64..], part.source.ids);
        assert_eq!(whole.source.segments[2 * 64..], part.source.segments);
    }
}
