use nuwa_models::{Cache, Context, Input, Model, NewRows};
use nuwa_tensor::{Kind, Tape, Tensor, on_worker};

use crate::{Error, Result};

/// Ids that are run through the model at one time when a prompt is read: bounds memory, large enough for fast products.
const PROMPT_CHUNK: usize = 512;

/// A growing row of ids, and the model's keys and values for those it has seen.
///
/// When the context is full, the last half of it is encoded anew from position 0 and the rest forgotten. That costs one
/// more position for each one written, and the model goes on with half a context of past.
pub struct Sequence<'a> {
    model: &'a dyn Model,
    tape: Tape,
    cache: Cache,
    ids: Vec<u32>,
    /// Where in `ids` the cached part begins.
    first: usize,
}

impl<'a> Sequence<'a> {
    /// Begins with `prompt`, with room for `more` ids before anything is forgotten, as far as the context goes.
    ///
    /// # Errors
    /// When the prompt is empty or longer than the context.
    pub fn new(model: &'a dyn Model, prompt: &[u32], more: usize) -> Result<Self> {
        let context = model.context();
        if prompt.is_empty() {
            return Err(Error::EmptyPrompt);
        }
        if prompt.len() > context {
            return Err(Error::PromptTooLong { tokens: prompt.len(), context });
        }
        let capacity = prompt.len().saturating_add(more).min(context);
        Ok(Self {
            model,
            tape: Tape::inference(),
            cache: model.new_cache(capacity, Kind::F32),
            ids: prompt.to_vec(),
            first: 0,
        })
    }

    /// All ids so far.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Adds an id at the end.
    pub fn push(&mut self, id: u32) {
        self.ids.push(id);
    }

    /// The model's scores of every id for the next place, `[1, vocabulary]`.
    ///
    /// # Errors
    /// When an id is outside the model's vocabulary.
    pub fn next_scores(&mut self) -> Result<Tensor> {
        on_worker(|| self.scores_here())
    }

    fn scores_here(&mut self) -> Result<Tensor> {
        if self.ids.len() - self.first > self.cache.capacity() {
            self.forget_half();
        }
        // The last id is always run, also when nothing was added since the last call.
        self.go_back(self.ids.len() - self.first - 1);
        let unseen = &self.ids[self.first + self.cache.length()..];
        let mut hidden = None;
        for chunk in unseen.chunks(PROMPT_CHUNK) {
            let new = vec![NewRows { cache: &mut self.cache, ids: chunk }];
            hidden = Some(self.model.hidden(&Context::new(&self.tape), Input::Next(new))?.hidden);
        }
        self.scores_of_last(hidden.ok_or(Error::EmptyPrompt)?)
    }

    fn scores_of_last(&self, hidden: Tensor) -> Result<Tensor> {
        let last = match hidden.rows() {
            1 => hidden,
            rows => self.tape.constant([1, hidden.width()], &hidden.row_to_host(rows - 1))?,
        };
        Ok(self.model.head().logits(&self.tape, &last)?)
    }

    fn forget_half(&mut self) {
        self.first = self.ids.len() - (self.cache.capacity() / 2).max(1);
        self.go_back(0);
    }

    /// Goes back to `length` positions, or to the beginning where the cache cannot.
    fn go_back(&mut self, length: usize) {
        if !self.cache.truncate(length) {
            self.cache = self.model.new_cache(self.cache.capacity(), Kind::F32);
        }
    }
}
