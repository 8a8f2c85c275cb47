//! Models side by side on the tasks that their evaluations have in common: tests on the same items, corrected for how many there are,
//! the mean as a leaderboard gives it, and items on which models differ.
//!
//! - [`write_items`], [`read_items`]: what each item came to, beside the figures, so that tests can be paired.
//! - [`ModelComparison`]: the figures, each with its interval, and the tests against the first model.
//! - [`Published`]: scores that others report, without items.

mod items;
mod model;
mod published;
mod samples;
mod test;

pub use items::{read_items, write_items};
pub use model::{Compared, ComparedFigure, ComparedTask, MeanScore, Measured, ModelComparison};
pub use published::{Published, read_published};
pub use samples::DifferingItem;
pub use test::{TestKind, TestedDifference};
