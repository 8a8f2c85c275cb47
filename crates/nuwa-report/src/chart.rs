//! Curves as data for the template's inline SVG.
//!
//! Drawn by hand rather than by a plotting crate: the lines take their colours from the page, so one picture serves
//! light and dark; the numbers at the axes are text of the page, so they stay readable on a phone while the
//! lines stretch; and the page stays small. Positions are per cent of the plot from its left and top.

use serde::Serialize;

use crate::words::Text;

/// A picture with curves over one horizontal axis.
#[derive(Debug, Serialize)]
pub struct Chart {
    /// What it shows.
    pub title: Text,
    /// Said about it for those who cannot see it.
    pub description: Text,
    x: Vec<Tick>,
    y: Vec<Tick>,
    curves: Vec<DrawnCurve>,
    band: Option<DrawnBand>,
}

/// A curve to draw.
pub struct Curve {
    /// The name in the legend.
    pub name: Text,
    /// The class that gives it its colour and weight.
    pub class: &'static str,
    /// Its points from left to right.
    pub points: Vec<(f64, f64)>,
    /// Whether each point is marked.
    pub marked: bool,
}

/// A horizontal band: a value with its error.
pub struct Band {
    /// The name in the legend.
    pub name: Text,
    /// The value.
    pub middle: f64,
    /// Its error, upwards and downwards.
    pub error: f64,
}

/// How the horizontal axis is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Horizontal {
    /// Equal steps.
    Linear,
    /// Equal factors.
    Logarithmic,
}

/// A number at an axis.
#[derive(Debug, Serialize)]
pub struct Tick {
    /// Where, in per cent of the axis.
    pub at: f64,
    /// The number.
    pub label: String,
}

#[derive(Debug, Serialize)]
struct DrawnCurve {
    name: Text,
    class: &'static str,
    path: String,
    marks: String,
}

#[derive(Debug, Serialize)]
struct DrawnBand {
    name: Text,
    top: f64,
    height: f64,
    middle: f64,
}

/// The most columns that a curve is drawn in; more could not be seen.
const COLUMNS: usize = 360;

impl Chart {
    /// Draws `curves`; nothing where no point is left.
    pub fn draw(
        title: impl Into<Text>,
        description: Text,
        mut curves: Vec<Curve>,
        band: Option<Band>,
        horizontal: Horizontal,
    ) -> Option<Self> {
        for curve in &mut curves {
            let visible = |x: f64| x.is_finite() && (horizontal == Horizontal::Linear || x > 0.0);
            curve.points.retain(|(x, y)| visible(*x) && y.is_finite());
        }
        curves.retain(|curve| !curve.points.is_empty());
        let points = || curves.iter().flat_map(|curve| curve.points.iter());
        let band_edges = band.iter().flat_map(|band| [band.middle - band.error, band.middle + band.error]);
        let origin = (horizontal == Horizontal::Linear).then_some(0.0);
        let x = Scale::around(points().map(|point| point.0).chain(origin), 0.0, horizontal)?;
        // Beside a band, the first tenth of a curve would press all that matters into a line.
        let pressed = band.is_some() && horizontal == Horizontal::Linear;
        let start = if pressed { 0.1 * points().map(|point| point.0).fold(0.0, f64::max) } else { 0.0 };
        let heights = points().filter(|point| point.0 >= start).map(|point| point.1);
        let y = Scale::around(heights.chain(band_edges), 0.05, Horizontal::Linear)?;
        Some(Self {
            title: title.into(),
            description,
            x: x.ticks(5),
            y: y.ticks(5).into_iter().map(|tick| Tick { at: 100.0 - tick.at, ..tick }).collect(),
            band: band.map(|band| band.drawn(&y)),
            curves: curves.into_iter().map(|curve| curve.drawn(&x, &y)).collect(),
        })
    }
}

impl Curve {
    fn drawn(self, x: &Scale, y: &Scale) -> DrawnCurve {
        let place = |(a, b): &(f64, f64)| (10.0 * x.position(*a), 1000.0 - 10.0 * y.position(*b));
        let placed: Vec<(f64, f64)> = self.points.iter().map(place).collect();
        let marks = match self.marked {
            // A line of no length with round ends is a dot, and stays round however the picture is stretched.
            true => placed.iter().map(|(a, b)| format!("M{a:.0} {b:.0}h0")).collect(),
            false => String::new(),
        };
        DrawnCurve { name: self.name, class: self.class, path: path(&thinned(&placed)), marks }
    }
}

impl Band {
    fn drawn(self, y: &Scale) -> DrawnBand {
        let top = 100.0 - y.position(self.middle + self.error);
        let bottom = 100.0 - y.position(self.middle - self.error);
        DrawnBand { name: self.name, top, height: bottom - top, middle: 100.0 - y.position(self.middle) }
    }
}

fn path(points: &[(f64, f64)]) -> String {
    let place = |(index, (a, b)): (usize, &(f64, f64))| {
        let command = if index == 0 { 'M' } else { 'L' };
        format!("{command}{a:.0} {b:.0}")
    };
    points.iter().enumerate().map(place).collect()
}

/// The lowest and the highest point of each column, so that a spike stays visible.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= 2 * COLUMNS {
        return points.to_vec();
    }
    let column = |point: &(f64, f64)| (point.0 / 1000.0 * COLUMNS as f64) as usize;
    let mut kept = Vec::with_capacity(2 * COLUMNS);
    for group in points.chunk_by(|a, b| column(a) == column(b)) {
        let extreme = |sign: f64| {
            let by_height = |a: &(usize, &(f64, f64)), b: &(usize, &(f64, f64))| {
                (sign * a.1.1).total_cmp(&(sign * b.1.1))
            };
            group.iter().enumerate().max_by(by_height).map(|(index, _)| index)
        };
        let (Some(low), Some(high)) = (extreme(-1.0), extreme(1.0)) else { continue };
        kept.push(group[low.min(high)]);
        if low != high {
            kept.push(group[low.max(high)]);
        }
    }
    kept
}

/// The mean of each point with its neighbours, about a fortieth of all; of fewer at the start, where a curve falls
/// fast.
pub fn smoothed(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut sums = vec![0.0];
    for (_, y) in points {
        sums.push(sums[sums.len() - 1] + y);
    }
    let mean = |(index, (x, _)): (usize, &(f64, f64))| {
        let reach = (points.len() / 80).min(index / 4);
        let (first, end) = (index - reach, (index + reach + 1).min(points.len()));
        (*x, (sums[end] - sums[first]) / (end - first) as f64)
    };
    points.iter().enumerate().map(mean).collect()
}

/// From values to per cent of an axis.
pub struct Scale {
    low: f64,
    high: f64,
    division: Horizontal,
}

impl Scale {
    /// From the lowest to the highest of `values`, with a part of their span as margin; none where there are none.
    pub fn around(values: impl Iterator<Item = f64>, margin: f64, division: Horizontal) -> Option<Self> {
        let mapped = values.filter(|value| value.is_finite()).map(|value| division.map(value));
        let (low, high) = mapped.fold(None, |range: Option<(f64, f64)>, value| match range {
            Some((low, high)) => Some((low.min(value), high.max(value))),
            None => Some((value, value)),
        })?;
        let room = match high - low {
            0.0 => low.abs().max(1e-3) * 0.5,
            span => span * margin,
        };
        Some(Self { low: low - room, high: high + room, division })
    }

    /// Where `value` is.
    pub fn position(&self, value: f64) -> f64 {
        100.0 * (self.division.map(value) - self.low) / (self.high - self.low)
    }

    /// About so many numbers at the axis.
    pub fn ticks(&self, wanted: usize) -> Vec<Tick> {
        let values = match self.division {
            Horizontal::Linear => linear_ticks(self.low, self.high, wanted),
            Horizontal::Logarithmic => logarithmic_ticks(self.low, self.high, wanted),
        };
        values.into_iter().map(|value| Tick { at: self.position(value), label: label(value) }).collect()
    }
}

impl Horizontal {
    fn map(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Logarithmic => value.log10(),
        }
    }
}

fn linear_ticks(low: f64, high: f64, wanted: usize) -> Vec<f64> {
    let rough = (high - low) / wanted as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| *step >= rough);
    let step = step.unwrap_or(power * 10.0);
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).map(|index| index as f64 * step).collect()
}

/// Powers of ten, with 2 and 5 between them where there is room.
fn logarithmic_ticks(low: f64, high: f64, wanted: usize) -> Vec<f64> {
    let decades = low.floor() as i32..=high.floor() as i32;
    let with = |factors: &[f64]| -> Vec<f64> {
        let all =
            decades.clone().flat_map(|decade| factors.iter().map(move |factor| factor * 10f64.powi(decade)));
        all.filter(|value| (low - 1e-9..=high + 1e-9).contains(&value.log10())).collect()
    };
    let fine = with(&[1.0, 2.0, 5.0]);
    if fine.len() <= wanted + 2 { fine } else { with(&[1.0]) }
}

fn label(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => {
            let (unit, name) = [(1e9, "G"), (1e6, "M"), (1e3, "k")]
                .into_iter()
                .find(|unit| size >= unit.0)
                .unwrap_or((1.0, ""));
            format!("{}{name}", crate::numbers::digits(value / unit, 4))
        }
        size if size > 0.0 && size < 0.01 => {
            // 3e-4, as one writes a learning rate.
            let exponent = size.log10().floor();
            format!("{}e{exponent}", crate::numbers::digits(value / 10f64.powf(exponent), 2))
        }
        _ => crate::numbers::digits(value, 4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(points: &[(f64, f64)]) -> Vec<Curve> {
        vec![Curve { name: Text::same("loss"), class: "train", points: points.to_vec(), marked: true }]
    }

    #[test]
    fn nothing_to_draw_is_no_chart() {
        for points in [&[][..], &[(1.0, f64::NAN)], &[(f64::INFINITY, 1.0)]] {
            assert!(
                Chart::draw(Text::same("a"), Text::default(), curve(points), None, Horizontal::Linear)
                    .is_none()
            );
        }
        assert!(
            Chart::draw(
                Text::same("a"),
                Text::default(),
                curve(&[(0.0, 1.0)]),
                None,
                Horizontal::Logarithmic
            )
            .is_none()
        );
    }

    #[test]
    fn corners_meet_the_frame() {
        let points = [(0.0, 3.0), (10.0, 1.0)];
        let chart =
            Chart::draw(Text::same("a"), Text::default(), curve(&points), None, Horizontal::Linear).unwrap();
        assert_eq!(chart.curves[0].path, "M0 45L1000 955");
        assert_eq!(chart.curves[0].marks, "M0 45h0M1000 955h0");
        let labels: Vec<&str> = chart.x.iter().map(|tick| tick.label.as_str()).collect();
        assert_eq!(labels, ["0", "2", "4", "6", "8", "10"]);
    }

    #[test]
    fn one_point_and_a_flat_line_have_an_axis() {
        for points in [&[(5.0, 2.0)][..], &[(1.0, 0.0), (2.0, 0.0)]] {
            let chart =
                Chart::draw(Text::same("a"), Text::default(), curve(points), None, Horizontal::Linear)
                    .unwrap();
            assert!(!chart.y.is_empty() && chart.y.iter().all(|tick| tick.at.is_finite()), "{chart:?}");
        }
    }

    #[test]
    fn a_spike_survives_thinning() {
        let mut points: Vec<(f64, f64)> = (0..10_000).map(|i| (f64::from(i) / 10.0, 500.0)).collect();
        points[5_001].1 = 3.0;
        let thin = thinned(&points);
        assert!(thin.len() <= 2 * COLUMNS + 2, "{}", thin.len());
        assert!(thin.contains(&(500.1, 3.0)));
    }

    #[test]
    fn ticks_of_a_logarithmic_axis() {
        assert_eq!(logarithmic_ticks(3.0, 4.4, 5), [1000.0, 2000.0, 5000.0, 10_000.0, 20_000.0]);
        assert_eq!(logarithmic_ticks(1.0, 6.0, 5).len(), 6);
        assert_eq!(label(3e-4), "3e-4");
        assert_eq!(label(20_000.0), "20k");
        assert_eq!(label(2.25), "2.25");
    }

    #[test]
    fn smoothing_keeps_a_constant() {
        let flat = [(0.0, 2.0), (1.0, 2.0), (2.0, 2.0)];
        assert!(smoothed(&flat).iter().all(|(_, y)| (y - 2.0).abs() < 1e-12));
    }
}
