//! Examples before an item: the first that there are, or those that lm-evaluation-harness draws.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::ask::{Asker, Example};
use crate::python_random::PythonRandom;
use crate::{Error, Result};

/// The seed with which lm-evaluation-harness begins each task's generator.
pub const SEED: u32 = 1234;

/// How examples are chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampler {
    /// The first ones, the same before all items.
    #[default]
    FirstN,
    /// Drawn anew for each item by one generator a task, as lm-evaluation-harness draws them: `random.Random(1234)`, whose state
    /// runs on over the items.
    Random,
}

impl Sampler {
    /// In signatures, with the number of examples, and whether they are of the items that are asked.
    pub(crate) fn signed(self, shots: usize, are_asked: bool) -> String {
        let source = if are_asked { ":asked" } else { "" };
        match self {
            _ if shots == 0 => "0".to_string(),
            Self::FirstN => format!("{shots}:first_n{source}"),
            Self::Random => format!("{shots}:random{SEED}{source}"),
        }
    }
}

/// The examples of a run.
pub struct Examples<'a> {
    asker: Asker<'a>,
    shots: usize,
    sampler: Sampler,
    /// Whether the items that are asked are the examples too.
    are_asked: bool,
    /// Where examples are drawn: by what those of one kind have in common.
    pools: BTreeMap<String, Pool>,
    /// Those that were used, by their number.
    written: BTreeMap<usize, Example>,
}

/// Examples of one kind, by their numbers, and what draws from them.
struct Pool {
    members: Vec<usize>,
    generator: PythonRandom,
}

impl Pool {
    fn draw(&mut self, count: usize) -> Vec<usize> {
        let drawn = self.generator.sample(self.members.len(), count);
        drawn.into_iter().map(|place| self.members[place]).collect()
    }
}

impl<'a> Examples<'a> {
    pub fn new(asker: Asker<'a>, shots: usize, sampler: Sampler, are_asked: bool) -> Self {
        Self { asker, shots, sampler, are_asked, pools: BTreeMap::new(), written: BTreeMap::new() }
    }

    /// The examples, in their order, that stand before an item: not the item itself, and where the task says so only those of its
    /// kind.
    ///
    /// # Errors
    /// When there are fewer than were asked for, or one cannot be written.
    pub fn before(&mut self, item: &Map<String, Value>) -> Result<Vec<Example>> {
        let chosen = match self.sampler {
            _ if self.shots == 0 => Vec::new(),
            Sampler::FirstN => self.first(item),
            Sampler::Random => self.drawn(item),
        };
        if chosen.len() < self.shots {
            return Err(self.too_few(chosen.len(), item));
        }
        chosen.into_iter().map(|index| self.example(index)).collect()
    }

    /// The first ones but the item itself. Where examples of another file are too few without it, it stays among them, as in
    /// lm-evaluation-harness: MMLU's validation questions of college physics hold one of its five examples.
    fn first(&self, item: &Map<String, Value>) -> Vec<usize> {
        let others: Vec<usize> =
            self.members(item).filter(|index| !self.is(*index, item)).take(self.shots).collect();
        match others.len() < self.shots && !self.are_asked {
            true => self.members(item).take(self.shots).collect(),
            false => others,
        }
    }

    /// As many as were asked for are drawn, and one more where the item itself may be among them; it is left out. Where it was
    /// among them more often, all are drawn anew from the others.
    fn drawn(&mut self, item: &Map<String, Value>) -> Vec<usize> {
        let (shots, key) = (self.shots, self.kind(item));
        let mut pool = self.pools.remove(&key).unwrap_or_else(|| Pool {
            members: self.members(item).collect(),
            generator: PythonRandom::new(SEED),
        });
        let mut chosen = pool.draw(shots + usize::from(self.are_asked));
        chosen.retain(|index| !self.is(*index, item));
        chosen.truncate(shots);
        if chosen.len() < shots {
            let others: Vec<usize> =
                pool.members.iter().copied().filter(|index| !self.is(*index, item)).collect();
            let drawn = pool.generator.sample(others.len(), shots);
            chosen = drawn.into_iter().map(|place| others[place]).collect();
        }
        self.pools.insert(key, pool);
        chosen
    }

    fn is(&self, index: usize, item: &Map<String, Value>) -> bool {
        self.asker.items.all[index].0 == *item
    }

    /// The examples of an item's kind, by their numbers.
    fn members(&self, item: &Map<String, Value>) -> impl Iterator<Item = usize> {
        let all = &self.asker.items.all;
        let field = self.asker.task.examples_by.as_deref();
        let fits = move |index: &usize| field.is_none_or(|field| all[*index].0.get(field) == item.get(field));
        (0..all.len()).filter(fits)
    }

    fn kind(&self, item: &Map<String, Value>) -> String {
        let field = self.asker.task.examples_by.as_ref();
        field.and_then(|field| item.get(field)).map(Value::to_string).unwrap_or_default()
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
