use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// The word of a reader that a file expands too far; carried inside an [`io::Error`].
#[derive(Debug, thiserror::Error)]
#[error("it expands to more than {limit} bytes")]
pub struct Expansion {
    /// The most that it may expand to, in bytes.
    pub limit: u64,
}

impl Expansion {
    fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref().and_then(|inner| inner.downcast_ref())
    }

    /// Whether this is what `error` says.
    pub fn is(error: &io::Error) -> bool {
        Self::of(error).is_some()
    }
}

/// What can go wrong with a file, always with its path.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A path that was asked for is not there.
    #[error("{} does not exist", path.display())]
    Missing {
        /// The path as it was given.
        path: PathBuf,
    },
    /// The system, or a decompressor, refused to read or stopped in the middle of a file.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file or folder asked for.
        path: PathBuf,
        /// What was answered.
        source: io::Error,
    },
    /// A file that must be text.
    #[error("cannot read {}: it is not UTF-8 text", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
    },
    /// A compressed file or an archive that expands too far for its size.
    #[error("{} expands to more than {limit} bytes", path.display())]
    Expanded {
        /// The file, or the archive's member at which the limit was reached.
        path: PathBuf,
        /// The most that it may expand to, in bytes.
        limit: u64,
    },
    /// A path that should hold documents holds something else, or nothing.
    #[error("{} holds no documents: expected {expected}", path.display())]
    NoDocuments {
        /// The file or folder.
        path: PathBuf,
        /// What was looked for.
        expected: &'static str,
    },
    /// A line that is not the JSON object that was expected.
    #[error("{}, line {line}: invalid JSON: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// What the parser answered, with the column.
        problem: String,
    },
    /// A line longer than any document may be.
    #[error("{}, line {line}: longer than {limit} bytes", path.display())]
    LongLine {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The most that is read, in bytes.
        limit: u64,
    },
    /// What tells how far interrupted work is cannot be read.
    #[error("cannot go on with interrupted work: {}{}: {problem}", path.display(), line.map_or(String::new(), |line| format!(", line {line}")))]
    Unfinished {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1, where the file has lines.
        line: Option<u64>,
        /// What is wrong with it.
        problem: String,
    },
    /// A file that another program is adding to.
    #[error("{} is being written by another program", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
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
    /// A file that is whole, but of a form or a version that is not read.
    #[error("{}: {problem}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What was found, and what is read.
        problem: String,
        /// What the user can do.
        hint: String,
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
    /// An [`Error::Read`] (or [`Error::Missing`], or [`Error::Expanded`]) about `path`, for `map_err`.
    pub fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| match Expansion::of(&source) {
            Some(Expansion { limit }) => Self::Expanded { path, limit: *limit },
            None if source.kind() == io::ErrorKind::NotFound => Self::Missing { path },
            None => Self::Read { path, source },
        }
    }

    /// An [`Error::Write`] about `path`, for `map_err`.
    pub fn write(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Write { path, source }
    }

    /// A file whose content is not what its format promises.
    pub fn damage(path: &Path, problem: String) -> Self {
        Self::Read { path: path.to_path_buf(), source: io::Error::new(io::ErrorKind::InvalidData, problem) }
    }

    /// A file that is whole, but of a form or a version that is not read.
    pub fn form(path: &Path, problem: String, hint: impl Into<String>) -> Self {
        Self::Form { path: path.to_path_buf(), problem, hint: hint.into() }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Missing { .. } => "check the spelling; a relative path starts at the current folder",
            Self::Read { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "allow reading it, or leave it out"
            }
            Self::Read { source, .. } if is_damage(source) => {
                "the file is damaged or cut short; fetch it again"
            }
            Self::Read { .. } | Self::Write { .. } => return None,
            Self::NotUtf8 { .. } => "convert the input to UTF-8 first",
            Self::TooLarge { .. } => "the file is damaged or of another kind; fetch or write it again",
            Self::Json { .. } => "the file may have been cut short or edited; write it again with its stage",
            Self::Expanded { .. } => "if it is no bomb, unpack it and give what it holds",
            Self::NoDocuments { .. } => "collect turns raw files into documents",
            Self::Line { .. } | Self::LongLine { .. } => "correct the line (JSON lines hold one object each)",
            Self::InUse { .. } => "end the other one first, or name another file",
            Self::Unfinished { path, .. } => return Some(anew(path)),
            Self::Form { hint, .. } => hint.as_str(),
        };
        Some(hint.into())
    }
}

/// How work that cannot be gone on with begins anew, without losing what was done.
fn anew(state: &Path) -> String {
    let folder = state.parent().unwrap_or(state);
    let aside = format!("{}.old", folder.display());
    let [folder, aside] = [folder, Path::new(&aside)].map(crate::quoted_path);
    format!("to begin anew, move the work aside and start again: mv {folder} {aside}")
}

/// Whether a decompressor, rather than the system, gave this error; what needs more memory than it may have is meant too.
pub fn is_damage(source: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, Other, OutOfMemory, UnexpectedEof, Unsupported};
    let kinds = [UnexpectedEof, InvalidInput, InvalidData, Unsupported, OutOfMemory, Other];
    source.raw_os_error().is_none() && kinds.contains(&source.kind())
}

/// No file that is read whole has more bytes; a device never ends.
const LARGEST: u64 = 1 << 28;

/// Reads a whole file, of at most 256 MiB.
///
/// # Errors
/// When the file cannot be read, or is larger.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    read_at_most(path, LARGEST)
}

/// Reads a whole file, and refuses one of more than `most` bytes before it fills the memory.
///
/// # Errors
/// When the file cannot be read, or is larger.
pub fn read_at_most(path: &Path, most: u64) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(Error::read(path))?;
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let mut bytes = Vec::with_capacity(length.min(most).min(LARGEST) as usize);
    let read = file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(Error::read(path))?;
    if read as u64 > most { Err(Error::TooLarge { path: path.to_path_buf(), most }) } else { Ok(bytes) }
}

/// Reads a whole file that must be UTF-8.
///
/// # Errors
/// When the file cannot be read, or is not UTF-8.
pub fn read_to_string(path: &Path) -> Result<String> {
    String::from_utf8(read(path)?).map_err(|_| Error::NotUtf8 { path: path.to_path_buf() })
}

/// Reads a JSON file into `T`.
///
/// # Errors
/// When the file cannot be read, or does not hold a `T`.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    read_json_at_most(path, LARGEST)
}

/// Reads a JSON file of at most `most` bytes into `T`: what its values take in memory is a multiple of that.
///
/// # Errors
/// When the file cannot be read, is larger, or does not hold a `T`.
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
