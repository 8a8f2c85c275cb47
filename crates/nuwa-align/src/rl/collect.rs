//! A round of rollouts as both PPO and GRPO need it: prompts in an order that follows from the seed, answers, rewards, and what the
//! policy and the reference find of them.

use nuwa_tensor::Random;
use nuwa_train::{Figures, Measured, Trainer};

use super::RolloutSettings;
use super::policy::{Reference, log_probabilities};
use super::rewards::{Reward, Rewards};
use super::rollout::{Actor, Prompts, Rollout};
use crate::Result;
use crate::pack::Example;

/// Where answers come from, and what they are worth.
#[derive(Debug)]
pub struct Source {
    /// Prompts to learn from.
    pub prompts: Prompts,
    /// Prompts to measure on.
    pub held_out: Prompts,
    /// What samples answers.
    pub actor: Actor,
    /// What they are worth.
    pub rewards: Rewards,
    /// The policy before the first step; none where nothing is held against it.
    pub reference: Option<Reference>,
    /// Most tokens that go through a model at one time.
    pub micro_batch: usize,
    /// Decides the order of prompts.
    pub seed: u64,
}

/// Answers with their rewards, and what is known of their tokens.
#[derive(Debug, Default)]
pub struct Round {
    /// The answers.
    pub rollouts: Vec<Rollout>,
    /// Their rewards.
    pub rewards: Vec<Reward>,
    /// The log-probabilities of their tokens under the policy that sampled them.
    pub old: Vec<Vec<f32>>,
    /// The same under the reference; empty where there is none.
    pub reference: Vec<Vec<f32>>,
}

impl Source {
    /// A text that changes with anything that changes which answers are sampled and what they are worth, but for the policy.
    pub fn fingerprint(&self) -> serde_json::Value {
        let ids = [&self.prompts.ids, &self.held_out.ids];
        let prompts = nuwa_files::hash_bytes(serde_json::json!(ids).to_string().as_bytes());
        let model = self.rewards.model.as_ref().map(|model| nuwa_format::weights_hash(model.model()));
        serde_json::json!([prompts, self.rewards.names(), model, self.actor.most(), self.seed])
    }

    /// About as many tokens as the policy reads in one step.
    pub fn expected_tokens(&self, settings: &RolloutSettings) -> u64 {
        let prompts: usize = self.prompts.ids.iter().map(Vec::len).sum();
        let each = prompts / self.prompts.len().max(1) + self.actor.most() / 2;
        (each * settings.answers) as u64 / settings.minibatches
    }

    /// The prompts of a round, `count` of them: each prompt is used once before any is used again.
    pub fn prompts_of(&self, round: u64, count: usize) -> Vec<usize> {
        let (all, first) = (self.prompts.len() as u64, round * count as u64);
        let mut order: Option<(u64, Vec<usize>)> = None;
        let mut nth = |number: u64| {
            let epoch = number / all;
            if order.as_ref().is_none_or(|(own, _)| *own != epoch) {
                let random = Random::new(self.seed).named("prompts").stream(epoch);
                order = Some((epoch, random.permutation(all as usize)));
            }
            order.as_ref().map_or(0, |(_, order)| order[(number % all) as usize])
        };
        (first..first + count as u64).map(&mut nth).collect()
    }

    /// `group` answers to each of these prompts, sampled from the policy as it is now.
    ///
    /// # Errors
    /// When a model fails, or a reward is no number.
    pub fn sample(
        &self,
        trainer: &Trainer,
        wanted: &[usize],
        group: usize,
        random: Random,
    ) -> Result<(Vec<Rollout>, Vec<Reward>)> {
        self.actor.follow(trainer.model());
        let rollouts = self.actor.sample(&self.prompts, wanted, group, random)?;
        let rewards = self.rewards.of(&self.prompts, &rollouts)?;
        Ok((rollouts, rewards))
    }

    /// What policy and reference find of the tokens of answers.
    ///
    /// # Errors
    /// When a model fails.
    pub fn round(
        &self,
        trainer: &mut Trainer,
        rollouts: Vec<Rollout>,
        rewards: Vec<Reward>,
    ) -> nuwa_train::Result<Round> {
        let examples: Vec<&Example> = rollouts.iter().map(|rollout| &rollout.example).collect();
        let old = log_probabilities(trainer, &examples, self.micro_batch)?;
        let reference = match &self.reference {
            Some(reference) => reference.log_probabilities(trainer, &examples, self.micro_batch)?,
            None => Vec::new(),
        };
        Ok(Round { rollouts, rewards, old, reference })
    }

    /// The figures of answers to the held-out prompts, sampled from the policy as it is now; none where none are held out.
    ///
    /// # Errors
    /// As [`Source::sample`].
    pub fn validate(&self, trainer: &mut Trainer) -> nuwa_train::Result<Option<Measured>> {
        if self.held_out.is_empty() {
            return Ok(None);
        }
        let sampled = || -> Result<_> {
            self.actor.follow(trainer.model());
            let wanted: Vec<usize> = (0..self.held_out.len()).collect();
            let random = Random::new(self.seed).named("held-out answers");
            let rollouts = self.actor.sample(&self.held_out, &wanted, 1, random)?;
            let rewards = self.rewards.of(&self.held_out, &rollouts)?;
            Ok((rollouts, rewards))
        };
        let (rollouts, rewards) = sampled().map_err(failed)?;
        let round = self.round(trainer, rollouts, rewards)?;
        let figures = self.figures(&round);
        // The best state is the one of the smallest loss.
        let loss = -figures.get("reward").copied().unwrap_or_default();
        Ok(Some(Measured { loss, tokens: round.tokens(), figures }))
    }

    /// What a round shows of itself.
    pub fn figures(&self, round: &Round) -> Figures {
        let mut figures = Figures::new();
        let mut put = |name: &str, value: Option<f64>| {
            figures.extend(value.map(|value| (name.to_string(), value)));
        };
        let rewards = || round.rewards.iter();
        let (mean, deviation) = mean_and_deviation(rewards().filter_map(|reward| reward.total));
        put("reward", mean);
        put("reward_sd", deviation);
        put("true_reward", mean_and_deviation(rewards().filter_map(|reward| reward.truth)).0);
        let names = self.rewards.names();
        for (index, name) in names.iter().enumerate().filter(|_| names.len() > 1) {
            let own = mean_and_deviation(rewards().filter_map(|reward| reward.parts[index]));
            put(&format!("reward_{name}"), own.0);
        }
        let answers = round.rollouts.len().max(1) as f64;
        let of_all = |of: &dyn Fn(&Rollout) -> f64| round.rollouts.iter().map(of).sum::<f64>() / answers;
        put("length", Some(of_all(&|rollout| rollout.length() as f64)));
        put("ended", Some(of_all(&|rollout| f64::from(u8::from(rollout.ended)))));
        let tokens = round.answer_tokens().max(1) as f64;
        let old = || round.old.iter().flatten().map(|&value| f64::from(value));
        put("entropy", Some(-old().sum::<f64>() / tokens));
        let sampled = round.rollouts.iter().flat_map(|rollout| &rollout.sampled);
        let differences = old().zip(sampled).map(|(old, sampled)| (old - f64::from(*sampled)).abs());
        put("sampler_difference", differences.max_by(f64::total_cmp));
        if !round.reference.is_empty() {
            let reference = round.reference.iter().flatten().map(|&value| f64::from(value));
            put(
                "kl",
                Some(old().zip(reference).map(|(old, reference)| old - reference).sum::<f64>() / answers),
            );
        }
        figures
    }
}

impl Round {
    /// Tokens of the answers.
    pub fn answer_tokens(&self) -> usize {
        self.rollouts.iter().map(Rollout::length).sum()
    }

    /// Tokens that the policy reads to learn from all answers once.
    pub fn tokens(&self) -> u64 {
        self.rollouts.iter().map(|rollout| rollout.example.positions() as u64).sum()
    }
}

/// A fault of what steps are made of.
pub fn failed(error: crate::Error) -> nuwa_train::Error {
    match error {
        crate::Error::Train(error) => error,
        error => nuwa_train::Error::Steps(Box::new(error)),
    }
}

/// The mean and the standard deviation; none where there is nothing.
pub fn mean_and_deviation(values: impl Iterator<Item = f32>) -> (Option<f64>, Option<f64>) {
    let values: Vec<f64> = values.map(f64::from).collect();
    if values.is_empty() {
        return (None, None);
    }
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
    (Some(mean), Some(variance.sqrt()))
}
