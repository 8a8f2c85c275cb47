use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nuwa_infer::{Generation, RequestId, Scheduler, SchedulerSettings, Update, WholeText};

use super::{EmbedJob, Failure, Job, Shared, Told, WriteJob};
use crate::metrics::Metrics;
use crate::served::ServedModel;
use crate::{Error, Result};

/// Tokens of texts to be made into vectors between two steps of writing.
const EMBEDDED: usize = 512;

/// A request of which something is being written.
struct Live {
    job: WriteJob,
    /// Its texts that have not ended.
    open: Vec<RequestId>,
    began: Instant,
    has_first: bool,
}

/// A request for vectors, some of which are made.
struct Embedding {
    job: EmbedJob,
    rest: VecDeque<WholeText>,
    vectors: Vec<Vec<f32>>,
}

/// What the thread does and holds.
pub struct Run {
    model: Arc<ServedModel>,
    scheduler: Option<Scheduler>,
    settings: SchedulerSettings,
    shared: Arc<Shared>,
    metrics: Arc<Metrics>,
    live: BTreeMap<u64, Live>,
    /// Which request of `live`, and which of its texts, each of the scheduler's is.
    texts: BTreeMap<RequestId, (u64, usize)>,
    embeddings: VecDeque<Embedding>,
    taken: u64,
}

impl Run {
    pub fn new(
        model: Arc<ServedModel>,
        settings: SchedulerSettings,
        shared: Arc<Shared>,
        metrics: Arc<Metrics>,
    ) -> Result<Self> {
        let scheduler = scheduler(&model, settings)?;
        let (live, texts, embeddings) = (BTreeMap::new(), BTreeMap::new(), VecDeque::new());
        Ok(Self { model, scheduler, settings, shared, metrics, live, texts, embeddings, taken: 0 })
    }

    /// Works until it is to end.
    pub fn work(mut self) {
        while let Some(jobs) = self.next_jobs() {
            jobs.into_iter().for_each(|job| self.begin(job));
            self.let_go();
            self.embed();
            self.step();
            self.tell_use();
        }
    }

    /// Requests for which there is room; waits for one where there is nothing else to do. None at the end.
    fn next_jobs(&mut self) -> Option<Vec<Job>> {
        let is_idle = self.texts.is_empty() && self.embeddings.is_empty();
        let mut room = self.settings.slots.saturating_sub(self.texts.len());
        let mut state = self.shared.state();
        while is_idle && state.queue.len() == 0 && !state.ends && !state.stops {
            state = self.shared.changed.wait(state).unwrap_or_else(|broken| broken.into_inner());
        }
        if state.ends || state.stops && is_idle && state.queue.len() == 0 {
            return None;
        }
        let mut jobs = Vec::new();
        while room > 0 && let Some(job) = state.queue.pop() {
            if job.is_abandoned() {
                continue;
            }
            let texts = if let Job::Write(job) = &job { job.requests.len() } else { 1 };
            room = room.saturating_sub(texts);
            jobs.push(job);
        }
        Some(jobs)
    }

    fn begin(&mut self, job: Job) {
        match job {
            Job::Write(job) => self.begin_writing(job),
            Job::Embed(mut job) => {
                let rest = std::mem::take(&mut job.texts).into();
                self.embeddings.push_back(Embedding { job, rest, vectors: Vec::new() });
            }
        }
    }

    fn begin_writing(&mut self, mut job: WriteJob) {
        let Some(scheduler) = &mut self.scheduler else { return };
        let prompt = job.requests.first().map_or(0, |request| request.prompt.ids.len());
        let mut open = Vec::new();
        for request in std::mem::take(&mut job.requests) {
            match scheduler.submit(request) {
                Ok(id) => open.push(id),
                Err(error) => {
                    open.into_iter().for_each(|id| drop(scheduler.cancel(id)));
                    let _ = job.told.send(Told::Failed(Failure::Infer(error)));
                    return;
                }
            }
        }
        self.taken += 1;
        self.metrics.of(&self.model.name, |own| own.prompt_tokens += prompt as u64);
        self.texts.extend(open.iter().enumerate().map(|(choice, id)| (*id, (self.taken, choice))));
        self.live.insert(self.taken, Live { job, open, began: Instant::now(), has_first: false });
    }

    /// Ends what nobody listens to any more, and what takes too long.
    fn let_go(&mut self) {
        let now = Instant::now();
        let is_over = |live: &Live| live.job.told.is_closed() || now >= live.job.deadline;
        let over: Vec<u64> = self.live.iter().filter(|(_, live)| is_over(live)).map(|(key, _)| *key).collect();
        for key in over {
            let Some(live) = self.live.remove(&key) else { continue };
            for id in live.open {
                self.texts.remove(&id);
                if let Some(scheduler) = &mut self.scheduler {
                    scheduler.cancel(id);
                }
            }
            match live.job.told.send(Told::Failed(Failure::TimedOut)) {
                Ok(()) => {}
                Err(_) => self.metrics.of(&self.model.name, |own| own.cancelled += 1),
            }
        }
    }

    /// Makes a few vectors.
    fn embed(&mut self) {
        let (Some(mut at), Some(embedder)) = (self.embeddings.pop_front(), &self.model.embedder) else { return };
        if at.job.told.is_closed() {
            return;
        }
        let (mut texts, mut tokens) = (Vec::new(), 0);
        while let Some(text) = at.rest.pop_front_if(|text| texts.is_empty() || tokens + text.ids.len() <= EMBEDDED) {
            tokens += text.ids.len();
            texts.push(text);
        }
        self.metrics.of(&self.model.name, |own| own.prompt_tokens += tokens as u64);
        match embedder.embed(&texts) {
            Ok(vectors) => at.vectors.extend(vectors),
            Err(error) => return drop(at.job.told.send(Err(error))),
        }
        match at.rest.is_empty() {
            true => drop(at.job.told.send(Ok(at.vectors))),
            false => self.embeddings.push_back(at),
        }
    }

    /// One pass of the model for all texts.
    fn step(&mut self) {
        let Some(scheduler) = self.scheduler.as_mut().filter(|_| !self.texts.is_empty()) else { return };
        match scheduler.step() {
            Ok(updates) => self.tell(updates),
            Err(error) => self.fail(&error.to_string()),
        }
    }

    fn tell(&mut self, updates: Vec<Update>) {
        let written = updates.iter().filter(|update| update.chosen.is_some()).count();
        if written > 0 {
            self.metrics.wrote(&self.model.name, written as u64);
        }
        for Update { request, chosen, text, outcome } in updates {
            let Some(&(key, choice)) = self.texts.get(&request) else { continue };
            let Some(live) = self.live.get_mut(&key) else { continue };
            if !std::mem::replace(&mut live.has_first, true) {
                let took = live.job.came.elapsed();
                self.metrics.of(&self.model.name, |own| own.first_token.add(took));
            }
            let _ = live.job.told.send(Told::Piece { choice, text, chosen });
            match outcome {
                Some(Ok(generation)) => self.ended(request, generation),
                Some(Err(error)) => self.failed(request, error),
                None => {}
            }
        }
    }

    fn ended(&mut self, request: RequestId, generation: Generation) {
        let Some((key, choice)) = self.texts.remove(&request) else { return };
        let Some(live) = self.live.get_mut(&key) else { return };
        live.open.retain(|id| *id != request);
        let reused = generation.reused as u64;
        self.metrics.of(&self.model.name, |own| own.reused_tokens += if choice == 0 { reused } else { 0 });
        let _ = live.job.told.send(Told::Ended { choice, generation });
        if live.open.is_empty() {
            let (whole, own) = (live.job.came.elapsed(), live.began.elapsed());
            self.metrics.of(&self.model.name, |figures| figures.whole.add(whole));
            self.live.remove(&key);
            self.took(own);
        }
    }

    /// A text came to nothing, and the others of its request with it.
    fn failed(&mut self, request: RequestId, error: nuwa_infer::Error) {
        let Some((key, _)) = self.texts.remove(&request) else { return };
        let Some(live) = self.live.remove(&key) else { return };
        for id in live.open.into_iter().filter(|id| *id != request) {
            self.texts.remove(&id);
            if let Some(scheduler) = &mut self.scheduler {
                scheduler.cancel(id);
            }
        }
        let _ = live.job.told.send(Told::Failed(Failure::Infer(error)));
    }

    /// The model failed: what was being written is lost, and what its slots hold is not to be trusted.
    fn fail(&mut self, reason: &str) {
        self.texts.clear();
        for live in std::mem::take(&mut self.live).into_values() {
            let error = nuwa_infer::Error::Failed { reason: reason.to_string() };
            let _ = live.job.told.send(Told::Failed(Failure::Infer(error)));
        }
        // The settings have made one before.
        self.scheduler = scheduler(&self.model, self.settings).ok().flatten();
    }

    /// Notes how long a request had a slot.
    fn took(&self, own: Duration) {
        let mut state = self.shared.state();
        state.usual = (state.usual * 7 + own) / 8;
    }

    fn tell_use(&self) {
        let used = self.scheduler.as_ref().map(Scheduler::cache_use).unwrap_or_default();
        self.metrics.of(&self.model.name, |own| own.cache = used);
    }
}

fn scheduler(model: &ServedModel, settings: SchedulerSettings) -> Result<Option<Scheduler>> {
    let Some(engine) = &model.engine else { return Ok(None) };
    Ok(Some(Scheduler::new(engine, settings).map_err(Error::Infer)?))
}
