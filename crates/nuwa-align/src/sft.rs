//! Supervised fine-tuning: the mean negative log-likelihood of the answers' tokens.
//!
//! With `T` the tokens trained on in all examples of a step: `loss = sum over T of nll / |T|`. The mean is over the tokens of
//! the whole step, however it is accumulated, so `B` examples at one time `k` times equal `B k` at one time. Ratings of answers
//! are learnt beside the dialogues, an example and a token each ([`ratings`]).

use nuwa_tokenizer::Tokenizer;
use nuwa_train::{Measured, Steps, Trainer};
use rayon::prelude::*;

use crate::data::{Dialogue, Lessons, Rated};
use crate::epochs::Epochs;
use crate::pack::{Example, Packer, PackingStats, groups, steps};
use crate::render::{Rendered, render};
use crate::tune::{RecordSteps, packed};
use crate::{Error, Result, SftSettings, join, ratings};

/// Most dialogues that are held out.
pub const MOST_HELD_OUT: usize = 500;
/// Fewest: less tell too little to choose weights by, and are learnt from instead.
const FEWEST_HELD_OUT: usize = 20;

/// Fine-tuning on dialogues, and on rated answers.
#[derive(Debug)]
pub struct Sft {
    examples: Vec<Example>,
    held_out: Vec<Example>,
    steps: Vec<Vec<usize>>,
    micro_batch: usize,
    stats: PackingStats,
    epochs: Epochs,
    fingerprint: String,
}

impl Sft {
    /// Renders, cuts and orders `dialogues` for a model of `context`.
    ///
    /// # Errors
    /// When a setting is out of range, the template fails, or nothing is left to train on.
    pub fn new(
        tokenizer: &Tokenizer,
        dialogues: &[Dialogue],
        settings: &SftSettings,
        context: usize,
        seed: u64,
    ) -> Result<Self> {
        let lessons = Lessons { dialogues: dialogues.to_vec(), rated: Vec::new() };
        Self::of_lessons(tokenizer, &lessons, settings, context, seed)
    }

    /// As [`Sft::new`], with answers to learn the ratings of.
    ///
    /// # Errors
    /// As there, and when the tokenizer cannot write ratings.
    pub fn of_lessons(
        tokenizer: &Tokenizer,
        lessons: &Lessons,
        settings: &SftSettings,
        context: usize,
        seed: u64,
    ) -> Result<Self> {
        settings.check()?;
        let [trained, held_out] = divide(&lessons.dialogues, settings.tuning.held_out(), seed);
        let [rated, rated_held_out] = divide(&lessons.rated, settings.tuning.held_out(), seed);
        let conversations = rendered(tokenizer, &trained, settings.joined, context, seed)?;
        let (examples, stats) =
            cut(conversations, &rating_examples(tokenizer, &rated, context)?, settings, context);
        let conversations = rendered(tokenizer, &held_out, 0.0, context, seed)?;
        let (held_out, _) =
            cut(conversations, &rating_examples(tokenizer, &rated_held_out, context)?, settings, context);
        Ok(Self { stats, ..Self::of_examples(examples, held_out, settings, seed)? })
    }

    /// Fine-tuning on examples that are rendered already.
    ///
    /// # Errors
    /// When a setting is out of range, or there is no example.
    pub fn of_examples(
        examples: Vec<Example>,
        held_out: Vec<Example>,
        settings: &SftSettings,
        seed: u64,
    ) -> Result<Self> {
        settings.check()?;
        if examples.is_empty() {
            let reason = "no dialogue has a token to train on within the context";
            return Err(Error::Empty { path: "the data".into(), reason: reason.into() });
        }
        let micro_batch = settings.tuning.micro_batch_tokens;
        let sizes: Vec<usize> = examples.iter().map(Example::positions).collect();
        let epochs = Epochs::of(settings.epochs, settings.batch_tokens, sizes.iter().sum());
        let steps = steps(&sizes, epochs.batch_tokens, epochs.epochs, seed);
        let data =
            nuwa_files::hash_bytes(&examples.iter().chain(&held_out).flat_map(content).collect::<Vec<u8>>());
        let deciding = SftSettings {
            epochs: Some(epochs.epochs),
            batch_tokens: Some(epochs.batch_tokens),
            tuning: settings.tuning.deciding(),
            ..settings.clone()
        };
        let fingerprint = serde_json::json!(["sft", data, deciding, seed]).to_string();
        Ok(Self {
            examples,
            held_out,
            steps,
            micro_batch,
            stats: PackingStats::default(),
            epochs,
            fingerprint,
        })
    }

    /// What became of the dialogues that are trained on.
    pub fn stats(&self) -> &PackingStats {
        &self.stats
    }

    /// How often the dialogues are seen, and how many at a time.
    pub fn epochs(&self) -> Epochs {
        self.epochs
    }

    /// Examples of dialogues that are held out.
    pub fn held_out(&self) -> usize {
        self.held_out.len()
    }

    /// Those examples in groups that go through the model at one time.
    fn groups<'a>(&self, examples: &'a [Example], indices: &[usize]) -> Vec<Vec<&'a Example>> {
        let sizes: Vec<usize> = examples.iter().map(Example::positions).collect();
        let of = |group: Vec<usize>| group.into_iter().map(|index| &examples[index]).collect();
        groups(indices.iter().copied(), &sizes, self.micro_batch).into_iter().map(of).collect()
    }
}

impl RecordSteps for Sft {
    fn count(&self) -> u64 {
        self.steps.len() as u64
    }
}

impl Steps for Sft {
    fn tokens(&self, step: u64) -> u64 {
        self.steps[step as usize].iter().map(|&index| self.examples[index].positions() as u64).sum()
    }

    fn step(&mut self, trainer: &mut Trainer, step: u64) -> nuwa_train::Result<Measured> {
        let groups = self.groups(&self.examples, &self.steps[step as usize]);
        let trained: usize = groups.iter().flatten().map(|example| example.trained_tokens()).sum();
        let mut measured = Measured::default();
        for (examples, pass) in groups.iter().zip(0..) {
            let packed = packed(examples.iter().copied(), 1.0 / trained as f32);
            measured.loss += f64::from(trainer.pass(&packed, (step << 16) | pass)?.total());
            measured.tokens += packed.source.ids.len() as u64;
        }
        Ok(measured)
    }

    fn validate(&mut self, trainer: &mut Trainer) -> nuwa_train::Result<Option<Measured>> {
        let all: Vec<usize> = (0..self.held_out.len()).collect();
        let (mut sum, mut trained, mut tokens) = (0.0, 0, 0);
        for examples in self.groups(&self.held_out, &all) {
            let packed = packed(examples.iter().copied(), 1.0);
            let losses = trainer.losses(&packed)?;
            for (loss, weight) in losses.into_iter().zip(&packed.targets.weights) {
                sum += f64::from(loss) * f64::from(*weight);
            }
            trained += examples.iter().map(|example| example.trained_tokens()).sum::<usize>();
            tokens += packed.source.ids.len() as u64;
        }
        Ok((trained > 0).then(|| Measured {
            loss: sum / trained as f64,
            tokens,
            figures: Default::default(),
        }))
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }
}

/// What is trained on, and what is held out: a share of `records`, at most [`MOST_HELD_OUT`], chosen by `seed`; none where they
/// would be too few to tell anything.
pub fn divide<T>(records: &[T], share: f64, seed: u64) -> [Vec<&T>; 2] {
    let wanted = (records.len() as f64 * share).round() as usize;
    let held = if wanted < FEWEST_HELD_OUT { 0 } else { wanted.min(MOST_HELD_OUT).min(records.len() / 2) };
    let order = nuwa_tensor::Random::new(seed).named("held back").permutation(records.len());
    let mut is_held = vec![false; records.len()];
    order[..held].iter().for_each(|&index| is_held[index] = true);
    let of = |held: bool| {
        records.iter().zip(&is_held).filter(|(_, is)| **is == held).map(|(one, _)| one).collect()
    };
    [of(false), of(true)]
}

/// What an example is cut from: one dialogue, or a conversation of several.
struct Conversation {
    rendered: Rendered,
    dialogues: u64,
}

/// All dialogues rendered, a share of them joined. One whose template cannot write it after others stays alone.
fn rendered(
    tokenizer: &Tokenizer,
    dialogues: &[&Dialogue],
    joined: f64,
    context: usize,
    seed: u64,
) -> Result<Vec<Conversation>> {
    let alone: Vec<Rendered> =
        dialogues.par_iter().map(|dialogue| render(tokenizer, dialogue, 0)).collect::<Result<_>>()?;
    let sizes: Vec<usize> = alone.iter().map(|rendered| rendered.ids.len()).collect();
    let groups = join::groups(dialogues, &sizes, joined, context, seed);
    let of_group = |group: &Vec<usize>| match join_some(tokenizer, dialogues, group, context) {
        Some((conversation, rest)) => {
            let rest = rest.iter().map(|&index| Conversation::alone(&alone[index]));
            std::iter::once(conversation).chain(rest).collect()
        }
        None => group.iter().map(|&index| Conversation::alone(&alone[index])).collect::<Vec<_>>(),
    };
    Ok(groups.par_iter().flat_map_iter(of_group).collect())
}

impl Conversation {
    fn alone(rendered: &Rendered) -> Self {
        Self { rendered: rendered.clone(), dialogues: 1 }
    }
}

/// As many of the first dialogues of `group` as fit the context in one conversation, at least two, and the others.
fn join_some<'a>(
    tokenizer: &Tokenizer,
    dialogues: &[&Dialogue],
    group: &'a [usize],
    context: usize,
) -> Option<(Conversation, &'a [usize])> {
    for count in (2..=group.len()).rev() {
        let messages = join::joined(group[..count].iter().map(|&index| dialogues[index].messages.as_slice()));
        let whole = Dialogue { messages, ..dialogues[group[0]].clone() };
        let rendered = render(tokenizer, &whole, 0).ok()?;
        if rendered.ids.len() <= context + 1 {
            return Some((Conversation { rendered, dialogues: count as u64 }, &group[count..]));
        }
    }
    None
}

fn cut(
    conversations: Vec<Conversation>,
    ratings: &[Example],
    settings: &SftSettings,
    context: usize,
) -> (Vec<Example>, PackingStats) {
    let mut packer = Packer::new(context, settings.long_dialogues);
    for Conversation { rendered, dialogues } in conversations {
        match dialogues {
            1 => packer.add(&rendered),
            _ => packer.add_joined(&rendered, dialogues),
        }
    }
    ratings.iter().for_each(|example| packer.add_rating(example.clone()));
    packer.finish()
}

fn rating_examples(tokenizer: &Tokenizer, rated: &[&Rated], context: usize) -> Result<Vec<Example>> {
    let examples: Vec<Vec<Example>> =
        rated.par_iter().map(|rated| ratings::examples(tokenizer, rated, context)).collect::<Result<_>>()?;
    Ok(examples.concat())
}

/// What an example holds, in bytes.
fn content(example: &Example) -> impl Iterator<Item = u8> {
    let other = example.other.into_iter().flat_map(|(id, share)| [id, share.to_bits()]);
    example.ids.iter().copied().chain(other).flat_map(u32::to_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_few_records_all_are_learnt() {
        let sizes = |records: usize| divide(&vec![0; records], 0.05, 1).map(|part| part.len());
        assert_eq!(sizes(12), [12, 0]);
        assert_eq!(sizes(380), [380, 0]);
        assert_eq!(sizes(400), [380, 20]);
        assert_eq!(sizes(20_000), [19_500, 500]);
    }
}
