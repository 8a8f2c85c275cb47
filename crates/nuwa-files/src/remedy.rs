use std::fmt;

/// Settings with which refused work would go through. A library names them; a program says how they are given to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remedy {
    /// What for ("to go deeper").
    pub purpose: String,
    /// Each setting with its value, as a line of a recipe: `collect.nested_archives=10`.
    pub settings: Vec<String>,
}

impl Remedy {
    /// A remedy of one setting.
    pub fn new(purpose: impl Into<String>, setting: impl Into<String>) -> Self {
        Self { purpose: purpose.into(), settings: vec![setting.into()] }
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.purpose, self.settings.join(", "))
    }
}
