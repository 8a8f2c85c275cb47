use nuwa_tensor::Loss;

/// The means of all rows of several losses.
pub(super) struct Mean {
    /// In nats a row.
    pub loss: f64,
    /// The share of the rows in which the right one was the likeliest.
    pub accuracy: f64,
}

impl Mean {
    pub fn of<'a>(losses: impl Iterator<Item = &'a Loss> + Clone) -> Self {
        let rows = losses.clone().map(|loss| loss.rows.len()).sum::<usize>().max(1) as f64;
        let total: f64 = losses.clone().flat_map(|loss| &loss.rows).map(|&row| f64::from(row)).sum();
        let hits = losses.flat_map(|loss| &loss.hits).filter(|hit| **hit).count();
        Self { loss: total / rows, accuracy: hits as f64 / rows }
    }
}
