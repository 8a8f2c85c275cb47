use super::{Constraint, TokenMask};
use crate::{Error, Result};

/// A text's constraint, and what may come next.
#[derive(Debug)]
pub struct Held {
    constraint: Box<dyn Constraint>,
    /// The ids that end the text.
    ends: Vec<u32>,
    mask: TokenMask,
    /// Whether nothing more may come.
    is_complete: bool,
}

impl Held {
    /// At the beginning of a text that `ends` end, over a vocabulary of `size` ids.
    pub fn new(constraint: Box<dyn Constraint>, ends: &[u32], size: usize) -> Result<Self> {
        let mask = TokenMask::none(size);
        let mut held = Self { constraint, ends: ends.to_vec(), mask, is_complete: false };
        held.look()?;
        Ok(held)
    }

    /// What may come next, an end among it where there may be one.
    pub fn allowed(&self) -> &TokenMask {
        &self.mask
    }

    /// Whether the text is complete: nothing more may come.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Takes note of what was chosen, no end.
    pub fn accept(&mut self, id: u32) -> Result<()> {
        self.constraint.accept(id)?;
        self.look()
    }

    fn look(&mut self) -> Result<()> {
        self.mask.clear();
        self.constraint.allow(&mut self.mask)?;
        let (may_end, no_more) = (self.constraint.may_end(), self.mask.is_empty());
        self.is_complete = may_end && no_more;
        match may_end {
            true => self.ends.iter().for_each(|id| self.mask.insert(*id)),
            false if no_more => return Err(Error::NothingAllowed),
            false => {}
        }
        Ok(())
    }
}
