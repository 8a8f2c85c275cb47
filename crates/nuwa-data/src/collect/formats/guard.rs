//! Parsers of others that may panic on a damaged file.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::{Error, Result};

/// Runs `work` on the file at `path`; a panic is damage in the file. What `work` was changing must not be used after that.
pub(super) fn guarded<T>(path: &Path, work: impl FnOnce() -> T) -> Result<T> {
    let problem = |_| Error::damage(path, "the file's structure is broken".into());
    catch_unwind(AssertUnwindSafe(work)).map_err(problem)
}
