//! The keys of a file to be written.

use nuwa_files::gguf::Value;

/// Keys in the order in which they are written.
#[derive(Debug)]
pub struct Keys {
    architecture: &'static str,
    pub values: Vec<(String, Value)>,
}

impl Keys {
    /// Those that every model of an architecture has.
    pub fn new(architecture: &'static str, name: &str) -> Self {
        let mut keys = Self { architecture, values: Vec::new() };
        keys.put("general.architecture", Value::Text(architecture.into()));
        keys.put("general.type", Value::Text("model".into()));
        keys.put("general.name", Value::Text(name.into()));
        keys
    }

    pub fn put(&mut self, key: impl Into<String>, value: Value) {
        self.values.push((key.into(), value));
    }

    /// A whole number under a key of the architecture.
    pub fn size(&mut self, name: &str, size: usize) {
        self.put(
            format!("{}.{name}", self.architecture),
            Value::U32(u32::try_from(size).unwrap_or(u32::MAX)),
        );
    }

    /// A number under a key of the architecture.
    pub fn number(&mut self, name: &str, number: f64) {
        self.put(format!("{}.{name}", self.architecture), Value::F32(number as f32));
    }

    /// A text under a key of the architecture.
    pub fn text(&mut self, name: &str, text: &str) {
        self.put(format!("{}.{name}", self.architecture), Value::Text(text.into()));
    }
}
