//! JSON schemas, where this crate is built with the feature `json-schema`.

use std::path::Path;

use serde_json::Value;

use super::spec::wrong;
#[cfg(feature = "json-schema")]
use crate::Error;
use crate::Result;

/// A schema that values are held against.
#[cfg(feature = "json-schema")]
#[derive(Debug)]
pub(super) struct Schema {
    validator: jsonschema::Validator,
}

#[cfg(feature = "json-schema")]
impl Schema {
    /// The schema in a file. What it refers to is in the file itself: nothing is fetched.
    pub fn read(rule: &str, path: &Path) -> Result<Self> {
        let bytes = nuwa_files::compressed::read(path)?;
        let schema: Value = serde_json::from_slice(&bytes)
            .map_err(|error| Error::Json { place: path.display().to_string(), reason: error.to_string() })?;
        // Patterns in linear time, whatever an answer holds.
        let options = jsonschema::options().with_pattern_options(jsonschema::PatternOptions::regex());
        let validator = options.build(&schema).map_err(|error| {
            let problem = format!("{} is no JSON schema that can be used: {error}", path.display());
            wrong(rule, problem, "correct the schema; what it refers to must stand in the same file")
        })?;
        Ok(Self { validator })
    }

    /// Whether a value fulfils the schema.
    pub fn is_fulfilled(&self, value: &Value) -> bool {
        self.validator.is_valid(value)
    }
}

/// There are no schemas in this build.
#[cfg(not(feature = "json-schema"))]
#[derive(Debug)]
pub(super) enum Schema {}

#[cfg(not(feature = "json-schema"))]
impl Schema {
    /// An error that says so.
    pub fn read(rule: &str, _path: &Path) -> Result<Self> {
        let problem = "it names a JSON schema, and this program was built without them";
        let advice = "build it with the feature json-schema, or use json alone: valid JSON is then enough";
        Err(wrong(rule, problem, advice))
    }

    /// Never asked.
    pub fn is_fulfilled(&self, _value: &Value) -> bool {
        match *self {}
    }
}
