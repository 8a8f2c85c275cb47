//! What the targets share: a file with the given bytes.

use std::path::{Path, PathBuf};

/// A folder that is gone with this, and in it files.
pub struct Files(tempfile::TempDir);

impl Files {
    /// With these files.
    pub fn new(files: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        for (name, bytes) in files {
            std::fs::write(folder.path().join(name), bytes).expect("a folder that can be written to");
        }
        Self(folder)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    /// The path of a file.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// The number that the first byte chooses among `count`, and the rest.
pub fn chosen(bytes: &[u8], count: usize) -> Option<(usize, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    Some((usize::from(*first) % count, rest))
}
