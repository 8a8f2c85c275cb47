//! What each route takes and gives, in the shapes of OpenAI's interface.

mod asked;
mod chat;
mod completions;
mod embeddings;
mod error;
mod listening;
mod log_probabilities;
mod messages;
mod plain;
mod sampling;
mod stream;
mod tokens;
mod tools;

pub use asked::Asked;
pub use chat::chat;
pub use completions::completions;
pub use embeddings::embeddings;
pub use error::ApiError;
pub use plain::{health, metrics, model, models};
pub use tokens::{detokenize, tokenize};
