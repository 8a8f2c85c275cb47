use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The content of `STAGE/manifest.json`: what a finished stage was made from and what it made.
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
    /// The program's version. It is compared only of stages that have no format, which are quick to make anew.
    pub version: String,
    /// Stands for the version elsewhere.
    #[serde(default = "first_format")]
    pub format: u32,
    /// Names of inputs with the hashes of their content.
    pub inputs: BTreeMap<String, String>,
    /// The resolved settings, by the names that they had then.
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

impl Basis {
    /// The format of a stage that has not said another.
    pub const FIRST_FORMAT: u32 = 1;
}

fn first_format() -> u32 {
    Basis::FIRST_FORMAT
}
