use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// What can go wrong with a file, always with its path.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused to read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file or folder asked for.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The system refused to write: no permission, or no space left.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file that was to appear.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The content is not the JSON that was expected.
    #[error("{} is not valid: {source}", path.display())]
    Json {
        /// The file with the unexpected content.
        path: PathBuf,
        /// Line, column and reason.
        source: serde_json::Error,
    },
}

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An [`Error::Read`] about `path`, for `map_err`.
    pub fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Read { path, source }
    }

    /// An [`Error::Write`] about `path`, for `map_err`.
    pub fn write(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Write { path, source }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some("check the spelling of the path; it is relative to the current folder".into())
            }
            Self::Write { source, .. } if source.kind() == io::ErrorKind::StorageFull => Some(
                "free some space or choose another place with --out, then run the same command again".into(),
            ),
            Self::Read { .. } | Self::Write { .. } => None,
            Self::Json { .. } => {
                Some("the file may have been cut short or edited; write it again with its stage".into())
            }
        }
    }
}

/// Reads a whole file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(Error::read(path))
}

/// Reads a whole file that must be UTF-8.
pub fn read_to_string(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(Error::read(path))
}

/// Reads a JSON file into `T`.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    serde_json::from_slice(&read(path)?).map_err(|source| Error::Json { path: path.to_path_buf(), source })
}
