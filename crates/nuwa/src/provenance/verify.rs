//! Holds what lies in a folder against its `provenance.json`.

use std::collections::BTreeMap;
use std::path::Path;

use nuwa_files::quoted_path;
use nuwa_files::sha256_bytes;
use nuwa_report::numbers::counted;
use nuwa_report::records::{FileDigest, ModelDigest, PROVENANCE, Provenance, StageDigest};
use serde::Serialize;

use super::{MANIFEST, SOURCES, read, sources};
use crate::failure::Problem;
use crate::run::{About, handed_on, outputs_hash, read_manifest};
use crate::stages;

/// What was found.
#[derive(Debug, Default, Serialize)]
pub struct Verified {
    /// SHA-256 of the model, as it lies there.
    pub model: String,
    /// Files whose hashes were compared.
    pub files: u64,
    /// Stages whose inputs were compared with what the stages before them hand on.
    pub links: u64,
    /// Files of the user's sources whose hashes were compared.
    pub source_files: u64,
    /// What is not as it is told, a sentence each.
    pub differences: Vec<String>,
    /// What could not be compared, or is told of by nobody.
    pub remarks: Vec<String>,
}

/// Checks the run or the model in `folder`.
pub fn verify(folder: &Path) -> anyhow::Result<Verified> {
    let is_run = folder.join("recipe.toml").is_file();
    if !folder.join(PROVENANCE).is_file() {
        return Err(absent(folder, is_run).into());
    }
    let provenance = read(folder)?;
    if provenance.format != Provenance::FORMAT {
        let (found, known) = (provenance.format, Provenance::FORMAT);
        let told = format!("{}: form {found}, expected {known}", folder.join(PROVENANCE).display());
        return Err(Problem::new(told).hint("check it with the version of nuwa that wrote it").into());
    }
    let mut verified = Verified::default();
    if is_run {
        verified.run(&provenance, folder)?;
        return Ok(verified);
    }
    verified.model(&provenance.model, folder)?;
    if !provenance.stages.is_empty() {
        let [stages, sources] = [provenance.stages.len(), provenance.sources.len()].map(|count| count as u64);
        verified.remarks.push(format!(
            "{} and {} can be checked where the run lies: nuwa verify RUN",
            counted(stages, "stage"),
            counted(sources, "source")
        ));
    }
    Ok(verified)
}

fn absent(folder: &Path, is_run: bool) -> Problem {
    let shown = folder.display();
    if !folder.is_dir() {
        return Problem::new(format!("{shown} is no folder")).hint("name a run folder or a model folder");
    }
    let problem =
        Problem::new(format!("{shown} holds no {PROVENANCE}, so there is nothing to check it against"));
    problem.hint(match is_run {
        true => format!(
            "a build that ends writes it: nuwa build {} --out {}",
            quoted_path(folder.join("recipe.toml")),
            quoted_path(folder)
        ),
        false => "name a run folder, or a model folder that nuwa build or nuwa export wrote".into(),
    })
}

impl Verified {
    fn model(&mut self, told: &ModelDigest, folder: &Path) -> anyhow::Result<()> {
        let found = ModelDigest::of(folder)?;
        self.model = found.sha256;
        self.compare_all(&told.files, |name| found.files.get(name).cloned());
        let untold = found.files.keys().filter(|name| !told.files.contains_key(*name));
        self.remarks.extend(untold.map(|name| format!("{name} is no part of the model as it was made")));
        Ok(())
    }

    fn run(&mut self, told: &Provenance, run: &Path) -> anyhow::Result<()> {
        // Its files are among what the stage export wrote.
        self.model = ModelDigest::of(&run.join("model"))?.sha256;
        let found = |name: &str| FileDigest::of(&run.join(name)).ok();
        let recipe = told.recipe.iter().map(|digest| ("recipe.toml".to_string(), digest.clone()));
        self.compare_all(&recipe.collect(), found);
        for stage in &told.stages {
            let manifest = format!("{}/{MANIFEST}", stage.stage);
            let files = [(manifest, stage.manifest.clone())].into_iter().chain(stage.outputs.clone());
            self.compare_all(&files.collect(), found);
            self.links(stage, run);
        }
        if read(&run.join("model")).ok().as_ref() != Some(told) {
            self.differences.push(format!("model/{PROVENANCE} is not the same as {PROVENANCE}"));
        }
        self.sources(told, run)
    }

    fn compare_all(
        &mut self,
        told: &BTreeMap<String, FileDigest>,
        found: impl Fn(&str) -> Option<FileDigest>,
    ) {
        for (name, digest) in told {
            self.files += 1;
            match found(name) {
                Some(found) if found == *digest => {}
                Some(found) => self.differences.push(format!(
                    "{name} was changed: its SHA-256 is {}, {PROVENANCE} says {}",
                    found.sha256, digest.sha256
                )),
                None => self.differences.push(format!("{name} is absent")),
            }
        }
    }

    /// Whether what a stage was made from is what the stages before it hand on.
    fn links(&mut self, told: &StageDigest, run: &Path) {
        let Some(manifest) = read_manifest(&run.join(&told.stage)) else { return };
        for (input, hash) in &manifest.basis.inputs {
            let before: Option<&'static About> = stages::all().into_iter().find(|stage| stage.name == input);
            let Some(before) = before else { continue };
            let Some(other) = read_manifest(&run.join(input)) else {
                self.differences.push(format!("{} was made from {input}, which is absent", told.stage));
                continue;
            };
            self.links += 1;
            if *hash != handed_on(&other, run, before) && *hash != outputs_hash(&other) {
                self.differences.push(format!("{} was made from another {input} than lies here", told.stage));
            }
        }
    }

    fn sources(&mut self, told: &Provenance, run: &Path) -> anyhow::Result<()> {
        let kept = std::fs::read_to_string(run.join(SOURCES)).unwrap_or_default();
        let named = sources::named(run);
        for source in &named {
            let shown = &source.path;
            if !Path::new(shown).exists() {
                self.remarks.push(format!("{shown} is not on this machine, so it was not compared"));
                continue;
            }
            let (list, _) = source.list()?;
            self.source_files += list.lines().count() as u64;
            let hash = sha256_bytes(list.as_bytes());
            if told.sources.iter().any(|told| told.sha256 == hash) {
                continue;
            }
            let others: Vec<&str> =
                list.lines().filter(|line| !kept.lines().any(|kept| kept == *line)).collect();
            let which = others.iter().filter_map(|line| line.split_once("  ")).map(|(_, name)| name);
            let which = which.collect::<Vec<_>>().join(", ");
            let which = if which.is_empty() { "a file of it is gone".into() } else { which };
            self.differences.push(format!("the source {shown} is not what was read: {which}"));
        }
        Ok(())
    }
}
