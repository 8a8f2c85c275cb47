use std::path::PathBuf;

/// What can go wrong while the pages of a run are written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error(transparent)]
    Files(#[from] nuwa_files::Error),
    /// What cleaning wrote could not be read.
    #[error(transparent)]
    Clean(#[from] nuwa_clean::Error),
    /// A path that should be a folder.
    #[error("{} is not a folder; expected the folder of a run", path.display())]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// A folder in which no run ever wrote.
    #[error(
        "{} holds nothing that a run writes; expected recipe.toml, STAGE/manifest.json or pretrain/metrics.jsonl",
        path.display()
    )]
    NoRun {
        /// The folder.
        path: PathBuf,
    },
    /// A run that has not come to cleaning.
    #[error("{0} has no clean stage yet: {0}/clean/clean.json is absent", run.display())]
    NotCleaned {
        /// The folder of the run.
        run: PathBuf,
        /// Whether its documents are collected.
        collected: bool,
    },
    /// A folder without documents that were cleaned.
    #[error(
        "{} holds nothing that cleaning wrote; expected clean/clean.json of a run, or clean.json",
        path.display()
    )]
    NothingCleaned {
        /// The folder.
        path: PathBuf,
    },
    /// A page cannot be filled in.
    #[error(transparent)]
    Template(#[from] minijinja::Error),
    /// A figure cannot be written down.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Files(error) => return error.hint(),
            Self::Clean(error) => return error.hint(),
            Self::NotAFolder { .. } | Self::NoRun { .. } => "name the folder that a build wrote",
            Self::NotCleaned { collected: true, .. } => "clean what was collected",
            Self::NotCleaned { .. } => "go on with the build",
            Self::NothingCleaned { .. } => "name the folder of a run, or one that cleaning wrote",
            Self::Template(_) | Self::Json(_) => return None,
        };
        Some(hint.into())
    }
}
