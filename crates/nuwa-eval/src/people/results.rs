use serde::{Deserialize, Serialize};

use super::account::JudgeAccount;
use super::figures::{GroupFigures, JudgePair, group, judge_pairs};
use super::plan::JudgePlan;
use super::vote::{JudgeKind, JudgeVotes};
use crate::{Error, Result};

/// Fewer prompts leave intervals so wide that only large differences show.
const FEW_PROMPTS: usize = 30;

/// What follows from the votes on a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgeResults {
    /// The hash of the plan.
    pub plan: String,
    /// The names of the models, in the order of the plan.
    pub models: Vec<String>,
    /// How many prompts there are.
    pub prompts: u64,
    /// How many items are asked, with those that come twice and those whose answer is known.
    pub items: u64,
    /// How each judge judged, also those who were left out.
    pub judges: Vec<JudgeAccount>,
    /// Judges whose votes are not in the figures.
    pub left_out: Vec<String>,
    /// The figures of people, and those of models.
    pub groups: Vec<GroupFigures>,
    /// How far each two judges agree.
    pub judge_pairs: Vec<JudgePair>,
    /// What a reader should know before believing them.
    pub remarks: Vec<JudgeRemark>,
}

/// What a reader of the figures should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JudgeRemark {
    /// A judge failed checks of attention.
    FailedChecks {
        /// Who.
        judge: String,
        /// How many.
        failed: u64,
        /// Of how many.
        of: u64,
    },
    /// Not all items were judged.
    Unfinished {
        /// By whom.
        judge: String,
        /// How many are left.
        left: u64,
    },
    /// Only one person judged: there is no agreement to speak of.
    OnePerson,
    /// No person judged.
    NoPerson,
    /// There are few prompts.
    FewPrompts {
        /// How many.
        prompts: u64,
    },
}

impl JudgeResults {
    /// What follows from `votes`, of which those of the judges in `without` do not count.
    ///
    /// # Errors
    /// When there is no vote, or no judge of a name in `without`.
    pub fn of(plan: &JudgePlan, votes: &[JudgeVotes], without: &[String]) -> Result<Self> {
        let wrong = |problem: String| Err(Error::Judging { problem });
        if let Some(unknown) = without.iter().find(|name| votes.iter().all(|said| said.judge != **name)) {
            return wrong(format!("there are no votes of {unknown}, who is to be left out"));
        }
        let is_left_out = |said: &&JudgeVotes| without.contains(&said.judge);
        let counted: Vec<JudgeVotes> = votes.iter().filter(|said| !is_left_out(said)).cloned().collect();
        if counted.iter().all(|said| said.votes.is_empty()) {
            return wrong("there are no votes to count".into());
        }
        let judges: Vec<JudgeAccount> = votes.iter().map(|said| JudgeAccount::of(plan, said)).collect();
        let kinds = [JudgeKind::Person, JudgeKind::Model];
        Ok(Self {
            plan: plan.hash.clone(),
            models: plan.models.iter().map(|model| model.name.clone()).collect(),
            prompts: plan.prompts.len() as u64,
            items: plan.items.len() as u64,
            left_out: without.to_vec(),
            groups: kinds.into_iter().filter_map(|kind| group(plan, &counted, kind)).collect(),
            judge_pairs: judge_pairs(plan, &counted),
            remarks: remarks(plan, &judges, without),
            judges,
        })
    }
}

fn remarks(plan: &JudgePlan, judges: &[JudgeAccount], without: &[String]) -> Vec<JudgeRemark> {
    let mut remarks = Vec::new();
    for account in judges {
        let judge = account.judge.clone();
        if account.checks_failed > 0 {
            let (failed, of) = (account.checks_failed, account.checks);
            remarks.push(JudgeRemark::FailedChecks { judge: judge.clone(), failed, of });
        }
        if account.judged < account.items {
            remarks.push(JudgeRemark::Unfinished { judge, left: account.items - account.judged });
        }
    }
    let people =
        |account: &&JudgeAccount| account.kind == JudgeKind::Person && !without.contains(&account.judge);
    match judges.iter().filter(people).count() {
        0 => remarks.push(JudgeRemark::NoPerson),
        1 => remarks.push(JudgeRemark::OnePerson),
        _ => {}
    }
    if plan.prompts.len() < FEW_PROMPTS {
        remarks.push(JudgeRemark::FewPrompts { prompts: plan.prompts.len() as u64 });
    }
    remarks
}
