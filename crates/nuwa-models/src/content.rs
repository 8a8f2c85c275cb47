use nuwa_tensor::{Error, Result, Tape, Tensor};

/// What one layer of two streams remembers of one sequence: the keys and values of its content stream, in `f32`, and the rows of
/// distances, which depend on the weights alone.
#[derive(Debug, Clone, Default)]
pub struct ContentCache {
    rows: Vec<f32>,
    width: usize,
    distances: Option<Tensor>,
}

impl ContentCache {
    /// Forgets the positions from `length` on.
    pub fn truncate(&mut self, length: usize) {
        self.rows.truncate(length * self.width);
    }

    /// A copy of the first `length` positions.
    pub fn prefix(&self, length: usize) -> Self {
        let rows = self.rows[..self.rows.len().min(length * self.width)].to_vec();
        Self { rows, width: self.width, distances: self.distances.clone() }
    }

    /// The bytes that it takes.
    pub fn bytes(&self) -> usize {
        let distances = self.distances.as_ref().map_or(0, |distances| distances.shape().elements());
        4 * (self.rows.len() + distances)
    }

    /// Adds the rows `[keys | values]` of new positions, of which there may be `capacity` in all, and gives all there are.
    ///
    /// # Errors
    /// When there is no room for them.
    pub fn add(&mut self, tape: &Tape, new: &Tensor, capacity: usize) -> Result<Tensor> {
        self.width = new.width();
        let needed = self.rows.len() / self.width + new.rows();
        if needed > capacity {
            return Err(Error::CacheFull { needed, capacity });
        }
        self.rows.extend(new.to_host());
        tape.constant([needed, self.width], &self.rows)
    }

    /// The rows of distances, which `make` makes once.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn distances(&mut self, make: impl FnOnce() -> Result<Tensor>) -> Result<Tensor> {
        match &self.distances {
            Some(distances) => Ok(distances.clone()),
            None => Ok(self.distances.insert(make()?).clone()),
        }
    }
}
