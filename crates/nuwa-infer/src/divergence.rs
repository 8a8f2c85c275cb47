//! How far one model is from another that it was made from: what quantising costs.
//!
//! Of each position of given texts both give a distribution of the next token, `p` and `q`. The Kullback-Leibler divergence is
//! `sum p (ln p - ln q)`, in nats; perplexity is `exp` of the mean `-ln p` of the tokens that do follow.

use std::sync::Arc;

use nuwa_models::{Context, Input, Model, Text};
use nuwa_tensor::{InputLog, Tape, Tensor, log_sum_exp, on_worker};

use crate::{Error, Result};

/// How far a model is from another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Divergence {
    /// Positions compared.
    pub positions: usize,
    /// Perplexity of the first model, and of the second.
    pub perplexities: [f64; 2],
    /// The mean difference of the logarithms of both, per position, and its standard error.
    pub change: (f64, f64),
    /// The mean Kullback-Leibler divergence, and its standard error.
    pub divergence: (f64, f64),
    /// The divergence that 99 of 100 positions are below.
    pub highest: f64,
    /// The share of positions at which both give the same token the highest probability.
    pub agreement: f64,
}

/// Compares what `original` and `other` make of `windows` of ids.
///
/// # Errors
/// When a window is longer than a context, or no window has two ids.
pub fn divergence(original: &dyn Model, other: &dyn Model, windows: &[Vec<u32>]) -> Result<Divergence> {
    on_worker(|| {
        let tape = Tape::inference();
        let mut positions = Vec::new();
        for ids in windows.iter().filter(|ids| ids.len() > 1) {
            let (inputs, targets) = (&ids[..ids.len() - 1], &ids[1..]);
            let [own, others] = [logits(original, &tape, inputs)?, logits(other, &tape, inputs)?];
            for (row, &target) in targets.iter().enumerate() {
                positions.push(Position::of(
                    &own.row_to_host(row),
                    &others.row_to_host(row),
                    target as usize,
                ));
            }
        }
        match positions.is_empty() {
            true => Err(Error::EmptyPrompt),
            false => Ok(summary(&positions)),
        }
    })
}

/// What the matrices of a model are multiplied by as it reads `windows`.
///
/// # Errors
/// When a window is longer than the context.
pub fn watch_inputs(model: &dyn Model, windows: &[Vec<u32>]) -> Result<Arc<InputLog>> {
    on_worker(|| {
        let log = Arc::new(InputLog::default());
        let tape = Tape::inference().watching(&log);
        for ids in windows {
            model.hidden(&Context::new(&tape), Input::Text(&Text::causal(ids.clone(), 1)))?;
        }
        Ok(log)
    })
}

fn logits(model: &dyn Model, tape: &Tape, ids: &[u32]) -> Result<Tensor> {
    let rows = model.hidden(&Context::new(tape), Input::Text(&Text::causal(ids.to_vec(), 1)))?;
    Ok(model.head().logits(tape, &rows.hidden)?)
}

/// What both models say at one position.
struct Position {
    /// The negative logarithm of the probability of what follows.
    losses: [f64; 2],
    divergence: f64,
    agrees: bool,
}

impl Position {
    fn of(own: &[f32], others: &[f32], target: usize) -> Self {
        let sums = [own, others].map(|logits| f64::from(log_sum_exp(logits)));
        let divergence = own.iter().zip(others).map(|(own, other)| {
            let [own, other] = [f64::from(*own) - sums[0], f64::from(*other) - sums[1]];
            own.exp() * (own - other)
        });
        Self {
            losses: [sums[0] - f64::from(own[target]), sums[1] - f64::from(others[target])],
            // Rounding may leave a little below 0.
            divergence: divergence.sum::<f64>().max(0.0),
            agrees: highest(own) == highest(others),
        }
    }
}

fn highest(logits: &[f32]) -> Option<usize> {
    (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b]).then(b.cmp(&a)))
}

fn summary(positions: &[Position]) -> Divergence {
    let of = |value: &dyn Fn(&Position) -> f64| mean(&positions.iter().map(value).collect::<Vec<f64>>());
    let mut sorted: Vec<f64> = positions.iter().map(|position| position.divergence).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    Divergence {
        positions: positions.len(),
        perplexities: [0, 1].map(|model| of(&|position| position.losses[model]).0.exp()),
        change: of(&|position| position.losses[1] - position.losses[0]),
        divergence: of(&|position| position.divergence),
        highest: sorted[(sorted.len() * 99 / 100).min(sorted.len() - 1)],
        agreement: positions.iter().filter(|position| position.agrees).count() as f64
            / positions.len() as f64,
    }
}

/// The mean and its standard error.
fn mean(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (count - 1.0).max(1.0) / count).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(seed: u64) -> Box<dyn Model> {
        let config = r#"{"model_type": "llama", "vocab_size": 40, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
            "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 16}"#;
        nuwa_models::build(&serde_json::from_str(config).unwrap(), seed).unwrap()
    }

    #[test]
    fn a_model_is_not_far_from_itself() {
        let windows = vec![vec![1, 5, 9, 13], vec![2, 4]];
        let same = divergence(model(1).as_ref(), model(1).as_ref(), &windows).unwrap();
        assert_eq!(
            (same.positions, same.divergence, same.change, same.agreement),
            (4, (0.0, 0.0), (0.0, 0.0), 1.0)
        );
        let other = divergence(model(1).as_ref(), model(2).as_ref(), &windows).unwrap();
        assert!(other.divergence.0 > 0.0 && other.agreement < 1.0, "{other:?}");
        assert!(matches!(
            divergence(model(1).as_ref(), model(1).as_ref(), &[vec![3]]),
            Err(Error::EmptyPrompt)
        ));
    }

    #[test]
    fn the_divergence_is_that_of_the_formula() {
        let (p, q): ([f64; 2], [f64; 2]) = ([0.75, 0.25], [0.5, 0.5]);
        let logits = |p: [f64; 2]| p.map(|p| (p.ln() + 3.0) as f32);
        let position = Position::of(&logits(p), &logits(q), 0);
        let expected = 0.75 * (0.75_f64 / 0.5).ln() + 0.25 * (0.25_f64 / 0.5).ln();
        assert!((position.divergence - expected).abs() < 1e-6);
        assert!(
            (position.losses[0] + 0.75_f64.ln()).abs() < 1e-6
                && (position.losses[1] + 0.5_f64.ln()).abs() < 1e-6
        );
    }

    #[test]
    fn every_matrix_of_a_block_is_watched() {
        let own = model(1);
        let log = watch_inputs(own.as_ref(), &[vec![1, 2, 3]]).unwrap();
        for name in ["attention.qkv", "attention.output", "feed_forward.gate_up", "feed_forward.down"] {
            let path = format!("layers.0.{name}.weight");
            let seen = log.mean_squares(&path).unwrap_or_else(|| panic!("{path} was not watched"));
            assert!(seen.iter().any(|square| *square > 0.0), "{path}");
        }
    }
}
