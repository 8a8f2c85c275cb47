use nuwa_tensor::Random;

/// How often, and from which seed, items are drawn anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bootstrap {
    /// How many times as many items as there are are drawn, with replacement.
    pub samples: usize,
    /// What the draws follow from.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { samples: 1000, seed: 12345 }
    }
}

impl Bootstrap {
    /// The indices of a sample. They are the same for every figure over as many items, so that figures of two models are paired.
    fn indices(&self, items: usize, sample: usize) -> Vec<usize> {
        let random = Random::new(self.seed).named("bootstrap");
        let first = sample as u64 * items as u64;
        (0..items as u64).map(|item| random.below(first + item, items as u64) as usize).collect()
    }

    fn draw(&self, items: usize, figure: impl Fn(&[usize]) -> f64) -> Vec<f64> {
        let drawn = (0..self.samples).map(|sample| figure(&self.indices(items, sample)));
        drawn.filter(|value| value.is_finite()).collect()
    }
}

/// The 95 % interval of a figure over items (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993): the figure of samples
/// drawn from the items with replacement, without the 2.5 % smallest and the 2.5 % largest.
///
/// `figure` is given the indices of a sample; samples of which it makes no finite number are left out. `None` where there is no item,
/// or no figure.
pub fn bootstrap(items: usize, settings: Bootstrap, figure: impl Fn(&[usize]) -> f64) -> Option<[f64; 2]> {
    if items == 0 {
        return None;
    }
    middle(settings.draw(items, figure))
}

/// The standard error of a figure over items: the deviation of the figures of samples drawn from the items with replacement. `None`
/// where there are fewer than two items, or figures.
pub fn bootstrap_error(items: usize, settings: Bootstrap, figure: impl Fn(&[usize]) -> f64) -> Option<f64> {
    if items < 2 {
        return None;
    }
    let drawn = settings.draw(items, figure);
    (drawn.len() > 1).then(|| deviation(&drawn))
}

/// How the figures of two models on the same items differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedDifference {
    /// First minus second.
    pub difference: f64,
    /// Its 95 % interval.
    pub interval: [f64; 2],
    /// Its standard error: the deviation of the differences of the samples.
    pub stderr: f64,
    /// The probability of a difference as large, in either direction, where there is none.
    pub p: f64,
}

/// Compares two models by samples of the items, the same ones for both (Koehn, "Statistical significance tests for machine
/// translation evaluation", 2004).
///
/// `difference` is given the indices of a sample and says by how much the first model's figure is above the second one's. Under the
/// assumption that there is no difference, those of the samples lie around 0 as they lie around the one that was found (Riezler and
/// Maxwell, 2005): `p = (1 + how many |d_i - d| >= |d|) / (1 + samples)`. `None` where there is no item, or no figure.
pub fn paired_bootstrap(
    items: usize,
    settings: Bootstrap,
    difference: impl Fn(&[usize]) -> f64,
) -> Option<PairedDifference> {
    if items == 0 {
        return None;
    }
    let found = difference(&(0..items).collect::<Vec<_>>());
    let drawn = settings.draw(items, difference);
    // Sums of the same numbers in another order may differ in the last digits.
    let slack = 1e-12 * found.abs();
    let as_far = drawn.iter().filter(|drawn| (*drawn - found).abs() >= found.abs() - slack).count();
    let count = drawn.len() as f64;
    Some(PairedDifference {
        difference: found,
        stderr: deviation(&drawn),
        p: (1.0 + as_far as f64) / (1.0 + count),
        interval: middle(drawn)?,
    })
}

/// [`paired_bootstrap`] of the means of what the two models reached on each item; `None` where those are not as many.
pub fn paired_bootstrap_means(
    first: &[f64],
    second: &[f64],
    settings: Bootstrap,
) -> Option<PairedDifference> {
    let differences: Vec<f64> = first.iter().zip(second).map(|(first, second)| first - second).collect();
    if first.len() != second.len() {
        return None;
    }
    let mean =
        |sample: &[usize]| sample.iter().map(|index| differences[*index]).sum::<f64>() / sample.len() as f64;
    paired_bootstrap(differences.len(), settings, mean)
}

/// The sample deviation.
fn deviation(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|one| (one - mean).powi(2)).sum();
    (squares / (count - 1.0).max(1.0)).sqrt()
}

/// What is left without a fortieth at each end.
fn middle(mut values: Vec<f64>) -> Option<[f64; 2]> {
    values.sort_by(f64::total_cmp);
    let cut = values.len() / 40;
    let last = values.len().checked_sub(cut + 1)?;
    Some([values[cut], values[last]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_of(values: &[f64]) -> impl Fn(&[usize]) -> f64 {
        move |sample: &[usize]| sample.iter().map(|index| values[*index]).sum::<f64>() / sample.len() as f64
    }

    #[test]
    fn the_interval_of_a_mean_is_about_two_standard_errors_wide() {
        let values: Vec<f64> = (0..400).map(|index| f64::from(index % 10)).collect();
        let [low, high] = bootstrap(values.len(), Bootstrap::default(), mean_of(&values)).unwrap();
        // Deviation sqrt(99 / 12) of a mean over 400.
        let stderr = (99.0_f64 / 12.0 / 400.0).sqrt();
        assert!(((high - low) / (2.0 * 1.96 * stderr) - 1.0).abs() < 0.1, "{low} {high}");
        assert!(low < 4.5 && 4.5 < high);
        let found = bootstrap_error(values.len(), Bootstrap::default(), mean_of(&values)).unwrap();
        assert!((found / stderr - 1.0).abs() < 0.1, "{found} {stderr}");
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        let values: Vec<f64> = (0..50).map(f64::from).collect();
        let of = |seed| bootstrap(50, Bootstrap { samples: 200, seed }, mean_of(&values));
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        assert_eq!(bootstrap(0, Bootstrap::default(), |_| 1.0), None);
        assert_eq!(bootstrap(3, Bootstrap::default(), |_| f64::NAN), None);
    }

    #[test]
    fn a_difference_that_every_item_shows_is_clear_and_none_is_not() {
        let first: Vec<f64> = (0..100).map(|index| f64::from(index % 7)).collect();
        let above: Vec<f64> = first.iter().map(|value| value - 0.1).collect();
        let settings = Bootstrap::default();
        let clear = paired_bootstrap_means(&first, &above, settings).unwrap();
        assert!((clear.difference - 0.1).abs() < 1e-12 && clear.p < 0.002, "{clear:?}");
        let same = paired_bootstrap_means(&first, &first, settings).unwrap();
        assert_eq!((same.difference, same.p, same.interval), (0.0, 1.0, [0.0, 0.0]));
        assert_eq!(paired_bootstrap_means(&first, &above[1..], settings), None);
    }

    #[test]
    fn chance_is_seldom_called_a_difference() {
        // 200 comparisons of models that are right as often: 5 % of false alarms are allowed.
        let random = Random::new(5);
        let right = |comparison: u64, model: u64| -> Vec<f64> {
            let random = random.stream(comparison * 2 + model);
            (0..80).map(|item| f64::from(u8::from(random.uniform(item) < 0.5))).collect()
        };
        let settings = Bootstrap { samples: 200, seed: 3 };
        let p = |comparison| {
            paired_bootstrap_means(&right(comparison, 0), &right(comparison, 1), settings).unwrap().p
        };
        let alarms = (0..200).filter(|comparison| p(*comparison) < 0.05).count();
        assert!(alarms <= 20, "{alarms}");
    }
}
