//! Text into shards: documents, sources, cleaning, deduplication, the split, token shards.
//!
//! The way: [`collect::collect`] makes documents of files, [`clean::clean`] cleans them, [`split`] says what is held
//! back, [`tokenize::tokenize`] writes shards, [`shards::Shards`] reads them. What is absent here: tensors, the
//! network, and anything that grows with the corpus.
#![forbid(unsafe_code)]

pub mod bias;
pub mod classify;
pub mod clean;
pub mod collect;
pub mod compressed;
pub mod documents;
mod error;
mod few;
pub mod html;
pub mod language;
pub mod shards;
mod spill;
pub mod split;
mod steps;
pub mod survey;
mod text;
pub mod tokenize;
mod unfinished;
pub mod world;

pub use documents::Document;
pub use error::{Error, Result};
pub use text::is_unspaced;
