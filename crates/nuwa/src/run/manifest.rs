//! What a finished stage was made from and what it made.
//!
//! Inputs and outputs are known by the hash of their content (XXH3-128, at the speed of the disk), not by time
//! stamps: a copied or touched file is still the same, and a change of one byte is always seen.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The manifest of one stage, kept in its folder as `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// What the stage depends on; when this is unchanged, the stage need not run.
    #[serde(flatten)]
    pub basis: Basis,
    /// When it began, in seconds since 1970.
    pub started: u64,
    /// How long it took; of a run that was interrupted, the last part.
    pub seconds: f64,
    /// The files it wrote, relative to the run folder.
    pub outputs: BTreeMap<String, Output>,
}

/// All that a stage's result follows from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Basis {
    /// The stage's name.
    pub stage: String,
    /// The program's version.
    pub version: String,
    /// Names of inputs with the hashes of their content.
    pub inputs: BTreeMap<String, String>,
    /// The resolved settings.
    pub settings: Value,
    /// The seed, where the stage has randomness.
    pub seed: Option<u64>,
}

/// A file that a stage wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Bytes.
    pub size: u64,
    /// XXH3-128 of the content.
    pub hash: String,
}

impl Output {
    fn of(path: &Path) -> nuwa_files::Result<Self> {
        let size = fs::metadata(path).map_err(nuwa_files::Error::read(path))?.len();
        Ok(Self { size, hash: nuwa_files::hash_file(path)? })
    }
}

impl Manifest {
    /// The manifest of a stage, if there is one that can be read.
    pub fn read(folder: &Path) -> Option<Self> {
        nuwa_files::read_json(&folder.join("manifest.json")).ok()
    }

    /// One hash for everything the stage wrote, for the stages that follow.
    pub fn outputs_hash(&self) -> String {
        let list: Vec<String> =
            self.outputs.iter().map(|(name, output)| format!("{name}\0{}\n", output.hash)).collect();
        nuwa_files::hash_bytes(list.concat().as_bytes())
    }

    /// Whether every file that was written is still there, unchanged.
    pub fn outputs_are_whole(&self, run: &Path) -> bool {
        let same = |(name, output): (&String, &Output)| {
            let path = run.join(name);
            fs::metadata(&path).is_ok_and(|metadata| metadata.len() == output.size)
                && nuwa_files::hash_file(&path).is_ok_and(|hash| hash == output.hash)
        };
        self.outputs.iter().all(same)
    }
}

/// The files below `places` (files or folders of the run), hashed; the runner's own notes are not among them.
pub fn outputs(run: &Path, places: &[String]) -> nuwa_files::Result<BTreeMap<String, Output>> {
    let mut files = Vec::new();
    for place in places {
        list(&run.join(place), &mut files)?;
    }
    files.into_iter().map(|file| Ok((relative(run, &file), Output::of(&file)?))).collect()
}

fn relative(run: &Path, file: &Path) -> String {
    let steps = file.strip_prefix(run).unwrap_or(file).iter();
    steps.map(|step| step.to_string_lossy()).collect::<Vec<_>>().join("/")
}

fn list(path: &Path, files: &mut Vec<PathBuf>) -> nuwa_files::Result<()> {
    if !path.is_dir() {
        if path.exists() {
            files.push(path.to_path_buf());
        }
        return Ok(());
    }
    for entry in fs::read_dir(path).map_err(nuwa_files::Error::read(path))? {
        let file = entry.map_err(nuwa_files::Error::read(path))?.path();
        let name = file.file_name().unwrap_or_default();
        let ours = name == "manifest.json" || name == super::stage::UNFINISHED;
        if !ours {
            list(&file, files)?;
        }
    }
    Ok(())
}
