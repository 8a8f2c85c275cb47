//! GGUF, the files of llama.cpp: what a file says of a model (keys with values) and where its tensors lie. The numbers themselves are
//! read elsewhere.
//!
//! Version 3, little-endian: `GGUF`, the version (u32), the numbers of tensors and of keys (i64 each); of each key its name, the type of
//! its value (u32), the value; of each tensor its name, the number of axes (u32), their lengths from the innermost on (i64 each), its
//! type (u32) and where its numbers begin (u64), counted from the first multiple of the alignment after all this. Texts are a length
//! (u64) and UTF-8. Version 2 is the same.
//!
//! Files come from strangers: each count and place is held against the length of the file before it is used.

mod parts;
mod reader;
mod types;
mod value;
mod writer;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

pub use types::TensorType;
pub use value::{List, Value};
pub use writer::{NewTensor, Unconfirmed, write};

use crate::{Error, Result};

/// What a GGUF file begins with.
pub const MAGIC: [u8; 4] = *b"GGUF";

/// What a file, or the parts of a model together, say and hold.
#[derive(Debug, Clone)]
pub struct Gguf {
    path: PathBuf,
    values: BTreeMap<String, Value>,
    tensors: Vec<TensorPlace>,
    files: Vec<PathBuf>,
}

/// A tensor and where it lies.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorPlace {
    /// Its name.
    pub name: String,
    /// The lengths of its axes, the outermost first.
    pub shape: Vec<usize>,
    /// How its numbers are kept.
    pub kind: TensorType,
    /// Which of [`Gguf::files`] holds it.
    pub file: usize,
    /// The first of its bytes there.
    pub start: u64,
    /// How many bytes it has.
    pub length: u64,
}

/// Whether `path` is a GGUF file by its first bytes.
pub fn is_gguf(path: &Path) -> bool {
    let mut magic = [0; MAGIC.len()];
    path.is_file()
        && File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok()
        && magic == MAGIC
}

impl Gguf {
    /// Reads what `path` says, and of a model in several files what the others hold.
    ///
    /// # Errors
    /// When it is no GGUF file, of a version or for machines that are not read, damaged or cut short, or not all parts are there.
    pub fn open(path: &Path) -> Result<Self> {
        parts::open(path)
    }

    /// The file that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The files that tensors lie in.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// All tensors, in the order of the file.
    pub fn tensors(&self) -> &[TensorPlace] {
        &self.tensors
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// All keys with their values.
    pub fn values(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// A text, where the key is there.
    ///
    /// # Errors
    /// When its value is none.
    pub fn text(&self, key: &str) -> Result<Option<&str>> {
        self.of_kind(key, "a text", |value| match value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// A whole number that is not below 0, where the key is there.
    ///
    /// # Errors
    /// When its value is none.
    pub fn whole(&self, key: &str) -> Result<Option<u64>> {
        self.of_kind(key, "a whole number of at least 0", Value::whole)
    }

    /// A finite number, where the key is there.
    ///
    /// # Errors
    /// When its value is none.
    pub fn number(&self, key: &str) -> Result<Option<f64>> {
        self.of_kind(key, "a finite number", Value::number)
    }

    /// True or false, where the key is there.
    ///
    /// # Errors
    /// When its value is neither.
    pub fn flag(&self, key: &str) -> Result<Option<bool>> {
        self.of_kind(key, "true or false", |value| match value {
            Value::Bool(flag) => Some(*flag),
            _ => None,
        })
    }

    /// A list, where the key is there.
    ///
    /// # Errors
    /// When its value is none.
    pub fn list(&self, key: &str) -> Result<Option<&List>> {
        self.of_kind(key, "a list", |value| match value {
            Value::List(list) => Some(list),
            _ => None,
        })
    }

    /// A list of texts, where the key is there.
    ///
    /// # Errors
    /// When its value is none.
    pub fn texts(&self, key: &str) -> Result<Option<&[String]>> {
        self.of_kind(key, "a list of texts", |value| match value {
            Value::List(List::Text(texts)) => Some(texts.as_slice()),
            _ => None,
        })
    }

    fn of_kind<'a, T>(
        &'a self,
        key: &str,
        expected: &str,
        take: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.values.get(key) else { return Ok(None) };
        let wrong =
            || Error::damage(&self.path, format!("{key} is {}, expected {expected}", value.described()));
        take(value).ok_or_else(wrong).map(Some)
    }
}

#[cfg(test)]
mod tests;
