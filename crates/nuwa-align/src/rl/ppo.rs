//! PPO with a reward model: Schulman et al., "Proximal Policy Optimization Algorithms" (2017), as Ziegler et al., "Fine-Tuning
//! Language Models from Human Preferences" (2019), and Ouyang et al. (2022) use it.
//!
//! A round: answers `y` to prompts are sampled; the reward model scores each at its end; a token's reward is
//! `r_t = -beta kl_t`, with `kl_t` of the policy from the reference, and the score is added at the end ([`ScorePlace`]). The
//! value function, a model of its own that begins as the reward model, gives `V_t` for the state in which token `t` is chosen.
//! [`advantages`](super::advantages) follow, whitened over the round. Then come some epochs of minibatches with the losses of
//! [`losses`](super::losses), each a mean over the tokens of its minibatch, however it is accumulated.
//!
//! An adaptive coefficient follows its target: `beta (1 + clip(KL / target - 1, -0.2, 0.2) n / horizon)` after `n` answers.

use nuwa_tensor::{Objective, Random};
use nuwa_train::{Figures, Measured, Steps, Trainer};
use serde_json::json;

use super::PpoSettings;
use super::advantages::{explained_variance, generalised, whiten};
use super::collect::{Round, Source, failed, mean_and_deviation};
use super::losses::{clipped, value_loss};
use super::policy::policy_pass;
use super::settings::ScorePlace;
use super::values::{Asked, value_pass, values};
use crate::Result;
use crate::pack::Example;
use crate::tune::RecordSteps;

/// How far the KL divergence may be from its target and still change the coefficient by more.
const LARGEST_KL_ERROR: f32 = 0.2;

/// PPO on prompts.
pub struct Ppo {
    source: Source,
    critic: Trainer,
    settings: PpoSettings,
    fingerprint: String,
    /// The coefficient of the KL divergence.
    coefficient: f32,
    /// Mean and standard deviation of the first round's scores.
    scale: Option<[f32; 2]>,
    current: Option<Current>,
}

impl std::fmt::Debug for Ppo {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Ppo").field("source", &self.source).finish_non_exhaustive()
    }
}

/// A round under way.
#[derive(Debug)]
struct Current {
    round: Round,
    /// Values of each answer's states when it was sampled; the last is that of what comes after it.
    values: Vec<Vec<f32>>,
    targets: Targets,
    figures: Figures,
}

/// What policy and value function learn from a round.
#[derive(Debug, Clone, PartialEq)]
pub struct Targets {
    /// Of each token of each answer.
    pub advantages: Vec<Vec<f32>>,
    /// Of each state; where the score stands after the answer, of what comes after it, too.
    pub returns: Vec<Vec<f32>>,
}

/// What targets are made of, for one answer.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// KL divergence of each token.
    pub kl: &'a [f32],
    /// The value of each state, and of what comes after the last token.
    pub values: &'a [f32],
    /// The score.
    pub score: f32,
    /// Whether the model ended the answer.
    pub ended: bool,
}

/// The targets of a round; `coefficient` is that of the KL divergence.
pub fn targets(answers: &[Told<'_>], coefficient: f32, settings: &PpoSettings) -> Targets {
    let mut rewards: Vec<Vec<f32>> =
        answers.iter().map(|answer| rewards(answer, coefficient, settings)).collect();
    if settings.whiten_rewards {
        whiten(&mut rewards, false);
    }
    let (mut advantages, mut returns) = (Vec::new(), Vec::new());
    for (answer, rewards) in answers.iter().zip(&rewards) {
        let values = &answer.values[..rewards.len()];
        let (mut own, targets) = generalised(rewards, values, settings.gamma, settings.lambda);
        own.truncate(answer.kl.len());
        advantages.push(own);
        returns.push(targets);
    }
    whiten(&mut advantages, true);
    Targets { advantages, returns }
}

/// The rewards of an answer's tokens; one more where the score stands after them.
fn rewards(answer: &Told<'_>, coefficient: f32, settings: &PpoSettings) -> Vec<f32> {
    let mut rewards: Vec<f32> = answer.kl.iter().map(|kl| -coefficient * kl).collect();
    match (settings.score_place, rewards.last_mut()) {
        // An answer that fills its row has no place after it.
        (ScorePlace::Last, Some(last)) => *last += answer.score,
        (ScorePlace::After, Some(last)) if !answer.ended => *last += answer.score,
        _ => rewards.push(answer.score),
    }
    rewards
}

/// The coefficient after a round of so many answers with this mean KL divergence.
pub fn adapted(coefficient: f32, kl: f32, answers: usize, settings: &PpoSettings) -> f32 {
    let Some(target) = settings.kl_target else { return coefficient };
    let error = (kl / target - 1.0).clamp(-LARGEST_KL_ERROR, LARGEST_KL_ERROR);
    coefficient * (1.0 + error * answers as f32 / settings.kl_horizon)
}

impl Ppo {
    /// PPO on the prompts of `source`; `critic` trains a value function, and has its schedule.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn new(source: Source, critic: Trainer, settings: &PpoSettings) -> Result<Self> {
        settings.check()?;
        let deciding = PpoSettings { tuning: settings.tuning.deciding(), ..settings.clone() };
        let fingerprint = json!(["ppo", source.fingerprint(), weights(&critic), deciding]).to_string();
        let coefficient = settings.kl;
        let settings = settings.clone();
        Ok(Self { source, critic, settings, fingerprint, coefficient, scale: None, current: None })
    }

    /// Where answers come from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The value function.
    pub fn critic(&self) -> &Trainer {
        &self.critic
    }

    /// Samples the answers of a round, and what is learnt from them.
    fn begin(&mut self, trainer: &mut Trainer, number: u64) -> nuwa_train::Result<Current> {
        let wanted = self.source.prompts_of(number, self.settings.rollouts.answers);
        let random = self.source.actor.round(number);
        let (rollouts, rewards) = self.source.sample(trainer, &wanted, 1, random).map_err(failed)?;
        let round = self.source.round(trainer, rollouts, rewards)?;
        let examples: Vec<&Example> = round.rollouts.iter().map(|rollout| &rollout.example).collect();
        let critic = &mut self.critic;
        let values = values(&examples, Asked::States, self.source.micro_batch, |text, rows| {
            critic.scores(text, rows)
        })?;
        let mut figures = self.source.figures(&round);
        let scores = self.scores(&round);
        let kl = self.divergences(&round);
        let told = |index: usize| Told {
            kl: &kl[index],
            values: &values[index],
            score: scores[index],
            ended: round.rollouts[index].ended,
        };
        let told: Vec<Told<'_>> = (0..round.rollouts.len()).map(told).collect();
        let targets = targets(&told, self.coefficient, &self.settings);
        figures.insert("kl_coefficient".into(), f64::from(self.coefficient));
        let found = targets.returns.iter().zip(&values).flat_map(|(own, values)| &values[..own.len()]);
        let explained = explained_variance(targets.returns.iter().flatten(), found);
        figures.extend(explained.map(|share| ("explained_variance".to_string(), share)));
        self.adapt(&figures, round.rollouts.len());
        Ok(Current { round, values, targets, figures })
    }

    fn adapt(&mut self, figures: &Figures, answers: usize) {
        let kl = figures.get("kl").copied().unwrap_or_default() as f32;
        self.coefficient = adapted(self.coefficient, kl, answers, &self.settings);
    }

    /// The scores as they are learnt from.
    fn scores(&mut self, round: &Round) -> Vec<f32> {
        let raw: Vec<Option<f32>> = round.rewards.iter().map(|reward| reward.total).collect();
        if self.settings.scale_scores && self.scale.is_none() {
            let (mean, deviation) = mean_and_deviation(raw.iter().copied().flatten());
            let deviation = deviation.filter(|deviation| *deviation > 0.0).unwrap_or(1.0);
            self.scale = Some([mean.unwrap_or_default() as f32, deviation as f32]);
        }
        let [mean, deviation] = self.scale.unwrap_or([0.0, 1.0]);
        let penalty = |ended: bool| if ended { 0.0 } else { self.settings.unended_penalty };
        let scaled = |score: Option<f32>| score.map_or(0.0, |score| (score - mean) / deviation);
        raw.into_iter().zip(&round.rollouts).map(|(score, own)| scaled(score) - penalty(own.ended)).collect()
    }

    fn divergences(&self, round: &Round) -> Vec<Vec<f32>> {
        let none = Vec::new();
        let of = |(index, old): (usize, &Vec<f32>)| {
            let reference = round.reference.get(index).unwrap_or(&none);
            let difference = |(at, old): (usize, &f32)| reference.get(at).map_or(0.0, |other| old - other);
            let estimate = |at| self.settings.kl_estimator.of(difference(at));
            old.iter().enumerate().map(estimate).collect()
        };
        round.old.iter().enumerate().map(of).collect()
    }

    /// The answers of a minibatch: every epoch all of them once, in an order of its own.
    fn minibatch(&self, step: u64, answers: usize) -> Vec<usize> {
        minibatch(self.source.seed, step, answers, &self.settings.rollouts)
    }
}

/// The numbers of the answers, or groups, that step `step` learns from.
pub(super) fn minibatch(seed: u64, step: u64, count: usize, settings: &super::RolloutSettings) -> Vec<usize> {
    let (epoch, part) = (step / settings.minibatches, (step % settings.minibatches) as usize);
    let order = Random::new(seed).named("minibatches").stream(epoch).permutation(count);
    let parts = settings.minibatches as usize;
    order[part * count / parts..(part + 1) * count / parts].to_vec()
}

/// A hash of a model's weights.
pub(super) fn weights(trainer: &Trainer) -> String {
    nuwa_format::weights_hash(trainer.model())
}

impl RecordSteps for Ppo {
    fn count(&self) -> u64 {
        self.settings.rollouts.steps()
    }
}

impl Steps for Ppo {
    fn tokens(&self, _step: u64) -> u64 {
        self.source.expected_tokens(&self.settings.rollouts)
    }

    fn step(&mut self, trainer: &mut Trainer, step: u64) -> nuwa_train::Result<Measured> {
        let current = match (self.settings.rollouts.beginning(step), self.current.take()) {
            (Some(round), _) => self.begin(trainer, round)?,
            (None, current) => current.expect("runs go on between rounds"),
        };
        let chosen = self.minibatch(step, current.round.rollouts.len());
        let mut measured = Measured { figures: current.figures.clone(), ..Measured::default() };
        current.learn_values(&mut self.critic, &chosen, &self.settings, step, &mut measured)?;
        current.learn_policy(trainer, &chosen, &self.settings, step, &mut measured)?;
        self.current = Some(current);
        Ok(measured)
    }

    fn validate(&mut self, trainer: &mut Trainer) -> nuwa_train::Result<Option<Measured>> {
        self.source.validate(trainer)
    }

    fn resumes_at(&self, step: u64) -> bool {
        self.settings.rollouts.beginning(step).is_some()
    }

    fn companions(&self) -> Vec<&Trainer> {
        vec![&self.critic]
    }

    fn companions_mut(&mut self) -> Vec<&mut Trainer> {
        vec![&mut self.critic]
    }

    fn state(&self) -> serde_json::Value {
        json!({"kl": self.coefficient.to_bits(), "scale": self.scale.map(|scale| scale.map(f32::to_bits))})
    }

    fn restore(&mut self, state: &serde_json::Value) {
        let number = |value: &serde_json::Value| value.as_u64().map(|bits| f32::from_bits(bits as u32));
        self.coefficient = number(&state["kl"]).unwrap_or(self.coefficient);
        let scale = &state["scale"];
        self.scale = number(&scale[0]).zip(number(&scale[1])).map(|(mean, deviation)| [mean, deviation]);
        self.current = None;
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }
}

impl Current {
    fn examples(&self, chosen: &[usize]) -> Vec<&Example> {
        chosen.iter().map(|&index| &self.round.rollouts[index].example).collect()
    }

    /// A step of the value function.
    fn learn_values(
        &self,
        critic: &mut Trainer,
        chosen: &[usize],
        settings: &PpoSettings,
        step: u64,
        measured: &mut Measured,
    ) -> nuwa_train::Result<()> {
        let examples = self.examples(chosen);
        let states: usize = chosen.iter().map(|&index| self.targets.returns[index].len()).sum();
        let (alone, mut clipped): (Vec<Vec<usize>>, usize) =
            ((0..chosen.len()).map(|index| vec![index]).collect(), 0);
        let weigh = |indices: &[usize], found: &[Vec<f32>]| {
            let mut objective = Objective { value: 0.0, slopes: Vec::new() };
            for (&index, found) in indices.iter().zip(found) {
                let (returns, old) = (&self.targets.returns[chosen[index]], &self.values[chosen[index]]);
                for (at, &value) in found.iter().enumerate() {
                    // What comes after an answer is no state where the score stands at its last token.
                    let Some(&target) = returns.get(at) else {
                        objective.slopes.push(0.0);
                        continue;
                    };
                    let own = value_loss(value, old[at], target, settings.value_clip);
                    objective.value += own.loss / states as f32;
                    objective.slopes.push(own.slope / states as f32);
                    clipped += usize::from(own.is_clipped);
                }
            }
            objective
        };
        let micro_batch = settings.tuning.micro_batch_tokens;
        let outcome = critic.step_of(step, |critic| {
            let loss = value_pass(critic, &examples, (&alone, Asked::States), micro_batch, step, weigh)?;
            Ok(Measured { loss, ..Measured::default() })
        })?;
        measured.figures.insert("value_loss".into(), outcome.measured.loss);
        measured.figures.insert("value_clip_share".into(), clipped as f64 / states.max(1) as f64);
        Ok(())
    }

    /// The passes of a step of the policy.
    fn learn_policy(
        &self,
        trainer: &mut Trainer,
        chosen: &[usize],
        settings: &PpoSettings,
        step: u64,
        measured: &mut Measured,
    ) -> nuwa_train::Result<()> {
        let examples = self.examples(chosen);
        let tokens: usize = chosen.iter().map(|&index| self.round.old[index].len()).sum();
        let mut seen = Seen::default();
        let weigh = |index: usize, found: &[f32]| {
            let (old, advantages) = (&self.round.old[chosen[index]], &self.targets.advantages[chosen[index]]);
            let of = |((new, old), advantage): ((&f32, &f32), &f32)| {
                let own = clipped((new - old).exp(), *advantage, settings.clip());
                seen.add(new - old, own.is_clipped);
                (own.loss / tokens as f32, own.slope / tokens as f32)
            };
            found.iter().zip(old).zip(advantages).map(of).collect()
        };
        let micro_batch = settings.tuning.micro_batch_tokens;
        measured.loss = policy_pass(trainer, &examples, micro_batch, step, weigh)?;
        measured.tokens = examples.iter().map(|example| example.positions() as u64).sum();
        seen.put_into(&mut measured.figures);
        Ok(())
    }
}

/// How far the policy has moved from the one that sampled.
#[derive(Debug, Default)]
pub(super) struct Seen {
    tokens: f64,
    clipped: f64,
    squares: f64,
    largest: f64,
}

impl Seen {
    /// A token, by the logarithm of its ratio.
    pub fn add(&mut self, difference: f32, is_clipped: bool) {
        self.tokens += 1.0;
        self.clipped += f64::from(u8::from(is_clipped));
        self.squares += 0.5 * f64::from(difference).powi(2);
        self.largest = self.largest.max(f64::from(difference).exp());
    }

    /// The figures of a step.
    pub fn put_into(&self, figures: &mut Figures) {
        let mean = |sum: f64| sum / self.tokens.max(1.0);
        figures.insert("clip_share".into(), mean(self.clipped));
        figures.insert("step_kl".into(), mean(self.squares));
        figures.insert("largest_ratio".into(), self.largest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len());
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{found:?} {expected:?}");
    }

    /// Two answers, of three tokens and of four that fill their row, as TRL's PPO computes them.
    fn told(settings: &PpoSettings) -> Targets {
        let kl = [vec![0.1, -0.1, 0.3], vec![0.2, -0.2, 0.3, -0.1]];
        let values = [vec![0.1, 0.2, 0.3, 0.05], vec![0.0, -0.1, 0.2, 0.4, 9.0]];
        let told = |index: usize| Told {
            kl: &kl[index],
            values: &values[index],
            score: [1.0, -0.5][index],
            ended: index == 0,
        };
        targets(&[told(0), told(1)], 0.05, settings)
    }

    #[test]
    fn the_score_stands_at_the_last_token_or_after_it() {
        let after = PpoSettings { score_place: ScorePlace::After, ..PpoSettings::default() };
        let found = told(&after);
        close(&found.advantages[0], &[1.121_684_2, 1.037_862_2, 0.934_791_4]);
        close(&found.advantages[1], &[-0.549_974_44, -0.417_620_14, -0.901_453_6, -1.225_289_6]);
        close(&found.returns[0], &[0.870_093_75, 0.910_625, 0.9375, 1.0]);
        let found = told(&PpoSettings::default());
        close(&found.advantages[0], &[1.118_179_4, 1.040_096_6, 0.943_537_9]);
        close(&found.advantages[1], &[-0.558_939_3, -0.430_785, -0.899_265, -1.212_824_7]);
        assert_eq!(found.returns[0].len(), 3);
    }

    #[test]
    fn an_adaptive_coefficient_follows_its_target() {
        let settings = PpoSettings { kl_target: Some(6.0), ..PpoSettings::default() };
        assert_eq!(adapted(0.1, 60.0, 1000, &settings), 0.1 * 1.02);
        assert_eq!(adapted(0.1, 0.0, 1000, &settings), 0.1 * 0.98);
        assert_eq!(adapted(0.1, 60.0, 1000, &PpoSettings::default()), 0.1);
    }

    #[test]
    fn an_epoch_uses_each_answer_once() {
        let settings = super::super::RolloutSettings { minibatches: 3, ..Default::default() };
        let mut all: Vec<usize> = (6..9).flat_map(|step| minibatch(1, step, 8, &settings)).collect();
        assert_ne!(all, (6..9).flat_map(|step| minibatch(1, step + 3, 8, &settings)).collect::<Vec<_>>());
        all.sort_unstable();
        assert_eq!(all, (0..8).collect::<Vec<_>>());
    }
}
