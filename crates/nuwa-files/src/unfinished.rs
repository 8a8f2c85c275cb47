//! What interrupted work leaves behind, so that the next run goes on from there.
//!
//! In a hidden folder lie what has been written so far and `state.json`: how far the work is, and all its counts. Work goes on
//! only where nothing that its result follows from has changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The folder of unfinished work.
#[derive(Debug)]
pub struct Unfinished {
    folder: PathBuf,
    basis: Option<String>,
}

/// A state as it is written.
#[derive(Debug, Serialize, Deserialize)]
struct Written<S> {
    /// What the result follows from.
    basis: String,
    state: S,
}

impl Unfinished {
    /// In a folder, for work whose result follows from `basis`; without one it is never gone on with.
    pub fn new(folder: PathBuf, basis: Option<String>) -> Self {
        Self { folder, basis }
    }

    /// Where unfinished work lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How far the very same work was; of any other work nothing stays.
    ///
    /// # Errors
    /// When the state cannot be read: what was done so far is not thrown away for that.
    pub fn take_up<S: DeserializeOwned>(&self) -> Result<Option<S>> {
        let path = self.state_path();
        if self.basis.is_none() || !path.exists() {
            return self.remove().map(|()| None);
        }
        let wrong = |error: serde_json::Error| Error::Unfinished {
            path: path.clone(),
            line: None,
            problem: error.to_string(),
        };
        let found: Written<serde_json::Value> =
            serde_json::from_slice(&crate::read(&path)?).map_err(wrong)?;
        if self.basis.as_ref() != Some(&found.basis) {
            return self.remove().map(|()| None);
        }
        serde_json::from_value(found.state).map(Some).map_err(wrong)
    }

    /// Writes down how far the work is.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write<S: Serialize>(&self, state: impl FnOnce() -> S) -> Result<()> {
        let Some(basis) = self.basis.clone() else { return Ok(()) };
        crate::write_json(&self.state_path(), &Written { basis, state: state() })
    }

    /// Whether the work can be gone on with.
    pub fn was_written(&self) -> bool {
        self.state_path().exists()
    }

    /// Nothing is unfinished any more.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn remove(&self) -> Result<()> {
        crate::remove_folder(&self.folder)
    }

    fn state_path(&self) -> PathBuf {
        self.folder.join("state.json")
    }
}

/// What the result of working on these files follows from; files that the settings name (word lists, classifiers, evaluation
/// items) count as well.
pub fn basis<'a>(files: impl IntoIterator<Item = &'a Path>, settings: &serde_json::Value) -> String {
    let mut lines = vec![env!("CARGO_PKG_VERSION").to_string(), settings.to_string()];
    lines.extend(files.into_iter().map(identity));
    named_files(settings, &mut lines);
    crate::hash_bytes(lines.join("\n").as_bytes())
}

fn named_files(value: &serde_json::Value, lines: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) if Path::new(text).is_file() => lines.push(identity(Path::new(text))),
        serde_json::Value::Array(values) => values.iter().for_each(|value| named_files(value, lines)),
        serde_json::Value::Object(fields) => fields.values().for_each(|value| named_files(value, lines)),
        _ => {}
    }
}

/// A file's name, size and time of its last change.
fn identity(file: &Path) -> String {
    let metadata = fs::metadata(file).ok();
    let bytes = metadata.as_ref().map(fs::Metadata::len);
    let changed = metadata.and_then(|metadata| metadata.modified().ok());
    let changed = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    format!("{} {bytes:?} {changed:?}", file.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_state_does_not_cost_what_was_done() {
        let folder = tempfile::tempdir().unwrap();
        let of = |basis: &str| Unfinished::new(folder.path().join(".work"), Some(basis.into()));
        of("same").write(|| 7).unwrap();
        let done = folder.path().join(".work/documents-00000.jsonl.zst");
        fs::write(&done, "hours").unwrap();
        assert_eq!(of("same").take_up::<u32>().unwrap(), Some(7));
        let state = fs::read(of("same").state_path()).unwrap();
        fs::write(of("same").state_path(), &state[..state.len() - 3]).unwrap();
        let error = of("same").take_up::<u32>().unwrap_err();
        assert!(error.to_string().contains("state.json"), "{error}");
        assert!(done.exists());
        fs::write(of("same").state_path(), &state).unwrap();
        assert_eq!(of("other").take_up::<u32>().unwrap(), None);
        assert!(!done.exists(), "other work begins in an empty folder");
    }
}
