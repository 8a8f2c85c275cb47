//! Group relative policy optimisation: Shao et al., "DeepSeekMath: Pushing the Limits of Mathematical Reasoning" (2024), with the
//! variants that followed as settings.
//!
//! A round: `G` answers to each of some prompts are sampled and rewarded; the advantage of an answer, which all of its tokens
//! share, is what it got beyond the others of its group ([`Baseline`](super::advantages::Baseline)). The loss is that of
//! [`losses`](super::losses), with the ratio of each token or of the whole answer, and `kl k3_t` of the policy from the reference
//! added for each token.
//!
//! | variant | settings |
//! | --- | --- |
//! | GRPO | `averaging = "answers"` |
//! | Dr. GRPO (Liu et al. 2025) | `baseline = "mean"`, `averaging = "longest"`, `kl = 0` |
//! | DAPO (Yu et al. 2025) | `clip_higher = 0.28`, `resample = 4`, `overlong_tokens`, `kl = 0` |
//! | RLOO (Ahmadian et al. 2024) | `baseline = "leave-one-out"`, `averaging = "answers"` |
//! | GSPO (Zheng et al. 2025) | `ratio = "sequence"`, `averaging = "answers"`, `clip = 3e-4`, `clip_higher = 4e-4` |

use nuwa_tensor::Random;
use nuwa_train::{Figures, Measured, Steps, Trainer};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::GrpoSettings;
use super::advantages::KlEstimator;
use super::collect::{Round, Source, failed};
use super::policy::policy_pass;
use super::ppo::{Seen, minibatch};
use super::rewards::Reward;
use super::rollout::Rollout;
use crate::Result;
use crate::pack::Example;
use crate::tune::RecordSteps;

/// GRPO on prompts.
#[derive(Debug)]
pub struct Grpo {
    source: Source,
    settings: GrpoSettings,
    fingerprint: String,
    current: Option<Current>,
}

/// A round under way.
#[derive(Debug)]
struct Current {
    round: Round,
    /// Of each answer; none where it is left out.
    advantages: Vec<Option<f32>>,
    figures: Figures,
}

/// What the policy can do before the first step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Preview {
    /// Prompts that were tried.
    pub prompts: usize,
    /// Answers to each.
    pub answers: usize,
    /// The share of answers that get at least half of the largest reward there is; none for a reward model's scores, which have no
    /// largest.
    pub pass_at_1: Option<f64>,
    /// The share of prompts with at least one such answer.
    pub pass_at_k: Option<f64>,
    /// The share of prompts whose answers do not all get the same, so that something can be learnt from them.
    pub teaching: f64,
}

/// Prompts that are tried before the first step, and answers to each.
const TRIED: [usize; 2] = [64, 8];

impl Grpo {
    /// GRPO on the prompts of `source`.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn new(source: Source, settings: &GrpoSettings) -> Result<Self> {
        settings.check()?;
        let deciding = GrpoSettings { tuning: settings.tuning.deciding(), ..settings.clone() };
        let fingerprint = json!(["grpo", source.fingerprint(), deciding]).to_string();
        Ok(Self { source, settings: settings.clone(), fingerprint, current: None })
    }

    /// Where answers come from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Tries the policy as it is now.
    ///
    /// # Errors
    /// When a model fails, or a reward is no number.
    pub fn preview(&self, trainer: &Trainer) -> Result<Preview> {
        let [prompts, answers] = [TRIED[0].min(self.source.prompts.len()), TRIED[1]];
        let wanted: Vec<usize> = self.source.prompts_of(0, prompts);
        let random = Random::new(self.source.seed).named("preview");
        let (_, rewards) = self.source.sample(trainer, &wanted, answers, random)?;
        Ok(preview(&rewards, answers, self.source.rewards.largest()))
    }

    fn begin(&mut self, trainer: &mut Trainer, number: u64) -> nuwa_train::Result<Current> {
        let (group, random) = (self.settings.group, self.source.actor.round(number));
        let wanted = self.source.prompts_of(number, self.settings.prompts_a_round());
        let (mut rollouts, mut rewards) =
            self.source.sample(trainer, &wanted, group, random).map_err(failed)?;
        self.resample(trainer, random, &mut rollouts, &mut rewards).map_err(failed)?;
        let round = self.source.round(trainer, rollouts, rewards)?;
        let advantages = self.advantages(&round);
        let mut figures = self.source.figures(&round);
        let teaching = round.rewards.chunks(group).filter(|group| !is_uniform(group)).count();
        let groups = round.rewards.len() / group;
        figures.insert("teaching_share".into(), teaching as f64 / groups.max(1) as f64);
        Ok(Current { round, advantages, figures })
    }

    /// Puts answers to other prompts in the place of those that all got the same.
    fn resample(
        &self,
        trainer: &Trainer,
        random: Random,
        rollouts: &mut [Rollout],
        rewards: &mut [Reward],
    ) -> Result<()> {
        let group = self.settings.group;
        for attempt in 0..self.settings.resample as u64 {
            let uniform = |(_, own): &(usize, &[Reward])| is_uniform(own);
            let places = rewards.chunks(group).enumerate().filter(uniform).map(|(place, _)| place);
            let places: Vec<usize> = places.collect();
            if places.is_empty() {
                break;
            }
            let random = random.named("resample").stream(attempt);
            let count = self.source.prompts.len() as u64;
            let wanted: Vec<usize> =
                (0..places.len() as u64).map(|place| random.below(place, count) as usize).collect();
            let (new, own) = self.source.sample(trainer, &wanted, group, random.named("answers"))?;
            for (place, (new, own)) in places.into_iter().zip(new.chunks(group).zip(own.chunks(group))) {
                rollouts[place * group..(place + 1) * group].clone_from_slice(new);
                rewards[place * group..(place + 1) * group].clone_from_slice(own);
            }
        }
        Ok(())
    }

    /// The advantage of each answer within its group.
    fn advantages(&self, round: &Round) -> Vec<Option<f32>> {
        let group = self.settings.group;
        let both = round.rewards.chunks(group).zip(round.rollouts.chunks(group));
        both.flat_map(|(rewards, rollouts)| self.of_group(rewards, rollouts)).collect()
    }

    fn of_group(&self, rewards: &[Reward], rollouts: &[Rollout]) -> Vec<Option<f32>> {
        let shaped = |(reward, rollout): (&Reward, &Rollout)| {
            reward.total.map(|total| total - self.overlong(rollout.length()))
        };
        let all: Vec<Option<f32>> = rewards.iter().zip(rollouts).map(shaped).collect();
        let known: Vec<f32> = all.iter().copied().flatten().collect();
        let mut advantages = self.settings.baseline.advantages(&known).into_iter();
        let own = all.iter().zip(rollouts).map(|(reward, rollout)| {
            let advantage = reward.and_then(|_| advantages.next());
            advantage.filter(|_| rollout.ended || !self.settings.mask_unended)
        });
        own.collect()
    }

    /// What is taken from the reward of an answer that comes near the limit.
    fn overlong(&self, length: usize) -> f32 {
        let (most, soft) = (self.source.actor.most(), self.settings.overlong_tokens);
        let over = length.saturating_sub(most.saturating_sub(soft));
        if soft == 0 { 0.0 } else { (over as f32 / soft as f32).min(1.0) }
    }
}

/// Whether all answers of a group got the same, so that none is better than another.
fn is_uniform(rewards: &[Reward]) -> bool {
    rewards.iter().all(|reward| reward.total == rewards[0].total)
}

fn preview(rewards: &[Reward], answers: usize, largest: Option<f32>) -> Preview {
    let half = largest.map_or(f32::INFINITY, |largest| 0.5 * largest);
    let passes = |reward: &Reward| reward.total.is_some_and(|total| total >= half);
    let groups = || rewards.chunks(answers);
    let share = |holds: &dyn Fn(&[Reward]) -> bool| {
        groups().filter(|group| holds(group)).count() as f64 / groups().count().max(1) as f64
    };
    let passed = rewards.iter().filter(|reward| passes(reward)).count();
    Preview {
        prompts: groups().count(),
        answers,
        pass_at_1: largest.map(|_| passed as f64 / rewards.len().max(1) as f64),
        pass_at_k: largest.map(|_| share(&|group| group.iter().any(passes))),
        teaching: share(&|group| !is_uniform(group)),
    }
}

impl RecordSteps for Grpo {
    fn count(&self) -> u64 {
        self.settings.rollouts.steps()
    }
}

impl Steps for Grpo {
    fn tokens(&self, _step: u64) -> u64 {
        self.source.expected_tokens(&self.settings.rollouts)
    }

    fn step(&mut self, trainer: &mut Trainer, step: u64) -> nuwa_train::Result<Measured> {
        let current = match (self.settings.rollouts.beginning(step), self.current.take()) {
            (Some(round), _) => self.begin(trainer, round)?,
            (None, current) => current.expect("runs go on between rounds"),
        };
        let group = self.settings.group;
        let groups =
            minibatch(self.source.seed, step, current.round.rollouts.len() / group, &self.settings.rollouts);
        let chosen: Vec<usize> =
            groups.into_iter().flat_map(|place| place * group..(place + 1) * group).collect();
        let mut measured = Measured { figures: current.figures.clone(), ..Measured::default() };
        let most = self.source.actor.most();
        current.learn(trainer, &chosen, (&self.settings, most), step, &mut measured)?;
        self.current = Some(current);
        Ok(measured)
    }

    fn validate(&mut self, trainer: &mut Trainer) -> nuwa_train::Result<Option<Measured>> {
        self.source.validate(trainer)
    }

    fn resumes_at(&self, step: u64) -> bool {
        self.settings.rollouts.beginning(step).is_some()
    }

    fn restore(&mut self, _state: &serde_json::Value) {
        self.current = None;
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }
}

impl Current {
    fn learn(
        &self,
        trainer: &mut Trainer,
        chosen: &[usize],
        (settings, most): (&GrpoSettings, usize),
        step: u64,
        measured: &mut Measured,
    ) -> nuwa_train::Result<()> {
        let used: Vec<usize> =
            chosen.iter().copied().filter(|&index| self.advantages[index].is_some()).collect();
        let examples: Vec<&Example> = used.iter().map(|&index| &self.round.rollouts[index].example).collect();
        let tokens: usize = used.iter().map(|&index| self.round.old[index].len()).sum();
        let mut seen = Seen::default();
        let weigh = |index: usize, found: &[f32]| {
            let answer = used[index];
            let (old, reference) = (&self.round.old[answer], self.round.reference.get(answer));
            let weight = settings.averaging.weight(old.len(), chosen.len(), tokens, most);
            let differences: Vec<f32> = found.iter().zip(old).map(|(new, old)| new - old).collect();
            let advantage = self.advantages[answer].unwrap_or_default();
            let own = settings.ratio.losses(&differences, advantage, settings.clip());
            let of = |(at, own): (usize, super::losses::Clipped)| {
                seen.add(differences[at], own.is_clipped);
                let from = reference.map_or(0.0, |reference| found[at] - reference[at]);
                let kl = settings.kl * KlEstimator::K3.of(from);
                let slope = settings.kl * (1.0 - (-from).exp());
                (weight * (own.loss + kl), weight * (own.slope + slope))
            };
            own.into_iter().enumerate().map(of).collect()
        };
        if !examples.is_empty() {
            let micro_batch = settings.tuning.micro_batch_tokens;
            measured.loss = policy_pass(trainer, &examples, micro_batch, step, weigh)?;
        }
        measured.tokens = examples.iter().map(|example| example.positions() as u64).sum();
        seen.put_into(&mut measured.figures);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewards(totals: &[f32]) -> Vec<Reward> {
        totals.iter().map(|&total| Reward { total: Some(total), ..Reward::default() }).collect()
    }

    #[test]
    fn a_preview_tells_what_can_be_learnt_from() {
        let all = rewards(&[1.0, 0.0, 0.0, 0.0, 1.0, 1.0]);
        let found = preview(&all, 2, Some(1.0));
        assert_eq!((found.pass_at_1, found.pass_at_k), (Some(0.5), Some(2.0 / 3.0)));
        assert_eq!((found.prompts, found.teaching), (3, 1.0 / 3.0));
        assert_eq!(preview(&all, 2, None).pass_at_1, None);
    }
}
