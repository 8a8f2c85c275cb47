use std::path::{Path, PathBuf};

/// What can go wrong with a tokenizer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error(transparent)]
    Files(#[from] nuwa_files::Error),
    /// A folder holds no tokenizer in a form that is known.
    #[error(
        "{} holds no tokenizer: expected tokenizer.json, encoder.json with vocab.bpe, vocab.json with \
         merges.txt, a *.tiktoken file, tokenizer.model or a llama2.c tok*.bin", path.display()
    )]
    NoTokenizer {
        /// The folder looked into.
        path: PathBuf,
    },
    /// The vocabulary cannot write ratings of answers.
    #[error("the tokenizer cannot write ratings: {reason}")]
    Ratings {
        /// Why.
        reason: String,
    },
    /// No GGUF file can say what the tokenizer does.
    #[error("the tokenizer cannot be written into a GGUF file: {reason}")]
    Inexpressible {
        /// Why.
        reason: String,
    },
    /// The file's name and content belong to no known form.
    #[error("{} is no tokenizer: {reason}", path.display())]
    UnknownForm {
        /// The file.
        path: PathBuf,
        /// What was seen.
        reason: String,
    },
    /// A JSON file ends before its value does.
    #[error("{} is cut short: its JSON ends unfinished at line {line}, column {column}", path.display())]
    CutShort {
        /// The file.
        path: PathBuf,
        /// Line of the end.
        line: usize,
        /// Column of the end.
        column: usize,
    },
    /// The content of a file is not what its form demands.
    #[error("{} is not valid: {reason}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Place, value, and what was expected.
        reason: String,
    },
    /// The tokenizer's own rules failed on a text or on ids.
    #[error("the tokenizer failed to {action}: {reason}")]
    Pipeline {
        /// "encode" or "decode".
        action: &'static str,
        /// What the pipeline answered.
        reason: String,
    },
    /// An id that no token has.
    #[error("token id {id} is not in the vocabulary, whose ids go from 0 to {}", size.saturating_sub(1))]
    UnknownId {
        /// The id.
        id: u32,
        /// Highest id plus one.
        size: usize,
    },
    /// A vocabulary that cannot hold the bytes and the special tokens.
    #[error("a vocabulary of {asked} is too small: 256 bytes and {special} special tokens need {}", 256 + special)]
    VocabularyTooSmall {
        /// The size asked for.
        asked: usize,
        /// How many special tokens there are.
        special: usize,
    },
    /// The texts do not hold enough repeated words for so many tokens.
    #[error("a vocabulary of {asked} is larger than this text allows: the largest possible is {largest}")]
    VocabularyTooLarge {
        /// The size asked for.
        asked: usize,
        /// The size that training can reach on these texts.
        largest: usize,
    },
    /// Nothing to train on.
    #[error("no text to train a tokenizer on: there is nothing in the {texts} texts that were read")]
    EmptyCorpus {
        /// How many texts came.
        texts: u64,
    },
    /// A setting with an impossible value.
    #[error("{name} = {value} is not possible: {expected}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: String,
        /// What is expected.
        expected: &'static str,
    },
    /// The tokenizer has no chat template.
    #[error("this tokenizer has no chat template")]
    NoChatTemplate,
    /// What was said uses up the private characters that mark what was said.
    #[error(
        "the conversation holds nearly every private character of Unicode: none is left to tell what was said from what the template writes"
    )]
    NoPrivateCharacter,
    /// The chat template is not valid Jinja, or refused these messages.
    #[error("the chat template{} {stage} at line {line}, column {column}: {reason}", of(.origin))]
    ChatTemplate {
        /// "does not parse" or "failed".
        stage: &'static str,
        /// The file it comes from, where it comes from one.
        origin: Option<PathBuf>,
        /// Line in the template, counted from 1.
        line: usize,
        /// The column there, counted from 1.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
    /// A chat template that goes deeper or is longer than one may.
    #[error("the chat template{} is not run: {reason}", of(.origin))]
    TemplateLimit {
        /// The file it comes from, where it comes from one.
        origin: Option<PathBuf>,
        /// What there is too much of.
        reason: String,
    },
}

/// Whose template it is.
fn of(origin: &Option<PathBuf>) -> String {
    origin.as_ref().map(|path| format!(" of {}", path.display())).unwrap_or_default()
}

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn invalid(path: &Path, reason: impl Into<String>) -> Self {
        Self::Invalid { path: path.to_path_buf(), reason: reason.into() }
    }

    pub(crate) fn pipeline(action: &'static str, reason: impl ToString) -> Self {
        Self::Pipeline { action, reason: reason.to_string() }
    }

    /// An error of serde_json about `path`: a file cut short is told from one that is wrong.
    pub(crate) fn json(path: &Path, error: &serde_json::Error) -> Self {
        match error.classify() {
            serde_json::error::Category::Eof => {
                Self::CutShort { path: path.to_path_buf(), line: error.line(), column: error.column() }
            }
            _ => Self::invalid(path, error.to_string()),
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Files(error) => return error.hint(),
            Self::NoTokenizer { .. } | Self::UnknownForm { .. } => {
                "name a folder with tokenizer.json, or train one".into()
            }
            Self::CutShort { .. } => "the download or copy was interrupted; fetch the file again".into(),
            Self::Invalid { .. } => {
                "compare the file with the place it came from; it may be damaged or edited by hand".into()
            }
            Self::Pipeline { .. } | Self::NoChatTemplate => return self.template_hint(),
            Self::UnknownId { .. } => {
                "the ids come from another tokenizer; use the one that the model or the shards were made with"
                    .into()
            }
            Self::VocabularyTooSmall { special, .. } => format!("ask for at least {}", 256 + special),
            Self::VocabularyTooLarge { largest, .. } => {
                format!("ask for at most {largest}, give more text, or lower tokenizer.min_frequency")
            }
            Self::EmptyCorpus { .. } => {
                "check what the earlier stages kept: the reasons are in rejected.jsonl.zst".into()
            }
            Self::Setting { name, .. } => format!("change {name} in the recipe"),
            Self::Inexpressible { .. } => {
                "llama.cpp would give other ids than the model was trained on. Export as safetensors, or train a model whose tokenizer has \
                 split = \"multilingual\" (or llama3, qwen2 or gpt2), which llama.cpp cuts in the same way"
                    .into()
            }
            Self::Ratings { .. } => "take a tokenizer whose digits are tokens, as those trained here".into(),
            Self::NoPrivateCharacter => "look at the record: such text is usually damaged".into(),
            Self::ChatTemplate { .. } | Self::TemplateLimit { .. } => {
                "the template is chat_template in tokenizer_config.json, or chat_template.jinja beside it"
                    .into()
            }
        };
        Some(hint)
    }

    fn template_hint(&self) -> Option<String> {
        matches!(self, Self::NoChatTemplate).then(|| {
            "a base model continues text; put chat_template into tokenizer_config.json or use a model tuned for chat".into()
        })
    }
}
