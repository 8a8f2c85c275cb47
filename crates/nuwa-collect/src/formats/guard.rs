//! Parsers of others that may panic on a damaged file.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `work`; a panic is damage in the file, and gives `broken`. What `work` was changing must not be used after that.
pub(super) fn guarded<T, E>(broken: E, work: impl FnOnce() -> T) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| broken)
}
