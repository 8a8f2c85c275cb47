use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::examples::Sampler;
use super::written::TextMetric;
use crate::metrics::BleuTokens;
use crate::{Error, Result};

macro_rules! built_in {
    ($($name:literal),+ $(,)?) => {
        /// Names and texts of the tasks that the program carries.
        const BUILT_IN: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../tasks/", $name, ".toml")))),+];
    };
}

built_in!(
    "arc_easy",
    "arc_challenge",
    "hellaswag",
    "mmlu",
    "truthfulqa_mc1",
    "truthfulqa_mc2",
    "piqa",
    "winogrande",
    "sst2",
    "chnsenticorp",
    "cmmlu",
    "world_choice_en",
    "world_choice_zh",
    "world_ending_en",
    "world_ending_zh",
    "world_subjects_en",
    "world_subjects_zh",
    "world_truth_en",
    "world_truth_zh",
    "world_answer_en",
    "world_answer_zh",
    "world_sum_en",
    "world_sum_zh",
    "world_translation_en",
    "world_translation_zh",
    "world_preference_en",
    "world_preference_zh",
    "world_sentiment_en",
    "world_sentiment_zh",
    "world_careless_en",
    "world_careless_zh",
    "world_unknown_en",
    "world_unknown_zh",
    "world_language_en",
    "world_language_zh",
);

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Which of several continuations of one prompt is the likeliest.
    MultipleChoice,
    /// After which of several beginnings one continuation is the likeliest.
    Partial,
    /// What the model writes, against the right answer.
    Generate,
    /// Which of two answers is the likelier.
    Preference,
}

/// A task as its file describes it. Templates are Jinja over the fields of an item; expressions are Jinja without braces.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Its name in results.
    pub name: String,
    /// Raised whenever the same model and data would give other figures.
    pub version: u32,
    /// What is measured.
    pub kind: Kind,
    /// Where its data lies, from the folder that is given with `--data`.
    #[serde(default)]
    pub data: Option<PathBuf>,
    /// Template of what stands once before all examples and the prompt.
    #[serde(default)]
    pub(crate) description: String,
    /// Template of the prompt.
    #[serde(default)]
    pub(crate) prompt: String,
    /// Template of the user's turn, where the model is asked through its chat template.
    #[serde(default)]
    pub(crate) question: Option<String>,
    /// Expression: a list of texts that were said before the user's turn, the user's and the model's by turns.
    #[serde(default)]
    pub(crate) before: Option<String>,
    /// Expression: the list of options.
    #[serde(default)]
    pub(crate) choices: String,
    /// Expression: the right option, by its number, its letter or its text.
    #[serde(default)]
    pub(crate) target: Option<String>,
    /// The number of the first option in `target`.
    #[serde(default)]
    pub(crate) counts_from: i64,
    /// Expression: texts by which `target` may name an option too, where those are not the options themselves.
    #[serde(default)]
    pub(crate) names: Option<String>,
    /// Fields that hold lists, and how many entries they must have (0: two or more). As text they are read as JSON.
    #[serde(default)]
    pub(crate) lists: BTreeMap<String, usize>,
    /// Expression: 1 or 0 for each option, where several may be right.
    #[serde(default)]
    pub(crate) labels: Option<String>,
    /// Expression: the beginnings that compete.
    #[serde(default)]
    pub(crate) contexts: String,
    /// Template of what follows each beginning.
    #[serde(default)]
    pub(crate) continuation: String,
    /// Template of the right answer.
    #[serde(default)]
    pub(crate) answer: String,
    /// Expression: all right answers, where there are several; the best of them counts.
    #[serde(default)]
    pub(crate) answers: Option<String>,
    /// What is measured of what the model writes, beside `exact_match`: `bleu`, `chrf`, `chrf++`, `rouge`, `rouge_stem`, `rouge_char`, `squad`.
    #[serde(default)]
    pub(crate) metrics: Vec<TextMetric>,
    /// How `bleu` takes texts apart: `13a`, `intl`, `zh`, `char` or `none`.
    #[serde(default)]
    pub(crate) bleu_tokens: BleuTokens,
    /// Template of what an answer has to hold, where that is less than all.
    #[serde(default)]
    pub(crate) contains: Option<String>,
    /// What stands between the prompt and an option.
    #[serde(default = "blank")]
    pub(crate) delimiter: String,
    /// Writing ends before these.
    #[serde(default)]
    pub(crate) stop: Vec<String>,
    /// The most tokens that are written.
    #[serde(default = "usual_tokens")]
    pub(crate) max_tokens: usize,
    /// Whether `acc_norm` is measured too: log-likelihoods divided by the options' characters.
    #[serde(default)]
    pub(crate) normalised: bool,
    /// Whether `acc` is the share of probability that the right options get (TruthfulQA's mc2).
    #[serde(default)]
    pub(crate) mass: bool,
    /// Whether the options are classes: a confusion matrix, precision, recall and F1 are measured.
    #[serde(default)]
    pub(crate) confusion: bool,
    /// Whether a prompt stands at the beginning of a text, after the token that says so.
    #[serde(default)]
    pub(crate) begins_text: bool,
    /// The field by which figures are also given in groups.
    #[serde(default)]
    pub(crate) group: Option<String>,
    /// The field in which examples must agree with the item they stand before.
    #[serde(default)]
    pub(crate) examples_by: Option<String>,
    /// How examples are chosen where nothing else is said: `first_n` or `random`.
    #[serde(default)]
    pub(crate) sampler: Sampler,
}

fn blank() -> String {
    " ".into()
}

fn usual_tokens() -> usize {
    64
}

/// More parts than any key has.
const MOST_DOTS: usize = 1000;

/// The first line of a TOML text in which a key may be so deep that the tables within tables overflow the stack.
pub fn deep_line(text: &str) -> Option<usize> {
    let dots = |line: &str| line.bytes().filter(|byte| *byte == b'.').count();
    text.split('\n').position(|line| dots(line) > MOST_DOTS).map(|at| at + 1)
}

impl Task {
    /// The names of the tasks that the program carries.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// A task that the program carries.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn built_in(name: &str) -> Result<Self> {
        let found = BUILT_IN.iter().find(|(own, _)| *own == name);
        let (_, text) = found.ok_or_else(|| crate::unknown(name))?;
        Self::parse(text, Path::new(name))
    }

    /// A task from a file of one's own.
    ///
    /// # Errors
    /// When the file cannot be read, is not TOML, lacks a field or has an unknown one.
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(&nuwa_files::read_to_string(path)?, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self> {
        let wrong = |reason: String| Error::TaskFile { path: path.to_path_buf(), reason };
        if let Some(line) = deep_line(text) {
            return Err(wrong(format!(
                "line {line} has more than {MOST_DOTS} dots: no key has so many parts"
            )));
        }
        let task: Self =
            toml::from_str(text).map_err(|error| wrong(error.to_string().trim_end().to_string()))?;
        if !task.metrics.is_empty() && task.kind != Kind::Generate {
            return Err(wrong("metrics are measured of what a model writes: kind has to be generate".into()));
        }
        for (field, is_there) in task.needs() {
            if !is_there {
                return Err(wrong(format!("{field} is missing: a task of this kind needs it")));
            }
        }
        Ok(task)
    }

    /// The field by which its figures are also given in groups.
    pub fn group_field(&self) -> Option<&str> {
        self.group.as_deref()
    }

    /// Whether its items can be asked as chat.
    pub(crate) fn knows_chat(&self) -> bool {
        self.question.is_some() && self.kind != Kind::Partial
    }

    /// What a task of its kind has to say, and whether it does.
    fn needs(&self) -> Vec<(&'static str, bool)> {
        match self.kind {
            Kind::MultipleChoice => vec![
                ("prompt", !self.prompt.is_empty()),
                ("choices", !self.choices.is_empty()),
                ("target or labels", self.target.is_some() || self.labels.is_some()),
            ],
            Kind::Partial => vec![
                ("contexts", !self.contexts.is_empty()),
                ("continuation", !self.continuation.is_empty()),
                ("target", self.target.is_some()),
            ],
            Kind::Generate => vec![("prompt", !self.prompt.is_empty()), ("answer", !self.answer.is_empty())],
            Kind::Preference => vec![("prompt", !self.prompt.is_empty())],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_tasks_that_are_carried_are_whole() {
        for (name, _) in BUILT_IN {
            assert_eq!(Task::built_in(name).unwrap().name, *name);
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let told = |text: &str| Task::parse(text, Path::new("own.toml")).unwrap_err().to_string();
        assert!(told("name = \"a\"\nkind = \"generate\"").contains("missing field `version`"));
        let text = "name = \"a\"\nversion = 1\nkind = \"multiple-choice\"\nprompt = \"x\"";
        let deep = format!("name = \"a\"\n{} = 1", vec!["a"; 100_000].join("."));
        assert_eq!(told(&deep), "own.toml: line 2 has more than 1000 dots: no key has so many parts");
        assert_eq!(told(text), "own.toml: choices is missing: a task of this kind needs it");
        let metrics = format!("{text}\nmetrics = [\"bleu\"]");
        assert_eq!(
            told(&metrics),
            "own.toml: metrics are measured of what a model writes: kind has to be generate"
        );
        assert!(told(&format!("{text}\nmetrics = [\"blue\"]")).contains("unknown variant `blue`"));
        assert!(
            told("name = \"a\"\nversion = 1\nkind = \"generate\"\nprmpt = \"x\"")
                .contains("unknown field `prmpt`")
        );
    }
}
