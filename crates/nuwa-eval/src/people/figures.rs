use serde::{Deserialize, Serialize};

use super::comparisons::{Duel, PairResult, Strengths, Tie, at_equal_length, pairs, strengths};
use super::estimate::Estimate;
use super::plan::JudgePlan;
use super::ratings::{CriterionResult, criteria};
use super::vote::{Choice, JudgeKind, JudgeVotes, Vote};
use super::wording::Criterion;
use crate::statistics::{Scale, cohen_kappa, krippendorff_alpha, percent_agreement};

/// What judges of one kind say together: people and models are never mixed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupFigures {
    /// Which judges.
    pub kind: JudgeKind,
    /// Their names.
    pub judges: Vec<String>,
    /// How often each model won against each other one.
    pub pairs: Vec<PairResult>,
    /// How strong the models are by those choices.
    pub strengths: Option<Strengths>,
    /// What answers got by each criterion.
    pub criteria: Vec<CriterionResult>,
    /// How far the judges agree, where there are several.
    pub agreement: Vec<Agreement>,
    /// What the length of answers does.
    pub length: Option<LengthEffect>,
    /// The share of choices that fell on the left answer: a half, where the side does not matter.
    pub left: Option<Estimate>,
}

/// How far judges agree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    /// The criterion; none for choices.
    pub criterion: Option<Criterion>,
    /// How many items were judged by two or more.
    pub items: u64,
    /// The share of pairs of judgements that are equal.
    pub percent: Estimate,
    /// Krippendorff's alpha where judgements are names; none where all are the same.
    pub nominal: Option<Estimate>,
    /// Where they are ranks (a choice: first, tie, second).
    pub ordinal: Option<Estimate>,
    /// Where they are equal steps.
    pub interval: Option<Estimate>,
}

/// What the length of answers has to do with choices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LengthEffect {
    /// Choices between answers of different lengths that are no ties.
    pub n: u64,
    /// The share of them that fell on the longer answer.
    pub longer_wins: Estimate,
    /// The log-odds that a standard deviation of the difference in length adds, beside the strengths of the models.
    pub effect: Option<Estimate>,
    /// The scores of the models at equal length, in log-odds.
    pub scores_at_equal_length: Option<Vec<f64>>,
}

/// How far two judges agree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgePair {
    /// Their names.
    pub judges: [String; 2],
    /// The criterion; none for choices.
    pub criterion: Option<Criterion>,
    /// How many items both judged.
    pub items: u64,
    /// The share of those of which both say the same.
    pub percent: f64,
    /// Cohen's kappa; none where both always say the same one thing.
    pub kappa: Option<f64>,
}

impl JudgePlan {
    /// By how many characters the answer of the first model to a prompt is longer than that of the second.
    pub(super) fn longer(&self, prompt: usize, [first, second]: [usize; 2]) -> f64 {
        let length = |model: usize| self.answers[prompt][model].text.chars().count() as f64;
        length(first) - length(second)
    }
}

/// The figures of judges of one kind; none where there is none.
pub fn group(plan: &JudgePlan, judges: &[JudgeVotes], kind: JudgeKind) -> Option<GroupFigures> {
    let own: Vec<&JudgeVotes> =
        judges.iter().filter(|said| said.kind == kind && !said.votes.is_empty()).collect();
    if own.is_empty() {
        return None;
    }
    let (models, prompts) = (plan.models.len(), plan.prompts.len());
    let duels = duels(plan, &own);
    Some(GroupFigures {
        kind,
        judges: own.iter().map(|said| said.judge.clone()).collect(),
        pairs: pairs(&duels, models, prompts),
        strengths: strengths(&duels, models, prompts),
        criteria: criteria(plan, &own),
        agreement: agreement(plan, &own),
        length: length(&duels, models, prompts),
        left: left(plan, &own),
    })
}

/// The choices between answers of models, and for each judge of pairs the ties that nobody is asked about.
fn duels(plan: &JudgePlan, judges: &[&JudgeVotes]) -> Vec<Duel> {
    let mut duels = Vec::new();
    for said in judges {
        let before = duels.len();
        for (place, choice) in choices(plan, said) {
            let item = &plan.items[place];
            let [left, right] = [item.sides[0].model, item.sides[1].model];
            let models = [left.min(right), left.max(right)];
            let (outcome, tie) = outcome(if left < right { choice } else { choice.mirrored() });
            duels.push(Duel {
                prompt: item.prompt,
                models,
                outcome,
                tie,
                longer: plan.longer(item.prompt, models),
            });
        }
        if duels.len() > before {
            let same = |same: &super::SameAnswers| {
                let (prompt, models, tie) = (same.prompt, same.models, Some(Tie::Same));
                Duel { prompt, models, outcome: 0.5, tie, longer: 0.0 }
            };
            duels.extend(plan.same.iter().map(same));
        }
    }
    duels
}

/// First askings alone, by the places of their items.
fn choices(plan: &JudgePlan, said: &JudgeVotes) -> Vec<(usize, Choice)> {
    let of = |(place, (vote, _)): (&usize, &(Vote, u64))| match vote {
        Vote::Choice(choice) if is_counted(plan, *place) => Some((*place, *choice)),
        _ => None,
    };
    said.votes.iter().filter_map(of).collect()
}

fn is_counted(plan: &JudgePlan, place: usize) -> bool {
    let item = &plan.items[place];
    item.repeats.is_none() && !item.is_check()
}

/// What a choice is worth to the model on the left.
fn outcome(choice: Choice) -> (f64, Option<Tie>) {
    match choice {
        Choice::Left => (1.0, None),
        Choice::Right => (0.0, None),
        Choice::BothGood => (0.5, Some(Tie::BothGood)),
        Choice::BothBad => (0.5, Some(Tie::BothBad)),
        Choice::Contradictory => (0.5, Some(Tie::Contradictory)),
    }
}

/// What a judge says of an item as a number: of a pair 1 the left one, 1/2 a tie, 0 the right one; else the step.
fn value(vote: &Vote, criterion: Option<Criterion>) -> Option<f64> {
    match (vote, criterion) {
        (Vote::Choice(choice), None) => Some(outcome(*choice).0),
        (Vote::Ratings(ratings), Some(criterion)) => {
            ratings.get(&criterion).copied().flatten().map(f64::from)
        }
        _ => None,
    }
}

/// What was judged: choices, and each criterion.
fn questions() -> impl Iterator<Item = Option<Criterion>> {
    std::iter::once(None).chain(Criterion::ALL.map(Some))
}

fn agreement(plan: &JudgePlan, judges: &[&JudgeVotes]) -> Vec<Agreement> {
    questions().filter_map(|criterion| agreement_on(plan, judges, criterion)).collect()
}

fn agreement_on(plan: &JudgePlan, judges: &[&JudgeVotes], criterion: Option<Criterion>) -> Option<Agreement> {
    let mut by_prompt = vec![Vec::new(); plan.prompts.len()];
    for (place, item) in plan.items.iter().enumerate().filter(|(place, _)| is_counted(plan, *place)) {
        let said = |judge: &&JudgeVotes| value(&judge.votes.get(&place)?.0, criterion);
        let values: Vec<f64> = judges.iter().filter_map(said).collect();
        if values.len() > 1 {
            by_prompt[item.prompt].push(values);
        }
    }
    let items = by_prompt.iter().map(|units| units.len() as u64).sum();
    let over = |figure: &dyn Fn(&[Vec<f64>]) -> Option<f64>| {
        Estimate::over_prompts(by_prompt.len(), |sample| {
            let units: Vec<Vec<f64>> =
                sample.iter().flat_map(|prompt| by_prompt[*prompt].iter().cloned()).collect();
            figure(&units)
        })
    };
    let alpha = |scale: Scale| over(&|units| krippendorff_alpha(units, scale));
    Some(Agreement {
        criterion,
        items,
        percent: over(&percent_agreement)?,
        nominal: alpha(Scale::Nominal),
        ordinal: alpha(Scale::Ordinal),
        interval: criterion.and_then(|_| alpha(Scale::Interval)),
    })
}

fn length(duels: &[Duel], models: usize, prompts: usize) -> Option<LengthEffect> {
    let mut parts = vec![[0.0, 0.0]; prompts];
    for duel in duels.iter().filter(|duel| duel.longer != 0.0 && duel.outcome != 0.5) {
        parts[duel.prompt][0] += f64::from(u8::from((duel.longer > 0.0) == (duel.outcome == 1.0)));
        parts[duel.prompt][1] += 1.0;
    }
    let longer_wins = Estimate::ratio(&parts)?;
    let n = parts.iter().map(|part| part[1]).sum::<f64>() as u64;
    let (effect, scores) = at_equal_length(duels, models, prompts).unzip();
    Some(LengthEffect { n, longer_wins, effect, scores_at_equal_length: scores })
}

fn left(plan: &JudgePlan, judges: &[&JudgeVotes]) -> Option<Estimate> {
    let mut parts = vec![[0.0, 0.0]; plan.prompts.len()];
    for (place, choice) in judges.iter().flat_map(|said| choices(plan, said)) {
        let part = &mut parts[plan.items[place].prompt];
        part[0] += f64::from(u8::from(choice == Choice::Left));
        part[1] += f64::from(u8::from(matches!(choice, Choice::Left | Choice::Right)));
    }
    Estimate::ratio(&parts)
}

/// Each two judges, of whichever kind, on each question that both answered.
pub fn judge_pairs(plan: &JudgePlan, judges: &[JudgeVotes]) -> Vec<JudgePair> {
    let mut pairs = Vec::new();
    for (place, one) in judges.iter().enumerate() {
        for other in &judges[place + 1..] {
            pairs.extend(questions().filter_map(|criterion| judge_pair(plan, one, other, criterion)));
        }
    }
    pairs
}

fn judge_pair(
    plan: &JudgePlan,
    one: &JudgeVotes,
    other: &JudgeVotes,
    criterion: Option<Criterion>,
) -> Option<JudgePair> {
    let both = |place: usize| {
        let of = |said: &JudgeVotes| value(&said.votes.get(&place)?.0, criterion);
        Some([of(one)?, of(other)?])
    };
    let said: Vec<[f64; 2]> =
        (0..plan.items.len()).filter(|place| is_counted(plan, *place)).filter_map(both).collect();
    let equal = said.iter().filter(|pair| pair[0] == pair[1]).count();
    (!said.is_empty()).then(|| JudgePair {
        judges: [one.judge.clone(), other.judge.clone()],
        criterion,
        items: said.len() as u64,
        percent: equal as f64 / said.len() as f64,
        kappa: cohen_kappa(&said),
    })
}
