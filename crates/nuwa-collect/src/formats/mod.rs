//! A file for each format: a function from a [`Reading`](super::reading::Reading) to its documents.

mod bodies;
mod guard;
pub(super) mod json_lines;
mod json_mend;
mod json_values;
pub(super) mod mail;
mod office;
pub(super) mod page;
pub(super) mod parquet;
pub(super) mod pdf;
mod rows;
mod shape;
pub(super) mod table;
pub(super) mod tar;
pub(super) mod text;
pub(super) mod warc;
mod xml;
pub(super) mod zip;
mod zip_errors;
