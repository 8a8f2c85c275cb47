use std::path::Path;

use nuwa_eval::people::{JudgeItem, JudgeKind, JudgePlan, Vote, VoteFile};
use nuwa_tokenizer::Message;
use serde::Serialize;

/// One judge at work.
pub struct Session {
    file: VoteFile,
    /// The places of all items in the judge's order.
    order: Vec<usize>,
}

/// What the page shows.
#[derive(Debug, Serialize)]
pub struct Shown<'a> {
    judge: &'a str,
    done: usize,
    total: usize,
    can_undo: bool,
    /// What is asked; none where all is done.
    asked: Option<Asked<'a>>,
}

#[derive(Debug, Serialize)]
struct Asked<'a> {
    id: &'a str,
    kind: &'static str,
    prompt: &'a [Message],
    answers: Vec<ShownAnswer<'a>>,
}

/// An answer, without whose it is.
#[derive(Debug, Serialize)]
struct ShownAnswer<'a> {
    text: &'a str,
    is_cut_off: bool,
}

impl Session {
    pub fn open(folder: &Path, plan: &JudgePlan, judge: &str, kind: JudgeKind) -> nuwa_eval::Result<Self> {
        let file = VoteFile::open(folder, plan, judge, kind)?;
        let order = plan.order(&file.said().judge);
        Ok(Self { file, order })
    }

    pub fn file(&self) -> &VoteFile {
        &self.file
    }

    /// How many items are still to be judged.
    pub fn left(&self) -> usize {
        self.order.len() - self.file.said().votes.len()
    }

    /// The place of the first item without a vote.
    pub fn next(&self) -> Option<usize> {
        self.order.iter().copied().find(|place| !self.file.said().votes.contains_key(place))
    }

    /// What is to be shown now.
    pub fn shown<'a>(&'a self, plan: &'a JudgePlan) -> Shown<'a> {
        Shown {
            judge: &self.file.said().judge,
            done: self.order.len() - self.left(),
            total: self.order.len(),
            can_undo: self.file.last().is_some(),
            asked: self.next().map(|place| asked(plan, &plan.items[place])),
        }
    }

    /// Keeps a vote on the item that is asked; `false` where another one is.
    pub fn vote(
        &mut self,
        plan: &JudgePlan,
        id: &str,
        vote: Vote,
        milliseconds: u64,
    ) -> nuwa_eval::Result<bool> {
        match self.next().filter(|place| plan.items[*place].id == id) {
            Some(place) => self.file.add(plan, place, vote, milliseconds).map(|()| true),
            None => Ok(false),
        }
    }

    /// Keeps a vote on any item.
    pub fn keep(
        &mut self,
        plan: &JudgePlan,
        place: usize,
        vote: Vote,
        milliseconds: u64,
    ) -> nuwa_eval::Result<()> {
        self.file.add(plan, place, vote, milliseconds)
    }

    /// Takes the last vote back; its item is asked next.
    pub fn undo(&mut self, plan: &JudgePlan) -> nuwa_eval::Result<()> {
        self.file.undo(plan).map(drop)
    }
}

fn asked<'a>(plan: &'a JudgePlan, item: &'a JudgeItem) -> Asked<'a> {
    let given = &plan.answers[item.prompt];
    let answer = |(text, side): (&'a str, &nuwa_eval::people::Side)| ShownAnswer {
        text,
        is_cut_off: given[side.model].is_cut_off && side.noise.is_none(),
    };
    Asked {
        id: &item.id,
        kind: if item.is_pair() { "pair" } else { "rating" },
        prompt: &plan.prompts[item.prompt].turns,
        answers: plan.texts(item).into_iter().zip(&item.sides).map(answer).collect(),
    }
}
