//! Votes, and the files they are kept in: one for each judge, in `votes/` of the plan's folder, so that judges at different machines
//! send theirs back as a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use nuwa_files::{Journal, JournalLine};
use serde::{Deserialize, Serialize};

use super::items::JudgeItem;
use super::plan::JudgePlan;
use super::wording::Criterion;
use crate::{Error, Result};

/// Where the files are.
const FOLDER: &str = "votes";
/// What a line of such a file begins with.
const BEGINNING: &[u8] = b"{\"plan\":\"";
/// The most characters of a judge's name.
const LONGEST_NAME: usize = 60;

/// Who judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JudgeKind {
    /// A person.
    Person,
    /// A language model.
    Model,
}

/// What is said of two answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// The left one is better.
    Left,
    /// The right one is better.
    Right,
    /// Both are equally good.
    BothGood,
    /// Both are equally bad.
    BothBad,
    /// Asked in both orders, a model chose the same side twice: a tie.
    Contradictory,
}

impl Choice {
    /// The same of the pair with its sides exchanged.
    pub fn mirrored(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
            tie => tie,
        }
    }
}

/// The steps of one answer, 1 to 5; none where a judge cannot tell.
pub type Ratings = BTreeMap<Criterion, Option<u8>>;

/// What a judge says of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vote {
    /// Of a pair.
    Choice(Choice),
    /// Of one answer.
    Ratings(Ratings),
    /// The last vote on it is taken back.
    Withdrawn,
}

impl Vote {
    /// Refuses a vote that does not fit its item.
    fn check(&self, item: &JudgeItem) -> Result<(), String> {
        match self {
            Self::Withdrawn => Ok(()),
            Self::Choice(_) if item.is_pair() => Ok(()),
            Self::Choice(_) => Err(format!("{} is one answer that is rated, and not a pair", item.id)),
            Self::Ratings(_) if item.is_pair() => {
                Err(format!("{} is a pair, and not one answer that is rated", item.id))
            }
            Self::Ratings(ratings) => {
                if let Some(missing) =
                    Criterion::ALL.iter().find(|criterion| !ratings.contains_key(criterion))
                {
                    return Err(format!("{} lacks {}", item.id, missing.name()));
                }
                let wrong =
                    ratings.iter().find(|(_, step)| step.is_some_and(|step| !(1..=5).contains(&step)));
                wrong.map_or(Ok(()), |(criterion, step)| {
                    Err(format!("{} {}: expected 1 to 5", criterion.name(), step.unwrap_or_default()))
                })
            }
        }
    }
}

/// A line of a file of votes.
#[derive(Debug, Serialize, Deserialize)]
struct VoteLine {
    plan: String,
    judge: String,
    kind: JudgeKind,
    item: String,
    vote: Vote,
    /// How long the item was shown.
    milliseconds: u64,
    /// Seconds since 1970.
    time: u64,
}

/// What one judge said.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgeVotes {
    /// The judge's name.
    pub judge: String,
    /// Who it is.
    pub kind: JudgeKind,
    /// The vote that holds of each item, by its place, with the time it took in milliseconds.
    pub votes: BTreeMap<usize, (Vote, u64)>,
}

impl JudgeVotes {
    fn take(&mut self, place: usize, vote: Vote, milliseconds: u64) {
        match vote {
            Vote::Withdrawn => self.votes.remove(&place),
            vote => self.votes.insert(place, (vote, milliseconds)),
        };
    }
}

/// The file of one judge, which is added to.
#[derive(Debug)]
pub struct VoteFile {
    journal: Journal,
    path: PathBuf,
    said: JudgeVotes,
    /// The items that were voted on, the last at the end.
    order: Vec<usize>,
}

impl VoteFile {
    /// Opens the file of a judge in the folder of a plan, or begins one.
    ///
    /// # Errors
    /// When the name is none, the file cannot be read or written, is of another plan or another judge, or is being written by
    /// another program.
    pub fn open(folder: &Path, plan: &JudgePlan, judge: &str, kind: JudgeKind) -> Result<Self> {
        let judge = tidy(judge)?;
        let folder = folder.join(FOLDER);
        std::fs::create_dir_all(&folder).map_err(nuwa_files::Error::write(&folder))?;
        let path = folder.join(file_name(&judge));
        let mut said = JudgeVotes { judge: judge.clone(), kind, votes: BTreeMap::new() };
        let mut order = Vec::new();
        let journal = Journal::open(&path, |line| {
            let Some((place, known)) = read(&path, plan, line)? else { return Ok(Some(line.begin)) };
            if known.judge != judge || known.kind != kind {
                let problem = format!("it is a vote of {}, expected those of {judge}", known.judge);
                return Err(wrong(&path, line.number, problem));
            }
            note(&mut order, place, &known.vote);
            said.take(place, known.vote, known.milliseconds);
            Ok(None)
        })?;
        Ok(Self { journal, path, said, order })
    }

    /// Whether a last vote was cut off when the file was opened, since it was not whole.
    pub fn is_mended(&self) -> bool {
        self.journal.is_mended()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the judge said so far.
    pub fn said(&self) -> &JudgeVotes {
        &self.said
    }

    /// The item that was voted on last.
    pub fn last(&self) -> Option<usize> {
        self.order.last().copied()
    }

    /// Adds a vote, which is on the disk when this returns. An earlier one on the same item stays in the file and no longer holds.
    ///
    /// # Errors
    /// When it does not fit the item, or cannot be written.
    pub fn add(&mut self, plan: &JudgePlan, place: usize, vote: Vote, milliseconds: u64) -> Result<()> {
        let item = &plan.items[place];
        vote.check(item).map_err(|problem| Error::Vote { place: None, problem })?;
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let JudgeVotes { judge, kind, .. } = &self.said;
        let line = VoteLine {
            plan: plan.hash.clone(),
            judge: judge.clone(),
            kind: *kind,
            item: item.id.clone(),
            vote,
            milliseconds,
            time,
        };
        // Texts and numbers: there is JSON of them.
        let text = serde_json::to_string(&line).unwrap_or_default();
        self.journal.add(&(text + "\n"))?;
        note(&mut self.order, place, &line.vote);
        self.said.take(place, line.vote, milliseconds);
        Ok(())
    }

    /// Takes the last vote back; the place of its item, none where there is none.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn undo(&mut self, plan: &JudgePlan) -> Result<Option<usize>> {
        let Some(place) = self.last() else { return Ok(None) };
        self.add(plan, place, Vote::Withdrawn, 0)?;
        Ok(Some(place))
    }
}

fn note(order: &mut Vec<usize>, place: usize, vote: &Vote) {
    order.retain(|known| *known != place);
    if *vote != Vote::Withdrawn {
        order.push(place);
    }
}

/// The votes of all judges in the folder of a plan, in the order of their names.
///
/// # Errors
/// When a file cannot be read, or holds anything else than votes of this plan.
pub fn read_votes(folder: &Path, plan: &JudgePlan) -> Result<Vec<JudgeVotes>> {
    let folder = folder.join(FOLDER);
    let mut judges: BTreeMap<(String, JudgeKind), JudgeVotes> = BTreeMap::new();
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    for path in nuwa_files::files_in(&folder)?
        .into_iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "jsonl"))
    {
        let text = nuwa_files::read(&path)?;
        for (number, bytes) in (1..).zip(text.split_inclusive(|byte| *byte == b'\n')) {
            let is_ended = bytes.ends_with(b"\n");
            let line = JournalLine { number, begin: 0, bytes: bytes.trim_ascii_end(), is_ended };
            let Some((place, known)) = read(&path, plan, line)? else { continue };
            let key = (known.judge.clone(), known.kind);
            let votes = BTreeMap::new();
            let judge = judges.entry(key).or_insert_with(|| JudgeVotes {
                judge: known.judge,
                kind: known.kind,
                votes,
            });
            judge.take(place, known.vote, known.milliseconds);
        }
    }
    Ok(judges.into_values().collect())
}

/// The vote of a line and the place of its item; none of a last line that was not written to its end.
fn read(path: &Path, plan: &JudgePlan, line: JournalLine<'_>) -> Result<Option<(usize, VoteLine)>> {
    let wrong = |problem: String| Err(wrong(path, line.number, problem));
    let known: VoteLine = match serde_json::from_slice(line.bytes) {
        Ok(known) => known,
        Err(_) if line.is_begun(BEGINNING) => return Ok(None),
        Err(error) => return wrong(format!("it is no vote ({error}); expected votes alone")),
    };
    if known.plan != plan.hash {
        let [own, other] = [&plan.hash, &known.plan].map(|hash| hash.get(..12).unwrap_or(hash));
        return wrong(format!("it is a vote of the plan {other}, expected votes of {own}"));
    }
    let Some(place) = plan.place(&known.item) else {
        return wrong(format!("the plan has no item {:?}", known.item));
    };
    match known.vote.check(&plan.items[place]) {
        Ok(()) => Ok(Some((place, known))),
        Err(problem) => wrong(problem),
    }
}

fn wrong(path: &Path, line: u64, problem: String) -> Error {
    Error::Vote { place: Some(format!("{}:{line}", path.display())), problem }
}

/// The name without blanks around it.
fn tidy(judge: &str) -> Result<String> {
    let name = judge.trim();
    let is_fine =
        !name.is_empty() && name.chars().count() <= LONGEST_NAME && !name.chars().any(char::is_control);
    if is_fine {
        return Ok(name.into());
    }
    let problem = format!("{name:?} is no name of a judge: expected 1 to {LONGEST_NAME} characters");
    Err(Error::Vote { place: None, problem })
}

/// A file name that every system takes, and that no two names share.
fn file_name(judge: &str) -> String {
    let plain = |character: char| if character.is_alphanumeric() { character } else { '-' };
    let shown: String = judge.chars().take(24).map(plain).collect();
    format!("{shown}-{}.jsonl", &nuwa_files::hash_bytes(judge.as_bytes())[..8])
}
