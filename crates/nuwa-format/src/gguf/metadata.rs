//! The keys of a file as the fields of a configuration.

use std::path::Path;

use nuwa_files::gguf::{Gguf, TensorPlace};
use serde_json::Value;

use crate::{Error, Result};

/// A file whose architecture is told.
#[derive(Debug)]
pub struct Metadata {
    file: Gguf,
    architecture: String,
}

impl Metadata {
    pub fn open(path: &Path) -> Result<Self> {
        let file = Gguf::open(path)?;
        let architecture = file.text("general.architecture")?.map(String::from);
        let architecture = architecture.ok_or_else(|| missing(path, "general.architecture"))?;
        if let Some(kind) = file.text("general.type")?.filter(|kind| *kind != "model") {
            let reason = format!("general.type is {kind:?}: it holds no model of its own");
            return Err(Error::unsupported(
                path,
                reason,
                "give the GGUF file of the model that it belongs to",
            ));
        }
        Ok(Self { file, architecture })
    }

    pub fn file(&self) -> &Gguf {
        &self.file
    }

    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    pub fn path(&self) -> &Path {
        self.file.path()
    }

    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.architecture)
    }

    /// A key of the architecture makes no sense.
    pub fn fault(&self, name: &str, reason: &str) -> Error {
        Error::invalid(self.path(), format!("the key {} {reason}", self.key(name)))
    }

    /// A value that asks for what is not computed here.
    pub fn unsupported(&self, name: &str, found: impl std::fmt::Display, expected: &str) -> Error {
        let reason = format!("{} is {found}, which is not supported; expected {expected}", self.key(name));
        Error::unsupported(self.path(), reason, "run this model with llama.cpp, or take one without this")
    }

    /// A whole number; of a list with a value for each layer the one that all have.
    pub fn size(&self, name: &str) -> Result<Option<usize>> {
        let key = self.key(name);
        let Some(nuwa_files::gguf::Value::List(list)) = self.file.get(&key) else {
            let whole = self.file.whole(&key)?;
            return whole
                .map(|whole| usize::try_from(whole).map_err(|_| self.fault(name, "is too large")))
                .transpose();
        };
        let numbers = list.numbers().unwrap_or_default();
        let Some(&first) = numbers.first().filter(|&&first| first >= 0.0 && first.fract() == 0.0) else {
            return Err(self.fault(name, "is a list that does not begin with a whole number"));
        };
        match numbers.iter().find(|&&other| other != first) {
            None => Ok(Some(first as usize)),
            Some(other) => Err(self.unsupported(
                name,
                format_args!("{first} in one layer and {other} in another"),
                "one number for all layers",
            )),
        }
    }

    pub fn needed_size(&self, name: &str) -> Result<usize> {
        self.size(name)?.ok_or_else(|| missing(self.path(), &self.key(name)))
    }

    pub fn number(&self, name: &str) -> Result<Option<f64>> {
        Ok(self.file.number(&self.key(name))?)
    }

    pub fn needed_number(&self, name: &str) -> Result<f64> {
        self.number(name)?.ok_or_else(|| missing(self.path(), &self.key(name)))
    }

    pub fn text(&self, name: &str) -> Result<Option<&str>> {
        Ok(self.file.text(&self.key(name))?)
    }

    pub fn tensor(&self, name: &str) -> Option<&TensorPlace> {
        self.file.tensors().iter().find(|tensor| tensor.name == name)
    }

    pub fn has(&self, tensor: &str) -> bool {
        self.tensor(tensor).is_some()
    }

    /// The number of token ids: the rows of the embedding.
    pub fn vocabulary(&self) -> Result<usize> {
        const EMBEDDING: &str = "token_embd.weight";
        let tensor = self.tensor(EMBEDDING);
        let missing = || Error::MissingTensor { path: self.path().to_path_buf(), tensor: EMBEDDING.into() };
        match tensor.ok_or_else(missing)?.shape[..] {
            [rows, _] => Ok(rows),
            ref shape => Err(Error::invalid(
                self.path(),
                format!("tensor {EMBEDDING} has the shape {shape:?}, expected two axes"),
            )),
        }
    }

    /// The id of a token of the tokenizer, where a key names one of the vocabulary.
    pub fn token(&self, role: &str) -> Result<Value> {
        let id = self.file.number(&format!("tokenizer.ggml.{role}_token_id"))?;
        let rows = self.vocabulary()? as f64;
        Ok(id.filter(|&id| id >= 0.0 && id < rows).map_or(Value::Null, |id| Value::from(id as u32)))
    }
}

fn missing(path: &Path, key: &str) -> Error {
    Error::invalid(path, format!("the key {key} is missing"))
}
