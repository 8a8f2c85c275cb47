//! `nuwa feedback`: a person ranks or marks answers of a model on a page of this machine.
//!
//! [`answers`] are sampled ahead of the person by a thread of its own, the [`queue`] says what is asked
//! next and keeps what was decided, and [`routes`] are what the page asks.

mod answers;
mod queue;
mod routes;

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

pub use answers::Drawing;
pub use queue::Queue;

use crate::console;
use crate::page::{Request, Server};

/// What the page and the thread that samples share.
pub struct Feedback {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Feedback {
    /// Serves the page of a queue, and samples answers for it.
    pub fn start(queue: Queue, drawing: Drawing, server: Server) -> Arc<Self> {
        let feedback = Arc::new(Self { queue: Mutex::new(queue), changed: Condvar::new() });
        let (sampled, served) = (Arc::clone(&feedback), Arc::clone(&feedback));
        thread::spawn(move || sampled.sample(drawing));
        server.start(Arc::new(move |request: &Request| routes::answer(&served, request)));
        feedback
    }

    /// The queue, for as long as the guard lives.
    pub fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(|broken| broken.into_inner())
    }

    /// Something was decided or taken back: there may be more to sample.
    fn has_changed(&self) {
        self.changed.notify_all();
    }

    /// Samples answers whenever fewer prompts than enough are ready.
    fn sample(&self, mut drawing: Drawing) {
        loop {
            let prompt = {
                let mut queue = self.queue();
                loop {
                    match queue.next_to_sample() {
                        Some(prompt) => break prompt,
                        None => {
                            queue = self.changed.wait(queue).unwrap_or_else(|broken| broken.into_inner());
                        }
                    }
                }
            };
            let drawn = drawing.answers(&prompt);
            if let Err(reason) = &drawn {
                console::message(&format!("{} is left out: {reason}", prompt.place));
            }
            self.queue().sampled(&prompt, drawn.ok());
        }
    }
}
