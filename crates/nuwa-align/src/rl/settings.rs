use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::advantages::{Baseline, KlEstimator};
use super::losses::{Averaging, Clip, RatioLevel};
use crate::settings::{check_common, ensure};
use crate::{LoraSettings, PretrainingText, Result, TuningSettings};

/// Where the score of an answer stands among the rewards of its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ScorePlace {
    /// At the last token of the answer (Ziegler et al. 2019).
    #[default]
    Last,
    /// At the position after the last token, as TRL's PPO does: its value counts in the loss, too.
    After,
}

/// The steps of reinforcement learning: how many answers are sampled, and how they are used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RolloutSettings {
    /// Number of rounds: in each, answers are sampled from the policy as it is then, and learnt from.
    pub rounds: u64,
    /// Answers sampled a round.
    pub answers: usize,
    /// How often the answers of a round are learnt from.
    pub epochs: u64,
    /// Optimizer steps that an epoch over the answers of a round is divided into.
    pub minibatches: u64,
    /// Maximum number of tokens of an answer. If unset: as long as the answers that the prompts come
    /// with, at least 16; 64 where there are none.
    pub max_tokens: Option<usize>,
    /// Number of samples written on the way, to be looked at.
    #[schemars(extend("x-decides" = false))]
    pub samples: u64,
}

impl Default for RolloutSettings {
    fn default() -> Self {
        Self { rounds: 60, answers: 64, epochs: 2, minibatches: 2, max_tokens: None, samples: 6 }
    }
}

impl RolloutSettings {
    /// Optimizer steps a round.
    pub fn steps_a_round(&self) -> u64 {
        self.epochs * self.minibatches
    }

    /// The round that begins with optimizer step `step`; none where one is under way.
    pub fn beginning(&self, step: u64) -> Option<u64> {
        step.is_multiple_of(self.steps_a_round()).then(|| step / self.steps_a_round())
    }

    /// All optimizer steps.
    pub fn steps(&self) -> u64 {
        self.rounds * self.steps_a_round()
    }

    fn check(&self, stage: &str) -> Result<()> {
        for (name, value) in
            [("rounds", self.rounds), ("epochs", self.epochs), ("minibatches", self.minibatches)]
        {
            ensure(value > 0, &format!("{stage}.rollouts.{name}"), value, "at least 1")?;
        }
        let name = format!("{stage}.rollouts.answers");
        let expected = "at least one for each minibatch";
        ensure(self.answers as u64 >= self.minibatches, &name, self.answers, expected)?;
        let name = format!("{stage}.rollouts.max_tokens");
        let most = self.max_tokens.unwrap_or(1);
        ensure(most > 0, &name, most, "at least 1")
    }
}

/// Proximal policy optimisation (Schulman et al. 2017; Ouyang et al. 2022): the policy learns what a reward model rates high,
/// and stays near the model that it began with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PpoSettings {
    /// Peak learning rate of the policy. If unset: 3e-4 for a model of one million weights, falling
    /// with the square root of their number, at least 1e-6; as much for LoRA.
    pub learning_rate: Option<f32>,
    /// Peak learning rate of the value function. If unset: three times that of the policy.
    pub value_learning_rate: Option<f32>,
    /// Rewards that can be checked, added to the reward model's score: NAME:ARGUMENT*WEIGHT each.
    pub rules: Vec<String>,
    /// How answers are sampled and used.
    pub rollouts: RolloutSettings,
    /// Coefficient of the KL divergence from the reference, which is taken from each token's reward.
    pub kl: f32,
    /// KL divergence an answer, in nats, that the coefficient is adapted to (Ziegler et al. 2019). If
    /// unset, the coefficient is fixed.
    pub kl_target: Option<f32>,
    /// Answers over which an adaptive coefficient changes by its own size at most.
    pub kl_horizon: f32,
    /// Estimator of the KL divergence: k1 or k3.
    pub kl_estimator: KlEstimator,
    /// Scale the scores so that those of the answers of the first round have mean 0 and standard
    /// deviation 1.
    pub scale_scores: bool,
    /// Whiten the rewards of tokens, without shifting their mean.
    pub whiten_rewards: bool,
    /// Where the score is placed: last (at the answer's last token) or after (behind it, as in TRL).
    pub score_place: ScorePlace,
    /// Subtracted from the score of an answer that does not end within the limit of tokens.
    pub unended_penalty: f32,
    /// Discount of later rewards, 0 to 1.
    pub gamma: f32,
    /// GAE's lambda, 0 to 1: weight of the estimates over more steps.
    pub lambda: f32,
    /// PPO's epsilon: how far the ratio of probabilities may move from 1.
    pub clip: f32,
    /// How far a value may move in one round before its loss is clipped.
    pub value_clip: f32,
    /// Pretraining text mixed into PPO (PPO-ptx), against forgetting.
    pub pretraining: PretrainingText,
    /// Train LoRA adapters instead of all weights of the policy; the reference then needs no second
    /// copy.
    pub lora: LoraSettings,
    /// Settings shared by all kinds of fine-tuning.
    pub tuning: TuningSettings,
}

impl Default for PpoSettings {
    fn default() -> Self {
        Self {
            learning_rate: None,
            value_learning_rate: None,
            rules: Vec::new(),
            rollouts: RolloutSettings::default(),
            kl: 0.05,
            kl_target: None,
            kl_horizon: 10_000.0,
            kl_estimator: KlEstimator::K1,
            scale_scores: true,
            whiten_rewards: false,
            score_place: ScorePlace::Last,
            unended_penalty: 1.0,
            gamma: 1.0,
            lambda: 0.95,
            clip: 0.2,
            value_clip: 0.2,
            pretraining: NO_TEXT,
            lora: LoraSettings::default(),
            tuning: TuningSettings::default(),
        }
    }
}

impl PpoSettings {
    /// The learning rates of the policy and of the value function, for a policy of so many weights.
    pub fn rates(&self, parameters: usize) -> [f32; 2] {
        let own = self.learning_rate.unwrap_or_else(|| rate(parameters));
        [own, self.value_learning_rate.unwrap_or(3.0 * own)]
    }

    /// Whether each value lies in its range.
    ///
    /// # Errors
    /// Naming the first setting that is out of its range.
    pub fn check(&self) -> Result<()> {
        self.tuning.check("ppo")?;
        self.pretraining.check("ppo")?;
        self.rollouts.check("ppo")?;
        let [policy, value] = self.rates(1_000_000);
        check_common("ppo", 1, policy)?;
        ensure(value > 0.0 && value <= 1.0, "ppo.value_learning_rate", value, "a number above 0, at most 1")?;
        check_kl("ppo", self.kl)?;
        let target = self.kl_target.unwrap_or(1.0);
        ensure(target > 0.0 && target.is_finite(), "ppo.kl_target", target, "a number above 0")?;
        ensure(self.kl_horizon > 0.0, "ppo.kl_horizon", self.kl_horizon, "a number above 0")?;
        for (name, value) in [("gamma", self.gamma), ("lambda", self.lambda)] {
            ensure((0.0..=1.0).contains(&value), &format!("ppo.{name}"), value, "0 to 1")?;
        }
        ensure(self.clip > 0.0 && self.clip < 1.0, "ppo.clip", self.clip, "above 0 and below 1")?;
        ensure(self.value_clip > 0.0, "ppo.value_clip", self.value_clip, "a number above 0")?;
        let penalty = self.unended_penalty;
        ensure(penalty >= 0.0 && penalty.is_finite(), "ppo.unended_penalty", penalty, "0 or more")
    }

    pub(super) fn clip(&self) -> Clip {
        Clip { low: self.clip, high: self.clip }
    }
}

/// Group relative policy optimisation (Shao et al. 2024) and its variants: several answers to one prompt are held against each
/// other, so that no value function is needed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GrpoSettings {
    /// Peak learning rate. If unset: 3e-4 for a model of one million weights, falling with the
    /// square root of their number, at least 1e-6; as much for LoRA.
    pub learning_rate: Option<f32>,
    /// Rewards that can be checked, added up, and to the score of a reward model if there is one:
    /// NAME:ARGUMENT*WEIGHT each, such as "exact" or "length:5-40*0.2".
    pub rules: Vec<String>,
    /// How answers are sampled and used.
    pub rollouts: RolloutSettings,
    /// Answers to each prompt, at least 2.
    pub group: usize,
    /// What an answer's reward is held against: standardised (GRPO), mean (Dr. GRPO) or leave-one-out
    /// (RLOO).
    pub baseline: Baseline,
    /// How tokens are averaged: tokens (DAPO), answers (GRPO) or longest (Dr. GRPO).
    pub averaging: Averaging,
    /// Ratio of probabilities of each token, or of the whole sequence (GSPO).
    pub ratio: RatioLevel,
    /// How far the ratio may fall below 1.
    pub clip: f32,
    /// How far the ratio may rise above 1; larger than clip in DAPO (0.28). If unset, as clip.
    pub clip_higher: Option<f32>,
    /// Coefficient of the KL divergence from the reference (estimator k3) in the loss; 0 needs no
    /// reference.
    pub kl: f32,
    /// Dynamic sampling (DAPO): prompts whose answers all get the same reward are sampled anew, up
    /// to so many times a round; 0 turns it off.
    pub resample: usize,
    /// Length shaping (DAPO): in the last so many tokens before max_tokens, up to 1 is subtracted
    /// from the reward; 0 turns it off.
    pub overlong_tokens: usize,
    /// Leave answers that did not end out of the loss.
    pub mask_unended: bool,
    /// Pretraining text mixed into GRPO, against forgetting.
    pub pretraining: PretrainingText,
    /// Train LoRA adapters instead of all weights.
    pub lora: LoraSettings,
    /// Settings shared by all kinds of fine-tuning.
    pub tuning: TuningSettings,
}

impl Default for GrpoSettings {
    fn default() -> Self {
        Self {
            learning_rate: None,
            rules: Vec::new(),
            rollouts: RolloutSettings::default(),
            group: 8,
            baseline: Baseline::Standardised,
            averaging: Averaging::Tokens,
            ratio: RatioLevel::Token,
            clip: 0.2,
            clip_higher: None,
            kl: 0.02,
            resample: 0,
            overlong_tokens: 0,
            mask_unended: false,
            pretraining: NO_TEXT,
            lora: LoraSettings::default(),
            tuning: TuningSettings::default(),
        }
    }
}

impl GrpoSettings {
    /// The learning rate for a policy of so many weights.
    pub fn rate(&self, parameters: usize) -> f32 {
        self.learning_rate.unwrap_or_else(|| rate(parameters))
    }

    /// Prompts a round.
    pub fn prompts_a_round(&self) -> usize {
        (self.rollouts.answers / self.group).max(1)
    }

    /// Whether each value lies in its range.
    ///
    /// # Errors
    /// Naming the first setting that is out of its range.
    pub fn check(&self) -> Result<()> {
        self.tuning.check("grpo")?;
        self.pretraining.check("grpo")?;
        self.rollouts.check("grpo")?;
        check_common("grpo", 1, self.rate(1_000_000))?;
        check_kl("grpo", self.kl)?;
        let expected = format!("at least 2, at most grpo.rollouts.answers = {}", self.rollouts.answers);
        ensure((2..=self.rollouts.answers).contains(&self.group), "grpo.group", self.group, &expected)?;
        let prompts = self.prompts_a_round() as u64;
        let expected = format!("at most the {prompts} prompts of a round");
        let minibatches = self.rollouts.minibatches;
        ensure(minibatches <= prompts, "grpo.rollouts.minibatches", minibatches, &expected)?;
        for (name, value) in [("clip", self.clip), ("clip_higher", self.clip_higher.unwrap_or(self.clip))] {
            ensure(value > 0.0 && value < 1.0, &format!("grpo.{name}"), value, "above 0 and below 1")?;
        }
        Ok(())
    }

    pub(super) fn clip(&self) -> Clip {
        Clip { low: self.clip, high: self.clip_higher.unwrap_or(self.clip) }
    }
}

/// A reward model (Stiennon et al. 2020; Ouyang et al. 2022): scores answers so that preferred ones score higher.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RewardSettings {
    /// Number of epochs over the pairs. If unset: 1 to 10, more for fewer prompts.
    pub epochs: Option<u64>,
    /// Peak learning rate. If unset: 3e-4 for a model of one million weights, falling with the
    /// square root of their number, at least 1e-6; as much for LoRA.
    pub learning_rate: Option<f32>,
    /// Batch size: prompts per optimizer step, each with all of its answers. If unset: 1 to 16, an
    /// eighth of all for small data sets.
    pub batch_prompts: Option<usize>,
    /// Coefficient of (sum of the two scores)^2, which keeps scores around 0 (Eisenstein et al.
    /// 2023).
    pub centering: f32,
    /// Train LoRA adapters (and the whole head) instead of all weights; the result is merged.
    pub lora: LoraSettings,
    /// Settings shared by all kinds of fine-tuning.
    pub tuning: TuningSettings,
}

impl Default for RewardSettings {
    fn default() -> Self {
        Self {
            epochs: None,
            learning_rate: None,
            batch_prompts: None,
            centering: 0.01,
            lora: LoraSettings::default(),
            tuning: TuningSettings::default(),
        }
    }
}

impl RewardSettings {
    /// The learning rate for a model of so many weights.
    pub fn rate(&self, parameters: usize) -> f32 {
        self.learning_rate.unwrap_or_else(|| rate(parameters))
    }

    /// Whether each value lies in its range.
    ///
    /// # Errors
    /// Naming the first setting that is out of its range.
    pub fn check(&self) -> Result<()> {
        self.tuning.check("reward")?;
        check_common("reward", self.epochs.unwrap_or(1), self.rate(1_000_000))?;
        let batch = self.batch_prompts.unwrap_or(1);
        ensure(batch > 0, "reward.batch_prompts", batch, "at least 1")?;
        let centering = self.centering;
        ensure(centering >= 0.0 && centering.is_finite(), "reward.centering", centering, "0 or more")
    }
}

/// No text of the pretraining beside answers: with its usual weight it outweighs the reward (docs/log.md).
const NO_TEXT: PretrainingText = PretrainingText { share: 0.0, weight: 1.0 };

/// The rate for a million weights, and the least one.
const RATE_OF_A_MILLION: f64 = 3e-4;
const LEAST_RATE: f64 = 1e-6;

fn rate(parameters: usize) -> f32 {
    let of_size = RATE_OF_A_MILLION * (1e6 / parameters.max(1) as f64).sqrt();
    of_size.clamp(LEAST_RATE, RATE_OF_A_MILLION) as f32
}

fn check_kl(stage: &str, kl: f32) -> Result<()> {
    ensure(kl >= 0.0 && kl.is_finite(), &format!("{stage}.kl"), kl, "0 or more")
}
