//! Beam search by an [`Engine`]: continuations of prompts, and answers to sources.

use std::sync::Arc;

use nuwa_models::{Context, attention_to_source};
use nuwa_tensor::{Tape, on_worker};

use crate::beam::{Begun, Marks, search};
use crate::sequence::{check_prompt, check_source};
use crate::slot::{Slot, begin};
use crate::writer::Writer;
use crate::{BeamSettings, Engine, Error, Hypothesis, Result};

/// Beams that go through the model at one time, those of all texts together.
const ROWS: usize = 64;

/// How many tokens an answer may have more than its source, where nothing else is said (Vaswani et al. 2017, 6.1).
pub const MORE_TOKENS: usize = 50;

impl Engine {
    /// The likeliest continuations of each prompt, the best first: each ends with the end of a text, after `most_tokens`, or where
    /// the context is full. What is found for one does not depend on the others.
    ///
    /// # Errors
    /// When a setting makes no sense, a prompt is empty or longer than the context, an id is unknown, or the model is an
    /// encoder-decoder.
    pub fn beams(
        &self,
        prompts: &[Vec<u32>],
        settings: &BeamSettings,
        most_tokens: usize,
    ) -> Result<Vec<Vec<Hypothesis>>> {
        let (model, context) = (self.model(), self.model().context());
        check_source(model, None)?;
        let begun = |prompt: &Vec<u32>| {
            check_prompt(prompt, context)?;
            let most = most_tokens.min(context - prompt.len() + 1);
            let slot = Slot::new(model, (prompt.len() + most).min(context), self.cache());
            Ok(Begun { slot, ids: prompt.clone(), most })
        };
        self.searched(prompts, settings, |_, prompts| prompts.iter().copied().map(&begun).collect())
    }

    /// The likeliest answers to each source, the best first: each ends with the end of a text, or after `most_tokens`, by default
    /// [`MORE_TOKENS`] more than its source has, or where the context is full.
    ///
    /// # Errors
    /// When a setting makes no sense, a source is empty or too long, an id is unknown, or the model has no encoder.
    pub fn answers(
        &self,
        sources: &[Vec<u32>],
        settings: &BeamSettings,
        most_tokens: Option<usize>,
    ) -> Result<Vec<Vec<Hypothesis>>> {
        let (model, context) = (self.model(), self.model().context());
        sources.iter().try_for_each(|source| check_source(model, Some(source)))?;
        let start = model.config().decoder_start().ok_or(Error::NoSource)?;
        let most = |source: &[u32]| most_tokens.unwrap_or(source.len() + MORE_TOKENS).min(context);
        self.searched(sources, settings, |tape, sources| {
            let capacity = sources.iter().map(|source| most(source)).max().unwrap_or_default().max(1);
            let ids: Vec<Arc<[u32]>> = sources.iter().map(|source| source.as_slice().into()).collect();
            let slots = begin(model, tape, &ids, capacity, self.cache())?;
            let begun =
                |(slot, source): (Slot, &&Vec<u32>)| Begun { slot, ids: vec![start], most: most(source) };
            Ok(slots.into_iter().zip(sources).map(begun).collect())
        })
    }

    /// The ids of a source, as [`Engine::source_ids`] gives them, of as much of its beginning as the model reads.
    ///
    /// # Errors
    /// As there.
    pub fn first_source_ids(&self, source: &str) -> Result<Vec<u32>> {
        let mut ids = self.source_ids(source)?;
        let most = self.model().config().source_context().unwrap_or(usize::MAX);
        if ids.len() > most {
            ids.truncate(most - 1);
            ids.extend(self.tokenizer().eos());
        }
        Ok(ids)
    }

    /// What the last layer of the decoder attends to while it writes each token of an answer: of each token of the source the weight,
    /// the mean over heads. Those of a token of the answer add up to 1.
    ///
    /// # Errors
    /// When the model has no encoder, or source or answer do not fit it.
    pub fn alignment(&self, source: &[u32], answer: &[u32]) -> Result<Vec<Vec<f32>>> {
        let model = self.model();
        check_source(model, Some(source))?;
        let start = model.config().decoder_start().ok_or(Error::NoSource)?;
        if answer.is_empty() {
            return Ok(Vec::new());
        }
        on_worker(|| {
            let tape = Tape::inference();
            let read: Vec<u32> =
                std::iter::once(start).chain(answer.iter().copied()).take(answer.len()).collect();
            let mut layers = attention_to_source(model, &Context::new(&tape), source, &read)?;
            let last = layers.pop().unwrap_or_default();
            Ok(last.chunks_exact(source.len()).map(<[f32]>::to_vec).collect())
        })
    }

    /// The text of what was found behind `before`, whose last characters may end in it, without special tokens.
    ///
    /// # Errors
    /// When an id is unknown.
    pub fn text_behind(&self, before: &[u32], tokens: &[u32]) -> Result<String> {
        let mut writer = Writer::new(self.tokenizer(), before, Vec::new())?;
        for &id in tokens {
            writer.push(id)?;
        }
        writer.finish();
        Ok(writer.take_text())
    }

    /// The text of what was found, without special tokens.
    ///
    /// # Errors
    /// When an id is unknown.
    pub fn text_of(&self, tokens: &[u32]) -> Result<String> {
        Ok(self.tokenizer().decode_skipping_special_tokens(tokens)?)
    }

    /// Searches from where `begin` lets some of the texts begin, as many at one time as make up [`ROWS`] beams.
    fn searched(
        &self,
        texts: &[Vec<u32>],
        settings: &BeamSettings,
        begin: impl Fn(&Tape, &[&Vec<u32>]) -> Result<Vec<Begun>> + Sync,
    ) -> Result<Vec<Vec<Hypothesis>>> {
        settings.check()?;
        let limit = self.model().vocabulary();
        if let Some(&id) = texts.iter().flatten().find(|id| **id as usize >= limit) {
            return Err(
                nuwa_tensor::Error::Index { operation: "embedding", index: id as usize, limit }.into()
            );
        }
        let marks = Marks { ends: self.ends_of_text(), forbidden: Arc::clone(self.unwritable()) };
        let mut order: Vec<usize> = (0..texts.len()).collect();
        // Texts of like lengths are read with little padding, and what follows them ends at about the same time.
        order.sort_by_key(|&index| texts[index].len());
        let mut found = vec![Vec::new(); texts.len()];
        on_worker(|| {
            let tape = Tape::inference().batch_invariant();
            for indices in order.chunks((ROWS / settings.beams).max(1)) {
                let own: Vec<&Vec<u32>> = indices.iter().map(|&index| &texts[index]).collect();
                let hypotheses = search(self.model(), &tape, begin(&tape, &own)?, settings, &marks)?;
                indices.iter().zip(hypotheses).for_each(|(&index, own)| found[index] = own);
            }
            Ok(found)
        })
    }
}
