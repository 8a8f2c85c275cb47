//! What judges say of answers: people, and models that are asked as they are.
//!
//! A [`JudgePlan`] fixes before the first vote what will be asked: the answers, which stands on which side, which are asked twice, and
//! in which words. Its hash is in every vote, so that votes of another plan cannot be mixed in. Votes are only added ([`VoteFile`]);
//! [`JudgeResults`] are what follows from them: who wins how often, strengths, ratings by criterion, how far judges agree, and what
//! speaks against it: sides, lengths, checks that failed.
//!
//! The method follows van der Lee et al., "Human evaluation of automatically generated text" (2021): the construct, the question and
//! the scale are stated, all judges see the same items in an order of their own, and agreement is reported with its interval.

mod account;
mod comparisons;
mod estimate;
mod figures;
mod items;
mod plan;
mod ratings;
mod results;
mod vote;
mod wording;

#[cfg(test)]
mod tests;

pub use account::JudgeAccount;
pub use comparisons::{PairResult, Strength, Strengths};
pub use estimate::Estimate;
pub use figures::{Agreement, GroupFigures, JudgePair, LengthEffect};
pub use items::{ItemSettings, JudgeItem, Side};
pub use plan::{JudgePlan, JudgedAnswer, JudgedModel, JudgedPrompt, SameAnswers};
pub use ratings::{CriterionResult, ModelRatings};
pub use results::{JudgeRemark, JudgeResults};
pub use vote::{Choice, JudgeKind, JudgeVotes, Ratings, Vote, VoteFile, read_votes};
pub use wording::{Criterion, CriterionWords, Wording, Words};
