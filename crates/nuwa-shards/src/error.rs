use std::path::PathBuf;

/// What can go wrong between documents and shards.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] nuwa_files::Error),
    /// A setting outside its range.
    #[error("{name} = {value}: expected {expected}")]
    Setting {
        /// The setting's name, as in a recipe.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// The corpus is too small to give up a part for validation.
    #[error("{} is too small to hold out a validation part", path.display())]
    NoValidation {
        /// The documents.
        path: PathBuf,
    },
    /// A shard or index that is damaged or of another kind.
    #[error("{}: {problem}", path.display())]
    Shard {
        /// The `.bin` or `.idx` file.
        path: PathBuf,
        /// What was found and what was expected.
        problem: String,
    },
    /// Tokens were asked for that the shards do not have.
    #[error("tokens {start}..{end} asked for, but there are {tokens}")]
    OutOfRange {
        /// The first token.
        start: u64,
        /// One past the last.
        end: u64,
        /// How many there are.
        tokens: u64,
    },
    /// Shards that do not say the languages of their documents.
    #[error("the shards in {} do not say the languages of their documents", folder.display())]
    NoLanguages {
        /// The folder.
        folder: PathBuf,
    },
    /// A document whose language is not known, where those of all are wanted.
    #[error("document {id} has no language")]
    NoLanguage {
        /// The document's id.
        id: String,
    },
    /// The tokenizer has no token that ends a document.
    #[error("the tokenizer has no end-of-text token")]
    NoEndOfText,
    /// The tokenizer failed on a document.
    #[error("cannot tokenize document {id}: {problem}")]
    Tokenize {
        /// The document's id.
        id: String,
        /// What the tokenizer answered.
        problem: String,
    },
}

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::File(error) => return error.hint(),
            Self::Setting { .. } => "correct the value in the recipe",
            Self::NoValidation { .. } => "give more text, or set tokenize.split.validation_share = 0",
            Self::Shard { .. } => "the file may have been cut short; write the shards again",
            Self::OutOfRange { .. } => return None,
            Self::NoLanguages { .. } => "write the shards again with tokenize.languages = true",
            Self::NoLanguage { .. } => {
                "give each document a lang, as the cleaning step language does, or set tokenize.languages = false"
            }
            Self::NoEndOfText => "name one as `eos_token` in tokenizer_config.json, or train a tokenizer",
            Self::Tokenize { .. } => "train the tokenizer on this corpus, or use one that covers all bytes",
        };
        Some(hint.into())
    }
}
