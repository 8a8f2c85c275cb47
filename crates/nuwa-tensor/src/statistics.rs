//! The means and variances that batch norms meet while training, for the running ones that they normalise by in use.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Parameter;

/// The means and variances of the passes of a step, by batch norm: see [`crate::Tape::with_batch_statistics`].
///
/// A pass adds its own once, when backward gets to the norm: a block that is computed again does not count twice, and a pass without
/// backward not at all. Passes count alike and are added in their order, in `f64`.
#[derive(Debug, Default)]
pub struct BatchStatistics {
    sums: Mutex<BTreeMap<String, Sums>>,
}

#[derive(Debug)]
struct Sums {
    /// The mean and the variance that follow.
    running: [Parameter; 2],
    /// Sums over passes of means, then of unbiased variances.
    values: Vec<f64>,
    passes: u32,
}

impl BatchStatistics {
    /// Adds the `[mean | biased variance]` of the rows of one pass.
    pub(crate) fn add(&self, running: [&Parameter; 2], moments: &[f32], rows: usize) {
        let mut all = self.lock();
        let sums = all.entry(running[0].entry().path().to_string()).or_insert_with(|| Sums {
            running: running.map(Clone::clone),
            values: vec![0.0; moments.len()],
            passes: 0,
        });
        let unbiased = rows as f64 / (rows as f64 - 1.0);
        let width = moments.len() / 2;
        for (index, (sum, value)) in sums.values.iter_mut().zip(moments).enumerate() {
            *sum += f64::from(*value) * if index < width { 1.0 } else { unbiased };
        }
        sums.passes += 1;
    }

    /// Moves each running mean and variance towards the mean of those of the passes since the last call, `r = (1 - momentum) r +
    /// momentum m`, and forgets the passes.
    pub fn update_running(&self, momentum: f64) {
        for Sums { running, values, passes } in std::mem::take(&mut *self.lock()).into_values() {
            let width = values.len() / 2;
            for (running, sums) in running.iter().zip(values.chunks_exact(width.max(1))) {
                running.set(|values| {
                    for (value, sum) in values.iter_mut().zip(sums) {
                        let mean = sum / f64::from(passes);
                        *value = ((1.0 - momentum) * f64::from(*value) + momentum * mean) as f32;
                    }
                });
            }
        }
    }

    /// Forgets the passes.
    pub fn forget(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Sums>> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
