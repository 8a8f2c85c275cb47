//! Who won against whom, from choices and from ratings.

use serde::{Deserialize, Serialize};

use super::estimate::Estimate;
use crate::statistics::{Comparison, bradley_terry};

/// A judgement of two models on one prompt by one judge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Duel {
    pub prompt: usize,
    /// The places of the models, the smaller one first.
    pub models: [usize; 2],
    /// 1 where the first won, 0 where the second did, 1/2 a tie.
    pub outcome: f64,
    pub tie: Option<Tie>,
    /// By how many characters the first answer is longer.
    pub longer: f64,
}

/// Why there is no winner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tie {
    BothGood,
    BothBad,
    Contradictory,
    /// The answers are the same word for word, or got the same step.
    Same,
}

/// How often one model won against another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairResult {
    /// The places of the models.
    pub models: [usize; 2],
    /// How many judgements there are.
    pub n: u64,
    /// How often the first one was chosen.
    pub wins: u64,
    /// How often the second one was.
    pub losses: u64,
    /// Ties in which both are good, or got the same step.
    pub both_good: u64,
    /// Ties in which both are bad.
    pub both_bad: u64,
    /// Ties since a model chose the same side in both orders.
    pub contradictory: u64,
    /// Ties that nobody was asked about, since the answers are the same word for word.
    pub same: u64,
    /// `(wins + ties / 2) / n`.
    pub win_rate: Estimate,
}

/// Strengths of all models by the model of Bradley and Terry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Strengths {
    /// Of each model, in the order of the plan.
    pub models: Vec<Strength>,
    /// Whether half a vote was added for each side of each pair, since the votes alone give scores without bound.
    pub is_smoothed: bool,
}

/// How strong a model is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Strength {
    /// In log-odds; the mean of all is 0.
    pub score: Estimate,
    /// On the scale of chess, 1000 for the mean.
    pub elo: f64,
}

/// The results of all pairs of models that were judged.
pub fn pairs(duels: &[Duel], models: usize, prompts: usize) -> Vec<PairResult> {
    let both = |first: usize| (first + 1..models).map(move |second| [first, second]);
    (0..models).flat_map(both).filter_map(|pair| pair_result(duels, pair, prompts)).collect()
}

fn pair_result(duels: &[Duel], models: [usize; 2], prompts: usize) -> Option<PairResult> {
    let own: Vec<&Duel> = duels.iter().filter(|duel| duel.models == models).collect();
    let mut parts = vec![[0.0, 0.0]; prompts];
    for duel in &own {
        parts[duel.prompt][0] += duel.outcome;
        parts[duel.prompt][1] += 1.0;
    }
    let count = |holds: &dyn Fn(&Duel) -> bool| own.iter().filter(|duel| holds(duel)).count() as u64;
    let ties = |tie: Tie| count(&|duel| duel.tie == Some(tie));
    Some(PairResult {
        models,
        n: own.len() as u64,
        wins: count(&|duel| duel.outcome == 1.0),
        losses: count(&|duel| duel.outcome == 0.0),
        both_good: ties(Tie::BothGood),
        both_bad: ties(Tie::BothBad),
        contradictory: ties(Tie::Contradictory),
        same: ties(Tie::Same),
        win_rate: Estimate::ratio(&parts)?,
    })
}

/// The strengths of all models; none where some were never compared.
pub fn strengths(duels: &[Duel], models: usize, prompts: usize) -> Option<Strengths> {
    let by_prompt = comparisons(duels, prompts, None);
    let fitted = |sample: &[usize]| bradley_terry(models, &drawn(&by_prompt, sample), false);
    let whole = fitted(&(0..prompts).collect::<Vec<_>>())?;
    let strength = |(model, elo): (usize, f64)| {
        let score = Estimate::over_prompts(prompts, |sample| Some(fitted(sample)?.scores[model]))?;
        Some(Strength { score, elo })
    };
    let models = whole.elo().into_iter().enumerate().map(strength).collect::<Option<_>>()?;
    Some(Strengths { models, is_smoothed: whole.is_smoothed })
}

/// The log-odds that a standard deviation of the difference in length adds, and the scores of models at equal length; none where all
/// answers are of one length.
pub fn at_equal_length(duels: &[Duel], models: usize, prompts: usize) -> Option<(Estimate, Vec<f64>)> {
    let squares: f64 = duels.iter().map(|duel| duel.longer.powi(2)).sum();
    let deviation = (squares / duels.len().max(1) as f64).sqrt();
    if deviation == 0.0 {
        return None;
    }
    let by_prompt = comparisons(duels, prompts, Some(deviation));
    let fitted = |sample: &[usize]| bradley_terry(models, &drawn(&by_prompt, sample), true);
    let effect = Estimate::over_prompts(prompts, |sample| fitted(sample)?.effect)?;
    Some((effect, fitted(&(0..prompts).collect::<Vec<_>>())?.scores))
}

/// The comparisons on each prompt, with the difference in length in standard deviations where that is to count.
fn comparisons(duels: &[Duel], prompts: usize, deviation: Option<f64>) -> Vec<Vec<Comparison>> {
    let mut by_prompt = vec![Vec::new(); prompts];
    for duel in duels {
        let [first, second] = duel.models;
        let covariate = deviation.map_or(0.0, |deviation| duel.longer / deviation);
        by_prompt[duel.prompt].push(Comparison { first, second, outcome: duel.outcome, covariate });
    }
    by_prompt
}

fn drawn(by_prompt: &[Vec<Comparison>], sample: &[usize]) -> Vec<Comparison> {
    sample.iter().flat_map(|prompt| by_prompt[*prompt].iter().copied()).collect()
}
