//! Which examples stand before a document: lm-evaluation-harness's `ContextSampler` and `FirstNSampler`.

use super::prompt::Fields;
use crate::python_random::PythonRandom;
use crate::tasks::{SEED, Sampler};

/// Draws examples from a pool; its state runs on over the documents.
pub struct ExampleSampler {
    pool: Vec<Fields>,
    generator: PythonRandom,
    sampler: Sampler,
    /// Whether a document may be its own example, so that one more is drawn and it is left out.
    may_be_asked: bool,
}

impl ExampleSampler {
    pub fn new(pool: Vec<Fields>, sampler: Sampler, may_be_asked: bool) -> Self {
        Self { pool, generator: PythonRandom::new(SEED), sampler, may_be_asked }
    }

    /// Examples for a document, in order; fewer than `shots` where there are not so many.
    pub fn before(&mut self, document: &Fields, shots: usize) -> Vec<&Fields> {
        let places = match self.sampler {
            _ if shots == 0 => Vec::new(),
            Sampler::FirstN => self.others(document).take(shots).collect(),
            Sampler::Random => self.drawn(document, shots),
        };
        places.into_iter().map(|place| &self.pool[place]).collect()
    }

    /// All places, without those of the document where it may be among them.
    fn others(&self, document: &Fields) -> impl Iterator<Item = usize> {
        (0..self.pool.len()).filter(|place| !self.may_be_asked || self.pool[*place] != *document)
    }

    fn drawn(&mut self, document: &Fields, shots: usize) -> Vec<usize> {
        let wanted = shots + usize::from(self.may_be_asked);
        let mut places = self.generator.sample(self.pool.len(), wanted);
        places.retain(|place| !self.may_be_asked || self.pool[*place] != *document);
        places.truncate(shots);
        if places.len() < shots {
            let others: Vec<usize> = self.others(document).collect();
            let drawn = self.generator.sample(others.len(), shots);
            places = drawn.into_iter().map(|place| others[place]).collect();
        }
        places
    }
}
