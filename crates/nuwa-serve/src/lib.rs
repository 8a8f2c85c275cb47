//! Models over HTTP: OpenAI's interface over the batched engine, and the page to talk to them.
#![forbid(unsafe_code)]

mod page;
