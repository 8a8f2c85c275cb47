use std::path::Path;

use nuwa_tokenizer::Message;
use serde::{Deserialize, Serialize};

use super::items::{ItemSettings, JudgeItem, items, order};
use super::wording::Wording;
use crate::{Error, Result};

/// The name of a plan's file in its folder.
const FILE: &str = "plan.json";
/// Plans of other numbers mean something else by their fields.
const FORMAT: u32 = 1;

/// What judges are asked, fixed before the first vote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgePlan {
    /// The hash of all else; it stands in every vote.
    pub hash: String,
    /// What the fields mean.
    pub format: u32,
    /// The program that made it.
    pub program: String,
    /// How items were made.
    pub settings: ItemSettings,
    /// How answers were written, as the program names it.
    pub sampling: serde_json::Value,
    /// Whose answers are judged.
    pub models: Vec<JudgedModel>,
    /// What was answered.
    pub prompts: Vec<JudgedPrompt>,
    /// `answers[prompt][model]`.
    pub answers: Vec<Vec<JudgedAnswer>>,
    /// Pairs of answers that are the same word for word: ties that nobody is asked about.
    pub same: Vec<SameAnswers>,
    /// How judges are asked.
    pub wording: Wording,
    /// What they are asked.
    pub items: Vec<JudgeItem>,
}

/// A model whose answers are judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JudgedModel {
    /// What it is called in results.
    pub name: String,
    /// Where it was: a model folder, or a file of answers.
    pub path: String,
    /// The hash of its weights, or of the file.
    pub hash: String,
}

/// A prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgedPrompt {
    /// Its turns, of which the last asks.
    pub turns: Vec<Message>,
    /// File, and line or item.
    pub place: String,
}

/// An answer of a model to a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JudgedAnswer {
    /// Its text.
    pub text: String,
    /// Whether it ended only because it might not be longer.
    #[serde(default)]
    pub is_cut_off: bool,
}

/// Two answers to a prompt that are the same word for word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SameAnswers {
    /// The place of the prompt.
    pub prompt: usize,
    /// The places of the models.
    pub models: [usize; 2],
}

impl JudgePlan {
    /// A plan of these answers, `answers[prompt][model]`.
    ///
    /// # Errors
    /// When there are fewer than two models or prompts, all answers of two models are the same, or a share is not one.
    pub fn new(
        program: &str,
        models: Vec<JudgedModel>,
        prompts: Vec<JudgedPrompt>,
        answers: Vec<Vec<JudgedAnswer>>,
        sampling: serde_json::Value,
        settings: ItemSettings,
    ) -> Result<Self> {
        Self::check(&models, prompts.len())?;
        settings.check()?;
        if let Some([first, second]) = same_answers(&models, &answers) {
            return Err(one_and_the_same(&models[first], &models[second], "all their answers are equal"));
        }
        let (items, same) = items(&answers, &settings);
        let mut plan = Self {
            hash: String::new(),
            format: FORMAT,
            program: program.into(),
            settings,
            sampling,
            models,
            prompts,
            answers,
            same,
            wording: Wording::usual(),
            items,
        };
        plan.hash = plan.hash_of_rest();
        Ok(plan)
    }

    /// Refuses what nothing can be learnt from, before answers are written: fewer than two models or prompts, or a model twice.
    ///
    /// # Errors
    /// When that is so.
    pub fn check(models: &[JudgedModel], prompts: usize) -> Result<()> {
        if models.len() < 2 {
            let found = models.len();
            return Err(wrong(format!(
                "there is {found} model, expected at least 2: judging compares models"
            )));
        }
        if prompts < 2 {
            return Err(wrong(format!(
                "there is {prompts} prompt, expected at least 2: how sure a figure is follows from how prompts differ"
            )));
        }
        for (first, one) in models.iter().enumerate() {
            if let Some(other) = models[first + 1..].iter().find(|other| other.hash == one.hash) {
                return Err(one_and_the_same(
                    one,
                    other,
                    "their weights, or their files of answers, are equal",
                ));
            }
        }
        Ok(())
    }

    /// Reads the plan of a folder.
    ///
    /// # Errors
    /// When there is none, it cannot be read, or it is not as it was made.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let plan: Self = nuwa_files::read_json(&path)?;
        let problem = match plan {
            _ if plan.format != FORMAT => format!("its format is {}, expected {FORMAT}", plan.format),
            _ if plan.hash != plan.hash_of_rest() => {
                "it was changed after it was made, and its votes are about what it was".into()
            }
            plan => return Ok(plan),
        };
        Err(Error::JudgePlan { path, problem })
    }

    /// Whether a folder holds a plan.
    pub fn is_in(folder: &Path) -> bool {
        folder.join(FILE).is_file()
    }

    /// Writes it into a folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        Ok(nuwa_files::write_json(&folder.join(FILE), self)?)
    }

    /// The places of the items in the order in which a judge of this name sees them.
    pub fn order(&self, judge: &str) -> Vec<usize> {
        order(&self.items, self.settings.seed, judge)
    }

    /// The place of the item with this id.
    pub fn place(&self, id: &str) -> Option<usize> {
        self.items.iter().position(|item| item.id == id)
    }

    /// The texts of an item's sides.
    pub fn texts<'a>(&'a self, item: &'a JudgeItem) -> Vec<&'a str> {
        let own = |model: usize| self.answers[item.prompt][model].text.as_str();
        item.sides.iter().map(|side| side.noise.as_deref().unwrap_or_else(|| own(side.model))).collect()
    }

    fn hash_of_rest(&self) -> String {
        let rest = Self { hash: String::new(), ..self.clone() };
        // All fields are texts and finite numbers: there is JSON of them.
        nuwa_files::hash_bytes(&serde_json::to_vec(&rest).unwrap_or_default())
    }
}

/// Two models whose answers are all equal.
fn same_answers(models: &[JudgedModel], answers: &[Vec<JudgedAnswer>]) -> Option<[usize; 2]> {
    let both = |first: usize| (first + 1..models.len()).map(move |second| [first, second]);
    let is_same =
        |[first, second]: &[usize; 2]| answers.iter().all(|given| given[*first].text == given[*second].text);
    (0..models.len()).flat_map(both).find(is_same)
}

fn one_and_the_same(one: &JudgedModel, other: &JudgedModel, why: &str) -> Error {
    wrong(format!("{} and {} are one and the same: {why}", one.path, other.path))
}

fn wrong(problem: String) -> Error {
    Error::Judging { problem }
}
