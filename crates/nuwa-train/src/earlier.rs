//! What an earlier run left where a new one begins: nothing of it is written over.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::Result;

/// Something that was in the way, and where it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What it is and why it could not stay.
    pub what: String,
    /// Its new name.
    pub path: PathBuf,
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is kept as {}", self.what, self.path.display())
    }
}

/// Moves what lies in `out` under `names` into one folder, `out/old` (`old-2` where that is taken), since a run that begins
/// anew would write over it; `why` it cannot go on, where that is not plain.
///
/// # Errors
/// When the disk refuses.
pub fn keep_earlier(out: &Path, names: &[&str], why: &str) -> Result<Option<Kept>> {
    let found: Vec<&str> = names.iter().copied().filter(|name| out.join(name).exists()).collect();
    if found.is_empty() {
        return Ok(None);
    }
    let path = nuwa_files::free_name(&out.join("old"), "");
    std::fs::create_dir(&path).map_err(nuwa_files::Error::write(&path))?;
    for name in &found {
        nuwa_files::rename(&out.join(name), &path.join(name))?;
    }
    let why = if why.is_empty() { String::new() } else { format!("; {why}") };
    let what = format!("an earlier run in {} ({}{why})", out.display(), found.join(", "));
    Ok(Some(Kept { what, path }))
}
