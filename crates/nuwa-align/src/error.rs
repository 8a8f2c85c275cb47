use std::path::PathBuf;

/// What can go wrong while a model is aligned.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error(transparent)]
    Files(#[from] nuwa_files::Error),
    /// The shards of the pretraining text could not be read.
    #[error(transparent)]
    Shards(#[from] nuwa_shards::Error),
    /// The tokenizer or its chat template is at fault.
    #[error(transparent)]
    Tokenizer(#[from] nuwa_tokenizer::Error),
    /// The model folder is at fault.
    #[error(transparent)]
    Format(#[from] nuwa_format::Error),
    /// The engine refused.
    #[error(transparent)]
    Tensor(#[from] nuwa_tensor::Error),
    /// The training loop refused.
    #[error(transparent)]
    Train(#[from] nuwa_train::Error),
    /// A file is neither a JSON list nor JSON lines.
    #[error("{place}: not valid JSON: {reason}")]
    Json {
        /// File, and line or item.
        place: String,
        /// What the parser says.
        reason: String,
    },
    /// A record that is no dialogue, or no preference.
    #[error("{place}: {problem}")]
    Record {
        /// File, and line or item.
        place: String,
        /// What is wrong with it.
        problem: String,
        /// What to do about it.
        advice: Advice,
    },
    /// A record that says itself that it is not to be learnt.
    #[error("{place}: {reason}")]
    LeftOut {
        /// File, and line or item.
        place: String,
        /// Why.
        reason: String,
    },
    /// A table whose rows are not like its first.
    #[error("{place}: {reason}")]
    Table {
        /// File and line.
        place: String,
        /// What is wrong there.
        reason: String,
    },
    /// There are not as many files of targets as of sources.
    #[error("{sources} files of sources, and {targets} of targets: expected as many")]
    Sides {
        /// Files of sources.
        sources: usize,
        /// Files of targets.
        targets: usize,
    },
    /// Two files of which line belongs to line have not as many lines.
    #[error("{} has {sources} lines, and {} has {targets}: expected as many, a pair a line", source_file.display(), target_file.display())]
    Lines {
        /// The file of sources.
        source_file: PathBuf,
        /// Its lines.
        sources: usize,
        /// The file of targets.
        target_file: PathBuf,
        /// Its lines.
        targets: usize,
    },
    /// A table where lines were expected.
    #[error("{} is a table or JSON, expected a text a line", path.display())]
    NoLines {
        /// The file.
        path: PathBuf,
    },
    /// The tokenizer has no token with which a text ends.
    #[error("the tokenizer has no token that ends a text, so a model cannot learn to stop")]
    NoEndOfText,
    /// The files hold nothing to learn from.
    #[error("{} holds nothing to tune on: {reason}", path.display())]
    Empty {
        /// The first file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The template writes a dialogue so that its answers cannot be told from the rest.
    #[error(
        "{place}: the chat template does not keep the beginning of a dialogue when turns are added, so its answers cannot be found"
    )]
    Template {
        /// File, and line or item.
        place: String,
    },
    /// The template refuses to write a dialogue.
    #[error("{place}: {reason}")]
    Refused {
        /// File, and line or item.
        place: String,
        /// What the template says.
        reason: String,
    },
    /// A text that a model does not read as a whole.
    #[error("{place}: {source}")]
    Text {
        /// File, and line or item.
        place: String,
        /// Why.
        source: Box<nuwa_infer::Error>,
    },
    /// A table in which a column is not found.
    #[error("{place}: its columns are {columns}: expected {expected}")]
    Columns {
        /// File, and line or item.
        place: String,
        /// Those that there are.
        columns: String,
        /// What was looked for.
        expected: String,
    },
    /// Texts that all have the same label.
    #[error("all {texts} texts have the {column} {only:?}: there is nothing to tell apart")]
    OneLabel {
        /// The column of labels.
        column: String,
        /// The label.
        only: String,
        /// How many there are.
        texts: usize,
    },
    /// Texts of which hardly two have the same label.
    #[error("{column} has {labels} different values in {texts} texts: too many to be labels")]
    TooManyLabels {
        /// The column of labels.
        column: String,
        /// How many values it has.
        labels: usize,
        /// How many texts there are.
        texts: usize,
    },
    /// Labels that the model does not tell, or that no text has that is trained on.
    #[error("the labels {} are not among those that are learnt: {}", quoted(.unknown), quoted(.known))]
    UnknownLabels {
        /// Those.
        unknown: Vec<String>,
        /// Those that are known.
        known: Vec<String>,
    },
    /// A setting is out of its range.
    #[error("{name} = {value}: expected {expected}")]
    Setting {
        /// The key in the recipe.
        name: String,
        /// Its value.
        value: String,
        /// What it would have to be.
        expected: String,
    },
    /// The model that samples answers refused.
    #[error(transparent)]
    Infer(Box<nuwa_infer::Error>),
    /// No prompt leaves room for an answer.
    #[error(
        "none of the {prompts} prompts leaves room for an answer of {most} tokens in the context of {context} tokens"
    )]
    LongPrompts {
        /// Prompts in all.
        prompts: usize,
        /// The model's context.
        context: usize,
        /// Tokens of an answer.
        most: usize,
    },
    /// A reward that cannot be learnt from.
    #[error("the reward of an answer is {value}: expected a number; the answer begins {answer:?}")]
    Reward {
        /// The reward.
        value: f32,
        /// The beginning of the answer.
        answer: String,
    },
    /// Policy and reward model read text differently.
    #[error("the reward model's tokenizer is not that of the policy: {difference}")]
    OtherTokenizer {
        /// In what they differ.
        difference: String,
    },
    /// A rule that judges answers is written wrongly, or cannot judge.
    #[error("rule {rule:?}: {problem}")]
    Rule {
        /// The rule as it was written.
        rule: String,
        /// What is wrong.
        problem: String,
        /// What to do about it.
        advice: String,
    },
    /// A file that decisions were to be added to, and that holds something else.
    #[error("{place}: {problem}")]
    NotFeedback {
        /// The file, and the line where there is one.
        place: String,
        /// What it is or holds, and what was expected.
        problem: String,
    },
    /// A decision that does not fit the answers it is about.
    #[error("{problem}")]
    Verdict {
        /// What is wrong with it.
        problem: String,
    },
    /// The targets of LoRA name no matrix of the model.
    #[error("no matrix of the model has a name that holds {target:?}; it has {known}")]
    NoTarget {
        /// The target asked for.
        target: String,
        /// The names there are.
        known: String,
    },
}

/// What can be done about a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advice {
    /// Correct it, or leave such records out by the setting of this stage.
    LeaveOut(&'static str),
    /// Correct it, or have prompts that are not in order skipped.
    LeaveOutPrompt,
    /// Name the columns; these stand for others.
    Columns(&'static str),
    /// Say which text is the source; these are two that it has.
    Pairs(String),
    /// Answers were asked for, and these are preferences.
    Preferences,
    /// Preferences were asked for, and these are single answers with a label.
    LabelledAnswers,
}

impl std::fmt::Display for Advice {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::LeaveOut(stage) => {
                write!(
                    out,
                    "correct the record, or leave such records out: {stage}.tuning.bad_records = \"skip\""
                )
            }
            Self::LeaveOutPrompt => {
                out.write_str("correct the record, or have such prompts left out: bad_records = \"skip\"")
            }
            Self::Columns(example) => write!(
                out,
                "give the columns these names, or say which of your own stand for them: {example}"
            ),
            Self::Pairs(example) => {
                write!(out, "say which of the texts is read and which is written: --columns {example}")
            }
            Self::Preferences => {
                out.write_str("records with chosen and rejected are preferences, from which DPO learns")
            }
            Self::LabelledAnswers => out.write_str(
                "records with a label are single answers, not pairs, from which dpo.loss = \"kto\" learns; SFT learns those whose label is true",
            ),
        }
    }
}

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<nuwa_infer::Error> for Error {
    fn from(error: nuwa_infer::Error) -> Self {
        Self::Infer(Box::new(error))
    }
}

/// Names in quotes, the first ten of them.
fn quoted(names: &[String]) -> String {
    const SHOWN: usize = 10;
    let mut told: Vec<String> = names.iter().take(SHOWN).map(|name| format!("{name:?}")).collect();
    if names.len() > SHOWN {
        told.push(format!("and {} more", names.len() - SHOWN));
    }
    told.join(", ")
}

impl Error {
    /// The same, where advice about settings names those of this stage.
    #[must_use]
    pub fn in_stage(mut self, stage: &'static str) -> Self {
        if let Self::Record { advice: Advice::LeaveOut(own), .. } = &mut self {
            *own = stage;
        }
        self
    }

    /// The same, where advice to leave out a record is about prompts.
    pub(crate) fn about_a_prompt(mut self) -> Self {
        if let Self::Record { advice: advice @ Advice::LeaveOut(_), .. } = &mut self {
            *advice = Advice::LeaveOutPrompt;
        }
        self
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Files(error) => return error.hint(),
            Self::Shards(error) => return error.hint(),
            Self::Tokenizer(error) => return error.hint(),
            Self::Format(error) => return error.hint(),
            Self::Train(error) => return error.hint(),
            Self::Tensor(_) => return None,
            Self::Json { .. } => {
                "a file of records is a JSON list of objects, one object a line, or a table (.csv, .tsv)".into()
            }
            Self::Record { advice, .. } => advice.to_string(),
            Self::LeftOut { .. } => return None,
            Self::Table { .. } => {
                "a cell that holds quotes, line breaks or what separates columns is put in quotes, and quotes within it are doubled"
                    .into()
            }
            Self::Sides { .. } => "name a file of targets (--target) for each file of sources (--data), in the same order".into(),
            Self::Lines { .. } => "line 1 belongs to line 1 and so on: look for a line that is missing or broken in two".into(),
            Self::NoLines { .. } => "leave --target out: both texts of a pair stand in one record".into(),
            Self::NoEndOfText => "name eos_token in the model's tokenizer_config.json".into(),
            Self::Empty { .. } => "look at what of each record is trained on".into(),
            Self::Template { .. } => {
                "use a template that writes turn after turn, such as ChatML".into()
            }
            Self::Refused { .. } => {
                "correct the record: tool_calls is a list of objects, and every role one that the template knows".into()
            }
            Self::Text { source, .. } => return source.hint(),
            Self::Columns { .. } => "say which columns hold the texts and their labels".into(),
            Self::OneLabel { .. } => "give texts of at least two labels".into(),
            Self::TooManyLabels { .. } => {
                "name the column that holds the labels, or have a number learnt where it holds a quantity".into()
            }
            Self::UnknownLabels { .. } => {
                "correct these labels, or give texts with them to train on as well".into()
            }
            Self::Setting { name, .. } => format!("change {name} in the recipe"),
            Self::Infer(error) => return error.hint(),
            Self::LongPrompts { .. } => "ask for shorter answers (rollouts.max_tokens), or give shorter prompts".into(),
            Self::Reward { .. } => "look at what gives the rewards: a rule, or a reward model whose training diverged".into(),
            Self::OtherTokenizer { .. } => "train the reward model from the same model as the policy".into(),
            Self::Rule { advice, .. } => advice.clone(),
            Self::NotFeedback { .. } => "name a new file for the decisions: this one stays as it is".into(),
            Self::Verdict { .. } => return None,
            Self::NoTarget { .. } => {
                "choose among these in sft.lora.targets or dpo.lora.targets".into()
            }
        })
    }
}
