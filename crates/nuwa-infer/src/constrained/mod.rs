//! Texts that have to fulfil a rule: which ids may come next is asked of a [`Constraint`] before each choice.
//!
//! - [`TokenMask`]: a set of ids.
//! - [`JsonConstraint`]: JSON, of any shape or by a schema.

mod held;
mod json;
mod machine;
mod mask;
mod ordered;
mod schema;
mod symbol;
mod vocabulary;

use std::fmt;

use crate::Result;

pub(crate) use held::Held;
pub use json::{JsonConstraint, JsonShape};
pub use mask::TokenMask;
pub(crate) use vocabulary::Vocabulary;

/// A rule that a text is held to while it is written.
///
/// [`Constraint::allow`] is asked before each choice, [`Constraint::accept`] is told what was chosen. Ids that end a text are no
/// business of a constraint: they may be chosen where [`Constraint::may_end`], and a text that may end and can have no further id
/// ends by itself.
pub trait Constraint: fmt::Debug + Send {
    /// Puts the ids that may come next into `mask`, which is empty.
    ///
    /// # Errors
    /// When the rule cannot be followed any more.
    fn allow(&mut self, mask: &mut TokenMask) -> Result<()>;

    /// Takes note of the id that was chosen.
    ///
    /// # Errors
    /// When it was not allowed.
    fn accept(&mut self, id: u32) -> Result<()>;

    /// Whether the text may end here.
    fn may_end(&self) -> bool;

    /// Another one in the same state, for another text that begins alike.
    fn fork(&self) -> Box<dyn Constraint>;
}

impl Clone for Box<dyn Constraint> {
    fn clone(&self) -> Self {
        self.fork()
    }
}
