use nuwa_models::{Model, Prediction};
use nuwa_tensor::{DType, Tape, Tensor, on_team, on_worker};

use crate::slot::{Slot, Work, begin, pass};
use crate::{Error, Result};

/// Ids that are run through the model at one time when a prompt is read: bounds memory, large enough for fast products.
pub const PROMPT_CHUNK: usize = 512;

/// A growing row of ids, and what the model remembers of those it has seen: one sequence by itself, of a model that may
/// belong to somebody else, such as a training loop. [`Scheduler`](crate::Scheduler) writes many.
///
/// When the context is full, the last half of it is encoded anew from position 0 and the rest forgotten. That costs one
/// more position for each one written, and the model goes on with half a context of past.
pub struct Sequence<'a> {
    model: &'a dyn Model,
    tape: Tape,
    slot: Slot,
    ids: Vec<u32>,
    /// How many of them it began with.
    begun: usize,
    /// Where in `ids` the part begins that the model sees.
    first: usize,
}

impl<'a> Sequence<'a> {
    /// Begins with `prompt`, with room for `more` ids before anything is forgotten, as far as the context goes.
    ///
    /// # Errors
    /// When the prompt is empty or longer than the context.
    pub fn new(model: &'a dyn Model, prompt: &[u32], more: usize) -> Result<Self> {
        check_prompt(prompt, model.context())?;
        let capacity = prompt.len().saturating_add(more).min(model.context());
        Ok(Self {
            model,
            tape: Tape::inference().batch_invariant(),
            slot: Slot::new(model, capacity, DType::F32),
            ids: prompt.to_vec(),
            begun: prompt.len(),
            first: 0,
        })
    }

    /// An answer to `source` of an encoder-decoder.
    ///
    /// # Errors
    /// When the model is none, or the source is empty or longer than the model reads.
    pub fn answering(model: &'a dyn Model, source: &[u32]) -> Result<Self> {
        check_source(model, Some(source))?;
        let start = model.config().decoder_start().ok_or_else(|| unread(model))?;
        on_worker(|| {
            let tape = Tape::inference().batch_invariant();
            let slots = begin(model, &tape, &[source.into()], model.context(), DType::F32)?;
            let slot = slots.into_iter().next().ok_or(Error::NoSource)?;
            Ok(Self { model, tape, slot, ids: vec![start], begun: 1, first: 0 })
        })
    }

    /// All ids so far.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Those that were added.
    pub fn written(&self) -> &[u32] {
        &self.ids[self.begun..]
    }

    /// Adds an id at the end.
    pub fn push(&mut self, id: u32) {
        self.ids.push(id);
    }

    /// The model's logits of every id for the next place, `[1, vocabulary]`.
    ///
    /// # Errors
    /// When an id is outside the model's vocabulary.
    pub fn next_logits(&mut self) -> Result<Tensor> {
        on_team(|| self.logits_here())
    }

    fn logits_here(&mut self) -> Result<Tensor> {
        self.first = first_seen(&self.ids, self.first, self.slot.capacity());
        let seen = &self.ids[self.first..];
        // The last id is always run, also when nothing was added since the last call.
        let common = self.slot.common(&seen[..seen.len() - 1]);
        self.slot.go_back(common, self.model, DType::F32);
        let unseen = &seen[self.slot.seen().len()..];
        let (mut logits, mut chunks) = (None, unseen.chunks(PROMPT_CHUNK).peekable());
        while let Some(ids) = chunks.next() {
            let wanted = chunks.peek().is_none();
            logits = pass(self.model, &self.tape, &mut [Work { slot: &mut self.slot, ids, wanted }])?;
        }
        logits.ok_or(Error::EmptyPrompt)
    }
}

/// Refuses what the model cannot see as a whole.
pub fn check_prompt(prompt: &[u32], context: usize) -> Result<()> {
    match prompt.len() {
        0 => Err(Error::EmptyPrompt),
        tokens if tokens > context => Err(Error::PromptTooLong { tokens, context }),
        _ => Ok(()),
    }
}

/// Refuses a source where the model reads none, and the lack of one where it does.
pub fn check_source(model: &dyn Model, source: Option<&[u32]>) -> Result<()> {
    match (source, model.config().source_context()) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err(Error::NoSource),
        (Some(_), None) => Err(unread(model)),
        (Some([]), _) => Err(Error::NoSource),
        (Some(source), Some(context)) if source.len() > context => {
            Err(Error::SourceTooLong { tokens: source.len(), context })
        }
        _ => Ok(()),
    }
}

fn unread(model: &dyn Model) -> Error {
    Error::Predicts { wanted: Prediction::Answer, predicts: model.config().predicts() }
}

/// Where in `ids` the model begins to see, when it began at `first` before and has room for `capacity`.
pub fn first_seen(ids: &[u32], first: usize, capacity: usize) -> usize {
    if ids.len() - first > capacity { ids.len() - (capacity / 2).max(1) } else { first }
}
