//! Files that are whole or absent, content hashes, the counts of long work, and paths in commands to be copied.
//!
//! Every artifact is written to a temporary name in its own folder and renamed when it is complete, so a
//! killed run or a full disk never leaves half a file under a final name.
#![forbid(unsafe_code)]

mod atomic;
mod date;
mod error;
mod hash;
mod progress;
mod shell;

pub use atomic::{
    AtomicFile, free_name, keep_aside, open_for_append, remove_folder, remove_unwritten, rename,
    write_atomically, write_json,
};
pub use date::{civil_date, date_and_time};
pub use error::{Error, Result, read, read_at_most, read_json, read_json_at_most, read_to_string};
pub use hash::{files_in, hash_blocks, hash_bytes, hash_file, hash_path};
pub use progress::Progress;
pub use shell::{quoted, quoted_path};
