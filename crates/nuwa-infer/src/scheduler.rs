//! Many sequences at one time, with one pass of the model for all of them: continuous batching (Yu et al., "Orca" 2022).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use nuwa_models::Model;
use nuwa_tensor::{DType, Tape, map_each, on_team};

use crate::running::Running;
use crate::sequence::{PROMPT_CHUNK, check_prompt, check_source};
use crate::slot::{Slot, Work, begin, common, pass};
use crate::{Engine, Error, Finish, Flow, Generation, Request, RequestId, Result, Update};

/// A request waits for a prompt that is being read where both begin with this many ids more than any slot knows: fewer are
/// read twice sooner than waited for.
const WORTH_WAITING: usize = 16;

/// How a [`Scheduler`] works. None of these changes what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchedulerSettings {
    /// How many sequences are written at one time, at least 1; further ones wait. Each keeps what it remembers of its last
    /// sequence until another one takes its place.
    pub slots: usize,
    /// The most ids of prompts that go through the model in one pass, at least 1. More are faster to read; fewer keep those
    /// who are being written to from waiting.
    pub prompt_chunk: usize,
    /// What keys and values are kept in. This one does change what is written: bf16 takes half the memory and rounds them.
    pub cache: DType,
}

/// Slots where nothing else is asked for.
pub const SLOTS: usize = 16;

impl Default for SchedulerSettings {
    fn default() -> Self {
        Self { slots: SLOTS, prompt_chunk: PROMPT_CHUNK, cache: DType::F32 }
    }
}

/// Writes many texts at one time.
///
/// [`Scheduler::submit`] takes a request, [`Scheduler::step`] does one pass of the model for all that are being written, each
/// of which gets its next token, and for prompts that are being read. A text that ends makes room for the next that waits.
///
/// What a slot remembers of its last sequence is used again by the next one as far as both begin alike, be it in another slot;
/// a request that begins as a prompt that is just being read waits for it, and answers to one source share what the encoder made
/// of it. So a conversation is never read twice, and several
/// answers to one prompt share it.
///
/// What is written for a request does not depend on the others, on the slots or on the size of chunks: each has its own
/// seed, and the model gives the same bits.
pub struct Scheduler {
    engine: Engine,
    settings: SchedulerSettings,
    tape: Tape,
    places: Vec<Place>,
    waiting: VecDeque<Running>,
    /// What [`Scheduler::write`] did for others.
    kept: Vec<Update>,
    submitted: u64,
}

/// How full the slots of a [`Scheduler`] are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheUse {
    /// Slots in which a text is read or written.
    pub busy: usize,
    /// All slots.
    pub slots: usize,
    /// Positions that are remembered, of texts that have ended too.
    pub positions: usize,
    /// Positions that there is room for.
    pub capacity: usize,
}

/// A slot, and who has it.
struct Place {
    slot: Slot,
    running: Option<Running>,
    /// The last request that had it.
    last: u64,
}

impl Scheduler {
    /// A scheduler whose slots are empty.
    ///
    /// # Errors
    /// When a setting is 0.
    pub fn new(engine: &Engine, settings: SchedulerSettings) -> Result<Self> {
        for (name, value) in [("slots", settings.slots), ("prompt_chunk", settings.prompt_chunk)] {
            if value == 0 {
                let expected = "expected a whole number of at least 1";
                return Err(Error::Setting { name, value: value.to_string(), expected });
            }
        }
        let model = engine.model();
        let slot = || Slot::new(model, model.context(), settings.cache);
        let places = (0..settings.slots).map(|_| Place { slot: slot(), running: None, last: 0 });
        Ok(Self {
            engine: engine.clone(),
            settings,
            tape: Tape::inference().batch_invariant(),
            places: places.collect(),
            waiting: VecDeque::new(),
            kept: Vec::new(),
            submitted: 0,
        })
    }

    /// The model and its tokenizer.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Takes a request, which waits for a slot.
    ///
    /// # Errors
    /// When a setting makes no sense, the prompt is empty or longer than the model's context, an id is unknown, or a source is missing,
    /// not read by the model, or too long.
    pub fn submit(&mut self, request: Request) -> Result<RequestId> {
        request.settings.check()?;
        let (ids, model) = (&request.prompt.ids, self.engine.model());
        check_source(model, request.source.as_deref())?;
        check_prompt(ids, model.context())?;
        let limit = model.vocabulary();
        let source = request.source.iter().flat_map(|source| source.iter());
        if let Some(&index) = ids.iter().chain(source).find(|&&id| id as usize >= limit) {
            let (operation, index) = ("embedding", index as usize);
            return Err(nuwa_tensor::Error::Index { operation, index, limit }.into());
        }
        let id = RequestId(self.submitted + 1);
        self.waiting.push_back(Running::new(id, request, &self.engine)?);
        self.submitted += 1;
        Ok(id)
    }

    /// How much is kept in slots.
    pub fn cache_use(&self) -> CacheUse {
        let busy = self.places.iter().filter(|place| place.running.is_some()).count();
        let positions = self.places.iter().map(|place| place.slot.seen().len()).sum();
        let capacity = self.places.iter().map(|place| place.slot.capacity()).sum();
        CacheUse { busy, slots: self.places.len(), positions, capacity }
    }

    /// How many requests have not ended.
    pub fn pending(&self) -> usize {
        self.waiting.len() + self.places.iter().filter(|place| place.running.is_some()).count()
    }

    /// Ends a request where it is, and gives what was written; none where there is no such request any more.
    pub fn cancel(&mut self, request: RequestId) -> Option<Generation> {
        let mut running = match self.waiting.iter().position(|running| running.id == request) {
            Some(index) => self.waiting.remove(index)?,
            None => {
                let is_it = |running: &mut Running| running.id == request;
                self.places.iter_mut().find_map(|place| place.running.take_if(is_it))?
            }
        };
        running.finished(Finish::Interrupted).outcome?.ok()
    }

    /// One pass of the model: the next token of each sequence that is being written, and some of each prompt that is being
    /// read. Nothing where nothing is pending.
    ///
    /// # Errors
    /// When the model fails. What is wrong with one request only is the outcome of that one.
    pub fn step(&mut self) -> Result<Vec<Update>> {
        if !self.kept.is_empty() {
            return Ok(std::mem::take(&mut self.kept));
        }
        on_team(|| {
            let mut updates = self.enter();
            self.read_sources()?;
            updates.extend(self.pass()?);
            Ok(updates)
        })
    }

    /// Runs a request to its end, and others with it; `goes_on` is asked before each pass, and `on_text` is given the text as
    /// it comes, in whole characters.
    ///
    /// # Errors
    /// As [`Scheduler::submit`] and [`Scheduler::step`].
    pub fn write(
        &mut self,
        request: Request,
        goes_on: &mut dyn FnMut() -> Flow,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Generation> {
        let id = self.submit(request)?;
        let (mut others, mut shown) = (std::mem::take(&mut self.kept), 0);
        let written = loop {
            if goes_on().is_break()
                && let Some(written) = self.cancel(id)
            {
                on_rest(&written.text[shown..], on_text);
                break Ok(written);
            }
            let (own, rest): (Vec<_>, Vec<_>) =
                self.step()?.into_iter().partition(|update| update.request == id);
            others.extend(rest);
            let mut outcome = None;
            for update in own {
                shown += update.text.len();
                on_rest(&update.text, on_text);
                outcome = update.outcome;
            }
            if let Some(outcome) = outcome {
                break outcome;
            }
        };
        self.kept = others;
        written
    }

    /// Runs requests to their ends; their results in the same order.
    ///
    /// # Errors
    /// When the model fails. What is wrong with one request only is the result of that one.
    pub fn write_all(&mut self, requests: Vec<Request>) -> Result<Vec<Result<Generation>>> {
        self.write_all_while(requests, &mut || Flow::Continue(()))
    }

    /// As [`Scheduler::write_all`]; `goes_on` is asked before each pass, and ends all of them where they are.
    ///
    /// # Errors
    /// As there.
    pub fn write_all_while(
        &mut self,
        requests: Vec<Request>,
        goes_on: &mut dyn FnMut() -> Flow,
    ) -> Result<Vec<Result<Generation>>> {
        let submitted: Vec<Result<RequestId>> =
            requests.into_iter().map(|request| self.submit(request)).collect();
        let mut open: BTreeSet<RequestId> = submitted.iter().flatten().copied().collect();
        let (mut others, mut ended) = (std::mem::take(&mut self.kept), BTreeMap::new());
        while !open.is_empty() {
            if goes_on().is_break() {
                let cancelled = std::mem::take(&mut open).into_iter();
                ended.extend(cancelled.filter_map(|id| Some((id, Ok(self.cancel(id)?)))));
                break;
            }
            for update in self.step()? {
                match update {
                    Update { request, outcome: Some(outcome), .. } if open.remove(&request) => {
                        ended.insert(request, outcome);
                    }
                    update if open.contains(&update.request) => {}
                    update => others.push(update),
                }
            }
        }
        self.kept = others;
        let result = |id: Result<RequestId>| ended.remove(&id?).expect("each that was submitted has ended");
        Ok(submitted.into_iter().map(result).collect())
    }

    /// Lets those who wait into free slots. Those that want no token end here.
    fn enter(&mut self) -> Vec<Update> {
        let mut updates = Vec::new();
        while let Some(mut next) = self.waiting.pop_front() {
            if next.is_full() {
                updates.push(next.finished(Finish::Length));
                continue;
            }
            let index = match next.source() {
                Some(source) => self.place_for_source(source),
                None => self.place_for(next.visible()),
            };
            let Some(index) = index else {
                self.waiting.push_front(next);
                break;
            };
            let place = &mut self.places[index];
            place.last = next.id.0;
            next.reused = place.slot.seen().len();
            place.running = Some(next);
        }
        updates
    }

    /// A free slot that knows as many of the first of `ids` as any slot does; none where all are taken, or where waiting for
    /// a prompt that begins alike is better.
    fn place_for(&mut self, ids: &[u32]) -> Option<usize> {
        let known = |place: &Place| place.slot.known(ids);
        let free = || self.places.iter().enumerate().filter(|(_, place)| place.running.is_none());
        let (mut chosen, place) = free().max_by_key(|(_, place)| (known(place), Reverse(place.last)))?;
        let (own, best) = (known(place), self.places.iter().max_by_key(|place| known(place))?);
        let most = known(best);
        let coming = self.places.iter().map(|place| place.coming(ids)).max().unwrap_or(0);
        if coming >= most + WORTH_WAITING {
            return None;
        }
        // Two conversations begin alike, with what the template writes: one does not take the other's slot for that.
        let forgets_much = 2 * own < place.slot.seen().len();
        if most > own || forgets_much {
            chosen = free().min_by_key(|(_, place)| place.last)?.0;
        }
        // The last id is run again, for the logits after it.
        let length = most.min(ids.len() - 1);
        if known(&self.places[chosen]) < most {
            self.places[chosen].slot = best.slot.prefix(length).unwrap_or_else(|| self.empty_slot());
        } else {
            self.places[chosen].slot.go_back(length, self.engine.model(), self.settings.cache);
        }
        Some(chosen)
    }

    /// A free slot that answers `source` where there is one, or else a copy of one that does; in other slots the source is still
    /// to be read. None where all are taken.
    fn place_for_source(&mut self, source: &[u32]) -> Option<usize> {
        let free = self.places.iter().enumerate().filter(|(_, place)| place.running.is_none());
        let (chosen, place) =
            free.max_by_key(|(_, place)| (place.slot.answers(source), Reverse(place.last)))?;
        let other = self.places.iter().find(|place| place.slot.answers(source));
        if place.slot.answers(source) {
            self.places[chosen].slot.go_back(0, self.engine.model(), self.settings.cache);
        } else if let Some(copy) = other.and_then(|other| other.slot.prefix(0)) {
            self.places[chosen].slot = copy;
        }
        Some(chosen)
    }

    /// Lets the encoder read the sources that no slot holds yet, all of them together.
    fn read_sources(&mut self) -> Result<()> {
        let mut new: Vec<Arc<[u32]>> = self.places.iter().filter_map(Place::unread).cloned().collect();
        new.sort();
        new.dedup();
        if new.is_empty() {
            return Ok(());
        }
        let (model, dtype) = (self.engine.model(), self.settings.cache);
        let begun = begin(model, &self.tape, &new, model.context(), dtype)?;
        for place in &mut self.places {
            let Some(source) = place.unread() else { continue };
            let own = begun.iter().find(|slot| slot.answers(source)).and_then(|slot| slot.prefix(0));
            place.slot =
                own.expect("each source that was unread has been read, and caches of answers can be copied");
        }
        Ok(())
    }

    fn empty_slot(&self) -> Slot {
        let model = self.engine.model();
        Slot::new(model, model.context(), self.settings.cache)
    }

    fn pass(&mut self) -> Result<Vec<Update>> {
        let model = self.engine.model();
        let mut busy: Vec<&mut Place> =
            self.places.iter_mut().filter(|place| place.running.is_some()).collect();
        busy.sort_by_key(|place| place.last);
        let unseen: Vec<usize> = busy.iter().map(|place| place.unseen()).collect();
        let counts = shares(&unseen, self.settings.prompt_chunk);
        let work = busy.iter_mut().zip(counts).filter_map(|(place, count)| place.work(count));
        let mut work: Vec<Work<'_>> = work.collect();
        if work.is_empty() {
            return Ok(Vec::new());
        }
        let Some(logits) = pass(model, &self.tape, &mut work)? else { return Ok(Vec::new()) };
        let (width, logits) = (logits.width(), logits.to_host());
        let read = busy.into_iter().filter(|place| place.is_read()).zip(logits.chunks_exact(width));
        let cache = self.settings.cache;
        let choose = |(place, logits): (&mut Place, &[f32])| place.choose(logits, model, cache);
        Ok(map_each(read.collect(), choose).into_iter().flatten().collect())
    }
}

impl Place {
    /// The source that is answered here and that the slot does not hold.
    fn unread(&self) -> Option<&Arc<[u32]>> {
        self.running.as_ref()?.source().filter(|source| !self.slot.answers(source))
    }

    /// How many ids the model has not seen: one of a sequence that is being written, more of a prompt.
    fn unseen(&self) -> usize {
        self.running.as_ref().map_or(0, |running| running.visible().len() - self.slot.seen().len())
    }

    /// The next pass reads so many ids here.
    fn work(&mut self, count: usize) -> Option<Work<'_>> {
        let unseen = &self.running.as_ref()?.visible()[self.slot.seen().len()..];
        // The last id of a prompt is run again for whoever else begins with it: of a state a copy before it is kept.
        let is_kept_back = count > 1 && count == unseen.len() && self.slot.carries_states();
        let count = count - usize::from(is_kept_back);
        let (ids, wanted) = (&unseen[..count], count == unseen.len());
        (count > 0).then_some(Work { slot: &mut self.slot, ids, wanted })
    }

    /// How many of the first of `ids` will be known here once what is running has been read.
    fn coming(&self, ids: &[u32]) -> usize {
        let Some(running) = &self.running else { return 0 };
        let alike = common(running.visible(), ids);
        if !self.slot.carries_states() {
            return alike;
        }
        // A copy of the state will be kept before the last id of its prompt, and none before.
        let kept = running.prompt_length().saturating_sub(1);
        let is_coming = self.slot.seen().len() <= kept && alike >= kept;
        if is_coming { kept } else { 0 }
    }

    /// Whether the model has seen all there is.
    fn is_read(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.visible().len() == self.slot.seen().len())
    }

    /// Chooses the next id, and makes room where that was the last one.
    fn choose(&mut self, logits: &[f32], model: &dyn Model, dtype: DType) -> Option<Update> {
        let running = self.running.as_mut()?;
        let first = running.first();
        let update = running.choose(logits, model.context());
        if running.first() != first {
            // The first half was forgotten: what is left is read anew.
            self.slot.go_back(0, model, dtype);
        }
        if update.outcome.is_some() {
            self.running = None;
        }
        Some(update)
    }
}

/// How many ids are read of each sequence in one pass: the one that is new, and of prompts `most` in all. Prompts share that
/// evenly, and what a short one leaves goes to longer ones; so a long prompt does not keep short ones waiting.
fn shares(unseen: &[usize], most: usize) -> Vec<usize> {
    let mut prompts: Vec<usize> = (0..unseen.len()).filter(|&index| unseen[index] > 1).collect();
    prompts.sort_by_key(|&index| unseen[index]);
    let (mut counts, mut left) = (unseen.to_vec(), most);
    for (done, &index) in prompts.iter().enumerate() {
        let share = left.div_ceil(prompts.len() - done);
        counts[index] = unseen[index].min(share);
        left -= counts[index];
    }
    counts
}

fn on_rest(text: &str, on_text: &mut dyn FnMut(&str)) {
    if !text.is_empty() {
        on_text(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_share_a_pass_and_short_ones_do_not_wait_for_long_ones() {
        assert_eq!(shares(&[1, 5000, 1, 20], 512), [1, 492, 1, 20]);
        assert_eq!(shares(&[5000, 4000], 512), [256, 256]);
        assert_eq!(shares(&[3, 9, 2], 4), [1, 1, 2]);
        assert_eq!(shares(&[5, 5, 5], 2), [1, 1, 0]);
        assert_eq!(shares(&[1, 1], 512), [1, 1]);
        assert_eq!(shares(&[2], 1), [1]);
    }
}
