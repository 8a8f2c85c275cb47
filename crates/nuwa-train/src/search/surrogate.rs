//! A model of the loss over the space of settings, which says what to try next: a Gaussian process and its expected improvement (Jones
//! et al., "Efficient Global Optimization", 1998).

use nuwa_tensor::Random;

/// Lengths over which losses go together, by that of the cube's side times the root of the dimensions, and shares of the variance that are
/// noise: the likeliest pair is taken.
const LENGTHS: [f64; 5] = [0.15, 0.3, 0.5, 0.8, 1.5];
const NOISES: [f64; 4] = [1e-3, 1e-2, 5e-2, 0.2];

/// Points that are looked at to find the best one.
const CANDIDATES: u64 = 1024;

/// A Gaussian process with a squared exponential kernel, over losses whose mean and deviation were taken out.
#[derive(Debug)]
struct Process {
    points: Vec<Vec<f64>>,
    length: f64,
    /// The lower triangle of the Cholesky factor of the kernel matrix.
    factor: Vec<Vec<f64>>,
    /// The inverse of the kernel matrix times the losses.
    weights: Vec<f64>,
    /// The logarithm of the likelihood, but for a constant.
    likelihood: f64,
}

impl Process {
    fn new(points: &[Vec<f64>], losses: &[f64], length: f64, noise: f64) -> Option<Self> {
        let factor = cholesky(points, length, noise)?;
        let half = forward(&factor, losses);
        let weights = backward(&factor, &half);
        let logs: f64 = (0..factor.len()).map(|row| factor[row][row].ln()).sum();
        let likelihood = -0.5 * half.iter().map(|value| value * value).sum::<f64>() - logs;
        Some(Self { points: points.to_vec(), length, factor, weights, likelihood })
    }

    /// The likeliest of a grid of lengths and noises.
    fn likeliest(points: &[Vec<f64>], losses: &[f64]) -> Option<Self> {
        let root = (points.first()?.len().max(1) as f64).sqrt();
        let pairs = LENGTHS.iter().flat_map(|length| NOISES.iter().map(move |noise| (length * root, *noise)));
        let all = pairs.filter_map(|(length, noise)| Self::new(points, losses, length, noise));
        all.max_by(|a, b| a.likelihood.total_cmp(&b.likelihood))
    }

    /// Mean and deviation of the loss at a point.
    fn at(&self, point: &[f64]) -> [f64; 2] {
        let kernel: Vec<f64> =
            self.points.iter().map(|other| covariance(point, other, self.length)).collect();
        let mean = kernel.iter().zip(&self.weights).map(|(kernel, weight)| kernel * weight).sum();
        let known: f64 = forward(&self.factor, &kernel).iter().map(|value| value * value).sum();
        [mean, (1.0 - known).max(1e-9).sqrt()]
    }
}

fn covariance(a: &[f64], b: &[f64], length: f64) -> f64 {
    let distance: f64 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
    (-0.5 * distance / length.powi(2)).exp()
}

fn cholesky(points: &[Vec<f64>], length: f64, noise: f64) -> Option<Vec<Vec<f64>>> {
    let mut factor: Vec<Vec<f64>> = Vec::new();
    for (row, point) in points.iter().enumerate() {
        let mut line = vec![0.0; row + 1];
        for column in 0..=row {
            let diagonal = if column == row { noise } else { 0.0 };
            let own = covariance(point, &points[column], length) + diagonal;
            let other = factor.get(column).unwrap_or(&line);
            let rest = own - (0..column).map(|at| line[at] * other[at]).sum::<f64>();
            line[column] = if column == row {
                (rest > 0.0).then(|| rest.sqrt())?
            } else {
                rest / factor[column][column]
            };
        }
        factor.push(line);
    }
    Some(factor)
}

fn forward(factor: &[Vec<f64>], right: &[f64]) -> Vec<f64> {
    let mut solved: Vec<f64> = Vec::new();
    for (line, right) in factor.iter().zip(right) {
        let known: f64 = line.iter().zip(&solved).map(|(a, b)| a * b).sum();
        solved.push((right - known) / line[line.len() - 1]);
    }
    solved
}

fn backward(factor: &[Vec<f64>], right: &[f64]) -> Vec<f64> {
    let mut solved = right.to_vec();
    for row in (0..factor.len()).rev() {
        let known: f64 = (row + 1..factor.len()).map(|later| factor[later][row] * solved[later]).sum();
        solved[row] = (solved[row] - known) / factor[row][row];
    }
    solved
}

/// The point of the cube where the loss is expected to improve most on the best of `losses`; none where these say nothing. `expanded` gives
/// the coordinates that points are compared in.
pub fn most_promising(
    points: &[Vec<f64>],
    losses: &[f64],
    dimensions: usize,
    random: Random,
    expanded: impl Fn(&[f64]) -> Vec<f64>,
) -> Option<Vec<f64>> {
    let count = losses.len() as f64;
    let mean = losses.iter().sum::<f64>() / count;
    let deviation = (losses.iter().map(|loss| (loss - mean).powi(2)).sum::<f64>() / count).sqrt();
    if points.len() < 2 || deviation == 0.0 {
        return None;
    }
    let losses: Vec<f64> = losses.iter().map(|loss| (loss - mean) / deviation).collect();
    let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
    let known: Vec<Vec<f64>> = points.iter().map(|point| expanded(point)).collect();
    let process = Process::likeliest(&known, &losses)?;
    let candidate = |number: u64| -> Vec<f64> {
        (0..dimensions as u64)
            .map(|dimension| random.uniform(number * dimensions as u64 + dimension))
            .collect()
    };
    let scored = (0..CANDIDATES).map(|number| {
        let point = candidate(number);
        let [mean, deviation] = process.at(&expanded(&point));
        (improvement(best - mean, deviation), point)
    });
    scored.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, point)| point)
}

/// The mean of what a normal variable lies above 0, and 0 where it lies below.
fn improvement(mean: f64, deviation: f64) -> f64 {
    let z = mean / deviation;
    mean * below(z) + deviation * (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

/// The probability that a standard normal variable lies below `z` (Abramowitz and Stegun 26.2.17).
fn below(z: f64) -> f64 {
    const COEFFICIENTS: [f64; 5] =
        [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let tail = COEFFICIENTS.iter().rev().fold(0.0, |sum, coefficient| (sum + coefficient) * t);
    let density = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
    if z >= 0.0 { 1.0 - density * tail } else { density * tail }
}

#[cfg(test)]
mod tests {
    use super::super::sobol;
    use super::*;

    fn bowl(point: &[f64]) -> f64 {
        (point[0] - 0.3).powi(2) + 2.0 * (point[1] - 0.7).powi(2)
    }

    #[test]
    fn it_goes_through_what_is_known_and_doubts_what_is_not() {
        let points: Vec<Vec<f64>> = (0..16).map(|index| sobol::point(index, 2, Random::new(1))).collect();
        let losses: Vec<f64> = points.iter().map(|point| 4.0 * bowl(point) - 1.0).collect();
        let process = Process::new(&points, &losses, 0.5, 1e-6).unwrap();
        for (point, loss) in points.iter().zip(&losses) {
            let [mean, deviation] = process.at(point);
            assert!((mean - loss).abs() < 1e-2 && deviation < 0.05, "{mean} {loss} {deviation}");
        }
        assert!(process.at(&[3.0, 3.0])[1] > 0.9);
    }

    #[test]
    fn it_finds_the_bottom_of_a_bowl_faster_than_chance() {
        let mut points: Vec<Vec<f64>> = (0..8).map(|index| sobol::point(index, 2, Random::new(1))).collect();
        for step in 0..8 {
            let losses: Vec<f64> = points.iter().map(|point| bowl(point)).collect();
            let random = Random::new(5).stream(step);
            points.push(most_promising(&points, &losses, 2, random, <[f64]>::to_vec).unwrap());
        }
        let best = |points: &[Vec<f64>]| points.iter().map(|point| bowl(point)).fold(f64::INFINITY, f64::min);
        assert!(best(&points) < 0.3 * best(&points[..8]) && best(&points) < 3e-3, "{}", best(&points));
    }

    #[test]
    fn the_normal_distribution_is_that_of_the_tables() {
        for (z, expected) in [(0.0, 0.5), (1.0, 0.841_344_7), (-1.96, 0.024_997_9)] {
            assert!((below(z) - expected).abs() < 1e-6, "{z}");
        }
        assert!((improvement(0.0, 1.0) - 0.398_942_3).abs() < 1e-6);
        assert_eq!(most_promising(&[vec![0.0]], &[1.0], 1, Random::new(1), <[f64]>::to_vec), None);
    }
}
