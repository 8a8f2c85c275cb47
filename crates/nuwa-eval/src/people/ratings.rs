use serde::{Deserialize, Serialize};

use super::account::median;
use super::comparisons::{Duel, PairResult, Strengths, Tie, pairs, strengths};
use super::estimate::Estimate;
use super::plan::JudgePlan;
use super::vote::{JudgeVotes, Vote};
use super::wording::Criterion;

/// What models got by one criterion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CriterionResult {
    /// The criterion.
    pub criterion: Criterion,
    /// Of each model, in the order of the plan.
    pub models: Vec<ModelRatings>,
    /// How often a judge gave the answer of one model a higher step than that of another to the same prompt.
    pub pairs: Vec<PairResult>,
    /// The strengths that follow from those.
    pub strengths: Option<Strengths>,
}

/// The steps that the answers of one model got.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelRatings {
    /// How often each step, from 1 to 5, was given.
    pub counts: [u64; 5],
    /// How often a judge could not tell.
    pub cannot_tell: u64,
    /// The mean step. Steps are ranks: a mean takes them for equally far apart.
    pub mean: Option<Estimate>,
    /// The median step.
    pub median: Option<f64>,
}

/// A step that was given.
#[derive(Debug, Clone, Copy)]
struct Rating {
    /// The place of the judge.
    judge: usize,
    prompt: usize,
    model: usize,
    step: Option<u8>,
}

/// The results by each criterion; none where nothing was rated.
pub fn criteria(plan: &JudgePlan, judges: &[&JudgeVotes]) -> Vec<CriterionResult> {
    let of = |criterion: Criterion| {
        let ratings = ratings(plan, judges, criterion);
        (!ratings.is_empty()).then(|| result(plan, criterion, &ratings))
    };
    Criterion::ALL.into_iter().filter_map(of).collect()
}

fn result(plan: &JudgePlan, criterion: Criterion, ratings: &[Rating]) -> CriterionResult {
    let (models, prompts) = (plan.models.len(), plan.prompts.len());
    let duels = duels(plan, ratings);
    CriterionResult {
        criterion,
        models: (0..models).map(|model| model_ratings(ratings, model, prompts)).collect(),
        pairs: pairs(&duels, models, prompts),
        strengths: strengths(&duels, models, prompts),
    }
}

/// First askings alone: second ones say how steady a judge is, and would count twice.
fn ratings(plan: &JudgePlan, judges: &[&JudgeVotes], criterion: Criterion) -> Vec<Rating> {
    let mut all = Vec::new();
    for (judge, said) in judges.iter().enumerate() {
        for (place, (vote, _)) in &said.votes {
            let item = &plan.items[*place];
            if let (Vote::Ratings(ratings), false, None) = (vote, item.is_check(), &item.repeats) {
                let step = ratings.get(&criterion).copied().flatten();
                all.push(Rating { judge, prompt: item.prompt, model: item.sides[0].model, step });
            }
        }
    }
    all
}

fn model_ratings(ratings: &[Rating], model: usize, prompts: usize) -> ModelRatings {
    let (mut counts, mut cannot_tell) = ([0; 5], 0);
    let mut parts = vec![[0.0, 0.0]; prompts];
    let mut steps = Vec::new();
    for rating in ratings.iter().filter(|rating| rating.model == model) {
        let Some(step) = rating.step else {
            cannot_tell += 1;
            continue;
        };
        counts[usize::from(step) - 1] += 1;
        parts[rating.prompt][0] += f64::from(step);
        parts[rating.prompt][1] += 1.0;
        steps.push(f64::from(step));
    }
    ModelRatings { counts, cannot_tell, mean: Estimate::ratio(&parts), median: median(steps) }
}

/// A judge's steps for two answers to one prompt, as a comparison of the two.
fn duels(plan: &JudgePlan, ratings: &[Rating]) -> Vec<Duel> {
    let mut sorted: Vec<(&Rating, u8)> =
        ratings.iter().filter_map(|rating| Some((rating, rating.step?))).collect();
    sorted.sort_by_key(|(rating, _)| (rating.judge, rating.prompt, rating.model));
    let mut duels = Vec::new();
    for same in sorted.chunk_by(|(one, _), (other, _)| (one.judge, one.prompt) == (other.judge, other.prompt))
    {
        for (place, (first, high)) in same.iter().enumerate() {
            for (second, low) in &same[place + 1..] {
                let outcome = match high.cmp(low) {
                    std::cmp::Ordering::Greater => 1.0,
                    std::cmp::Ordering::Equal => 0.5,
                    std::cmp::Ordering::Less => 0.0,
                };
                let models = [first.model, second.model];
                let tie = (outcome == 0.5).then_some(Tie::BothGood);
                duels.push(Duel {
                    prompt: first.prompt,
                    models,
                    outcome,
                    tie,
                    longer: plan.longer(first.prompt, models),
                });
            }
        }
    }
    duels
}
