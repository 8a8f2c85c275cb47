//! Runs a stage, or skips it when its manifest still holds.
//!
//! A stage that begins leaves `unfinished.json` in its folder: what it is being made from. Killed and started
//! again on the same basis, it finds its folder as it was and may go on; on another basis the folder is emptied
//! first, so that nothing of an old result survives in a new one.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::manifest::{Basis, Manifest, outputs};
use super::sources::source_hash;
use crate::failure::Problem;

/// The note of a stage that has begun and not ended.
pub const UNFINISHED: &str = "unfinished.json";

/// A stage about to run: its name and all that its result follows from.
#[derive(Debug, Clone)]
pub struct Stage {
    basis: Basis,
    places: Vec<String>,
}

/// What became of a stage.
#[derive(Debug)]
pub enum Outcome {
    /// Its manifest still held.
    Skipped(Manifest),
    /// It ran.
    Done(Manifest),
}

impl Outcome {
    /// The manifest, either way.
    pub fn manifest(&self) -> &Manifest {
        match self {
            Self::Skipped(manifest) | Self::Done(manifest) => manifest,
        }
    }
}

impl Stage {
    /// A stage without inputs yet; what it writes lies in `RUN/NAME`.
    pub fn new(name: &str) -> Self {
        let basis = Basis {
            stage: name.into(),
            version: env!("CARGO_PKG_VERSION").into(),
            inputs: BTreeMap::new(),
            settings: serde_json::Value::Null,
            seed: None,
        };
        Self { basis, places: vec![name.into()] }
    }

    /// Its name, which is also its folder's.
    pub fn name(&self) -> &str {
        &self.basis.stage
    }

    /// The settings that matter to it.
    pub fn settings(mut self, settings: &impl Serialize) -> anyhow::Result<Self> {
        self.basis.settings = serde_json::to_value(settings)?;
        Ok(self)
    }

    /// The seed of its randomness.
    pub fn seed(mut self, seed: u64) -> Self {
        self.basis.seed = Some(seed);
        self
    }

    /// A source of the user's that it reads: a file, or a folder with all below it.
    pub fn reads(mut self, source: &Path, extra_endings: &[String]) -> anyhow::Result<Self> {
        self.basis.inputs.insert(source.display().to_string(), source_hash(source, extra_endings)?);
        Ok(self)
    }

    /// The output of an earlier stage that it reads.
    pub fn after(mut self, earlier: &Outcome) -> Self {
        let manifest = earlier.manifest();
        self.basis.inputs.insert(manifest.basis.stage.clone(), manifest.outputs_hash());
        self
    }

    /// A place in the run folder, beside its own folder, that it writes to.
    pub fn writes(mut self, place: &str) -> Self {
        self.places.push(place.into());
        self
    }
}

/// Runs `work` in the stage's folder unless the manifest there says that nothing has changed.
pub fn run_stage(
    run: &Path,
    stage: Stage,
    work: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<Outcome> {
    let Stage { basis, places } = stage;
    let folder = run.join(&basis.stage);
    if let Some(manifest) = Manifest::read(&folder)
        && manifest.basis == basis
        && manifest.outputs_are_whole(run)
    {
        remove(&folder.join(UNFINISHED))?;
        return Ok(Outcome::Skipped(manifest));
    }
    prepare(&folder, &basis)?;
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let clock = Instant::now();
    work(&folder)?;
    let outputs = outputs(run, &places)?;
    let manifest = Manifest { basis, started, seconds: clock.elapsed().as_secs_f64(), outputs };
    nuwa_files::write_json(&folder.join("manifest.json"), &manifest)?;
    remove(&folder.join(UNFINISHED))?;
    Ok(Outcome::Done(manifest))
}

/// Empties the folder, but for the unfinished work of the very same stage.
fn prepare(folder: &Path, basis: &Basis) -> anyhow::Result<()> {
    let (manifest, note) = (folder.join("manifest.json"), folder.join(UNFINISHED));
    let goes_on = nuwa_files::read_json::<Basis>(&note).is_ok_and(|begun| begun == *basis);
    if folder.exists() && !goes_on {
        refuse_foreign(folder, manifest.exists() || note.exists())?;
        // From here to the end, whatever happens, the folder is known as ours and as nobody's result.
        nuwa_files::write_json(&note, &())?;
        clear(folder)?;
    }
    remove(&manifest)?;
    nuwa_files::write_json(&note, basis)?;
    Ok(())
}

/// A folder with content that no stage wrote is the user's own: it is not touched.
fn refuse_foreign(folder: &Path, ours: bool) -> anyhow::Result<()> {
    let mut entries = fs::read_dir(folder).map_err(nuwa_files::Error::read(folder))?;
    if ours || entries.next().is_none() {
        return Ok(());
    }
    Err(Problem::new(format!("{} holds files that no build wrote; they would be lost", folder.display()))
        .hint("choose another folder with --out")
        .into())
}

fn clear(folder: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).map_err(nuwa_files::Error::read(folder))? {
        let path = entry.map_err(nuwa_files::Error::read(folder))?.path();
        if path.file_name().is_some_and(|name| name == UNFINISHED) {
            continue;
        }
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(nuwa_files::Error::write(&path))?;
    }
    Ok(())
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(nuwa_files::Error::write(path)(error).into())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(setting: u32) -> Stage {
        Stage::new("clean").settings(&setting).unwrap()
    }

    fn run(folder: &Path, setting: u32, text: &str) -> &'static str {
        let work = |out: &Path| {
            let kept = out.join("half-done").exists();
            fs::write(out.join("a.txt"), if kept { "went on" } else { text })?;
            Ok(())
        };
        match run_stage(folder, stage(setting), work).unwrap() {
            Outcome::Skipped(_) => "skipped",
            Outcome::Done(_) => "done",
        }
    }

    #[test]
    fn an_unchanged_stage_is_skipped_and_a_changed_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(run(folder.path(), 1, "text"), "done");
        assert_eq!(run(folder.path(), 1, "text"), "skipped");
        assert_eq!(run(folder.path(), 2, "text"), "done", "other settings");
        fs::write(folder.path().join("clean/a.txt"), "TEXT").unwrap();
        assert_eq!(run(folder.path(), 2, "text"), "done", "damaged output of the same length");
        fs::remove_file(folder.path().join("clean/a.txt")).unwrap();
        assert_eq!(run(folder.path(), 2, "text"), "done", "lost output");
    }

    #[test]
    fn unfinished_work_is_kept_on_the_same_basis_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clean");
        let killed = |out: &Path| {
            fs::write(out.join("half-done"), "")?;
            anyhow::bail!("killed")
        };
        run_stage(folder.path(), stage(1), killed).unwrap_err();
        assert!(!path.join("manifest.json").exists());
        assert_eq!(run(folder.path(), 1, "text"), "done");
        assert_eq!(fs::read_to_string(path.join("a.txt")).unwrap(), "went on");
        run_stage(folder.path(), stage(3), killed).unwrap_err();
        assert_eq!(run(folder.path(), 4, "text"), "done");
        assert_eq!(fs::read_to_string(path.join("a.txt")).unwrap(), "text");
        assert!(!path.join(UNFINISHED).exists());
    }

    #[test]
    fn a_folder_of_the_users_own_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("clean")).unwrap();
        fs::write(folder.path().join("clean/thesis.txt"), "years of work").unwrap();
        let refused = run_stage(folder.path(), stage(1), |_| Ok(())).unwrap_err();
        assert!(refused.to_string().contains("no build wrote"));
        assert!(folder.path().join("clean/thesis.txt").exists());
    }

    #[test]
    fn a_changed_input_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("in.txt");
        let hash = |text: &str| {
            fs::write(&input, text).unwrap();
            Stage::new("x").reads(&input, &[]).unwrap().basis.inputs
        };
        assert_ne!(hash("aaaa"), hash("aaab"));
        assert_eq!(hash("aaaa"), hash("aaaa"));
    }
}
