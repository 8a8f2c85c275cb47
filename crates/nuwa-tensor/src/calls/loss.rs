/// A loss and what it is the sum of.
#[derive(Debug, Clone, PartialEq)]
pub struct Loss {
    /// The weighted sum, without the coefficient.
    pub total: f32,
    /// The loss of each row in nats, unweighted: the negative log-likelihood of its target where nothing is smoothed.
    pub rows: Vec<f32>,
    /// Whether no logit of the row is larger than that of its target.
    pub hits: Vec<bool>,
}

impl Loss {
    /// Of `rows` that are still to be computed.
    pub(crate) fn empty(rows: usize) -> Self {
        Self { total: 0.0, rows: vec![0.0; rows], hits: vec![false; rows] }
    }
}
