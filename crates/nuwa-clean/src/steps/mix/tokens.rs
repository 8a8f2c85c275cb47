//! How long a token is, before there is a tokenizer: by a vocabulary learnt from samples of the corpus.

use nuwa_files::Document;
use nuwa_tokenizer::{Tokenizer, TrainSettings, train};
use rayon::prelude::*;

use crate::bottom_k_sample::BottomKSample;
use crate::{Error, Result};

/// Documents of a sample, and bytes of the beginning of each; of many samples each has fewer.
const EXCERPTS: usize = 400;
const ALL_EXCERPTS: usize = 2000;
const EXCERPT_BYTES: usize = 2000;
const VOCABULARY: usize = 4096;

/// The beginnings of some documents.
#[derive(Debug, Clone)]
pub(super) struct Sample(BottomKSample<String>);

impl Sample {
    /// One of so many samples, without a document yet.
    pub fn one_of(samples: usize) -> Self {
        Self(BottomKSample::new((ALL_EXCERPTS / samples.max(1)).clamp(1, EXCERPTS)))
    }

    /// Takes the document if it belongs to the sample.
    pub fn offer(&mut self, document: &Document) {
        let text = &document.text;
        self.0.offer(&document.id, || text[..text.floor_char_boundary(EXCERPT_BYTES)].to_string());
    }
}

/// The bytes that a token has in each sample; 1 where a sample holds nothing.
pub(super) fn token_bytes(samples: &[&Sample]) -> Result<Vec<f64>> {
    let failed = |problem: nuwa_tokenizer::Error| Error::Tokenize {
        id: "a sample of the corpus".into(),
        problem: problem.to_string(),
    };
    let tokenizer = vocabulary(samples).map_err(failed)?;
    let length = |sample: &&Sample| {
        let (mut bytes, mut tokens) = (0, 0);
        for excerpt in sample.0.values() {
            bytes += excerpt.len();
            tokens += tokenizer.encode(excerpt)?.len();
        }
        Ok(if tokens > 0 { bytes as f64 / tokens as f64 } else { 1.0 })
    };
    samples.par_iter().map(length).collect::<nuwa_tokenizer::Result<_>>().map_err(failed)
}

fn vocabulary(samples: &[&Sample]) -> nuwa_tokenizer::Result<Tokenizer> {
    let learn = |vocab_size| {
        let excerpts = samples.iter().flat_map(|sample| sample.0.values()).cloned();
        let settings = TrainSettings { vocab_size, ..TrainSettings::default() };
        train(excerpts.collect::<Vec<_>>().into_iter(), &settings, &mut |_| {})
    };
    match learn(VOCABULARY) {
        // So little text has no more tokens than this.
        Err(nuwa_tokenizer::Error::VocabularyTooLarge { largest, .. }) => learn(largest),
        learned => learned,
    }
}
