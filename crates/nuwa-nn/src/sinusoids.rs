use std::sync::Arc;

use nuwa_tensor::{Error, Result, Tape, Tensor};

/// Positions as sinusoids of wave lengths from `2 pi` to `10000 2 pi` (Vaswani et al. 2017): of position `p` the numbers
/// `sin(p / 10000^(2 i / d))` for `i < d / 2`, and after them the cosines. The paper lets the two alternate, Marian puts one after
/// the other: a permutation of the features. They are no weights.
#[derive(Debug, Clone)]
pub struct Sinusoids {
    /// `[positions, width]`.
    table: Arc<[f32]>,
    width: usize,
}

impl Sinusoids {
    /// For positions below `positions`; `width` is even.
    pub fn new(positions: usize, width: usize) -> Self {
        let half = width / 2;
        let angle =
            |position: usize, i: usize| position as f64 / 10_000_f64.powf(2.0 * i as f64 / width as f64);
        let row = |position: usize| {
            let sines = (0..half).map(move |i| angle(position, i).sin());
            sines.chain((0..half).map(move |i| angle(position, i).cos()))
        };
        let table = (0..positions).flat_map(row).map(|number| number as f32).collect();
        Self { table, width }
    }

    /// `x` plus the numbers of each row's position.
    ///
    /// # Errors
    /// When a position is beyond the table, or the width differs.
    pub fn add_to(&self, tape: &Tape, x: &Tensor, positions: &[u32]) -> Result<Tensor> {
        let (width, limit) = (self.width, self.table.len() / self.width);
        if let Some(&position) = positions.iter().find(|&&position| position as usize >= limit) {
            return Err(Error::Index { operation: "sinusoids", index: position as usize, limit });
        }
        let row = |&position: &u32| &self.table[position as usize * width..][..width];
        let values: Vec<f32> = positions.iter().flat_map(row).copied().collect();
        tape.add(x, &tape.constant([positions.len(), width], &values)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sines_come_before_cosines() {
        let tape = Tape::inference();
        let zeros = tape.constant([2, 4], &[0.0; 8]).unwrap();
        let sinusoids = Sinusoids::new(8, 4);
        let rows = sinusoids.add_to(&tape, &zeros, &[0, 3]).unwrap().to_host();
        // `3` and `3 / 100`.
        let expected = [0.0, 0.0, 1.0, 1.0, 3_f64.sin() as f32, 0.03_f64.sin() as f32, 3_f64.cos() as f32];
        assert_eq!(rows[..7], expected);
        assert_eq!(rows[7], 0.03_f64.cos() as f32);
        let beyond = sinusoids.add_to(&tape, &zeros, &[0, 8]).unwrap_err();
        assert_eq!(beyond.to_string(), "sinusoids: index 8 is outside 0..8");
    }
}
