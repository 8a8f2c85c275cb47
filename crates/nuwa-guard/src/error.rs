use std::path::PathBuf;

/// What can go wrong with a guard.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its file could not be read.
    #[error(transparent)]
    File(#[from] nuwa_files::Error),
    /// An entry that is none.
    #[error("{}, line {line}: {problem}", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What was found and what was expected.
        problem: String,
    },
}

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            Self::Entry { .. } => Some("correct the line; docs/guard.md shows what a guard holds".into()),
        }
    }
}
