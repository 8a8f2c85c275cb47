use std::fs::File;
use std::io::{self, Read};
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
    /// More than such a file has, whoever wrote it.
    #[error("{} is too large: it holds more than {most} bytes, the most that is read of such a file", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most bytes it may have.
        most: u64,
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
            Self::TooLarge { .. } => {
                Some("the file is damaged or of another kind; fetch or write it again".into())
            }
            Self::Json { .. } => {
                Some("the file may have been cut short or edited; write it again with its stage".into())
            }
        }
    }
}

/// No file that is read whole has more bytes; a device never ends.
const LARGEST: u64 = 1 << 28;

/// Reads a whole file, of at most 256 MiB.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    read_at_most(path, LARGEST)
}

/// Reads a whole file, and refuses one of more than `most` bytes before it fills the memory.
pub fn read_at_most(path: &Path, most: u64) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(Error::read(path))?;
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let mut bytes = Vec::with_capacity(length.min(most).min(LARGEST) as usize);
    let read = file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(Error::read(path))?;
    if read as u64 > most { Err(Error::TooLarge { path: path.to_path_buf(), most }) } else { Ok(bytes) }
}

/// Reads a whole file that must be UTF-8.
pub fn read_to_string(path: &Path) -> Result<String> {
    let invalid = |_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text");
    String::from_utf8(read(path)?).map_err(invalid).map_err(Error::read(path))
}

/// Reads a JSON file into `T`.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    read_json_at_most(path, LARGEST)
}

/// Reads a JSON file of at most `most` bytes into `T`: what its values take in memory is a multiple of that.
pub fn read_json_at_most<T: DeserializeOwned>(path: &Path, most: u64) -> Result<T> {
    let bytes = read_at_most(path, most)?;
    serde_json::from_slice(&bytes).map_err(|source| Error::Json { path: path.to_path_buf(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_end_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "[1, 2]").unwrap();
        assert_eq!(read_at_most(&path, 6).unwrap(), b"[1, 2]");
        let error = read_at_most(&path, 5).unwrap_err().to_string();
        assert!(
            error.ends_with("it holds more than 5 bytes, the most that is read of such a file"),
            "{error}"
        );
        assert_eq!(read_json_at_most::<Vec<u8>>(&path, 6).unwrap(), [1, 2]);
        #[cfg(unix)]
        assert!(matches!(read_at_most(Path::new("/dev/zero"), 1000), Err(Error::TooLarge { .. })));
    }
}
