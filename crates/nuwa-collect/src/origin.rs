//! Where the files of a folder come from, where the folder itself says it.
//!
//! A file `.source.json` in a folder, an object with `source` (an address) and, in `meta`, what else holds for every document
//! below (`license`, `revision`), is written when a data set was downloaded; anyone may write one.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Error, Result};

/// The name of the file in which a folder says where its files come from.
pub const ORIGIN_FILE: &str = ".source.json";

/// The origin of a folder's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Origin {
    /// The address; a document's source is this and its path in the folder.
    pub source: String,
    /// What every document below carries, unless it knows better.
    #[serde(default)]
    pub meta: Map<String, Value>,
}

impl Origin {
    /// What the folder says; `None` where it says nothing, or is not there.
    pub fn of_folder(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(ORIGIN_FILE);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::read(&path)(error)),
        };
        let origin = serde_json::from_slice(&text);
        origin.map(Some).map_err(|error| {
            let line = error.line() as u64;
            nuwa_files::Error::Line { path, line, problem: error.to_string() }.into()
        })
    }

    /// Says it in the folder.
    pub fn write(&self, folder: &Path) -> Result<()> {
        Ok(nuwa_files::write_json(&folder.join(ORIGIN_FILE), self)?)
    }
}
