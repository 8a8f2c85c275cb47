use std::path::{Path, PathBuf};

/// Why a text could not be read, from whoever reads them.
pub type TextError = Box<dyn std::error::Error + Send + Sync>;

/// What can go wrong in an evaluation.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The model or its tokenizer failed.
    #[error(transparent)]
    Infer(#[from] nuwa_infer::Error),
    /// A file could not be read.
    #[error(transparent)]
    Files(#[from] nuwa_files::Error),
    /// A description of a task that is not one.
    #[error("{}: {reason}", path.display())]
    TaskFile {
        /// The file.
        path: PathBuf,
        /// Line, field, and what was expected.
        reason: String,
    },
    /// A task file that needs a function in Python.
    #[error("{}: {key} needs the function {function} of {}, and no Python runs here", path.display(), module.display())]
    NeedsPython {
        /// The task file.
        path: PathBuf,
        /// The key that names the function.
        key: String,
        /// The function, with its module.
        function: String,
        /// The file that holds it.
        module: PathBuf,
    },
    /// An item that the task cannot ask.
    #[error("{}:{place}: {problem}", path.display())]
    Item {
        /// The file of the items.
        path: PathBuf,
        /// The line where it begins.
        place: usize,
        /// What is wrong with it.
        problem: String,
        /// What to do, where that is known.
        hint: Option<&'static str>,
    },
    /// Fewer examples than were asked for.
    #[error(
        "{}: {wanted} examples were asked for before each item, it has {found}{kind} (an item is no example for itself)",
        path.display()
    )]
    TooFewExamples {
        /// The file of the examples.
        path: PathBuf,
        /// How many were asked for.
        wanted: usize,
        /// How many there are.
        found: usize,
        /// What they have in common with the item, if the task asks for that.
        kind: String,
    },
    /// A text could not be read.
    #[error("reading the texts failed: {0}")]
    Reading(#[source] TextError),
    /// A plan of what judges are asked that cannot be gone on with.
    #[error("{}: {problem}", path.display())]
    JudgePlan {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A vote that does not count.
    #[error("{}{problem}", place.as_ref().map_or(String::new(), |place| format!("{place}: ")))]
    Vote {
        /// The file and the line, where it is in a file.
        place: Option<String>,
        /// What is wrong with it.
        problem: String,
    },
    /// Nothing that can be judged, or no figures of it.
    #[error("{problem}")]
    Judging {
        /// What is wrong, and what was expected.
        problem: String,
    },
    /// Evaluations that cannot be held against each other.
    #[error("{problem}")]
    Comparing {
        /// What is wrong, and what was expected.
        problem: String,
    },
    /// A task that there is none of.
    #[error("there is no task {name:?}")]
    UnknownTask {
        /// The name asked for.
        name: String,
        /// Those there are.
        known: String,
    },
    /// A suite that there is none of.
    #[error("there is no suite {name:?}")]
    UnknownSuite {
        /// The name asked for.
        name: String,
        /// Those there are.
        known: String,
    },
    /// Nothing to score.
    #[error("nothing to evaluate on: the {texts} texts that were read hold no token")]
    NoText {
        /// How many texts came.
        texts: u64,
    },
    /// The tokenizer has no token that a text could stand after, so its first token has no likelihood.
    #[error(
        "the tokenizer names no token that begins or ends a text, so the first token of a text cannot be scored"
    )]
    NoStart,
    /// Toxicity without a judge of it.
    #[error("the task toxicity needs a classifier that judges the continuations")]
    NoClassifier,
    /// A setting that nothing can be evaluated with.
    #[error("{name} = {value}: {expected}")]
    Setting {
        /// Its name.
        name: &'static str,
        /// What it was set to.
        value: usize,
        /// What it may be.
        expected: String,
    },
}

const ITEM_HINT: &str = "the fields of an item have to be those that the task's templates name";

const NO_PYTHON: &str = "built in are the functions of HellaSwag, WinoGrande, TruthfulQA mc2 and WikiText as lm-evaluation-harness \
    0.4.13 has them; for others write the documents as the function would make them, and take !function out of the file";

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml")
}

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An item of `path` that cannot be read or asked; `place` is its line.
    pub(crate) fn item(path: &Path, place: usize, problem: impl Into<String>) -> Self {
        Self::Item { path: path.to_path_buf(), place, problem: problem.into(), hint: None }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Infer(error) => error.hint(),
            Self::Files(error) => error.hint(),
            Self::NeedsPython { .. } => Some(NO_PYTHON.to_string()),
            Self::TaskFile { path, .. } if is_yaml(path) => None,
            Self::TaskFile { .. } => Some("a task file is described at `Task`".to_string()),
            Self::Item { hint, .. } => Some(hint.unwrap_or(ITEM_HINT).to_string()),
            Self::TooFewExamples { found, .. } => {
                Some(format!("name a file with more of them, or ask for fewer: {found}"))
            }
            Self::JudgePlan { .. } => {
                Some("make a new plan in another folder; the votes on this one stay as they are".to_string())
            }
            Self::Vote { place: Some(_), .. } => {
                Some("move that file out of the folder of votes, or put its plan back".to_string())
            }
            Self::Reading(_)
            | Self::Setting { .. }
            | Self::Vote { place: None, .. }
            | Self::Judging { .. }
            | Self::Comparing { .. } => None,
            Self::UnknownTask { known, .. } => Some(format!("the tasks are: {known}")),
            Self::UnknownSuite { known, .. } => Some(format!("the suites are: {known}")),
            Self::NoText { .. } => Some("name a file or folder with text in it".to_string()),
            Self::NoClassifier => Some("train one from examples, and name it".to_string()),
            Self::NoStart => Some("name eos_token or bos_token in tokenizer_config.json".to_string()),
        }
    }
}
