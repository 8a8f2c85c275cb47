//! Human feedback: what a person decided about several answers of a model, as records that are learnt from.
//!
//! A ranking becomes pairs, which DPO and a reward model read: one for each two answers of which one is better. The pairs of one
//! ranking share a `group`, so that all answers to a prompt can stand in one batch (Ouyang et al., "InstructGPT", 2022, section
//! 3.5: pairs of one prompt that are shuffled apart are overfitted in one epoch). Marks become answers with a label, which KTO
//! reads. What was skipped or tied is kept too, so that nobody is asked twice; whoever reads the file leaves it out.

mod file;

use nuwa_tokenizer::Message;
use serde::{Deserialize, Serialize};

use crate::data::Decision;
use crate::{Error, Result};

pub use file::FeedbackFile;

/// What the records of a file of feedback are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedbackKind {
    /// Pairs: answers are ranked.
    Ranks,
    /// Answers with labels: each is good or bad.
    Marks,
}

/// What a person says of the answers, in the order in which they are given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The rank of each answer, 1 for the best; answers of one rank are tied.
    Ranks(Vec<usize>),
    /// Whether each answer is good.
    Marks(Vec<bool>),
    /// Nothing.
    Skipped,
}

/// A prompt, its answers, and what a person says of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// What was answered, up to a turn of the user.
    pub prompt: Vec<Message>,
    /// The answers, each different from the others.
    pub answers: Vec<String>,
    /// What the person says.
    pub verdict: Verdict,
    /// The model that answered.
    pub model: String,
}

/// A record of a file of feedback. Its first field tells such a file from others.
#[derive(Debug, Serialize)]
struct Line<'a> {
    feedback: Decision,
    prompt: &'a [Message],
    #[serde(flatten)]
    learnt: Learnt<'a>,
    group: &'a str,
    /// How many records the group has, by which a group is known to be whole.
    group_records: usize,
    model: &'a str,
}

/// What a judgement adds to a file.
struct Records {
    count: usize,
    /// A line of JSON for each.
    lines: String,
    group: String,
}

/// What there is to learn from a record.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Learnt<'a> {
    Pair { chosen: [Message; 1], rejected: [Message; 1], chosen_rank: usize, rejected_rank: usize },
    Labelled { completion: [Message; 1], label: bool },
    Nothing { answers: &'a [String] },
}

/// What names a prompt in a file of feedback.
pub fn prompt_key(prompt: &[Message]) -> String {
    let turns = prompt.iter().flat_map(|turn| [turn.role.as_str(), turn.content.as_str()]);
    nuwa_files::hash_blocks(turns.map(length_and_text))
}

/// Two lists of texts with the same bytes in a row are still two lists.
fn length_and_text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

/// The pairs of a ranking, by the places of their answers: the better one first, pairs with the best answers first. Tied answers
/// make no pair.
pub fn ranked_pairs(ranks: &[usize]) -> Vec<(usize, usize)> {
    let places = 0..ranks.len();
    let of = |better: usize| places.clone().map(move |worse| (better, worse));
    let mut pairs: Vec<(usize, usize)> =
        places.clone().flat_map(of).filter(|&(better, worse)| ranks[better] < ranks[worse]).collect();
    pairs.sort_by_key(|&(better, worse)| (ranks[better], ranks[worse]));
    pairs
}

impl Judgement {
    /// Refuses a verdict that does not fit the answers.
    ///
    /// # Errors
    /// When it is about more or fewer answers, or a rank is out of its range.
    pub fn check(&self) -> Result<()> {
        let answers = self.answers.len();
        let wrong = |problem: String| Err(Error::Verdict { problem });
        match &self.verdict {
            Verdict::Ranks(ranks) if ranks.len() != answers => {
                wrong(format!("there are {} ranks of {answers} answers", ranks.len()))
            }
            Verdict::Ranks(ranks) => match ranks.iter().find(|rank| !(1..=answers).contains(*rank)) {
                Some(rank) => wrong(format!("rank {rank}: expected 1 to {answers}")),
                None => Ok(()),
            },
            Verdict::Marks(marks) if marks.len() != answers => {
                wrong(format!("there are {} marks of {answers} answers", marks.len()))
            }
            Verdict::Marks(_) | Verdict::Skipped => Ok(()),
        }
    }

    /// What it says, in a word.
    pub fn decision(&self) -> Decision {
        match &self.verdict {
            Verdict::Ranks(ranks) if ranked_pairs(ranks).is_empty() => Decision::Tied,
            Verdict::Ranks(_) => Decision::Ranked,
            Verdict::Marks(_) => Decision::Marked,
            Verdict::Skipped => Decision::Skipped,
        }
    }

    fn learnt(&self) -> Vec<Learnt<'_>> {
        let turn = |answer: usize| [Message::new("assistant", self.answers[answer].as_str())];
        match &self.verdict {
            Verdict::Ranks(ranks) if self.decision() == Decision::Ranked => {
                let pair = |(better, worse): (usize, usize)| Learnt::Pair {
                    chosen: turn(better),
                    rejected: turn(worse),
                    chosen_rank: ranks[better],
                    rejected_rank: ranks[worse],
                };
                ranked_pairs(ranks).into_iter().map(pair).collect()
            }
            Verdict::Marks(marks) => {
                let labelled = |(answer, &label)| Learnt::Labelled { completion: turn(answer), label };
                marks.iter().enumerate().map(labelled).collect()
            }
            Verdict::Ranks(_) | Verdict::Skipped => vec![Learnt::Nothing { answers: &self.answers }],
        }
    }

    /// The records of the judgement, with what names them as those of one.
    fn records(&self) -> Records {
        let asked = prompt_key(&self.prompt);
        let answers = self.answers.iter().map(String::as_str);
        let group = nuwa_files::hash_blocks([asked.as_str()].into_iter().chain(answers).map(length_and_text));
        let learnt = self.learnt();
        let count = learnt.len();
        let line = |learnt| Line {
            feedback: self.decision(),
            prompt: &self.prompt,
            learnt,
            group: &group,
            group_records: count,
            model: &self.model,
        };
        let json = |line: Line<'_>| serde_json::to_string(&line).expect("texts and numbers are JSON") + "\n";
        let lines = learnt.into_iter().map(|learnt| json(line(learnt))).collect();
        Records { count, lines, group }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ranking_is_the_pairs_of_which_one_is_better() {
        assert_eq!(ranked_pairs(&[2, 1]), [(1, 0)]);
        assert_eq!(ranked_pairs(&[3, 1, 2]), [(1, 2), (1, 0), (2, 0)]);
        assert_eq!(ranked_pairs(&[2, 1, 2]), [(1, 0), (1, 2)], "two share the second rank");
        assert_eq!(ranked_pairs(&[1, 1, 1]), []);
        assert_eq!(ranked_pairs(&[4, 3, 2, 1]).len(), 6);
    }

    #[test]
    fn a_verdict_fits_its_answers() {
        let judged = |verdict| Judgement {
            prompt: vec![Message::new("user", "a")],
            answers: vec!["b".into(), "c".into()],
            verdict,
            model: "m".into(),
        };
        let told = |verdict| judged(verdict).check().map_err(|error| error.to_string());
        assert_eq!(told(Verdict::Ranks(vec![1, 2])), Ok(()));
        assert_eq!(told(Verdict::Ranks(vec![1])), Err("there are 1 ranks of 2 answers".into()));
        assert_eq!(told(Verdict::Ranks(vec![0, 1])), Err("rank 0: expected 1 to 2".into()));
        assert_eq!(told(Verdict::Ranks(vec![1, 3])), Err("rank 3: expected 1 to 2".into()));
        assert_eq!(told(Verdict::Marks(vec![true; 3])), Err("there are 3 marks of 2 answers".into()));
        assert_eq!(judged(Verdict::Ranks(vec![1, 1])).decision(), Decision::Tied);
        assert_eq!(judged(Verdict::Skipped).decision(), Decision::Skipped);
    }

    #[test]
    fn prompts_are_told_apart_by_their_turns() {
        let key = |turns: &[(&str, &str)]| {
            prompt_key(&turns.iter().map(|(role, text)| Message::new(*role, *text)).collect::<Vec<_>>())
        };
        assert_eq!(key(&[("user", "a")]), key(&[("user", "a")]));
        assert_ne!(key(&[("user", "ab"), ("user", "c")]), key(&[("user", "a"), ("user", "bc")]));
        assert_ne!(key(&[("user", "a")]), key(&[("system", "a")]));
    }
}
