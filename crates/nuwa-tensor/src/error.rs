/// What an operation can refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Shapes of the inputs do not fit together.
    #[error("{operation}: {reason}")]
    Shape {
        /// The operation that refused.
        operation: &'static str,
        /// Which shape was given and which one was expected.
        reason: String,
    },
    /// An id or an index lies outside its table.
    #[error("{operation}: index {index} is outside 0..{limit}")]
    Index {
        /// The operation that refused.
        operation: &'static str,
        /// The offending value.
        index: usize,
        /// One past the largest allowed value.
        limit: usize,
    },
    /// An option of an operation is out of range.
    #[error("{operation}: {reason}")]
    Option {
        /// The operation that refused.
        operation: &'static str,
        /// The option, its value and what was expected.
        reason: String,
    },
    /// A tensor or a parameter is on another device than the tape.
    #[error("{operation}: an input is on {found}, expected it on {expected}")]
    Device {
        /// The operation that refused.
        operation: &'static str,
        /// Where the input is.
        found: &'static str,
        /// Where the tape computes.
        expected: &'static str,
    },
    /// The operation has no gradient but an input needs one.
    #[error("{operation}: has no backward pass, but its input needs a gradient")]
    NoBackward {
        /// The operation that refused.
        operation: &'static str,
    },
    /// The tape was asked for gradients it cannot give.
    #[error("backward: {0}")]
    Backward(String),
    /// A loss over nothing, which would be 0 / 0.
    #[error("cross_entropy: no position has a weight, so the loss would be 0 / 0")]
    EmptyLoss,
    /// The key-value cache is full.
    #[error("attention: {needed} positions do not fit the cache of {capacity}")]
    CacheFull {
        /// Positions the cache would have to hold.
        needed: usize,
        /// Positions it can hold.
        capacity: usize,
    },
}

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn shape(operation: &'static str, reason: impl Into<String>) -> Self {
        Self::Shape { operation, reason: reason.into() }
    }
}
