use std::f64::consts::SQRT_2;

use serde::{Deserialize, Serialize};

use crate::Unit;
use crate::statistics::{Bootstrap, Z95, detectable_difference, mcnemar, paired_bootstrap, share_difference};

/// How a difference was tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestKind {
    /// McNemar's exact test on items that are right or wrong.
    McNemar,
    /// A paired bootstrap over the same items.
    PairedBootstrap,
    /// Two samples that have nothing to do with each other: the items are others, or are not known.
    Unpaired,
}

/// The difference of a model from the first one, and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TestedDifference {
    /// How it was tested.
    pub kind: TestKind,
    /// The model's figure less that of the first one.
    pub difference: f64,
    /// Its 95 % interval.
    pub interval: [f64; 2],
    /// The probability of a difference as large, in either direction, where there is none.
    pub p: f64,
    /// The same, corrected by Holm's method for all tests of the comparison.
    pub p_holm: Option<f64>,
    /// Items that only the first one got right, and those that only this one did.
    pub only_one_right: Option<[u64; 2]>,
    /// The smallest true difference that this comparison would find four times out of five; none where no item differs, which says
    /// nothing of it.
    pub detectable: Option<f64>,
}

/// The test of `own` against `first`, which gave these units for the same items.
pub fn paired(first: &[Unit], own: &[Unit]) -> Option<TestedDifference> {
    match is_share(first) && is_share(own) {
        true => Some(shares(first, own)),
        false => ratios(first, own),
    }
}

/// Whether each item is right or wrong.
pub fn is_share(units: &[Unit]) -> bool {
    units.iter().all(|unit| unit.x == 1.0 && (unit.y == 0.0 || unit.y == 1.0))
}

fn shares(first: &[Unit], own: &[Unit]) -> TestedDifference {
    let only = |one: &[Unit], other: &[Unit]| {
        one.iter().zip(other).filter(|(one, other)| one.y > other.y).count() as u64
    };
    let (of_first, of_own, n) = (only(first, own), only(own, first), first.len() as u64);
    let interval = share_difference(of_own, of_first, n, Z95);
    TestedDifference {
        kind: TestKind::McNemar,
        difference: (of_own as f64 - of_first as f64) / n as f64,
        interval,
        p: mcnemar(of_first, of_own),
        p_holm: None,
        only_one_right: Some([of_first, of_own]),
        detectable: detectable((interval[1] - interval[0]) / 2.0 / Z95),
    }
}

fn ratios(first: &[Unit], own: &[Unit]) -> Option<TestedDifference> {
    let ratio = |units: &[Unit], sample: &[usize]| {
        let sum = |of: fn(&Unit) -> f64| sample.iter().map(|item| of(&units[*item])).sum::<f64>();
        sum(|unit| unit.y) / sum(|unit| unit.x)
    };
    let difference = |sample: &[usize]| ratio(own, sample) - ratio(first, sample);
    let found = paired_bootstrap(first.len(), Bootstrap::default(), difference)?;
    Some(TestedDifference {
        kind: TestKind::PairedBootstrap,
        difference: found.difference,
        interval: found.interval,
        p: found.p,
        p_holm: None,
        only_one_right: None,
        detectable: detectable(found.stderr),
    })
}

/// The test of two figures with their standard errors, of samples that have nothing to do with each other.
pub fn unpaired(first: (f64, f64), own: (f64, f64)) -> Option<TestedDifference> {
    let (difference, stderr) = (own.0 - first.0, own.1.hypot(first.1));
    (stderr > 0.0).then(|| TestedDifference {
        kind: TestKind::Unpaired,
        difference,
        interval: [difference - Z95 * stderr, difference + Z95 * stderr],
        p: libm::erfc((difference / stderr).abs() / SQRT_2),
        p_holm: None,
        only_one_right: None,
        detectable: detectable(stderr),
    })
}

fn detectable(stderr: f64) -> Option<f64> {
    (stderr > 0.0).then(|| detectable_difference(stderr))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(right: &str) -> Vec<Unit> {
        right.chars().map(|mark| Unit { y: f64::from(u8::from(mark == '+')), x: 1.0 }).collect()
    }

    #[test]
    fn items_that_are_right_or_wrong_are_tested_exactly() {
        // Three that only the first got right, twelve that only the other did.
        let first = units(&("+".repeat(3) + &"-".repeat(12) + &"+".repeat(85)));
        let own = units(&("-".repeat(3) + &"+".repeat(12) + &"+".repeat(85)));
        let found = paired(&first, &own).unwrap();
        assert_eq!((found.kind, found.only_one_right), (TestKind::McNemar, Some([3, 12])));
        assert!((found.p - 0.03515625).abs() < 1e-12 && (found.difference - 0.09).abs() < 1e-12, "{found:?}");
        let half = 1.959963984540054 * (15.0_f64 - 81.0 / 100.0).sqrt() / 100.0;
        assert!((found.interval[1] - 0.09 - half).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn other_figures_are_tested_by_a_bootstrap_over_the_same_items() {
        let bits = |more: f64| {
            (0..50).map(|item| Unit { y: f64::from(item % 7) + more, x: 4.0 }).collect::<Vec<_>>()
        };
        let found = paired(&bits(0.0), &bits(-1.0)).unwrap();
        assert_eq!(found.kind, TestKind::PairedBootstrap);
        assert!((found.difference + 0.25).abs() < 1e-12 && found.p < 0.002, "{found:?}");
        let same = paired(&bits(0.0), &bits(0.0)).unwrap();
        assert_eq!((same.difference, same.p), (0.0, 1.0));
    }

    #[test]
    fn samples_of_others_are_tested_by_their_errors() {
        let found = unpaired((0.30, 0.03), (0.40, 0.04)).unwrap();
        // z = 2: 4.55 % in both tails.
        assert!((found.p - 0.045500263896).abs() < 1e-9, "{found:?}");
        assert_eq!(unpaired((0.3, 0.0), (0.4, 0.0)), None);
    }
}
