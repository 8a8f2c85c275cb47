//! One build at a time in a run folder.
//!
//! The lock is the operating system's, held on an open file: it goes with the process however that ends, so a lock
//! file left by a killed build locks nothing. The file's content only says who holds it.

use std::fs::{self, File, TryLockError};
use std::io::{Seek, Write};
use std::path::Path;

use crate::failure::Problem;

/// Held while a build works in a folder.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the folder, making it where it is missing.
    pub fn take(folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).map_err(nuwa_files::Error::write(folder))?;
        let path = folder.join(".lock");
        let refused = nuwa_files::Error::write(&path);
        let mut options = File::options();
        let mut file = match options.create(true).read(true).write(true).truncate(false).open(&path) {
            Ok(file) => file,
            Err(error) => return Err(refused(error).into()),
        };
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(taken(folder, &path).into()),
            // A file system without locks: better to build than to refuse.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let told = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| write!(file, "{}", std::process::id()));
        told.map_err(nuwa_files::Error::write(&path))?;
        Ok(Self { _file: file })
    }
}

/// Whether a build works in the folder.
pub fn is_held(folder: &Path) -> bool {
    let file = File::open(folder.join(".lock"));
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

fn taken(folder: &Path, path: &Path) -> Problem {
    let holder = fs::read_to_string(path).ok().filter(|text| !text.is_empty());
    let holder = holder.map_or(String::new(), |process| format!(" (process {process})"));
    Problem::new(format!("another build is working in {}{holder}", folder.display()))
        .hint("wait until it ends, or choose another folder with --out")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_folder_is_refused_and_a_left_lock_file_is_not() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".lock"), "999999").unwrap();
        assert!(!is_held(folder.path()));
        let lock = Lock::take(folder.path()).unwrap();
        assert!(is_held(folder.path()));
        let refused = Lock::take(folder.path()).unwrap_err().to_string();
        assert!(refused.contains(&format!("(process {})", std::process::id())), "{refused}");
        drop(lock);
        Lock::take(folder.path()).unwrap();
    }
}
