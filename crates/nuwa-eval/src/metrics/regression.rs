//! How near numbers come to the true ones, and how they move with them.

use super::ranks::middle_ranks;

/// The figures of predicted numbers. Correlations and `r2` are absent where one side does not vary.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RegressionScores {
    /// The mean absolute error, in the unit of the numbers.
    pub mae: f64,
    /// The mean squared error, in its square.
    pub mse: f64,
    /// The root of it, in the unit of the numbers.
    pub rmse: f64,
    /// `1 - squared errors / squared deviations of the truth from its mean`: 1 is perfect, 0 what the mean would reach.
    pub r2: Option<f64>,
    /// Pearson's correlation, from -1 to 1.
    pub pearson: Option<f64>,
    /// Spearman's: Pearson's of the ranks, ties sharing the mean of theirs.
    pub spearman: Option<f64>,
    /// Kendall's tau-b.
    pub kendall: Option<f64>,
}

impl RegressionScores {
    /// Of as many predicted numbers as true ones; all finite.
    pub fn of(truth: &[f64], predicted: &[f64]) -> Self {
        let n = truth.len().max(1) as f64;
        let errors = || truth.iter().zip(predicted).map(|(truth, predicted)| predicted - truth);
        let squares: f64 = errors().map(|error| error * error).sum();
        let deviations: f64 = deviations(truth).iter().map(|one| one * one).sum();
        Self {
            mae: errors().map(f64::abs).sum::<f64>() / n,
            mse: squares / n,
            rmse: (squares / n).sqrt(),
            r2: (deviations > 0.0).then(|| 1.0 - squares / deviations),
            pearson: pearson(truth, predicted),
            spearman: pearson(&middle_ranks(truth), &middle_ranks(predicted)),
            kendall: kendall(truth, predicted),
        }
    }
}

fn deviations(values: &[f64]) -> Vec<f64> {
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    values.iter().map(|value| value - mean).collect()
}

/// Pearson's correlation; `None` where a side does not vary.
pub fn pearson(one: &[f64], other: &[f64]) -> Option<f64> {
    let varies = |values: &[f64]| values.windows(2).any(|pair| pair[0] != pair[1]);
    if !varies(one) || !varies(other) {
        return None;
    }
    let (one, other) = (deviations(one), deviations(other));
    let sum = |one: &[f64], other: &[f64]| -> f64 { one.iter().zip(other).map(|(a, b)| a * b).sum() };
    let below = sum(&one, &one).sqrt() * sum(&other, &other).sqrt();
    (below > 0.0).then(|| (sum(&one, &other) / below).clamp(-1.0, 1.0))
}

/// Kendall's tau-b (1945): pairs in the same order minus pairs in the other, by the root of the product of the pairs that each side tells
/// apart. Counted by sorting (Knight, 1966), in `n log n`. `None` where a side does not vary.
pub fn kendall(one: &[f64], other: &[f64]) -> Option<f64> {
    let mut pairs: Vec<[f64; 2]> =
        one.iter().zip(other).map(|(one, other)| [one + 0.0, other + 0.0]).collect();
    pairs.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    let all = couples(pairs.len());
    let tied_first: f64 = pairs.chunk_by(|a, b| a[0] == b[0]).map(|group| couples(group.len())).sum();
    let tied_both: f64 = pairs.chunk_by(|a, b| a == b).map(|group| couples(group.len())).sum();
    let mut seconds: Vec<f64> = pairs.iter().map(|pair| pair[1]).collect();
    let crossed = exchanges(&mut seconds);
    let tied_second: f64 = seconds.chunk_by(|a, b| a == b).map(|group| couples(group.len())).sum();
    let below = ((all - tied_first) * (all - tied_second)).sqrt();
    (below > 0.0).then(|| (all - tied_first - tied_second + tied_both - 2.0 * crossed) / below)
}

fn couples(count: usize) -> f64 {
    count as f64 * (count as f64 - 1.0) / 2.0
}

/// Sorts the values; how many neighbours a sort by exchanges would have to exchange.
fn exchanges(values: &mut [f64]) -> f64 {
    let mut count = 0.0;
    let mut width = 1;
    let mut merged = vec![0.0; values.len()];
    while width < values.len() {
        for start in (0..values.len()).step_by(2 * width) {
            let middle = (start + width).min(values.len());
            let end = (start + 2 * width).min(values.len());
            count += merge(&values[start..middle], &values[middle..end], &mut merged[start..end]);
        }
        values.copy_from_slice(&merged);
        width *= 2;
    }
    count
}

/// Merges two sorted parts; how many of the first each of the second has to pass.
fn merge(first: &[f64], second: &[f64], into: &mut [f64]) -> f64 {
    let (mut left, mut right, mut count) = (0, 0, 0.0);
    for place in into {
        let takes_first = right == second.len() || (left < first.len() && first[left] <= second[right]);
        if takes_first {
            *place = first[left];
            left += 1;
        } else {
            *place = second[right];
            right += 1;
            count += (first.len() - left) as f64;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_the_known_ones() {
        let scores = RegressionScores::of(&[3.0, -0.5, 2.0, 7.0], &[2.5, 0.0, 2.0, 8.0]);
        assert_eq!((scores.mae, scores.mse, scores.rmse), (0.5, 0.375, 0.375_f64.sqrt()));
        assert!((scores.r2.unwrap() - 0.948_608_137_0).abs() < 1e-9);
    }

    #[test]
    fn correlations_are_the_known_ones() {
        let scores = RegressionScores::of(&[1.0, 2.0, 3.0, 4.0, 5.0, 5.0], &[2.0, 1.0, 4.0, 3.0, 5.0, 7.0]);
        assert!((scores.pearson.unwrap() - 0.831_521_840_6).abs() < 1e-9);
        assert!((scores.spearman.unwrap() - 0.869_656_553_5).abs() < 1e-9);
        assert!((scores.kendall.unwrap() - 0.690_065_559_3).abs() < 1e-9);
    }

    #[test]
    fn what_does_not_vary_correlates_with_nothing() {
        let scores = RegressionScores::of(&[0.1, 0.1, 0.1], &[1.0, 2.0, 3.0]);
        assert_eq!((scores.pearson, scores.spearman, scores.kendall), (None, None, None));
        assert_eq!(RegressionScores::of(&[1.0], &[1.0]).r2, None);
        assert_eq!(kendall(&[], &[]), None);
    }

    proptest::proptest! {
        #[test]
        fn tau_equals_the_count_over_all_pairs(pairs in proptest::collection::vec((0_u8..6, 0_u8..6), 2..40)) {
            let one: Vec<f64> = pairs.iter().map(|pair| f64::from(pair.0)).collect();
            let other: Vec<f64> = pairs.iter().map(|pair| f64::from(pair.1)).collect();
            let (mut sum, mut apart) = (0.0, [0.0, 0.0]);
            for i in 0..one.len() {
                for j in 0..i {
                    let sign = |values: &[f64]| (values[i] - values[j]).partial_cmp(&0.0).unwrap() as i8;
                    let signs = [sign(&one), sign(&other)];
                    sum += f64::from(signs[0] * signs[1]);
                    (0..2).for_each(|side| apart[side] += f64::from(signs[side].abs()));
                }
            }
            let expected = (apart[0] * apart[1] > 0.0).then(|| sum / (apart[0] * apart[1]).sqrt());
            match (kendall(&one, &other), expected) {
                (Some(found), Some(expected)) => proptest::prop_assert!((found - expected).abs() < 1e-12),
                (found, expected) => proptest::prop_assert_eq!(found, expected),
            }
        }
    }
}
