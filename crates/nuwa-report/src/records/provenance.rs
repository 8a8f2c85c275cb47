use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use nuwa_files::{sha256_bytes, sha256_file};

/// Its name, in a run folder and in a model folder.
pub const PROVENANCE: &str = "provenance.json";

/// The content of `provenance.json`: what a model was made of, by whom and on what, linked by SHA-256.
///
/// The chain: `model` are the bytes that are handed on; `stages` are what each step wrote, and its manifest, which names what it read
/// of the steps before; `sources` are the user's own texts. Whoever has the same sources, recipe and program makes the same chain
/// again, and on the same kind of processor the same model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The form of this file.
    pub format: u32,
    /// The program that made it.
    pub program: MadeBy,
    /// The machine that it was made on, where that was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<MadeOn>,
    /// `recipe.toml` of the run: all settings, resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipe: Option<FileDigest>,
    /// The seed of everything random.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// What the stages read that no stage wrote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceDigest>,
    /// The stages in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageDigest>,
    /// The model that is handed on.
    pub model: ModelDigest,
}

impl Provenance {
    /// Today's form.
    pub const FORMAT: u32 = 1;
}

/// A program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeBy {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the executable file, where that could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// What of a machine decides bits and times.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeOn {
    /// Operating system and architecture.
    pub system: String,
    /// The name that the maker gave the processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processor: Option<String>,
    /// Logical cores.
    pub cores: usize,
    /// The instruction set that the kernels use.
    pub simd: String,
}

/// A file by its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDigest {
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the content.
    pub sha256: String,
}

impl FileDigest {
    /// That of a file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of(path: &Path) -> nuwa_files::Result<Self> {
        let size = path.metadata().map_err(nuwa_files::Error::read(path))?.len();
        Ok(Self { size, sha256: sha256_file(path)? })
    }
}

/// A text or a set of records that the user named. Where it lies on the user's machine is not told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceDigest {
    /// The last part of its path.
    pub name: String,
    /// The first stage that read it.
    pub stage: String,
    /// How many files it has.
    pub files: u64,
    /// Bytes of all of them.
    pub bytes: u64,
    /// SHA-256 of its list of files, a line `SHA-256  NAME` each, as `sha256sum` prints it; the run keeps it in `sources.sha256`.
    pub sha256: String,
    /// By what the manifest of the stage knows it.
    pub known_as: String,
}

/// A stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageDigest {
    /// Its name.
    pub stage: String,
    /// The version of the program that did it.
    pub version: String,
    /// The seed of its randomness.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// When it began, in seconds since 1970.
    pub started: u64,
    /// How long it took; of a stage that was interrupted, the last part.
    pub seconds: f64,
    /// The stages and sources that it was made from.
    pub made_from: Vec<String>,
    /// `STAGE/manifest.json`, which names them by their hashes.
    pub manifest: FileDigest,
    /// The files that it wrote, relative to the run folder.
    pub outputs: BTreeMap<String, FileDigest>,
}

/// A model folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelDigest {
    /// SHA-256 of the list of its files, a line `SHA-256  NAME` each in the order of the names.
    pub sha256: String,
    /// Its files; the card may be edited by its owner, so it is not among them.
    pub files: BTreeMap<String, FileDigest>,
    /// The same of the model that it was exported from, where its bytes are not the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exported_from: Option<String>,
}

impl ModelDigest {
    /// Files of a model folder that are no part of the model.
    pub const BESIDE: [&str; 3] = [PROVENANCE, "README.md", ".lock"];

    /// That of a model folder.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn of(folder: &Path) -> nuwa_files::Result<Self> {
        let mut files = BTreeMap::new();
        for path in nuwa_files::files_in(folder)? {
            let steps = path.strip_prefix(folder).unwrap_or(&path).iter();
            let name = steps.map(|step| step.to_string_lossy()).collect::<Vec<_>>().join("/");
            if !Self::BESIDE.contains(&name.as_str()) {
                files.insert(name, FileDigest::of(&path)?);
            }
        }
        let list: String = files.iter().map(|(name, file)| format!("{}  {name}\n", file.sha256)).collect();
        Ok(Self { sha256: sha256_bytes(list.as_bytes()), files, exported_from: None })
    }
}
