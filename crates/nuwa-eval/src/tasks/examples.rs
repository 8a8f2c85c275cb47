//! Examples before an item: always the first that there are, so that all items see the same.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::ask::{Asker, Example};
use crate::{Error, Result};

/// The examples of a run.
pub struct Examples<'a> {
    asker: Asker<'a>,
    shots: usize,
    /// Those that were used, by their number.
    written: BTreeMap<usize, Example>,
}

impl<'a> Examples<'a> {
    pub fn new(asker: Asker<'a>, shots: usize) -> Self {
        Self { asker, shots, written: BTreeMap::new() }
    }

    /// The first examples, in their order, that may stand before an item: not the item itself, and where the task says so
    /// only those of its kind.
    ///
    /// # Errors
    /// When there are fewer than were asked for, or one cannot be written.
    pub fn before(&mut self, item: &Map<String, Value>) -> Result<Vec<Example>> {
        let all = &self.asker.items.all;
        let fits = |index: &usize| self.is_of_its_kind(&all[*index].0, item) && all[*index].0 != *item;
        let chosen: Vec<usize> = (0..all.len()).filter(fits).take(self.shots).collect();
        if chosen.len() < self.shots {
            return Err(self.too_few(chosen.len(), item));
        }
        chosen.into_iter().map(|index| self.example(index)).collect()
    }

    fn is_of_its_kind(&self, example: &Map<String, Value>, item: &Map<String, Value>) -> bool {
        self.asker.task.examples_by.as_ref().is_none_or(|field| example.get(field) == item.get(field))
    }

    fn example(&mut self, index: usize) -> Result<Example> {
        if let Some(written) = self.written.get(&index) {
            return Ok(written.clone());
        }
        let example = self.asker.example(index)?;
        self.written.insert(index, example.clone());
        Ok(example)
    }

    fn too_few(&self, found: usize, item: &Map<String, Value>) -> Error {
        let field = self.asker.task.examples_by.as_ref();
        let kind = field.and_then(|field| Some(format!(" with {field} = {}", item.get(field)?)));
        Error::TooFewExamples {
            path: self.asker.items.path.clone(),
            wanted: self.shots,
            found,
            kind: kind.unwrap_or_default(),
        }
    }
}
