//! What the targets share: files with the given bytes, and inputs that are made of several.

use std::path::{Path, PathBuf};

/// Stands between the parts of an input.
const MARK: &[u8] = b"\n--part--\n";

/// A folder that is gone with this, and in it files.
#[derive(Debug)]
pub struct Files(tempfile::TempDir);

impl Files {
    /// With these files.
    ///
    /// # Panics
    /// When the folder for temporary files cannot be written to.
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

/// Several files as one input.
pub fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.join(MARK)
}

/// The parts of an input, as many as asked; what is not there is empty.
pub fn parts<const COUNT: usize>(bytes: &[u8]) -> [&[u8]; COUNT] {
    let mut parts = [&bytes[..0]; COUNT];
    let mut rest = bytes;
    for (index, part) in parts.iter_mut().enumerate() {
        let end = rest.windows(MARK.len()).position(|window| window == MARK);
        match end.filter(|_| index + 1 < COUNT) {
            Some(end) => (*part, rest) = (&rest[..end], &rest[end + MARK.len()..]),
            None => (*part, rest) = (rest, &rest[..0]),
        }
    }
    parts
}
