use serde::{Deserialize, Serialize};

use crate::statistics::{Bootstrap, bootstrap};

/// A figure and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// Its 95 % interval, by a bootstrap over prompts; none where too few samples have the figure.
    pub interval: Option<[f64; 2]>,
}

impl Estimate {
    /// The figure of `prompts` prompts, and of samples of them; none where all of them together have none.
    ///
    /// Votes on one prompt go together, since they are not independent of each other.
    pub fn over_prompts(prompts: usize, figure: impl Fn(&[usize]) -> Option<f64>) -> Option<Self> {
        let value = figure(&(0..prompts).collect::<Vec<_>>())?;
        let interval = bootstrap(prompts, Bootstrap::default(), |sample| figure(sample).unwrap_or(f64::NAN));
        Some(Self { value, interval: interval.filter(|_| prompts > 1) })
    }

    /// The ratio of two sums over prompts, each given as what one prompt adds to them.
    pub fn ratio(parts: &[[f64; 2]]) -> Option<Self> {
        Self::over_prompts(parts.len(), |sample| {
            let sum = |which: usize| sample.iter().map(|prompt| parts[*prompt][which]).sum::<f64>();
            (sum(1) > 0.0).then(|| sum(0) / sum(1))
        })
    }
}
