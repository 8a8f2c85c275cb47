use std::path::PathBuf;

/// A file of data, read by whoever knows where it lies and how it is compressed.
#[derive(Debug, Clone, Default)]
pub struct DataFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Its name without the ending of a compression.
    pub name: String,
    /// What it holds.
    pub text: String,
}
