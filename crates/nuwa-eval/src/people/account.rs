use serde::{Deserialize, Serialize};

use super::plan::JudgePlan;
use super::vote::{Choice, JudgeKind, JudgeVotes, Ratings, Vote};
use super::wording::Criterion;

/// The highest step that a scrambled answer may get for fluency.
const HIGHEST_OF_NOISE: u8 = 2;

/// How a judge judged: what one has to know before believing the figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgeAccount {
    /// The judge's name.
    pub judge: String,
    /// Who it is.
    pub kind: JudgeKind,
    /// How many items were judged, of all there are.
    pub judged: u64,
    /// All there are.
    pub items: u64,
    /// Checks of attention that were judged.
    pub checks: u64,
    /// Those that were judged wrong: the scrambled answer was not called the worse one, or its fluency more than 2.
    pub checks_failed: u64,
    /// Items that were judged twice.
    pub repeated: u64,
    /// Those of them that were judged the same way both times; ratings where all criteria got the same step.
    pub repeated_same: u64,
    /// Choices of one side, and those of the left one.
    pub sides_chosen: u64,
    /// Half of them, where the side does not matter.
    pub left_chosen: u64,
    /// The median time on an item, in seconds.
    pub median_seconds: Option<f64>,
}

impl JudgeAccount {
    /// Of what a judge said.
    pub fn of(plan: &JudgePlan, said: &JudgeVotes) -> Self {
        let mut account = Self {
            judge: said.judge.clone(),
            kind: said.kind,
            judged: said.votes.len() as u64,
            items: plan.items.len() as u64,
            checks: 0,
            checks_failed: 0,
            repeated: 0,
            repeated_same: 0,
            sides_chosen: 0,
            left_chosen: 0,
            median_seconds: median(said.votes.values().map(|(_, time)| *time as f64 / 1000.0).collect()),
        };
        for (place, (vote, _)) in &said.votes {
            account.add(plan, said, *place, vote);
        }
        account
    }

    fn add(&mut self, plan: &JudgePlan, said: &JudgeVotes, place: usize, vote: &Vote) {
        let item = &plan.items[place];
        if item.is_check() {
            self.checks += 1;
            let noise = item.sides.iter().position(|side| side.noise.is_some());
            self.checks_failed += u64::from(!passes(vote, noise == Some(0)));
            return;
        }
        if let Vote::Choice(choice @ (Choice::Left | Choice::Right)) = vote {
            self.sides_chosen += 1;
            self.left_chosen += u64::from(*choice == Choice::Left);
        }
        let first = item.repeats.as_ref().and_then(|id| said.votes.get(&plan.place(id)?));
        if let Some((first, _)) = first {
            self.repeated += 1;
            self.repeated_same += u64::from(is_same(first, vote));
        }
    }
}

/// Whether a vote says of a check what is true.
fn passes(vote: &Vote, noise_is_left: bool) -> bool {
    match vote {
        Vote::Choice(choice) => *choice == if noise_is_left { Choice::Right } else { Choice::Left },
        Vote::Ratings(ratings) => {
            let fluency = ratings.get(&Criterion::Fluency).copied().flatten();
            fluency.is_some_and(|step| step <= HIGHEST_OF_NOISE)
        }
        Vote::Withdrawn => false,
    }
}

/// Whether two votes on one item, of a pair with its sides exchanged, say the same.
fn is_same(first: &Vote, second: &Vote) -> bool {
    match (first, second) {
        (Vote::Choice(first), Vote::Choice(second)) => first.mirrored() == *second,
        (Vote::Ratings(first), Vote::Ratings(second)) => {
            let steps = |ratings: &Ratings| ratings.values().copied().collect::<Vec<_>>();
            steps(first) == steps(second)
        }
        _ => false,
    }
}

/// The middle value; of two middle ones their mean.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.len().checked_sub(1)? / 2, values.len() / 2);
    Some((values[low] + values[high]) / 2.0)
}
