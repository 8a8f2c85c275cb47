/// The interval of a share (Wilson, "Probable inference", 1927): the shares `p` that `successes` of `n` are not further from than
/// `z` of their own standard errors, `|successes / n - p| <= z sqrt(p (1 - p) / n)`.
///
/// Unlike `p ± z stderr` it stays within 0 and 1 and is no point where all or none succeeded. Successes need not be whole: a tie may
/// count half. Of `n` = 0 nothing is known: 0 to 1.
pub fn wilson(successes: f64, n: f64, z: f64) -> [f64; 2] {
    if n <= 0.0 {
        return [0.0, 1.0];
    }
    let share = successes / n;
    let square = z * z;
    let middle = (share + square / (2.0 * n)) / (1.0 + square / n);
    let half = z * (share * (1.0 - share) / n + square / (4.0 * n * n)).max(0.0).sqrt() / (1.0 + square / n);
    [(middle - half).max(0.0), (middle + half).min(1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::Z95;

    #[test]
    fn the_interval_of_a_share_is_the_known_one() {
        let [low, high] = wilson(45.0, 100.0, Z95);
        assert!((low - 0.35615).abs() < 1e-5 && (high - 0.54755).abs() < 1e-5, "{low} {high}");
        let [low, high] = wilson(0.0, 20.0, Z95);
        assert!(low == 0.0 && (high - 0.16113).abs() < 1e-5, "{low} {high}");
        assert_eq!(wilson(0.0, 0.0, Z95), [0.0, 1.0]);
    }

    #[test]
    fn what_all_succeed_in_mirrors_what_none_does() {
        let ([low, high], [mirrored_low, mirrored_high]) = (wilson(20.0, 20.0, 1.0), wilson(0.0, 20.0, 1.0));
        let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found}");
        near(low, 1.0 - mirrored_high);
        near(high, 1.0);
        near(mirrored_low, 0.0);
    }
}
