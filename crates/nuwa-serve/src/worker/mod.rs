//! The thread of a model: it owns the scheduler, takes requests while others run, and tells what comes of them.

mod queue;
mod run;

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use nuwa_infer::{Chosen, Generation, Request, SchedulerSettings, WholeText};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use crate::event::{Event, Observer};
use crate::metrics::Metrics;
use crate::served::ServedModel;
use crate::{Error, Result};
use queue::FairQueue;
pub use queue::Client;
use run::Run;

/// What is told of a request to write. Each of its texts ends with [`Told::Ended`], or all with [`Told::Failed`].
#[derive(Debug)]
pub enum Told {
    /// More of one of its texts.
    Piece {
        /// Which one.
        choice: usize,
        /// What is certain now, in whole characters.
        text: String,
        /// The token, where one was chosen.
        chosen: Option<Chosen>,
    },
    /// One of its texts is whole.
    Ended {
        /// Which one.
        choice: usize,
        /// All of it.
        generation: Generation,
    },
    /// Nothing more comes.
    Failed(Failure),
}

/// Why nothing more comes.
#[derive(Debug)]
pub enum Failure {
    /// The request, or the model with it.
    Infer(nuwa_infer::Error),
    /// It took too long.
    TimedOut,
}

/// A request to write one text, or several of one prompt.
pub struct WriteJob {
    /// The texts, which differ in their seeds.
    pub requests: Vec<Request>,
    /// Who is told; where nobody listens any more, the writing ends.
    pub told: UnboundedSender<Told>,
    /// When it has to be done.
    pub deadline: Instant,
    /// When it came.
    pub came: Instant,
}

/// A request for vectors.
pub struct EmbedJob {
    /// The texts.
    pub texts: Vec<WholeText>,
    /// Who is told.
    pub told: oneshot::Sender<nuwa_infer::Result<Vec<Vec<f32>>>>,
}

pub enum Job {
    Write(WriteJob),
    Embed(EmbedJob),
}

impl Job {
    /// Whether nobody waits for it any more.
    fn is_abandoned(&self) -> bool {
        match self {
            Self::Write(job) => job.told.is_closed(),
            Self::Embed(job) => job.told.is_closed(),
        }
    }
}

/// Why a request is not taken.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Too many wait; it may be worth trying again after a while.
    Full { retry_after: Duration },
    /// The thread has ended or is about to.
    Ended,
}

/// What the thread and those who send it requests share.
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    queue: FairQueue<Job>,
    /// No more requests are taken, and the thread ends when the last one is done.
    stops: bool,
    /// The thread ends at once.
    ends: bool,
    /// How long requests take of late, from slot to end.
    usual: Duration,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

/// The thread of one model.
pub struct Worker {
    shared: Arc<Shared>,
    limit: usize,
    slots: usize,
}

impl Worker {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread, or a setting makes no sense.
    pub fn start(
        model: Arc<ServedModel>,
        settings: SchedulerSettings,
        limit: usize,
        metrics: Arc<Metrics>,
        observer: Observer,
    ) -> Result<Self> {
        let state = State { queue: FairQueue::default(), stops: false, ends: false, usual: Duration::from_secs(1) };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let name = model.name.clone();
        let run = Run::new(model, settings, Arc::clone(&shared), metrics)?;
        let ended = Ended { shared: Arc::clone(&shared), model: name.clone(), observer };
        let work = move || {
            let ended = ended;
            run.work();
            drop(ended);
        };
        thread::Builder::new().name(format!("model {name}")).spawn(work).map_err(Error::Thread)?;
        Ok(Self { shared, limit, slots: settings.slots })
    }

    /// Hands over a request.
    ///
    /// # Errors
    /// When too many wait, or the thread has ended.
    pub fn submit(&self, client: Client, job: Job) -> Result<(), Refusal> {
        let mut state = self.shared.state();
        if state.stops || state.ends {
            return Err(Refusal::Ended);
        }
        if state.queue.len() >= self.limit {
            state.queue.retain(|job| !job.is_abandoned());
        }
        if state.queue.len() >= self.limit {
            let rounds = state.queue.len().div_ceil(self.slots) as u32;
            let retry_after = (state.usual * rounds).clamp(Duration::from_secs(1), Duration::from_secs(60));
            return Err(Refusal::Full { retry_after });
        }
        state.queue.push(client, job);
        drop(state);
        self.shared.changed.notify_one();
        Ok(())
    }

    /// Requests that wait.
    pub fn waiting(&self) -> usize {
        self.shared.state().queue.len()
    }

    /// Whether it takes requests.
    pub fn is_alive(&self) -> bool {
        let state = self.shared.state();
        !state.stops && !state.ends
    }

    /// Takes no more requests; those that it has are done to their ends.
    pub fn stop(&self) {
        self.shared.state().stops = true;
        self.shared.changed.notify_one();
    }

    /// Ends at the next step, whatever is being written.
    pub fn end(&self) {
        self.shared.state().ends = true;
        self.shared.changed.notify_one();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}

/// Notices the end of the thread, however it comes: those who wait are told by their channels, which close.
struct Ended {
    shared: Arc<Shared>,
    model: String,
    observer: Observer,
}

impl Drop for Ended {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.ends = true;
        state.queue = FairQueue::default();
        drop(state);
        if thread::panicking() {
            let reason = "its thread panicked: this is a fault of the program".to_string();
            (self.observer)(Event::Failed { model: self.model.clone(), reason });
        }
    }
}

/// The workers of all models, by name.
pub type Workers = BTreeMap<String, Worker>;
