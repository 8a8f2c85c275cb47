//! A page for a person on this machine: a server on the loopback interface, for one page and what it asks.
//!
//! Other programs and open web sites can reach such a server too. So an address holds a random token, without which nothing is
//! answered; a request that names another host (DNS rebinding) or comes from another site's page is refused; a request has a
//! largest size and a deadline, and a page may load and run nothing but itself. One request a connection: on one machine that
//! costs nothing, and there is no state between requests to get wrong.

mod admission;
mod request;
mod response;
mod server;
mod token;

pub use request::{Method, Request};
pub use response::Response;
pub use server::Server;
