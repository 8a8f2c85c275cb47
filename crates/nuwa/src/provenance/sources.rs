//! What the stages of a run read that no stage wrote, by SHA-256.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nuwa_files::{sha256_bytes, sha256_file};
use nuwa_report::records::{Manifest, SourceDigest};
use serde_json::Value;

use super::{last_name, recorded};
use crate::run::{read_manifest, source_files, source_hash};
use crate::stages;

/// A source as a manifest names it.
pub struct NamedSource {
    /// Its path, as the user wrote it.
    pub path: String,
    /// The first stage that read it.
    pub stage: String,
    /// The hash by which that stage knows it.
    known_as: String,
    extra_endings: Vec<String>,
}

/// All that the manifests of a run name.
pub fn named(run: &Path) -> Vec<NamedSource> {
    let mut found: BTreeMap<String, NamedSource> = BTreeMap::new();
    for stage in recorded(run) {
        let Some(Manifest { basis, .. }) = read_manifest(&run.join(stage.name)) else { continue };
        let own_endings = &basis.settings["extra_text_extensions"];
        let extra_endings: Vec<String> = own_endings
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(String::from)
            .collect();
        for (path, known_as) in basis.inputs {
            if stages::all().iter().any(|stage| stage.name == path) {
                continue;
            }
            let (stage, extra_endings) = (stage.name.into(), extra_endings.clone());
            let source = NamedSource { path: path.clone(), stage, known_as, extra_endings };
            found.entry(path).or_insert(source);
        }
    }
    found.into_values().collect()
}

impl NamedSource {
    /// Whether it lies there as the stage read it.
    pub fn is_unchanged(&self) -> bool {
        let path = Path::new(&self.path);
        path.exists() && source_hash(path, &self.extra_endings).is_ok_and(|hash| hash == self.known_as)
    }

    /// Its files with their SHA-256, a line each, and the bytes of all.
    pub fn list(&self) -> anyhow::Result<(String, u64)> {
        let root = Path::new(&self.path);
        let (mut lines, mut bytes) = (String::new(), 0);
        for file in source_files(root, &self.extra_endings)? {
            bytes += file.metadata().map_err(nuwa_files::Error::read(&file))?.len();
            lines += &format!("{}  {}\n", sha256_file(&file)?, self.name_of(&file));
        }
        Ok((lines, bytes))
    }

    fn name_of(&self, file: &Path) -> String {
        let within = file.strip_prefix(&self.path).unwrap_or(file);
        let mut name = PathBuf::from(last_name(&self.path));
        if !within.as_os_str().is_empty() {
            name.push(within);
        }
        name.display().to_string().replace('\\', "/")
    }
}

/// The sources of a run that lie where they were read, unchanged since; and the list of all their files.
pub fn of(run: &Path) -> anyhow::Result<(Vec<SourceDigest>, String)> {
    let (mut digests, mut all) = (Vec::new(), String::new());
    for source in named(run).into_iter().filter(NamedSource::is_unchanged) {
        let (list, bytes) = source.list()?;
        digests.push(SourceDigest {
            name: last_name(&source.path),
            files: list.lines().count() as u64,
            bytes,
            sha256: sha256_bytes(list.as_bytes()),
            known_as: source.known_as,
            stage: source.stage,
        });
        all += &list;
    }
    Ok((digests, all))
}
