//! Tasks that a model is given in words: a prompt file in Jinja, a text, an answer.
//!
//! - [`template`]: prompt files.
//! - [`asker`]: a model that is asked, with all that fits its context.
//! - [`mod@pieces`]: long texts in parts that fit.
//! - [`reading`]: files and folders as texts, and passages of them.

mod asker;
mod pieces;
mod reading;
mod template;

pub use asker::{Asker, Reserve};
pub use pieces::{joined, pieces};
pub use reading::{GivenText, Passage, Passages, given, language_of, passages};
pub use template::{PromptTemplate, Task};
