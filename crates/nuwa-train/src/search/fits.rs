//! What trials of several sizes say of a larger one.
//!
//! The loss of a model of `N` weights after `D` tokens is taken to be `E + A / N^a + B / D^b` (Hoffmann et al., "Training
//! Compute-Optimal Large Language Models", 2022). For each pair of powers of a grid the rest is a problem of least squares whose three
//! unknowns are not negative; how far forecasts of fits to data drawn anew (with the residuals that were found) lie apart is the interval.

use nuwa_tensor::Random;
use serde::{Deserialize, Serialize};

/// One measured loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeasuredLoss {
    /// Weights.
    pub parameters: f64,
    /// Tokens of training.
    pub tokens: f64,
    /// The loss, in any unit.
    pub loss: f64,
}

/// A value and the range that should hold it in two cases of three, and in nineteen of twenty.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The likeliest value.
    pub value: f64,
    /// The range of one standard error.
    pub likely: [f64; 2],
    /// The range of two.
    pub nearly_certain: [f64; 2],
}

/// The law of the loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LossLaw {
    /// `E`: what no size and no text takes away.
    pub floor: f64,
    /// `A` and `a`.
    pub of_size: [f64; 2],
    /// `B` and `b`.
    pub of_tokens: [f64; 2],
    /// The deviation of what was measured from the law.
    pub residual: f64,
}

/// Powers that are tried: around those of published laws, 0.34 and 0.28.
const POWERS: [f64; 9] = [0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.8];

/// Data sets that are drawn anew.
const REDRAWN: u64 = 200;

/// Fewest measurements that say anything, at two sizes at least.
pub const FEWEST: usize = 5;

impl LossLaw {
    /// The law that is nearest to what was measured; none of fewer than [`FEWEST`].
    pub fn fit(measured: &[MeasuredLoss]) -> Option<Self> {
        if measured.len() < FEWEST {
            return None;
        }
        let pairs = POWERS.iter().flat_map(|a| POWERS.iter().map(move |b| [*a, *b]));
        let all = pairs.filter_map(|powers| Self::with_powers(measured, powers));
        all.min_by(|a, b| a.residual.total_cmp(&b.residual))
    }

    fn with_powers(measured: &[MeasuredLoss], [a, b]: [f64; 2]) -> Option<Self> {
        let row = |one: &MeasuredLoss| [1.0, one.parameters.powf(-a), one.tokens.powf(-b)];
        let rows: Vec<[f64; 3]> = measured.iter().map(row).collect();
        let losses: Vec<f64> = measured.iter().map(|one| one.loss).collect();
        let ([floor, of_size, of_tokens], squares) = not_negative(&rows, &losses)?;
        let residual = (squares / measured.len() as f64).sqrt();
        Some(Self { floor, of_size: [of_size, a], of_tokens: [of_tokens, b], residual })
    }

    /// The loss of so many weights after so many tokens.
    pub fn at(&self, parameters: f64, tokens: f64) -> f64 {
        let ([large, a], [long, b]) = (self.of_size, self.of_tokens);
        self.floor + large * parameters.powf(-a) + long * tokens.powf(-b)
    }
}

/// The forecast for so many weights and tokens; each measurement has an error of at least `noise`.
pub fn forecast(
    measured: &[MeasuredLoss],
    noise: f64,
    [parameters, tokens]: [f64; 2],
    random: Random,
) -> Option<Interval> {
    let law = LossLaw::fit(measured)?;
    let freedom = (measured.len() as f64 - 3.0).max(1.0);
    let residual = law.residual * (measured.len() as f64 / freedom).sqrt();
    let deviation = residual.max(noise);
    let redrawn = (0..REDRAWN).filter_map(|number| {
        let random = random.stream(number);
        let drawn = measured.iter().enumerate().map(|(index, one)| {
            let loss = law.at(one.parameters, one.tokens) + deviation * normal(random, index as u64);
            MeasuredLoss { loss, ..*one }
        });
        let own = deviation * normal(random, measured.len() as u64);
        Some(LossLaw::fit(&drawn.collect::<Vec<_>>())?.at(parameters, tokens) + own)
    });
    let mut values: Vec<f64> = redrawn.collect();
    values.sort_by(f64::total_cmp);
    let value = law.at(parameters, tokens);
    let share = |share: f64| values.get(((values.len() as f64 - 1.0) * share).round() as usize).copied();
    // The likeliest value is within its ranges, whatever was drawn.
    let range = |low, high| Some([share(low)?.min(value), share(high)?.max(value)]);
    Some(Interval { value, likely: range(0.16, 0.84)?, nearly_certain: range(0.025, 0.975)? })
}

fn normal(random: Random, index: u64) -> f64 {
    let [a, b] = [random.uniform(2 * index), random.uniform(2 * index + 1)];
    (-2.0 * (1.0 - a).ln()).sqrt() * (2.0 * std::f64::consts::PI * b).cos()
}

/// Least squares with three unknowns of which none is below 0, and the sum of squares: the best of all choices of which are 0.
fn not_negative(rows: &[[f64; 3]], losses: &[f64]) -> Option<([f64; 3], f64)> {
    let choices = (1..8_usize).filter_map(|chosen| {
        let columns: Vec<usize> = (0..3).filter(|column| chosen >> column & 1 == 1).collect();
        let solved = least_squares(rows, losses, &columns)?;
        solved.iter().all(|value| *value >= 0.0).then_some(solved)
    });
    let squares = |solved: &[f64; 3]| -> f64 {
        let told = |row: &[f64; 3]| row.iter().zip(solved).map(|(a, b)| a * b).sum::<f64>();
        rows.iter().zip(losses).map(|(row, loss)| (loss - told(row)).powi(2)).sum()
    };
    choices.map(|solved| (solved, squares(&solved))).min_by(|a, b| a.1.total_cmp(&b.1))
}

/// The normal equations of some columns, by Gaussian elimination with scaled columns.
fn least_squares(rows: &[[f64; 3]], losses: &[f64], columns: &[usize]) -> Option<[f64; 3]> {
    let scale = |column: usize| rows.iter().map(|row| row[column].powi(2)).sum::<f64>().sqrt();
    let count = columns.len();
    let mut matrix = vec![vec![0.0; count + 1]; count];
    for (line, &a) in matrix.iter_mut().zip(columns) {
        for (cell, &b) in line.iter_mut().zip(columns) {
            *cell = rows.iter().map(|row| row[a] * row[b]).sum::<f64>() / (scale(a) * scale(b));
        }
        line[count] = rows.iter().zip(losses).map(|(row, loss)| row[a] * loss).sum::<f64>() / scale(a);
    }
    let solved = eliminate(matrix)?;
    let mut found = [0.0; 3];
    columns.iter().zip(solved).for_each(|(&column, value)| found[column] = value / scale(column));
    Some(found)
}

/// The solution of a linear system whose right side is the last column; none where it has no single one.
fn eliminate(mut matrix: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    let count = matrix.len();
    for pivot in 0..count {
        let largest =
            (pivot..count).max_by(|a, b| matrix[*a][pivot].abs().total_cmp(&matrix[*b][pivot].abs()))?;
        matrix.swap(pivot, largest);
        let line = matrix[pivot].clone();
        if line[pivot].abs() < 1e-12 {
            return None;
        }
        for (row, other) in matrix.iter_mut().enumerate() {
            if row != pivot {
                let factor = other[pivot] / line[pivot];
                other.iter_mut().zip(&line).for_each(|(cell, from)| *cell -= factor * from);
            }
        }
    }
    Some(matrix.iter().enumerate().map(|(row, line)| line[count] / line[row]).collect())
}

/// The best value of a setting at one size, as a logarithm, with its error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Best {
    /// Weights.
    pub parameters: f64,
    /// The logarithm of the best value.
    pub log: f64,
    /// Its standard error.
    pub error: f64,
}

/// The best of values that were tried at one size: the bottom of a parabola over their logarithms, or the best of them where there is no
/// bottom among them.
pub fn best_value(parameters: f64, tried: &[(f64, f64)], noise: f64) -> Option<Best> {
    let (value, _) = tried.iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
    let logs: Vec<f64> = tried.iter().map(|(value, _)| value.ln()).collect();
    let [low, high] = [f64::min, f64::max].map(|of| logs.iter().copied().reduce(of).unwrap_or_default());
    let spread =
        if tried.len() > 1 { (high - low) / (tried.len() - 1) as f64 } else { std::f64::consts::LN_2 };
    let as_tried = Best { parameters, log: value.ln(), error: spread.max(0.1) };
    let rows: Vec<[f64; 3]> = logs.iter().map(|log| [1.0, log - low, (log - low).powi(2)]).collect();
    let losses: Vec<f64> = tried.iter().map(|(_, loss)| *loss).collect();
    let parabola = (tried.len() >= 3).then(|| least_squares(&rows, &losses, &[0, 1, 2])).flatten();
    let Some([_, slope, curve]) = parabola.filter(|[.., curve]| *curve > 0.0) else { return Some(as_tried) };
    let bottom = low - slope / (2.0 * curve);
    if !(low..=high).contains(&bottom) {
        return Some(as_tried);
    }
    // A loss that is off by the noise moves the bottom by about this much.
    let error = (noise / curve).sqrt().clamp(0.05, spread.max(0.1));
    Some(Best { parameters, log: bottom, error })
}

/// The best value at so many weights: a power law through the best ones of other sizes, whose power is taken to be about `usual`, within
/// `doubt`, before anything is measured.
pub fn best_at(found: &[Best], parameters: f64, [usual, doubt]: [f64; 2]) -> Option<Interval> {
    let weights: Vec<f64> = found.iter().map(|best| best.error.powi(-2)).collect();
    let all: f64 = weights.iter().sum();
    if found.is_empty() || all.partial_cmp(&0.0) != Some(std::cmp::Ordering::Greater) {
        return None;
    }
    let mean = |of: &dyn Fn(&Best) -> f64| {
        found.iter().zip(&weights).map(|(best, weight)| weight * of(best)).sum::<f64>() / all
    };
    let (center, log) = (mean(&|best| best.parameters.ln()), mean(&|best| best.log));
    let away = |best: &Best| best.parameters.ln() - center;
    let square = all * mean(&|best| away(best).powi(2)) + doubt.powi(-2);
    let power = (all * mean(&|best| away(best) * (best.log - log)) + usual * doubt.powi(-2)) / square;
    let far = parameters.ln() - center;
    let (value, error) = (log + power * far, (1.0 / all + far * far / square).sqrt());
    let range = |errors: f64| [(value - errors * error).exp(), (value + errors * error).exp()];
    Some(Interval { value: value.exp(), likely: range(1.0), nearly_certain: range(2.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn law() -> LossLaw {
        LossLaw { floor: 0.8, of_size: [40.0, 0.35], of_tokens: [60.0, 0.3], residual: 0.0 }
    }

    fn measured(noise: f64) -> Vec<MeasuredLoss> {
        let sizes = [1e5, 2e5, 4e5, 8e5].into_iter();
        let all = sizes.flat_map(|parameters| [2.0, 6.0, 18.0].map(|each| (parameters, each * parameters)));
        let at = |(index, (parameters, tokens)): (usize, (f64, f64))| MeasuredLoss {
            parameters,
            tokens,
            loss: law().at(parameters, tokens) + noise * normal(Random::new(4), index as u64),
        };
        all.enumerate().map(at).collect()
    }

    #[test]
    fn a_law_is_found_again() {
        let found = LossLaw::fit(&measured(0.0)).unwrap();
        assert!(found.residual < 1e-9, "{found:?}");
        assert!((found.floor - 0.8).abs() < 1e-6, "{found:?}");
        let far = found.at(1e7, 1.2e8) / law().at(1e7, 1.2e8);
        assert!((far - 1.0).abs() < 1e-6);
        assert_eq!(LossLaw::fit(&measured(0.0)[..4]), None);
    }

    #[test]
    fn the_interval_holds_the_truth_and_grows_with_the_noise() {
        let truth = law().at(1e7, 1.2e8);
        let widths = [0.002, 0.02].map(|noise| {
            let found = forecast(&measured(noise), noise, [1e7, 1.2e8], Random::new(1)).unwrap();
            let [low, high] = found.nearly_certain;
            assert!(low <= truth && truth <= high, "{found:?} {truth}");
            assert!(low <= found.likely[0] && found.likely[1] <= high);
            high - low
        });
        assert!(widths[1] > 2.0 * widths[0], "{widths:?}");
    }

    #[test]
    fn the_bottom_of_a_parabola_is_found() {
        let loss = |value: f64| 2.0 + 0.1 * (value.ln() - 1e-3_f64.ln()).powi(2);
        let tried = [4e-4, 8e-4, 1.6e-3].map(|value| (value, loss(value)));
        let best = best_value(1e6, &tried, 1e-4).unwrap();
        assert!((best.log.exp() - 1e-3).abs() < 1e-8, "{best:?}");
        // No bottom within what was tried: the best of them.
        let tried = [2e-3, 4e-3, 8e-3].map(|value| (value, loss(value)));
        assert_eq!(best_value(1e6, &tried, 1e-4).unwrap().log, 2e-3_f64.ln());
    }

    #[test]
    fn a_power_law_leads_to_the_target() {
        let best =
            |parameters: f64| Best { parameters, log: (0.5 * parameters.powf(-0.4)).ln(), error: 0.01 };
        let found = best_at(&[1e5, 1e6, 4e6].map(best), 1e8, [-0.25, 0.1]).unwrap();
        let truth = 0.5 * 1e8_f64.powf(-0.4);
        assert!((found.value / truth - 1.0).abs() < 0.1, "{found:?} {truth}");
        // One size alone: the usual power, within its doubt.
        let alone = best_at(&[best(1e6)], 1e8, [-0.25, 0.1]).unwrap();
        let expected = 0.5 * 1e6_f64.powf(-0.4) * 100_f64.powf(-0.25);
        assert!((alone.value / expected - 1.0).abs() < 1e-9);
        assert!(alone.likely[1] / alone.likely[0] > 2.0);
        assert_eq!(best_at(&[], 1e8, [-0.25, 0.1]), None);
    }
}
