//! Connections and their limits, who is let in, and which route is asked.

mod admission;
mod routes;
mod server;
mod timed;

pub use server::Server;
