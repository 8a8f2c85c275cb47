//! What is wrong with a zip archive, in words of this crate.

use std::io;
use std::path::Path;

use zip::result::ZipError;

use crate::Error;

/// The error of a member, or of the archive.
pub(super) fn failure(path: &Path, error: ZipError) -> Error {
    match error {
        ZipError::UnsupportedArchive(what) if what == ZipError::PASSWORD_REQUIRED => {
            Error::Unsupported { path: path.into(), what: "an encrypted archive".into() }
        }
        ZipError::UnsupportedArchive(_) | ZipError::CompressionMethodNotSupported(_) => {
            Error::Unsupported { path: path.into(), what: "the compression of its members".into() }
        }
        error => Error::read(path)(as_io(error)),
    }
}

/// Why a member is passed over.
pub(super) fn unreadable(error: &ZipError) -> &'static str {
    match error {
        ZipError::UnsupportedArchive(word) if *word == ZipError::PASSWORD_REQUIRED => "encrypted",
        ZipError::UnsupportedArchive(_) | ZipError::CompressionMethodNotSupported(_) => {
            "compressed in a way that is not read"
        }
        _ => "damaged or cut short",
    }
}

pub(super) fn as_io(error: ZipError) -> io::Error {
    match error {
        ZipError::Io(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}
