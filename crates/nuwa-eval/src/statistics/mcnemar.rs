/// The probability that two models that are right equally often differ as much as they do (McNemar, "Note on the sampling error",
/// 1947, in its exact form): of the items on which one of them alone was right, `b` are the first one's and `c` the second one's;
/// `2 P(X <= min(b, c))` for `b + c` fair coins, at most 1.
///
/// With wins and losses in their place it is the sign test.
pub fn mcnemar(b: u64, c: u64) -> f64 {
    let (coins, fewer) = (b + c, b.min(c));
    // The largest term of the sum, as a logarithm: a fair coin thrown 2,000 times has no smallest number that is a float.
    let chosen: f64 = (1..=fewer).map(|index| ((coins - fewer + index) as f64 / index as f64).ln()).sum();
    let largest = chosen - coins as f64 * std::f64::consts::LN_2;
    let (mut sum, mut term) = (0.0, 1.0);
    for heads in (0..=fewer).rev() {
        sum += term;
        term *= heads as f64 / (coins - heads + 1) as f64;
    }
    (2.0 * largest.exp() * sum).min(1.0)
}

/// The interval of the difference of two shares over the same `n` items, first minus second:
/// `(b - c) / n ± z sqrt(b + c - (b - c)^2 / n) / n`, with `b` and `c` as in [`mcnemar`]. Of `n` = 0: -1 to 1.
pub fn share_difference(b: u64, c: u64, n: u64, z: f64) -> [f64; 2] {
    if n == 0 {
        return [-1.0, 1.0];
    }
    let (sum, difference, n) = ((b + c) as f64, b as f64 - c as f64, n as f64);
    let half = z * (sum - difference * difference / n).max(0.0).sqrt() / n;
    [difference / n - half, difference / n + half]
}

/// The smallest true difference that a comparison with this standard error finds four times out of five, where 5 % of false
/// alarms are allowed: `(1.960 + 0.842) stderr`.
pub fn detectable_difference(stderr: f64) -> f64 {
    /// The quantile below which 80 % lie.
    const Z80: f64 = 0.841_621_233_572_914_2;
    (super::Z95 + Z80) * stderr
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::Z95;

    #[test]
    fn the_exact_test_is_the_sum_of_coins() {
        assert!((mcnemar(3, 12) - 0.035_156_25).abs() < 1e-12);
        assert!((mcnemar(12, 3) - 0.035_156_25).abs() < 1e-12);
        assert_eq!((mcnemar(0, 0), mcnemar(5, 5)), (1.0, 1.0));
        assert!((mcnemar(0, 10) - 2.0_f64.powi(-9)).abs() < 1e-15);
    }

    #[test]
    fn many_coins_neither_underflow_nor_take_half() {
        // scipy.stats.binomtest(4850, 10000).pvalue
        assert!((mcnemar(4850, 5150) - 0.002_787_967_517_712_775).abs() < 1e-9, "{}", mcnemar(4850, 5150));
        assert!(mcnemar(0, 5000) < 1e-300);
    }

    #[test]
    fn the_difference_of_shares_stands_in_the_middle_of_its_interval() {
        let [low, high] = share_difference(12, 3, 100, Z95);
        assert!(((low + high) / 2.0 - 0.09).abs() < 1e-12);
        // Items differ by 0, 1 or -1: variance (15 - 81 / 100) / 100.
        let expected = 1.959_963_984_540_054 * (14.19_f64 / 100.0 / 100.0).sqrt();
        assert!(((high - low) / 2.0 - expected).abs() < 1e-12);
        assert!((detectable_difference(0.01) - 0.028_015_85).abs() < 1e-8);
    }
}
