//! A file for each format: a function from a [`Reading`](super::read::Reading) to its documents.

mod guard;
pub(super) mod json_lines;
pub(super) mod mail;
pub(super) mod page;
pub(super) mod parquet;
pub(super) mod pdf;
pub(super) mod table;
pub(super) mod tar;
pub(super) mod text;
pub(super) mod warc;
pub(super) mod zip;
