use std::path::PathBuf;

/// What can go wrong while a model is aligned.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error(transparent)]
    Files(#[from] nuwa_files::Error),
    /// A file of data could not be opened.
    #[error(transparent)]
    Data(#[from] nuwa_data::Error),
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
        hint: String,
    },
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
    /// The targets of LoRA name no matrix of the model.
    #[error("no matrix of the model has a name that holds {target:?}; it has {known}")]
    NoTarget {
        /// The target asked for.
        target: String,
        /// The names there are.
        known: String,
    },
}

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Files(error) => return error.hint(),
            Self::Data(error) => return error.hint(),
            Self::Tokenizer(error) => return error.hint(),
            Self::Format(error) => return error.hint(),
            Self::Train(error) => return error.hint(),
            Self::Tensor(_) => return None,
            Self::Json { .. } => "a file of records is a JSON list of objects, or one object a line".into(),
            Self::Record { hint, .. } => hint.clone(),
            Self::Empty { .. } => "look at what is trained on with nuwa inspect MODEL --tokens FILE".into(),
            Self::Template { .. } => {
                "use a template that writes turn after turn, such as ChatML: --chat-template FILE".into()
            }
            Self::Setting { name, .. } => format!("change {name} in the recipe, or with --set {name}=..."),
            Self::NoTarget { .. } => {
                "choose among these with --set sft.lora.targets or --set dpo.lora.targets".into()
            }
        })
    }
}
