//! What a finished stage was made from and what it made.
//!
//! Inputs and outputs are known by the hash of their content (XXH3-128, at the speed of the disk), not by time
//! stamps: a copied or touched file is still the same, and a change of one byte is always seen.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use nuwa_report::records::{Basis, Manifest, Output};
use serde_json::Value;

use super::about::{About, HandsOn};
use crate::recipe::{deciding, renamed};

/// The name of a manifest in the folder of its stage.
pub const MANIFEST: &str = "manifest.json";
/// The note of a stage that has begun and not ended.
pub const UNFINISHED: &str = "unfinished.json";

/// The manifest of the stage in a folder, with the settings by their names of today; none where there is none that can be read.
pub fn read_manifest(folder: &Path) -> Option<Manifest> {
    let mut manifest: Manifest = nuwa_files::read_json(&folder.join(MANIFEST)).ok()?;
    manifest.basis = of_today(manifest.basis);
    Some(manifest)
}

/// What the stage in a folder that has begun is being made from.
pub fn read_unfinished(folder: &Path) -> Option<Basis> {
    nuwa_files::read_json(&folder.join(UNFINISHED)).ok().map(of_today)
}

fn of_today(basis: Basis) -> Basis {
    Basis { settings: renamed::rename_kept(basis.settings), ..basis }
}

/// That of a stage without inputs and settings.
pub fn basis_of(stage: &About) -> Basis {
    Basis {
        stage: stage.name.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        format: stage.format.unwrap_or(Basis::FIRST_FORMAT),
        inputs: BTreeMap::new(),
        settings: Value::Null,
        seed: None,
    }
}

/// In what the basis of `stage` differs from an `earlier` one so that the result may be another; `schema` is that of the settings.
pub fn differences(stage: &About, basis: &Basis, earlier: &Basis, schema: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut say = |differs: bool, what: &str| found.extend(differs.then(|| what.to_string()));
    let stage_differs = basis.stage != earlier.stage || basis.format != earlier.format;
    say(stage_differs, "the form of its files");
    say(stage.format.is_none() && basis.version != earlier.version, "the version of the program");
    say(basis.seed != earlier.seed, "seed");
    found.extend(other_inputs(&basis.inputs, &earlier.inputs));
    let [now, then] = [basis, earlier].map(|basis| deciding(schema, &basis.settings));
    differing(&now, &then, "", &mut found);
    found
}

/// The inputs that are others than before, by their last names: where a source lies is no difference, so that a project may be
/// moved.
fn other_inputs(now: &BTreeMap<String, String>, then: &BTreeMap<String, String>) -> Vec<String> {
    let [now, then] = [now, then].map(|inputs| inputs.iter().map(named).collect::<Vec<_>>());
    let other = now.iter().filter(|input| !then.contains(input));
    let gone = then.iter().filter(|(name, _)| now.iter().all(|(known, _)| known != name));
    let mut found: Vec<String> = other.chain(gone).map(|(name, _)| name.to_string()).collect();
    if found.is_empty() && now.len() != then.len() {
        found.push("the number of its sources".into());
    }
    found
}

fn named<'a>((name, hash): (&'a String, &'a String)) -> (&'a str, &'a str) {
    (Path::new(name).file_name().and_then(|name| name.to_str()).unwrap_or(name), hash)
}

/// The keys, with dots, at which two values differ.
fn differing(now: &Value, then: &Value, path: &str, found: &mut Vec<String>) {
    let below = |key: &str| if path.is_empty() { key.to_string() } else { format!("{path}.{key}") };
    match (now, then) {
        (Value::Object(now), Value::Object(then)) => {
            let keys = now.keys().chain(then.keys().filter(|key| !now.contains_key(*key)));
            for key in keys {
                let of =
                    |object: &serde_json::Map<String, Value>| object.get(key).cloned().unwrap_or_default();
                differing(&of(now), &of(then), &below(key), found);
            }
        }
        // Settings of several tables.
        (Value::Array(now), Value::Array(then)) if path.is_empty() && now.len() == then.len() => {
            now.iter().zip(then).for_each(|(now, then)| differing(now, then, path, found));
        }
        _ if now == then => {}
        _ if path.is_empty() => found.push("its settings".into()),
        _ => found.push(path.into()),
    }
}

fn output(path: &Path) -> nuwa_files::Result<Output> {
    let size = fs::metadata(path).map_err(nuwa_files::Error::read(path))?.len();
    Ok(Output { size, hash: nuwa_files::hash_file(path)? })
}

fn is_unchanged(output: &Output, path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.len() == output.size)
        && nuwa_files::hash_file(path).is_ok_and(|hash| hash == output.hash)
}

/// One hash for everything that a stage wrote.
pub fn outputs_hash(manifest: &Manifest) -> String {
    hash_of(manifest, |_| true)
}

/// One hash for what the stages that follow make something from.
pub fn handed_on(manifest: &Manifest, run: &Path, stage: &About) -> String {
    let begins = |file: &str, beginnings: &[&str]| {
        let name = file.strip_prefix(stage.name).and_then(|name| name.strip_prefix('/')).unwrap_or(file);
        beginnings.iter().any(|beginning| name.starts_with(beginning))
    };
    match stage.hands_on {
        HandsOn::Files(beginnings) => hash_of(manifest, |file| begins(file, beginnings)),
        HandsOn::Hash(hash) => hash(&run.join(stage.name)).unwrap_or_else(|| outputs_hash(manifest)),
        HandsOn::All => outputs_hash(manifest),
    }
}

fn hash_of(manifest: &Manifest, wanted: impl Fn(&str) -> bool) -> String {
    let wanted = manifest.outputs.iter().filter(|(name, _)| wanted(name));
    let list: Vec<String> = wanted.map(|(name, output)| format!("{name}\0{}\n", output.hash)).collect();
    nuwa_files::hash_bytes(list.concat().as_bytes())
}

/// Whether only a run in progress needs the file.
pub fn is_of_progress(name: &str) -> bool {
    name.ends_with("/checkpoint.bin") || name.ends_with("/metrics.jsonl")
}

/// Whether every file that was written is still there, unchanged; but for what only a run in progress needs.
pub fn outputs_are_whole(manifest: &Manifest, run: &Path) -> bool {
    let mut needed = manifest.outputs.iter().filter(|(name, _)| !is_of_progress(name));
    needed.all(|(name, output)| is_unchanged(output, &run.join(name)))
}

/// Whether there are files in the folder of the stage that it did not write.
pub fn other_files(manifest: &Manifest, run: &Path) -> nuwa_files::Result<bool> {
    let mut files = Vec::new();
    list(&run.join(&manifest.basis.stage), &mut files)?;
    Ok(files.iter().any(|file| !manifest.outputs.contains_key(&relative(run, file))))
}

/// Earlier versions knew an input from an earlier stage by all files of that stage, accounts of times included. Where that is
/// still what lies there, it is written as what the stage hands on.
pub fn renew_inputs(run: &Path, stages: &[&About]) -> anyhow::Result<()> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(run).map_err(nuwa_files::Error::read(run))? {
        folders.push(entry.map_err(nuwa_files::Error::read(run))?.path());
    }
    let manifests: Vec<Manifest> = folders.iter().filter_map(|folder| read_manifest(folder)).collect();
    let renewed = |manifest: &Manifest| {
        let stage = stages.iter().find(|stage| stage.name == manifest.basis.stage)?;
        Some((outputs_hash(manifest), handed_on(manifest, run, stage)))
    };
    let hashes: BTreeMap<String, String> = manifests.iter().filter_map(renewed).collect();
    for folder in folders.iter().filter(|folder| !folder.ends_with("report")) {
        for name in [MANIFEST, UNFINISHED] {
            renew(&folder.join(name), &hashes)?;
        }
    }
    Ok(())
}

fn renew(path: &Path, hashes: &BTreeMap<String, String>) -> anyhow::Result<()> {
    let Ok(old) = nuwa_files::read_json::<Value>(path) else { return Ok(()) };
    let mut new = old.clone();
    // The sources stood among the settings of collect.
    if old["stage"] == "collect" && old["settings"].is_array() {
        new["settings"] = old["settings"][1].clone();
    }
    for input in new["inputs"].as_object_mut().into_iter().flat_map(|inputs| inputs.values_mut()) {
        if let Some(hash) = input.as_str().and_then(|hash| hashes.get(hash)) {
            *input = hash.as_str().into();
        }
    }
    if new != old {
        nuwa_files::write_json(path, &new)?;
    }
    Ok(())
}

/// The files below `places` (files or folders of the run), hashed; the runner's own notes are not among them.
pub fn outputs<'a>(
    run: &Path,
    places: impl Iterator<Item = &'a str>,
) -> nuwa_files::Result<BTreeMap<String, Output>> {
    let mut files = Vec::new();
    for place in places {
        list(&run.join(place), &mut files)?;
    }
    files.into_iter().map(|file| Ok((relative(run, &file), output(&file)?))).collect()
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
        let ours = name == MANIFEST || name == UNFINISHED;
        if !ours {
            list(&file, files)?;
        }
    }
    Ok(())
}
