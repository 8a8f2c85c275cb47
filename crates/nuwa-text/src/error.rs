use std::path::PathBuf;

/// What can go wrong with a classifier and its examples.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] nuwa_files::Error),
    /// A JSON object without the field that holds the text.
    #[error("{}, line {line}: no field `{field}`", path.display())]
    NoText {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The field that was looked for.
        field: String,
        /// The fields that hold strings instead.
        others: Vec<String>,
    },
    /// The field that should hold the text holds something else.
    #[error("{}, line {line}: `{field}` is {found}, expected a string", path.display())]
    TextNotString {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The field.
        field: String,
        /// What it holds ("a number").
        found: &'static str,
    },
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
    /// A classifier that is damaged or of another kind.
    #[error("{}: {problem}", path.display())]
    Classifier {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
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
            Self::NoText { others, .. } if others.is_empty() => "name the field that holds the text".into(),
            Self::NoText { others, .. } => {
                format!("name the field that holds the text; here: {}", others.join(", "))
            }
            Self::TextNotString { .. } => "correct the line (JSON lines hold one object each)".into(),
            Self::Setting { .. } => "correct the value".into(),
            Self::Classifier { .. } => "train it again".into(),
        };
        Some(hint)
    }
}
