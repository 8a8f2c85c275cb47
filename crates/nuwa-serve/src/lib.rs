//! Models over HTTP: OpenAI's interface over the batched engine, and the page to talk to them.
//!
//! - `worker`: a thread for each model, which owns its scheduler and takes requests from a fair queue while others run.
//! - `http`: connections and their limits, who is let in, routes.
//! - `api`: what each route takes and gives, in OpenAI's shapes.
//! - `page`: the page at `/`.
//!
//! [`Server::start`] listens and answers from threads of its own; what happens is told to an observer ([`Event`]). Nothing that users
//! write is kept or told, unless [`ServeSettings::log_texts`] says so.
#![forbid(unsafe_code)]

mod api;
mod app;
mod error;
mod event;
mod http;
mod metrics;
mod page;
mod payload;
mod record;
mod served;
mod settings;
mod worker;

pub use error::{Error, Result};
pub use event::{Event, Observer, RequestRecord};
pub use http::Server;
pub use served::ServedModel;
pub use settings::{ApiKey, ServeSettings};
