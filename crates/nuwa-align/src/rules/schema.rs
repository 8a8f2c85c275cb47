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

#[cfg(all(test, feature = "json-schema"))]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_held_against_a_schema_and_a_wrong_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("schema.json");
        let schema =
            json!({"type": "object", "required": ["name"], "properties": {"age": {"type": "integer"}}});
        std::fs::write(&path, schema.to_string()).unwrap();
        let own = Schema::read("json", &path).unwrap();
        assert!(own.is_fulfilled(&json!({"name": "Ada", "age": 36})));
        assert!(!own.is_fulfilled(&json!({"age": 36})));
        assert!(!own.is_fulfilled(&json!({"name": "Ada", "age": "36"})));
        std::fs::write(&path, r#"{"type": "thing"}"#).unwrap();
        let told = Schema::read("json", &path).unwrap_err().to_string();
        assert!(told.contains("is no JSON schema that can be used"), "{told}");
        std::fs::write(&path, r#"{"$ref": "https://example.org/other.json"}"#).unwrap();
        assert!(Schema::read("json", &path).is_err(), "nothing is fetched");
    }
}
