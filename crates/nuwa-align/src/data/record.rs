//! A record: an object of a file, its fields by name, and what there is to say about it.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::error::Advice;
use crate::{Error, Result};

/// The fields of a record, and where it stands.
pub type Found = (Map<String, Value>, String);

/// One object of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its fields, under their usual names.
    pub fields: Map<String, Value>,
    /// `file.jsonl:3`, or `file.json, item 3`.
    pub place: String,
    /// What had to be mended in it.
    mended: RefCell<BTreeSet<&'static str>>,
}

impl Record {
    /// A record with these fields, of which nothing has been mended.
    pub fn new((fields, place): Found) -> Self {
        Self { fields, place, mended: RefCell::default() }
    }

    /// A field that is there and not null. Its name counts in any case: tables often begin theirs with capitals.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let exact = self.fields.get(name);
        let any_case = || {
            let mut fields = self.fields.iter();
            fields.find(|(own, _)| own.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value)
        };
        exact.or_else(any_case).filter(|value| !value.is_null())
    }

    /// Whether the record has a field of this name, be it null.
    pub fn has(&self, name: &str) -> bool {
        self.fields.keys().any(|own| own.trim().eq_ignore_ascii_case(name))
    }

    /// The first of these names that the record has.
    pub fn first_of(&self, names: &[&'static str]) -> Option<&'static str> {
        names.iter().copied().find(|name| self.get(name).is_some())
    }

    /// A field that has to be text.
    ///
    /// # Errors
    /// When it is missing or something else.
    pub fn text(&self, name: &str) -> Result<&str> {
        match self.get(name) {
            Some(Value::String(text)) => Ok(text),
            Some(other) => Err(self.wrong(format!("{name} is {}, expected text", kind(other)))),
            None => Err(self.wrong(format!("{name} is missing"))),
        }
    }

    /// Notes that the record was not in order and was mended: `had ...`.
    pub fn mended(&self, what: &'static str) {
        self.mended.borrow_mut().insert(what);
    }

    /// What was noted.
    pub fn mends(&self) -> BTreeSet<&'static str> {
        self.mended.borrow().clone()
    }

    /// An error about its columns.
    pub fn lacks(&self, expected: &str) -> Error {
        let columns: Vec<&str> = self.fields.keys().map(String::as_str).collect();
        Error::Columns { place: self.place.clone(), columns: columns.join(", "), expected: expected.into() }
    }

    /// An error about this record.
    pub fn wrong(&self, problem: impl Into<String>) -> Error {
        Error::Record { place: self.place.clone(), problem: problem.into(), advice: Advice::LeaveOut("sft") }
    }

    /// Not an error: the record says itself that it is not to be learnt.
    pub fn left_out(&self, reason: impl Into<String>) -> Error {
        Error::LeftOut { place: self.place.clone(), reason: reason.into() }
    }

    /// An error that names the fields there are.
    pub fn unknown(&self, expected: &str, advice: Advice) -> Error {
        let names: Vec<&str> = self.fields.keys().map(String::as_str).collect();
        let problem = format!("its fields are {}: expected {expected}", names.join(", "));
        Error::Record { place: self.place.clone(), problem, advice }
    }
}

/// What a JSON value is, for messages.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
