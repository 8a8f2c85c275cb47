//! Files and folders into documents.
//!
//! Bytes become characters here: every document is valid UTF-8 from this stage on. HTML stays as it is, marked
//! `format: "html"`, so that its cleaning can be done again with other settings. Memory is bounded: files are
//! taken in small groups, and a large file is streamed through twice (once to see what it is, once to read it). What must be
//! parsed in one piece has a limit: 64 MiB for a page, a mail, a PDF and a record of a crawl, 256 MiB for a line. A large
//! member of an archive is copied into the output folder for as long as it is read.
//!
//! What was interrupted goes on from the last 256 MiB of documents that were written (`OUT/.collect/`), if none of the files and
//! settings has changed.
//!
//! What is odd in a file (a quote that is never closed, NUL bytes in a text, NaN in JSON) is mended or left out, and stands in the
//! account: `collect.json`, `oddities`.
//!
//! A file in a folder that is damaged, or expands too far, is passed over and counted; what came before the damage is kept.
//! A document carries its source (`archive!member` within archives, the address for pages of a crawl) and in `meta` what the
//! format knows: `date`, `title`, `license`, `subject`, `from`, other columns. A folder may say where it comes from: a file
//! `.source.json` with `source`, an address, and `meta`, which every document below gets.
//!
//! ```
//! use nuwa_collect::{CollectSettings, collect};
//!
//! # let folder = tempfile::tempdir()?;
//! # let (texts, out) = (folder.path().join("texts"), folder.path().join("collected"));
//! # std::fs::create_dir(&texts)?;
//! std::fs::write(texts.join("one.txt"), "Yellow clay.")?;
//! std::fs::write(texts.join("two.jsonl"), "{\"text\": \"Water.\"}\n{\"text\": \"Rope.\"}\n")?;
//! let summary = collect(&[texts], &out, &CollectSettings::default(), &mut |_| {})?;
//! assert_eq!((summary.files, summary.documents), (2, 3));
//! let documents = nuwa_files::documents::read(&out)?.collect::<Result<Vec<_>, _>>()?;
//! assert_eq!(documents[0].text, "Yellow clay.");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod apart;
mod charset;
mod collect;
mod collection;
mod content;
pub mod crawl;
mod decode;
mod error;
mod fetch;
mod format;
mod formats;
pub mod html;
pub mod hub;
mod inspect;
mod letters;
mod origin;
mod percent;
mod read;
mod read_apart;
mod reading;
mod sample;
mod settings;
mod summary;
mod walk;

pub use apart::{Limits, apart_by};
pub use collect::collect;
pub use error::{Error, Result};
pub use fetch::{Fetch, FetchError, Request, Response};
pub use format::is_known_name;
pub use formats::parquet::table_rows;
pub use origin::ORIGIN_FILE;
pub use read_apart::read_apart;
pub use sample::{Sample, sample};
pub use settings::{BadLines, CollectSettings};
pub use summary::{CollectSummary, Oddity, Skipped};
