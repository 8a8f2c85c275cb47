//! How far judges agree who judged the same things: percent agreement, Cohen's kappa, Krippendorff's alpha.
//!
//! Agreement in percent says nothing of what chance alone would give; kappa and alpha do. Where nearly all judgements are of one
//! kind they are low though judges agree nearly always, so percent agreement belongs beside them.

/// How the difference of two values counts in Krippendorff's alpha.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Names: two values are the same or not, `d = 0` or `1`.
    Nominal,
    /// Ranks: `d` is how many values lie between, `sum of n_g for g from c to k - (n_c + n_k) / 2`.
    Ordinal,
    /// Equal steps: `d = c - k`.
    Interval,
    /// Equal steps with a zero: `d = (c - k) / (c + k)`.
    Ratio,
}

/// Krippendorff's alpha, `1 - D_o / D_e`: 1 where all agree, 0 where they agree as chance would have it, below 0 where less.
///
/// `units` holds, for each thing that was judged, the values that its judges gave; a judge who said nothing of it is left out, and a
/// unit with fewer than two values does not count. With the coincidences `o(c, k)`, in which each pair of values of a unit with `m`
/// values counts `1 / (m - 1)`, their sums `n(c)` and `n`, `D_o = sum o(c, k) d(c, k)^2 / n` and
/// `D_e = sum n(c) n(k) d(c, k)^2 / (n (n - 1))` (Krippendorff, "Computing Krippendorff's Alpha-Reliability", 2011).
///
/// None where no unit has two values, or all values are the same, so that there is nothing to disagree about.
pub fn krippendorff_alpha(units: &[Vec<f64>], scale: Scale) -> Option<f64> {
    let coincidences = Coincidences::of(units);
    let (observed, expected) = coincidences.disagreement(scale);
    (expected > 0.0).then(|| 1.0 - observed * (coincidences.total - 1.0) / expected)
}

/// How often each value met each other one in a unit.
struct Coincidences {
    values: Vec<f64>,
    /// `cells[c][k]`.
    cells: Vec<Vec<f64>>,
    /// The sum of each row.
    sums: Vec<f64>,
    total: f64,
}

impl Coincidences {
    fn of(units: &[Vec<f64>]) -> Self {
        let pairable = || units.iter().filter(|values| values.len() > 1);
        let mut values: Vec<f64> = pairable().flatten().copied().collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        let mut cells = vec![vec![0.0; values.len()]; values.len()];
        for unit in pairable() {
            let counts = counts(unit, &values);
            let others = unit.len() as f64 - 1.0;
            for (c, row) in cells.iter_mut().enumerate() {
                for (k, cell) in row.iter_mut().enumerate() {
                    let itself = f64::from(u8::from(c == k));
                    *cell += counts[c] * (counts[k] - itself) / others;
                }
            }
        }
        let sums: Vec<f64> = cells.iter().map(|row| row.iter().sum()).collect();
        let total = sums.iter().sum();
        Self { values, cells, sums, total }
    }

    /// The sums over all cells of `o d^2` and of `n(c) n(k) d^2`.
    fn disagreement(&self, scale: Scale) -> (f64, f64) {
        let (mut observed, mut expected) = (0.0, 0.0);
        for c in 0..self.values.len() {
            for k in 0..self.values.len() {
                let squared = self.difference(c, k, scale).powi(2);
                observed += self.cells[c][k] * squared;
                expected += self.sums[c] * self.sums[k] * squared;
            }
        }
        (observed, expected)
    }

    fn difference(&self, c: usize, k: usize, scale: Scale) -> f64 {
        let (low, high) = (c.min(k), c.max(k));
        let (one, other) = (self.values[low], self.values[high]);
        match scale {
            _ if c == k => 0.0,
            Scale::Nominal => 1.0,
            Scale::Ordinal => {
                let between: f64 = self.sums[low..=high].iter().sum();
                between - (self.sums[low] + self.sums[high]) / 2.0
            }
            Scale::Interval => other - one,
            Scale::Ratio if one + other == 0.0 => 0.0,
            Scale::Ratio => (other - one) / (one + other),
        }
    }
}

/// How often each of the sorted `values` is in a unit.
fn counts(unit: &[f64], values: &[f64]) -> Vec<f64> {
    let mut counts = vec![0.0; values.len()];
    for value in unit {
        if let Ok(place) = values.binary_search_by(|known| known.total_cmp(value)) {
            counts[place] += 1.0;
        }
    }
    counts
}

/// The share of all pairs of judgements of one thing that are equal, 0 to 1; none where nothing was judged twice.
pub fn percent_agreement(units: &[Vec<f64>]) -> Option<f64> {
    let (mut equal, mut pairs) = (0_u64, 0_u64);
    for unit in units {
        for (place, one) in unit.iter().enumerate() {
            pairs += (unit.len() - place - 1) as u64;
            equal += unit[place + 1..].iter().filter(|other| *other == one).count() as u64;
        }
    }
    (pairs > 0).then(|| equal as f64 / pairs as f64)
}

/// Cohen's kappa of two judges, `(p_o - p_e) / (1 - p_e)` with the observed agreement `p_o` and
/// `p_e = sum p_first(c) p_second(c)`, that of two who each keep to their own shares and know nothing of one another
/// (Cohen, "A coefficient of agreement for nominal scales", 1960).
///
/// None without judgements, or where both always say the same one thing.
pub fn cohen_kappa(judgements: &[[f64; 2]]) -> Option<f64> {
    if judgements.is_empty() {
        return None;
    }
    let n = judgements.len() as f64;
    let mut values: Vec<f64> = judgements.iter().flatten().copied().collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    let of = |judge: usize| counts(&judgements.iter().map(|pair| pair[judge]).collect::<Vec<_>>(), &values);
    let (first, second) = (of(0), of(1));
    let observed = judgements.iter().filter(|pair| pair[0] == pair[1]).count() as f64 / n;
    let expected: f64 = first.iter().zip(&second).map(|(one, other)| one * other / (n * n)).sum();
    (expected < 1.0).then(|| (observed - expected) / (1.0 - expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Krippendorff's example of four judges and twelve units (2011); 0 is a missing value.
    const JUDGES: [[u8; 12]; 4] = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
        [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
    ];

    fn units() -> Vec<Vec<f64>> {
        let of = |unit: usize| {
            JUDGES.iter().map(|judge| judge[unit]).filter(|value| *value > 0).map(f64::from).collect()
        };
        (0..12).map(of).collect()
    }

    #[test]
    fn alpha_is_that_of_the_paper() {
        // Computed with the package krippendorff 0.9.0.
        let expected = [
            (Scale::Nominal, 0.743421052631579),
            (Scale::Ordinal, 0.8153875037548814),
            (Scale::Interval, 0.8491071428571428),
            (Scale::Ratio, 0.7974027747116121),
        ];
        for (scale, value) in expected {
            let found = krippendorff_alpha(&units(), scale).unwrap();
            assert!((found - value).abs() < 1e-12, "{scale:?}: {found}");
        }
    }

    #[test]
    fn there_is_no_alpha_where_nothing_can_differ() {
        assert_eq!(krippendorff_alpha(&[], Scale::Nominal), None);
        assert_eq!(krippendorff_alpha(&[vec![1.0], vec![2.0]], Scale::Nominal), None, "each judged once");
        assert_eq!(krippendorff_alpha(&vec![vec![3.0, 3.0]; 5], Scale::Ordinal), None, "all the same");
        assert_eq!(krippendorff_alpha(&[vec![1.0, 1.0], vec![2.0, 2.0]], Scale::Interval), Some(1.0));
    }

    #[test]
    fn opposite_judges_are_below_chance() {
        let opposite: Vec<Vec<f64>> =
            (0..10).map(|unit| vec![f64::from(unit % 2), f64::from(1 - unit % 2)]).collect();
        // n = 20, both values ten times: D_o = 1, D_e = 2 * 100 / (20 * 19).
        let alpha = krippendorff_alpha(&opposite, Scale::Nominal).unwrap();
        assert!((alpha - (1.0 - 1.9)).abs() < 1e-12, "{alpha}");
        assert_eq!(percent_agreement(&opposite), Some(0.0));
    }

    #[test]
    fn kappa_takes_off_what_chance_gives() {
        // Cohen's form: 20 yes and yes, 5 yes and no, 10 no and yes, 15 no and no: p_o = .7, p_e = .5.
        let table = [([1.0, 1.0], 20), ([1.0, 0.0], 5), ([0.0, 1.0], 10), ([0.0, 0.0], 15)];
        let judgements: Vec<[f64; 2]> = table.iter().flat_map(|(pair, count)| vec![*pair; *count]).collect();
        assert!((cohen_kappa(&judgements).unwrap() - 0.4).abs() < 1e-12);
        assert_eq!(cohen_kappa(&[[2.0, 2.0]; 7]), None);
        assert_eq!(cohen_kappa(&[]), None);
    }

    #[test]
    fn pairs_of_three_judges_are_counted_each() {
        assert_eq!(percent_agreement(&[vec![1.0, 1.0, 2.0], vec![5.0]]), Some(1.0 / 3.0));
        assert_eq!(percent_agreement(&[vec![1.0]]), None);
    }
}
