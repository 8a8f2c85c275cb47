//! Several tasks with one figure each and their mean, as leaderboards show them.
//!
//! - [`Suite`]: which tasks, how many examples, which figure; [built in](Suite::built_in) are `open-llm` and `world`.
//! - [`DataFolder`]: the files of a folder, found by the names that they usually have.
//! - [`SuiteResult`]: a line for each task, with its chance line and signature, and the plain mean.

mod description;
mod folder;
mod outcome;

pub use description::{Member, Suite};
pub use folder::{DataFolder, MemberFiles};
pub use outcome::{SuiteFigure, SuiteResult};
