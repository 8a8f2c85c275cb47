//! An old result that took long is kept beside the new one: the work of hours goes only where its owner takes it away.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use nuwa_report::numbers;
use serde_json::Value;

use super::about::About;
use super::manifest::{MANIFEST, UNFINISHED, other_files, read_manifest};

/// Seconds from which on the work of a stage that trains is kept.
const TRAINING: f64 = 60.0;
/// The same of the other stages, whose files are large and soon made.
const OTHERS: f64 = 1800.0;

/// Moves the folder of `stage` to `STAGE.old` (`STAGE.old-2` where that is taken), if it is worth keeping; what there is to say
/// of it.
pub fn keep(run: &Path, stage: &About) -> anyhow::Result<Option<String>> {
    let folder = run.join(stage.name);
    let seconds = seconds_of(&folder, stage);
    let least = if stage.makes_model { TRAINING } else { OTHERS };
    let others = read_manifest(&folder).map_or(Ok(false), |manifest| other_files(&manifest, run))?;
    if seconds < least && !others {
        return Ok(None);
    }
    let Some(kept) = nuwa_files::keep_aside(&folder)? else { return Ok(None) };
    let what = match others && seconds < least {
        true => "which holds files that no build wrote".into(),
        false => format!("{} of work", numbers::seconds(seconds)),
    };
    Ok(Some(format!("the old result, {what}, is kept in {}", kept.display())))
}

/// How long the work took, as far as its files tell: a manifest knows only the last part of a run that was interrupted.
fn seconds_of(folder: &Path, stage: &About) -> f64 {
    let seconds = |value: Value| value["seconds"].as_f64();
    let read = |name: &str| nuwa_files::read_json::<Value>(&folder.join(name)).ok().and_then(seconds);
    let finished = read(MANIFEST);
    let begun = if finished.is_none() { since_begun(folder) } else { None };
    let told = [finished, begun, read(&stage.summary_file()), last_line(folder).and_then(seconds)];
    told.into_iter().flatten().fold(0.0, f64::max)
}

/// The last whole line of figures, which counts all resumptions.
fn last_line(folder: &Path) -> Option<Value> {
    let text = fs::read(folder.join("metrics.jsonl")).ok()?;
    let text = String::from_utf8_lossy(&text);
    let mut lines = text.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.find(|line| line["seconds"].is_number())
}

/// Of unfinished work: from the note at its beginning to the file that was written last.
fn since_begun(folder: &Path) -> Option<f64> {
    let changed = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let begun = changed(&folder.join(UNFINISHED))?;
    let last = newest(folder, &changed)?;
    last.duration_since(begun).ok().map(|time| time.as_secs_f64())
}

fn newest(path: &Path, changed: &impl Fn(&Path) -> Option<SystemTime>) -> Option<SystemTime> {
    let is_folder = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir());
    let entries = is_folder.then(|| fs::read_dir(path).ok()).flatten().into_iter().flatten().flatten();
    entries.filter_map(|entry| newest(&entry.path(), changed)).chain(changed(path)).max()
}
