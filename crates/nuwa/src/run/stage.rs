//! Runs a stage, or skips it when its manifest still holds.
//!
//! A stage that begins leaves `unfinished.json` in its folder: what it is being made from. Killed and started
//! again on the same basis, it finds its folder as it was and may go on; on another basis it begins in an empty folder, so
//! that nothing of an old result survives in a new one. An old result that took long is moved aside for that (`aside.rs`).

use std::fs;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use nuwa_report::records::{Basis, Manifest};
use schemars::{JsonSchema, schema_for};
use serde::Serialize;
use serde_json::Value;

use super::about::About;
use super::aside;
use super::manifest::{
    self, MANIFEST, UNFINISHED, outputs, outputs_are_whole, outputs_hash, read_manifest, read_unfinished,
};
use super::sources::source_hash;
use crate::console::message;
use crate::failure::Problem;

/// All that the result of a stage about to run follows from.
#[derive(Debug, Clone)]
pub struct Dependencies {
    stage: &'static About,
    basis: Basis,
    /// That of its settings, which says what of them decides.
    schema: Value,
}

/// What became of a stage.
#[derive(Debug)]
pub struct StageOutcome {
    /// Of what it made, now or before.
    pub manifest: Manifest,
    /// Whether that still held, so that nothing was done.
    pub skipped: bool,
    /// What the stages that follow read, as a hash.
    handed_on: String,
}

impl Dependencies {
    /// Those of a stage without inputs and settings yet.
    pub fn of(stage: &'static About) -> Self {
        Self { stage, basis: manifest::basis_of(stage), schema: Value::Null }
    }

    /// The settings that matter to it.
    pub fn settings<T: Serialize + JsonSchema>(mut self, settings: &T) -> anyhow::Result<Self> {
        self.basis.settings = serde_json::to_value(settings)?;
        self.schema = schema_for!(T).to_value();
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

    /// What an earlier stage hands on, which it makes something from.
    pub fn after(mut self, earlier: &StageOutcome) -> Self {
        self.basis.inputs.insert(earlier.manifest.basis.stage.clone(), earlier.handed_on.clone());
        self
    }

    /// Everything of an earlier stage, times and accounts as well, which it shows.
    pub fn shows(mut self, earlier: &StageOutcome) -> Self {
        let manifest = &earlier.manifest;
        self.basis.inputs.insert(manifest.basis.stage.clone(), outputs_hash(manifest));
        self
    }

    /// The stage's folder and the other places that it writes to.
    fn places(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.stage.name).chain(self.stage.places.iter().copied())
    }

    /// In what it differs from what `earlier` was made from.
    fn differences(&self, earlier: &Basis) -> Vec<String> {
        manifest::differences(self.stage, &self.basis, earlier, &self.schema)
    }
}

/// Runs `work` in the stage's folder unless the manifest there says that nothing has changed.
pub fn run_stage(
    run: &Path,
    on: Dependencies,
    work: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<StageOutcome> {
    let folder = run.join(on.stage.name);
    if let Some(manifest) = read_manifest(&folder)
        && on.differences(&manifest.basis).is_empty()
        && outputs_are_whole(&manifest, run)
    {
        remove(&folder.join(UNFINISHED))?;
        return Ok(StageOutcome {
            handed_on: manifest::handed_on(&manifest, run, on.stage),
            manifest,
            skipped: true,
        });
    }
    prepare(run, &on)?;
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let clock = Instant::now();
    work(&folder)?;
    let outputs = outputs(run, on.places())?;
    let manifest = Manifest { basis: on.basis, started, seconds: clock.elapsed().as_secs_f64(), outputs };
    nuwa_files::write_json(&folder.join(MANIFEST), &manifest)?;
    remove(&folder.join(UNFINISHED))?;
    Ok(StageOutcome { handed_on: manifest::handed_on(&manifest, run, on.stage), manifest, skipped: false })
}

/// Gives the stage an empty folder, or the one with the unfinished work of the very same stage.
fn prepare(run: &Path, on: &Dependencies) -> anyhow::Result<()> {
    let folder = run.join(on.stage.name);
    let (manifest, note) = (folder.join(MANIFEST), folder.join(UNFINISHED));
    let goes_on = goes_on(&folder, on);
    if folder.exists() && !goes_on {
        refuse_foreign(&folder, manifest.exists() || note.exists())?;
        let why = why_anew(&folder, on);
        if let Some(kept) = aside::keep(run, on.stage)? {
            message(&format!("{:<10} {why}; {kept}", on.stage.name));
        } else {
            // From here to the end, whatever happens, the folder is known as ours and as nobody's result.
            nuwa_files::write_json(&note, &())?;
            clear(&folder)?;
        }
    }
    if goes_on {
        nuwa_files::remove_unwritten(&folder)?;
    }
    remove(&manifest)?;
    if !(goes_on && note.exists()) {
        nuwa_files::write_json(&note, &on.basis)?;
    }
    Ok(())
}

/// Whether what lies in the folder is the beginning of this very work; or its end, of which something was lost or changed while
/// the last checkpoint is still there.
fn goes_on(folder: &Path, on: &Dependencies) -> bool {
    let begun = read_unfinished(folder);
    let checkpoint = folder.join("checkpoint.bin").exists();
    let ended = read_manifest(folder).filter(|_| checkpoint).map(|manifest| manifest.basis);
    [begun, ended].into_iter().flatten().any(|basis| on.differences(&basis).is_empty())
}

/// A few words for the user whose work is made anew.
fn why_anew(folder: &Path, on: &Dependencies) -> String {
    let earlier = read_manifest(folder).map(|manifest| manifest.basis);
    let earlier = earlier.or_else(|| read_unfinished(folder));
    let differences = earlier.map(|earlier| on.differences(&earlier)).unwrap_or_default();
    match differences.is_empty() {
        true => "begins anew, since its files were changed or lost".into(),
        false => format!("begins anew, since this changed: {}", differences.join(", ")),
    }
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
mod tests;
