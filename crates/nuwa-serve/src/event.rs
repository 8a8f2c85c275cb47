use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use nuwa_guard::Blocked;

/// What happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A request was answered, or its client went.
    Request(RequestRecord),
    /// The guard stopped a prompt or an answer.
    Blocked(Blocked),
    /// A model's thread ended by a fault of the program; the model answers no more.
    Failed {
        /// The model.
        model: String,
        /// What went wrong.
        reason: String,
    },
}

/// A request, as it may be put into a log.
#[derive(Debug, Clone, Default)]
pub struct RequestRecord {
    /// Who asked.
    pub client: Option<IpAddr>,
    /// `GET` or `POST`.
    pub method: String,
    /// The route; of paths that are none only `other`.
    pub route: &'static str,
    /// The model, where one was asked.
    pub model: Option<String>,
    /// The status of the answer; 499 where the client went before.
    pub status: u16,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens that were written.
    pub completion_tokens: usize,
    /// How long it took.
    pub took: Duration,
    /// What was asked and answered, where that is to be logged.
    pub texts: Option<(String, String)>,
}

/// Whoever is told.
pub type Observer = Arc<dyn Fn(Event) + Send + Sync>;
