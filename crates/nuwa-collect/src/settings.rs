//! What is read and how it becomes documents.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::crawl::settings::CrawlSettings;
use crate::{Error, Result};

/// What is read and how it becomes documents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CollectSettings {
    /// The field of a JSON record, or the column of a table, that holds the text; `data.text` is the field `text` within `data`. Where a table has no column "text" and this
    /// is left as it is, a column content, body, article, document, passage or sentence is taken.
    pub text_field: String,
    /// Endings (without the dot) that are read as plain text besides txt and md, for example ["rst"].
    pub extra_text_extensions: Vec<String>,
    /// A text longer than this many bytes is cut at paragraph ends into several documents, so that memory stays
    /// flat; at least 1000.
    pub split_documents_over: u64,
    /// Makes each item of a fortune file (items between lines that hold only `%`) a document of its own.
    pub split_fortune_files: bool,
    /// What to do with a JSON line or a row of a table that cannot be used: stop with an error, or skip and count it.
    pub bad_lines: BadLines,
    /// A file that expands to more than this many times its size on the disk (and to more than 256 MiB) is taken for a
    /// bomb and read no further; at least 1.
    pub largest_expansion: u64,
    /// How far a crawl goes, where a source is the address of a page.
    pub crawl: CrawlSettings,
    /// How deep archives may lie in one another; with 1, an archive within an archive is passed over; at least 1.
    pub nested_archives: u32,
    /// What a PDF or a Parquet table may take, as a multiple of the usual 400 MB of memory and 2 seconds (16 MB and a second more for
    /// each MB of it); at least 1.
    pub effort: u32,
    /// The most bytes that a data set of the Hub may have, all of its files together.
    #[schemars(extend("x-decides" = false))]
    pub largest_download: u64,
    /// Follows links of a folder that lead out of it; else they are passed over and counted. Links within the folder are always
    /// followed.
    pub follow_links: bool,
}

/// What to do with a line that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BadLines {
    /// Stop with an error that names the line.
    Error,
    /// Leave the line out and count it.
    Skip,
}

impl Default for CollectSettings {
    fn default() -> Self {
        Self {
            text_field: "text".into(),
            extra_text_extensions: Vec::new(),
            split_documents_over: 8_000_000,
            split_fortune_files: true,
            bad_lines: BadLines::Error,
            largest_expansion: 200,
            crawl: CrawlSettings::default(),
            nested_archives: 3,
            effort: 1,
            largest_download: 20_000_000_000,
            follow_links: false,
        }
    }
}

impl CollectSettings {
    /// Whether each value lies in its range.
    pub(crate) fn check(&self) -> Result<()> {
        let at_least = |name, value: u64, least: u64, expected| match value < least {
            true => Err(Error::Setting { name, value: value.to_string(), expected }),
            false => Ok(()),
        };
        at_least("collect.split_documents_over", self.split_documents_over, 1000, "at least 1000")?;
        at_least("collect.largest_expansion", self.largest_expansion, 1, "at least 1")?;
        at_least("collect.effort", self.effort.into(), 1, "at least 1")?;
        at_least("collect.nested_archives", self.nested_archives.into(), 1, "at least 1")
    }
}
