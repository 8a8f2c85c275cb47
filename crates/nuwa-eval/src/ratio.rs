use crate::Metric;

/// The ratio of two sums over units (documents, blocks), with its standard error, in constant memory.
///
/// For units with `y` and `x`, `R = sum y / sum x`, and by the delta method
/// `stderr(R) = sqrt(n / (n - 1) sum (y - R x)^2) / sum x` (Cochran, "Sampling Techniques", 1977, chapter 6): units
/// that hold more weigh more, and what varies is how far each is from the common ratio.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Ratio {
    units: u64,
    y: f64,
    x: f64,
    yy: f64,
    xy: f64,
    xx: f64,
}

impl Ratio {
    /// Adds a unit.
    pub fn add(&mut self, y: f64, x: f64) {
        self.units += 1;
        self.y += y;
        self.x += x;
        self.yy += y * y;
        self.xy += x * y;
        self.xx += x * x;
    }

    /// How many units there are.
    pub fn units(&self) -> u64 {
        self.units
    }

    /// The ratio with its standard error; `None` where the denominator is 0.
    pub fn metric(&self) -> Option<Metric> {
        if self.x <= 0.0 {
            return None;
        }
        let value = self.y / self.x;
        let squares = self.yy - 2.0 * value * self.xy + value * value * self.xx;
        let units = self.units as f64;
        // Rounding may take squares that are 0 below it.
        let stderr = (self.units > 1).then(|| (squares.max(0.0) * units / (units - 1.0)).sqrt() / self.x);
        Some(Metric { value, stderr })
    }
}

impl Metric {
    /// This figure times `factor`.
    pub(crate) fn scaled(self, factor: f64) -> Self {
        Self { value: self.value * factor, stderr: self.stderr.map(|stderr| stderr * factor) }
    }

    /// `e` to this figure; the standard error goes with the slope there.
    pub(crate) fn exponential(self) -> Self {
        let value = self.value.exp();
        Self { value, stderr: self.stderr.map(|stderr| stderr * value) }
    }

    /// This figure where it is a finite number: JSON has no others.
    pub(crate) fn finite(self) -> Option<Self> {
        let stderr = self.stderr.filter(|stderr| stderr.is_finite());
        self.value.is_finite().then_some(Self { stderr, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_error_of_a_mean_is_the_usual_one() {
        let mut ratio = Ratio::default();
        [1.0, 2.0, 3.0, 6.0].iter().for_each(|&y| ratio.add(y, 1.0));
        let metric = ratio.metric().unwrap();
        assert_eq!(metric.value, 3.0);
        // Deviations -2, -1, 0, 3: variance 14 / 3, over 4 units.
        assert!((metric.stderr.unwrap() - (14.0_f64 / 3.0 / 4.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn units_with_one_ratio_have_no_error() {
        let mut ratio = Ratio::default();
        (1..100).for_each(|x| ratio.add(f64::from(x) * 0.7, f64::from(x)));
        let metric = ratio.metric().unwrap();
        assert!((metric.value - 0.7).abs() < 1e-12 && metric.stderr.unwrap() < 1e-8, "{metric:?}");
    }

    #[test]
    fn one_unit_has_no_standard_error_and_none_has_no_ratio() {
        let mut ratio = Ratio::default();
        assert_eq!(ratio.metric(), None);
        ratio.add(1.0, 2.0);
        assert_eq!(ratio.metric(), Some(Metric { value: 0.5, stderr: None }));
    }

    #[test]
    fn figures_are_turned_into_others_with_their_errors() {
        let metric = Metric { value: 2.0, stderr: Some(0.1) };
        assert_eq!(metric.scaled(3.0), Metric { value: 6.0, stderr: Some(0.1 * 3.0) });
        assert_eq!(metric.exponential().stderr.unwrap(), 0.1 * 2.0_f64.exp());
    }
}
