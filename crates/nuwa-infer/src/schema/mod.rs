//! Text that is held to a JSON schema while it is written.
//!
//! [`JsonSchema::parse`] compiles a schema, `automaton` follows a text byte by byte through it, and `spelling` finds which tokens of a
//! vocabulary may come next. What is written under a schema is valid under it; not all that is valid is written: members come in the
//! order of the schema, without blanks but one after a colon or a comma, and numbers have at most 18 digits, so that no text can go on
//! for ever in blanks or digits. What a schema asks for and this cannot hold a text to is an error, never left out.

mod automaton;
mod compile;
mod ordered;
mod pattern;
mod spelling;

pub use compile::JsonSchema;
pub use ordered::OrderedJson;
pub(crate) use spelling::{Held, Spelling};
