//! What is read and how it becomes documents.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::crawl::settings::CrawlSettings;
use crate::{Error, Result};

/// What is read and how it becomes documents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CollectSettings {
    /// The field of a JSON record, or the column of a table, that holds the text; `data.text` is
    /// the field `text` within `data`. By default, a table without a column "text" is read from its
    /// column content, body, article, document, passage or sentence.
    pub text_field: String,
    /// More file extensions (without the dot) to read as plain text, besides txt and md, for
    /// example ["rst"].
    pub extra_text_extensions: Vec<String>,
    /// Split longer texts (in bytes) into several documents at paragraph ends, to bound memory; at
    /// least 1000.
    pub split_documents_over: u64,
    /// Split fortune files (items separated by lines with only `%`) into one document per item.
    pub split_fortune_files: bool,
    /// What to do with an invalid JSON line or table row: stop with an error, or skip it and count
    /// it.
    pub bad_lines: BadLines,
    /// Largest compression ratio: a file that expands to more than this multiple of its size on
    /// disk (and to more than 256 MiB) is treated as a decompression bomb and not read further; at
    /// least 1.
    pub largest_expansion: u64,
    /// Limits of the web crawler, for sources that are web addresses.
    pub crawl: CrawlSettings,
    /// Maximum nesting depth of archives; with 1, archives inside archives are skipped; at least 1.
    pub nested_archives: u32,
    /// Resource limit for reading one PDF or Parquet file, as a multiple of the default of 400 MB
    /// of memory and 2 seconds (plus 16 MB and one second for each MB of the file); at least 1.
    pub effort: u32,
    /// Maximum total size, in bytes, of a data set downloaded from the Hugging Face Hub.
    #[schemars(extend("x-decides" = false))]
    pub largest_download: u64,
    /// Follow symbolic links that lead out of the folder; otherwise they are skipped and counted.
    /// Links within the folder are always followed.
    pub follow_links: bool,
}

/// What to do with a line that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BadLines {
    /// Stop with an error that names the line.
    Error,
    /// Skip the line and count it.
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
