//! What answers are worth: the score of a reward model, rules that can be checked, and the truth where it is known.

use nuwa_models::{Context, Scored, scores};
use nuwa_tensor::{Precision, Tape, on_worker};

use super::rollout::{Prompts, Rollout};
use super::values::{Asked, values};
use crate::pack::Example;
use crate::rules::{Judged, Rule, Rules};
use crate::{Error, Result};

/// Scores answers by a reward model.
pub struct Scorer {
    model: Scored,
    precision: Precision,
    micro_batch: usize,
}

impl std::fmt::Debug for Scorer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Scorer")
    }
}

impl Scorer {
    /// Up to `micro_batch` tokens go through the model at one time.
    pub fn new(model: Scored, precision: Precision, micro_batch: usize) -> Self {
        Self { model, precision, micro_batch }
    }

    /// The reward model.
    pub fn model(&self) -> &Scored {
        &self.model
    }

    /// The score of each example, read at its last token.
    ///
    /// # Errors
    /// When an example does not fit the model.
    pub fn scores(&self, examples: &[&Example]) -> Result<Vec<f32>> {
        let (model, mut tape) = (&self.model, Tape::inference().with_precision(self.precision));
        let found = values(examples, Asked::Last, self.micro_batch, |text, rows| {
            let tape = &mut tape;
            on_worker(move || scores(model, &Context::new(tape), text, rows))
        })?;
        Ok(found.into_iter().map(|own| own[0]).collect())
    }
}

/// What answers are rewarded for.
#[derive(Debug, Default)]
pub struct Rewards {
    /// A reward model.
    pub model: Option<Scorer>,
    /// Rules, whose weighted sum is added to it.
    pub rules: Option<Rules>,
    /// What is true, where that is known: it is shown, and nothing is learnt from it.
    pub truth: Option<Box<dyn Rule>>,
}

/// What one answer got.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reward {
    /// What it is rewarded with; none where no part could be told.
    pub total: Option<f32>,
    /// Each part by itself, in the order of [`Rewards::names`].
    pub parts: Vec<Option<f32>>,
    /// The truth.
    pub truth: Option<f32>,
}

impl Rewards {
    /// The names of the parts.
    pub fn names(&self) -> Vec<String> {
        let model = self.model.iter().map(|_| "model".to_string());
        model.chain(self.rules.iter().flat_map(Rules::names)).collect()
    }

    /// The largest reward there is; none where a reward model has a say.
    pub fn largest(&self) -> Option<f32> {
        match &self.model {
            Some(_) => None,
            None => self.rules.as_ref().map(Rules::largest),
        }
    }

    /// The rewards of `rollouts`.
    ///
    /// # Errors
    /// When one is no number, or a rule fails.
    pub fn of(&self, prompts: &Prompts, rollouts: &[Rollout]) -> Result<Vec<Reward>> {
        let mut rewards = vec![Reward::default(); rollouts.len()];
        if let Some(model) = &self.model {
            let examples: Vec<&Example> = rollouts.iter().map(|rollout| &rollout.example).collect();
            for (reward, score) in rewards.iter_mut().zip(model.scores(&examples)?) {
                (reward.total, reward.parts) = (Some(score), vec![Some(score)]);
            }
        }
        let judged = rollouts.iter().map(|rollout| Judged {
            prompt: &prompts.prompts[rollout.prompt],
            answer: &rollout.text,
            ended: rollout.ended,
        });
        let judged: Vec<Judged<'_>> = judged.collect();
        if let Some(rules) = &self.rules {
            for (reward, score) in rewards.iter_mut().zip(rules.scores(&judged)?) {
                reward.total = match (reward.total, score.total) {
                    (None, other) | (other, None) => other,
                    (Some(model), Some(rules)) => Some(model + rules),
                };
                reward.parts.extend(score.parts);
            }
        }
        if let Some(truth) = &self.truth {
            for (reward, score) in rewards.iter_mut().zip(truth.scores(&judged)?) {
                reward.truth = score;
            }
        }
        check(&rewards, rollouts)?;
        Ok(rewards)
    }
}

fn check(rewards: &[Reward], rollouts: &[Rollout]) -> Result<()> {
    let is_wrong = |reward: &Reward| reward.total.is_some_and(|total| !total.is_finite());
    match rewards.iter().zip(rollouts).find(|(reward, _)| is_wrong(reward)) {
        Some((reward, rollout)) => Err(Error::Reward {
            value: reward.total.unwrap_or_default(),
            answer: rollout.text.chars().take(LONGEST_SHOWN).collect(),
        }),
        None => Ok(()),
    }
}

/// Characters of an answer that a message shows.
const LONGEST_SHOWN: usize = 80;
