//! Files that are whole or absent, compressed readers, documents as lines, content hashes, the counts of long work, and
//! paths in commands to be copied.
//!
//! Every artifact is written to a temporary name in its own folder and renamed when it is complete, so a
//! killed run or a full disk never leaves half a file under a final name.
//!
//! A file is there whole or not at all, and its hash says whether it has changed:
//!
//! ```
//! # let folder = tempfile::tempdir()?;
//! let path = folder.path().join("notes.txt");
//! nuwa_files::write_atomically(&path, b"clay and water")?;
//! assert_eq!(nuwa_files::hash_file(&path)?, nuwa_files::hash_bytes(b"clay and water"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod atomic;
pub mod compressed;
mod date;
pub mod documents;
mod error;
pub mod gguf;
mod hash;
mod journal;
mod progress;
mod remedy;
mod sha256;
mod shell;
mod table;
pub mod unfinished;

pub use atomic::{
    AtomicFile, free_name, keep_aside, open_for_append, remove_folder, remove_unwritten, rename,
    write_atomically, write_json,
};
pub use date::{civil_date, date_and_time};
pub use documents::Document;
pub use error::{
    Error, Expansion, Result, is_damage, read, read_at_most, read_json, read_json_at_most, read_to_string,
};
pub use hash::{files_in, hash_blocks, hash_bytes, hash_file, hash_path};
pub use journal::{Journal, JournalLine};
pub use progress::Progress;
pub use remedy::Remedy;
pub use sha256::{sha256_bytes, sha256_file};
pub use shell::{quoted, quoted_path};
pub use table::column_separator;
