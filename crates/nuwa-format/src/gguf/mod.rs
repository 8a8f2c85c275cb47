//! Models in GGUF files: their configuration out of the keys, and their tensors under the names that they have at Hugging Face.

pub mod families;
pub mod kept;
pub mod keys;
mod metadata;
mod names;
pub mod rope;
pub mod tensors;
