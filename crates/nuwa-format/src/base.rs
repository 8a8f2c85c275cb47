//! Which model adapters belong to: `base_model.json` beside them holds a hash of its weights.
//!
//! The hash is of the numbers and not of the files, so a model that was exported, or written in another kind of numbers
//! that holds the same values, is still the same.

use std::path::{Component, Path};

use nuwa_models::Model;
use nuwa_tensor::Parameter;
use serde::{Deserialize, Serialize};

use crate::config::LARGEST;
use crate::{Error, Result};

/// The file's name.
const BASE: &str = "base_model.json";

/// The version of what is written.
const FORMAT: u32 = 1;

/// The model that adapters were trained on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The version of this form.
    format: u32,
    /// What it was called, without a place on some machine.
    pub name: String,
    /// The hash of its weights.
    pub weights: String,
}

/// Numbers that each parameter is filled up to a multiple of, by zeros, before it is hashed: adapters on disk name their model
/// so.
const HASHED_TOGETHER: usize = 16;

/// A hash of all weights of `model`, in their order.
pub fn weights_hash(model: &dyn Model) -> String {
    let bytes = |parameter: &Parameter| {
        let mut values = parameter.to_host();
        values.resize(values.len().next_multiple_of(HASHED_TOGETHER), 0.0);
        values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>()
    };
    nuwa_files::hash_blocks(model.parameters().iter().map(bytes))
}

impl Base {
    /// The model in `folder`, whose weights have the hash `weights`.
    pub fn new(folder: &Path, weights: String) -> Self {
        Self { format: FORMAT, name: name(folder), weights }
    }

    /// What lies beside the adapters in `folder`; adapters of other programs do not say what they belong to.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn of_adapter(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(BASE);
        if !path.exists() {
            return Ok(None);
        }
        let base: Self = nuwa_files::read_json_at_most(&path, LARGEST)?;
        match base.format {
            FORMAT => Ok(Some(base)),
            found => Err(Error::invalid(&path, format!("format = {found}, expected {FORMAT}"))),
        }
    }

    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        Ok(nuwa_files::write_json(&folder.join(BASE), self)?)
    }
}

/// A path as it was given where it is relative, else its last part: whoever gets the adapters learns nothing about the
/// machine that they were trained on.
fn name(folder: &Path) -> String {
    let is_plain = |part: &Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    let parts: Vec<_> = folder.components().collect();
    let kept = if parts.iter().all(is_plain) { &parts[..] } else { &parts[parts.len().saturating_sub(1)..] };
    let words = kept.iter().filter_map(|part| match part {
        Component::Normal(part) => Some(part.to_string_lossy()),
        _ => None,
    });
    words.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_nothing_about_a_machine() {
        let all = [
            "runs/book/model",
            "./model",
            "/home/somebody/secret/model",
            "../../somebody/model",
            "..",
            "/",
            ".",
        ];
        assert_eq!(
            all.map(|path| name(Path::new(path))),
            ["runs/book/model", "model", "model", "model", "", "", ""]
        );
    }
}
