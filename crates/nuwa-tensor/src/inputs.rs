//! What matrices are multiplied by: the mean squares of their inputs, column by column, by which a quantiser weighs errors.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::{Parameter, Tensor};

/// The sums of squares of what each matrix was multiplied by, while a tape was told to keep them ([`crate::Tape::watching`]).
#[derive(Debug, Default)]
pub struct InputLog {
    sums: Mutex<BTreeMap<String, Sums>>,
}

#[derive(Debug, Default, Clone)]
struct Sums {
    squares: Vec<f64>,
    rows: usize,
}

impl InputLog {
    /// Adds the rows of `x`, which `weight` is multiplied by.
    pub(crate) fn add(&self, weight: &Parameter, x: &Tensor) {
        let mut all = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        let sums = all.entry(weight.entry().path().to_string()).or_default();
        sums.squares.resize(x.width(), 0.0);
        for row in 0..x.rows() {
            for (sum, value) in sums.squares.iter_mut().zip(x.row_to_host(row)) {
                *sum += f64::from(value) * f64::from(value);
            }
        }
        sums.rows += x.rows();
    }

    /// The mean square of each input of the matrix with that path; none where it was never multiplied.
    pub fn mean_squares(&self, path: &str) -> Option<Vec<f32>> {
        let all = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        let sums = all.get(path).filter(|sums| sums.rows > 0)?;
        Some(sums.squares.iter().map(|sum| (sum / sums.rows as f64) as f32).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{ParametersBuilder, Random, Tape};

    #[test]
    fn mean_squares_are_those_of_every_row_that_came() {
        let mut builder = ParametersBuilder::new(1);
        let ones = |values: &mut [f32], _: Random| values.fill(1.0);
        let weight = builder.add("layer.weight".into(), [3, 2], true, ones);
        let table = builder.add("table".into(), [2, 2], true, |values: &mut [f32], _: Random| {
            values.copy_from_slice(&[1.0, 2.0, 3.0, -4.0]);
        });
        let _parameters = builder.finish();
        let log = Arc::new(InputLog::default());
        let tape = Tape::inference().watching(&log);
        for ids in [&[0, 1][..], &[1, 1]] {
            let x = tape.embedding(ids, &table).unwrap();
            tape.linear(&x, &weight, None).unwrap();
        }
        assert_eq!(log.mean_squares("layer.weight"), Some(vec![28.0 / 4.0, 52.0 / 4.0]));
        assert_eq!(log.mean_squares("table"), None);
    }
}
