//! Answers to sources: an encoder-decoder with its tokenizer, many sources at one time.

use std::path::Path;
use std::sync::Arc;

use nuwa_models::{Cache, Context, Model, Prediction};
use nuwa_tensor::{DType, Tape, log_sum_exp, on_worker};
use nuwa_tokenizer::Tokenizer;

use crate::beam::{Begun, Marks, search};
use crate::slot::{Slot, Work, pass};
use crate::{BeamSettings, Error, Hypothesis, Result, Sampler, SamplingSettings};

/// Rows that go through a decoder at one time: beams of all sources together.
const ROWS: usize = 64;

/// How many tokens an answer may have more than its source, where nothing else is said (Vaswani et al. 2017, 6.1).
pub const MORE_TOKENS: usize = 50;

/// How the tokens of answers are chosen.
#[derive(Debug, Clone, PartialEq)]
pub enum Choosing {
    /// By beam search.
    Beams(BeamSettings),
    /// At random; source number `n` under the seed and `n`.
    Sampling {
        /// How.
        settings: SamplingSettings,
        /// Where the random choices come from.
        seed: u64,
    },
}

/// An encoder-decoder with its tokenizer; clones share both.
#[derive(Clone)]
pub struct SequenceEngine {
    model: Arc<dyn Model>,
    tokenizer: Arc<Tokenizer>,
    start: u32,
    end: u32,
    marks: Marks,
    cache: DType,
}

impl SequenceEngine {
    /// Reads the model folder `folder` for inference alone, in `dtype` where one is named; see [`nuwa_format::load_for_inference`].
    ///
    /// # Errors
    /// When a file is missing or damaged, the files do not belong together, or the model is no encoder-decoder.
    pub fn load(folder: &Path, dtype: Option<DType>) -> Result<Self> {
        let model = nuwa_format::load_for_inference(folder, dtype)?;
        let engine = Self::new(model, Tokenizer::load(folder)?)?;
        Ok(Self { cache: dtype.unwrap_or(engine.cache), ..engine })
    }

    /// Puts a model and its tokenizer together.
    ///
    /// # Errors
    /// When the model is no encoder-decoder, the tokenizer has ids that the model does not know, or no token that ends a text.
    pub fn new(model: impl Into<Arc<dyn Model>>, tokenizer: Tokenizer) -> Result<Self> {
        let model = model.into();
        let config = model.config();
        let (predicts, start) = (config.predicts(), config.decoder_start());
        let Some(start) = start.filter(|_| predicts == Prediction::Answer) else {
            return Err(Error::Predicts { wanted: Prediction::Answer, predicts });
        };
        let (known, written) = (model.vocabulary(), tokenizer.vocab_size());
        if written > known {
            return Err(Error::Vocabulary { tokenizer: written, model: known });
        }
        let end = tokenizer.eos().ok_or(Error::NoToken { role: "eos_token" })?;
        let padding = tokenizer.token_of_role("pad_token");
        let is_forbidden = |id: &u32| {
            *id != end && (*id == start || Some(*id) == padding || tokenizer.id_to_token(*id).is_none())
        };
        let forbidden = (0..known as u32).filter(is_forbidden).collect();
        let marks = Marks { ends: vec![end], forbidden };
        Ok(Self { model, tokenizer: Arc::new(tokenizer), start, end, marks, cache: DType::F32 })
    }

    /// The model.
    pub fn model(&self) -> &dyn Model {
        self.model.as_ref()
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The ids of a source as the encoder reads it: closed by the end of a text.
    ///
    /// # Errors
    /// When it is longer than what the encoder reads.
    pub fn source_ids(&self, text: &str) -> Result<Vec<u32>> {
        let mut ids = self.tokenizer.encode(text)?;
        ids.push(self.end);
        let context = self.model.config().source_context().unwrap_or(usize::MAX);
        match ids.len() > context {
            true => Err(Error::SourceTooLong { tokens: ids.len(), context }),
            false => Ok(ids),
        }
    }

    /// The text of an answer, without special tokens.
    ///
    /// # Errors
    /// When an id is unknown.
    pub fn text(&self, answer: &Hypothesis) -> Result<String> {
        Ok(self.tokenizer.decode_skipping_special_tokens(&answer.tokens)?)
    }

    /// The answers to each source, the best first: one of those that are sampled, as many as were asked for of a beam search. An
    /// answer has at most `most_tokens`, or [`MORE_TOKENS`] more than its source, and never more than the context.
    ///
    /// What is written for a source does not depend on the others.
    ///
    /// # Errors
    /// When a setting makes no sense, a source is empty or too long, or an id is unknown.
    pub fn answers(
        &self,
        sources: &[Vec<u32>],
        choosing: &Choosing,
        most_tokens: Option<usize>,
    ) -> Result<Vec<Vec<Hypothesis>>> {
        let beams = match choosing {
            Choosing::Beams(settings) => settings.check().map(|()| settings.beams)?,
            Choosing::Sampling { settings, .. } => settings.check().map(|()| 1)?,
        };
        let mut order: Vec<usize> = (0..sources.len()).collect();
        // Sources of like lengths are read with little padding, and their answers end at about the same time.
        order.sort_by_key(|&index| sources[index].len());
        let mut answers = vec![Vec::new(); sources.len()];
        on_worker(|| {
            for indices in order.chunks((ROWS / beams).max(1)) {
                for (&index, own) in indices.iter().zip(self.together(sources, indices, choosing, most_tokens)?) {
                    answers[index] = own;
                }
            }
            Ok(answers)
        })
    }

    /// The answers to some of the sources, which go through the model together.
    fn together(
        &self,
        sources: &[Vec<u32>],
        indices: &[usize],
        choosing: &Choosing,
        most_tokens: Option<usize>,
    ) -> Result<Vec<Vec<Hypothesis>>> {
        let (model, tape) = (self.model(), Tape::inference().batch_invariant());
        let own: Vec<&[u32]> = indices.iter().map(|&index| sources[index].as_slice()).collect();
        let most = |source: &[u32]| most_tokens.unwrap_or(source.len() + MORE_TOKENS).min(model.context());
        let capacity = own.iter().map(|source| most(source)).max().unwrap_or_default().max(1);
        let caches = model.begin(&Context::new(&tape), &own, capacity, self.cache)?;
        let begun = |(cache, source): (Cache, &&[u32])| Begun {
            slot: Slot::of(cache),
            ids: vec![self.start],
            most: most(source),
        };
        let begun = caches.into_iter().zip(&own).map(begun).collect();
        match choosing {
            Choosing::Beams(settings) => search(model, &tape, begun, settings, &self.marks),
            Choosing::Sampling { settings, seed } => {
                let sampler = |&index: &usize| {
                    let sampler = Sampler::new(settings, model.vocabulary(), seed.wrapping_add(index as u64))?;
                    Ok(sampler.without(Arc::clone(&self.marks.forbidden)))
                };
                let samplers = indices.iter().map(sampler).collect::<Result<_>>()?;
                sample(model, &tape, begun, samplers, &self.marks)
            }
        }
    }
}

/// An answer that is being sampled.
struct Sampled {
    slot: Slot,
    next: Vec<u32>,
    most: usize,
    sampler: Sampler,
    answer: Hypothesis,
    is_done: bool,
}

impl Sampled {
    fn take(&mut self, logits: &[f32], ends: &[u32]) -> Result<()> {
        let id = self.sampler.choose(logits)?;
        self.answer.log_probability += f64::from(logits[id as usize] - log_sum_exp(logits));
        self.answer.score = self.answer.log_probability;
        self.answer.ended = ends.contains(&id);
        if !self.answer.ended {
            self.answer.tokens.push(id);
            self.sampler.wrote(&[id]);
            self.next = vec![id];
        }
        self.is_done = self.answer.ended || self.answer.tokens.len() >= self.most;
        Ok(())
    }
}

/// One answer from each place.
fn sample(
    model: &dyn Model,
    tape: &Tape,
    begun: Vec<Begun>,
    samplers: Vec<Sampler>,
    marks: &Marks,
) -> Result<Vec<Vec<Hypothesis>>> {
    let empty = Hypothesis { tokens: Vec::new(), ended: false, log_probability: 0.0, score: 0.0 };
    let begin = |(Begun { slot, ids, most }, sampler): (Begun, Sampler)| Sampled {
        slot,
        next: ids,
        most,
        sampler,
        answer: empty.clone(),
        is_done: most == 0,
    };
    let mut all: Vec<Sampled> = begun.into_iter().zip(samplers).map(begin).collect();
    loop {
        let mut open: Vec<&mut Sampled> = all.iter_mut().filter(|sampled| !sampled.is_done).collect();
        let work = open.iter_mut();
        let mut work: Vec<Work<'_>> =
            work.map(|open| Work { slot: &mut open.slot, ids: &open.next, wanted: true }).collect();
        if work.is_empty() {
            break;
        }
        let Some(logits) = pass(model, tape, &mut work)? else { break };
        for (row, open) in open.into_iter().enumerate() {
            open.take(&logits.row_to_host(row), &marks.ends)?;
        }
    }
    Ok(all.into_iter().map(|sampled| vec![sampled.answer]).collect())
}
