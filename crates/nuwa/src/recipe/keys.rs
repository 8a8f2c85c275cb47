//! The keys a recipe may have, read off the JSON schema of the settings.

use std::sync::OnceLock;

use schemars::schema_for;
use serde_json::{Map, Value};
use toml::Table;

use super::settings::{PLANNED, Recipe};

/// One key, or one table of keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// With dots: `tokenize.split.seed`.
    pub path: String,
    /// The doc comment of the field.
    pub description: String,
    /// What may be written.
    pub kind: Kind,
    /// The default; none for tables and for keys that may be left out.
    pub default: Option<toml::Value>,
}

impl Key {
    /// Whether the plan chooses a value when the recipe has none.
    pub fn is_planned(&self) -> bool {
        PLANNED.contains(&self.path.as_str())
    }
}

/// What a key holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// More keys.
    Table,
    Boolean,
    /// A whole number, not below the minimum.
    Whole {
        minimum: Option<i64>,
    },
    Number,
    Text,
    /// `30M`, as text or as a number.
    Count,
    /// `10m`.
    Time,
    /// One of some words, each with what it means.
    Choice(Vec<(String, String)>),
    List(Box<Kind>),
    /// Something else, which only the room itself can check.
    Other,
}

impl Kind {
    /// For messages and for the reference: "a whole number".
    pub fn name(&self) -> String {
        match self {
            Self::Table => "a table of keys".into(),
            Self::Boolean => "true or false".into(),
            Self::Whole { .. } => "a whole number".into(),
            Self::Number => "a number".into(),
            Self::Text => "text".into(),
            Self::Count => "a count such as 5000 or \"30M\"".into(),
            Self::Time => "a time such as \"10m\" or \"1h30m\"".into(),
            Self::Choice(words) => {
                let quoted: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
                format!("one of {}", quoted.join(", "))
            }
            Self::List(item) => match item.as_ref() {
                Self::Choice(_) => format!("a list of any of {}", item.name().trim_start_matches("one of ")),
                Self::Text => "a list of texts".into(),
                Self::Other => "a list".into(),
                _ => format!("a list, each item {}", item.name()),
            },
            Self::Other => "a value".into(),
        }
    }
}

/// All keys, in the order in which the settings declare them.
pub fn all() -> &'static [Key] {
    static KEYS: OnceLock<Vec<Key>> = OnceLock::new();
    KEYS.get_or_init(|| {
        let schema = schema_for!(Recipe).to_value();
        // A schema's properties come sorted by name; the defaults, serialised, keep the declared order.
        let defaults = Table::try_from(Recipe::default()).unwrap_or_default();
        let mut keys = Vec::new();
        SchemaWalk { root: &schema, keys: &mut keys }.object(&schema, "", &defaults);
        keys
    })
}

/// The key with this path.
pub fn find(path: &str) -> Option<&'static Key> {
    all().iter().find(|key| key.path == path)
}

/// A default as people write it: an `f32` of 0.02 is not 0.019999999552965164.
fn shortest(value: &toml::Value, schema: &Value) -> toml::Value {
    match value {
        toml::Value::Float(number) if schema["format"] == "float" => {
            toml::Value::Float((*number as f32).to_string().parse().unwrap_or(*number))
        }
        other => other.clone(),
    }
}

struct SchemaWalk<'a> {
    root: &'a Value,
    keys: &'a mut Vec<Key>,
}

impl SchemaWalk<'_> {
    fn object(&mut self, schema: &Value, prefix: &str, defaults: &Table) {
        let empty = Map::new();
        let properties = schema["properties"].as_object().unwrap_or(&empty);
        let mut names: Vec<&String> = properties.keys().collect();
        // Keys without a default (they may be left out) stand first, where the declared order is unknown.
        names.sort_by_key(|name| defaults.keys().position(|key| key == *name).map_or(0, |at| at + 1));
        let (tables, plain): (Vec<_>, Vec<_>) =
            names.into_iter().partition(|name| matches!(self.kind(&properties[name.as_str()]), Kind::Table));
        for name in plain.into_iter().chain(tables) {
            self.property(&format!("{prefix}{name}"), &properties[name], defaults.get(name));
        }
    }

    fn property(&mut self, path: &str, schema: &Value, default: Option<&toml::Value>) {
        let kind = self.kind(schema);
        let description =
            schema["description"].as_str().or(resolved(self.root, schema)["description"].as_str());
        let description = description.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        let is_table = kind == Kind::Table;
        let shown = default.filter(|_| !is_table).map(|value| shortest(value, schema));
        self.keys.push(Key { path: path.into(), description, kind, default: shown });
        if is_table {
            let empty = Table::new();
            let defaults = default.and_then(toml::Value::as_table).unwrap_or(&empty);
            self.object(resolved(self.root, schema), &format!("{path}."), defaults);
        }
    }

    fn kind(&self, schema: &Value) -> Kind {
        let schema = resolved(self.root, schema);
        if let Some(format) = schema["format"].as_str() {
            match format {
                "count" => return Kind::Count,
                "time" => return Kind::Time,
                _ => {}
            }
        }
        if let Some(words) = choice(schema) {
            return Kind::Choice(words);
        }
        match type_name(schema) {
            "boolean" => Kind::Boolean,
            "integer" => Kind::Whole { minimum: schema["minimum"].as_i64() },
            "number" => Kind::Number,
            "string" => Kind::Text,
            "array" => Kind::List(Box::new(self.kind(&schema["items"]))),
            "object" if schema["properties"].is_object() => Kind::Table,
            _ => Kind::Other,
        }
    }
}

/// Follows a reference into the definitions of `root`, and an optional value to what it may be.
pub(super) fn resolved<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    if let Some(name) = schema["$ref"].as_str() {
        return root.pointer(name.trim_start_matches('#')).unwrap_or(&Value::Null);
    }
    let some = schema["anyOf"].as_array().and_then(|any| any.iter().find(|one| one["type"] != "null"));
    some.map_or(schema, |some| resolved(root, some))
}

/// The type, of an optional value that which is not null.
fn type_name(schema: &Value) -> &str {
    match &schema["type"] {
        Value::String(name) => name,
        Value::Array(names) => {
            names.iter().filter_map(Value::as_str).find(|name| *name != "null").unwrap_or("")
        }
        _ => "",
    }
}

/// The words of an enum of plain names, with their descriptions.
fn choice(schema: &Value) -> Option<Vec<(String, String)>> {
    let text =
        |value: &Value| value.as_str().map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().map(|word| Some((text(word)?, String::new()))).collect();
    }
    let variants = schema["oneOf"].as_array()?.iter();
    let mut words = Vec::new();
    for variant in variants {
        match variant["enum"].as_array() {
            Some(names) => words.extend(names.iter().filter_map(|name| Some((text(name)?, String::new())))),
            None => words.push((text(&variant["const"])?, text(&variant["description"]).unwrap_or_default())),
        }
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_description() {
        let silent: Vec<&str> =
            all().iter().filter(|key| key.description.is_empty()).map(|key| key.path.as_str()).collect();
        assert_eq!(silent, [""; 0]);
    }

    #[test]
    fn keys_know_their_kinds_and_defaults() {
        let bad_lines = find("collect.bad_lines").unwrap();
        assert!(matches!(&bad_lines.kind, Kind::Choice(words) if words[0].0 == "error"));
        assert_eq!(find("budget").unwrap().kind, Kind::Time);
        assert_eq!(find("params").unwrap().kind, Kind::Count);
        assert_eq!(find("tokenize.split").unwrap().kind, Kind::Table);
        assert_eq!(find("tokenize.split.seed").unwrap().default, Some(toml::Value::Integer(0)));
        assert!(matches!(find("clean.steps").unwrap().kind, Kind::List(_)));
    }

    #[test]
    fn planned_keys_exist() {
        for path in PLANNED {
            assert!(find(path).is_some(), "{path}");
        }
    }
}
