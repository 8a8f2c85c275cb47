//! Where a model comes from, as a chain of SHA-256 hashes: `provenance.json` in a run and beside an exported model.
//!
//! Stages know their inputs and outputs by a fast hash (`run/manifest.rs`). When a build has ended, all of it is hashed once more
//! with SHA-256, which strangers can check with tools of their own; what is already known by an unchanged manifest is not read again.
//! The pages of the report are no part of the chain: `nuwa report` makes them from the rest.

mod sources;
mod verify;

use std::path::Path;

use nuwa_files::sha256_file;
use nuwa_report::records::{
    FileDigest, Machine, MadeBy, MadeOn, ModelDigest, PROVENANCE, Provenance, StageDigest,
};

use crate::run::{About, MANIFEST, is_of_progress, read_manifest};
use crate::stages;

pub use verify::{Verified, verify};

/// Where a run keeps the list of the files of its sources.
const SOURCES: &str = "sources.sha256";

/// Writes the provenance of a finished run, beside its model too.
pub fn write(run: &Path, seed: u64) -> anyhow::Result<()> {
    let earlier = read(run).ok();
    let stages = recorded(run).map(|stage| digest(run, stage, earlier.as_ref()));
    let stages = stages.collect::<anyhow::Result<Vec<_>>>()?;
    let (sources, list) = sources::of(run)?;
    nuwa_files::write_atomically(&run.join(SOURCES), list.as_bytes())?;
    let provenance = Provenance {
        format: Provenance::FORMAT,
        program: this_program(),
        machine: machine(run),
        recipe: Some(FileDigest::of(&run.join("recipe.toml"))?),
        seed: Some(seed),
        sources,
        stages,
        model: ModelDigest::of(&run.join("model"))?,
    };
    for folder in [run.to_path_buf(), run.join("model")] {
        nuwa_files::write_json(&folder.join(PROVENANCE), &provenance)?;
    }
    Ok(())
}

/// Writes the provenance of a model that was exported from the folder `from` to `out`: that of `from`, as far as it has one.
pub fn write_exported(from: &Path, out: &Path) -> anyhow::Result<()> {
    let (before, model) = (ModelDigest::of(from)?, ModelDigest::of(out)?);
    let known = read(from).ok().filter(|known| known.model.sha256 == before.sha256);
    let known = known.unwrap_or_else(|| Provenance {
        format: Provenance::FORMAT,
        program: this_program(),
        ..Provenance::default()
    });
    let exported_from = known.model.exported_from.clone().or(Some(before.sha256));
    let exported_from = exported_from.filter(|before| *before != model.sha256);
    let provenance = Provenance { model: ModelDigest { exported_from, ..model }, ..known };
    Ok(nuwa_files::write_json(&out.join(PROVENANCE), &provenance)?)
}

fn read(folder: &Path) -> nuwa_files::Result<Provenance> {
    nuwa_files::read_json(&folder.join(PROVENANCE))
}

/// The stages that have made something of which the chain consists.
fn recorded(run: &Path) -> impl Iterator<Item = &'static About> {
    let pages = stages::report::ABOUT.name;
    let all = stages::all().into_iter().filter(move |stage| stage.name != pages);
    all.filter(|stage| run.join(stage.name).join(MANIFEST).is_file())
}

fn digest(run: &Path, stage: &About, earlier: Option<&Provenance>) -> anyhow::Result<StageDigest> {
    let path = run.join(stage.name).join(MANIFEST);
    let own = FileDigest::of(&path)?;
    let known = earlier.and_then(|earlier| earlier.stages.iter().find(|known| known.stage == stage.name));
    if let Some(known) = known.filter(|known| known.manifest == own) {
        return Ok(known.clone());
    }
    let manifest = read_manifest(&run.join(stage.name))
        .ok_or_else(|| crate::failure::Problem::new(format!("{} cannot be read", path.display())))?;
    let lasting = manifest.outputs.keys().filter(|name| !is_of_progress(name));
    let outputs = lasting.map(|name| Ok((name.clone(), FileDigest::of(&run.join(name))?)));
    let made_from = manifest.basis.inputs.keys().map(|input| last_name(input)).collect();
    Ok(StageDigest {
        stage: stage.name.into(),
        version: manifest.basis.version,
        seed: manifest.basis.seed,
        started: manifest.started,
        seconds: manifest.seconds,
        made_from,
        manifest: own,
        outputs: outputs.collect::<nuwa_files::Result<_>>()?,
    })
}

/// Of a path: where things lie on the user's machine is nobody's business.
fn last_name(path: &str) -> String {
    Path::new(path).file_name().map_or_else(|| path.into(), |name| name.to_string_lossy().into_owned())
}

fn this_program() -> MadeBy {
    let program = std::env::current_exe().ok();
    MadeBy {
        name: env!("CARGO_PKG_NAME").into(),
        version: env!("CARGO_PKG_VERSION").into(),
        sha256: program.and_then(|path| sha256_file(&path).ok()),
    }
}

fn machine(run: &Path) -> Option<MadeOn> {
    let Machine { system, processor, cores, simd, .. } =
        nuwa_files::read_json(&run.join("machine.json")).ok()?;
    Some(MadeOn { system, processor, cores, simd })
}
