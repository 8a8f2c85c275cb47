//! Plots with logarithmic axes, as SVG.

use std::fmt::Write;

/// The points of one line, in order.
#[derive(Debug)]
pub struct Series {
    /// What the legend calls it.
    pub name: &'static str,
    /// Positive coordinates.
    pub points: Vec<(f64, f64)>,
}

/// One pair of axes.
#[derive(Debug)]
pub struct Panel {
    /// What goes up.
    pub title: &'static str,
    /// What goes to the right.
    pub axis: &'static str,
    /// What is drawn.
    pub series: Vec<Series>,
}

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 300.0;
/// From the panel's edge to its axes.
const LEFT: f64 = 60.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 48.0;

const COLOURS: [&str; 3] = ["#1f6f8b", "#c8553d", "#588157"];

/// Draws `panels`, two in a row.
pub fn svg(panels: &[Panel]) -> String {
    let (width, height) = (2.0 * WIDTH, panels.len().div_ceil(2) as f64 * HEIGHT);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (index, panel) in panels.iter().enumerate() {
        let (column, row) = ((index % 2) as f64, (index / 2) as f64);
        let _ = writeln!(out, "<g transform=\"translate({} {})\">", column * WIDTH, row * HEIGHT);
        panel.draw(&mut out);
        out.push_str("</g>\n");
    }
    out + "</svg>\n"
}

impl Panel {
    fn draw(&self, out: &mut String) {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let across = Axis::over(points().map(|point| point.0), [LEFT, WIDTH - RIGHT]);
        let up = Axis::over(points().map(|point| point.1), [HEIGHT - BOTTOM, TOP]);
        let (middle, base) = ((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 12.0);
        let _ = writeln!(out, "<text x=\"{LEFT}\" y=\"20\" font-weight=\"bold\">{}</text>", self.title);
        let _ =
            writeln!(out, "<text x=\"{middle}\" y=\"{base}\" text-anchor=\"middle\">{}</text>", self.axis);
        let mut values: Vec<f64> = points().map(|point| point.0).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        values.iter().for_each(|&value| mark_across(out, value, across.place(value)));
        up.ticks().into_iter().for_each(|value| mark_up(out, value, up.place(value)));
        for (index, series) in self.series.iter().enumerate() {
            series.draw(out, &across, &up, index);
        }
    }
}

impl Series {
    fn draw(&self, out: &mut String, across: &Axis, up: &Axis, index: usize) {
        let colour = COLOURS[index % COLOURS.len()];
        let places = self.points.iter().map(|&(x, y)| (across.place(x), up.place(y)));
        let path: Vec<String> = places.clone().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let path = path.join(" ");
        let _ = writeln!(
            out,
            "<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
        );
        for (x, y) in places {
            let _ = writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
        }
        let (x, name) = (WIDTH - RIGHT - 80.0 * index as f64, self.name);
        let _ = writeln!(out, "<text x=\"{x}\" y=\"20\" text-anchor=\"end\" fill=\"{colour}\">{name}</text>");
    }
}

fn mark_across(out: &mut String, value: f64, x: f64) {
    let (top, bottom, label) = (TOP, HEIGHT - BOTTOM, HEIGHT - BOTTOM + 16.0);
    let _ = writeln!(out, "<path d=\"M{x:.1} {top}V{bottom}\" stroke=\"#ddd\"/>");
    let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{label}\" text-anchor=\"middle\">{value}</text>");
}

fn mark_up(out: &mut String, value: f64, y: f64) {
    let (right, label, lower) = (WIDTH - RIGHT, LEFT - 6.0, y + 4.0);
    let _ = writeln!(out, "<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#ddd\"/>");
    let _ = writeln!(out, "<text x=\"{label}\" y=\"{lower:.1}\" text-anchor=\"end\">{value}</text>");
}

/// A logarithmic axis: values from `low` to `high` lie at places from `from` to `to`.
#[derive(Debug)]
struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    /// An axis that holds all `values`, with a little air.
    fn over(values: impl Iterator<Item = f64>, [from, to]: [f64; 2]) -> Self {
        let (low, high) =
            values.fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            return Self { low: 1.0, high: 10.0, from, to };
        }
        Self { low: low / 1.15, high: high * 1.15, from, to }
    }

    fn place(&self, value: f64) -> f64 {
        let share = (value / self.low).ln() / (self.high / self.low).ln();
        self.from + share * (self.to - self.from)
    }

    /// The numbers 1, 2 and 5 of each power of ten.
    fn ticks(&self) -> Vec<f64> {
        let decades = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
        // Rounded through text, so that 2 tenths are written 0.2.
        let of_decade =
            |decade: i32| [1, 2, 5].map(|digit| format!("{digit}e{decade}").parse().unwrap_or(1.0));
        decades.flat_map(of_decade).filter(|value| (self.low..=self.high).contains(value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_ratios_are_equal_distances() {
        let axis = Axis::over([256.0, 8192.0].into_iter(), [0.0, 100.0]);
        let steps: Vec<f64> = [256.0, 512.0, 1024.0].map(|value| axis.place(value)).to_vec();
        assert!((steps[2] - steps[1] - (steps[1] - steps[0])).abs() < 1e-9);
        assert!(steps[0] > 0.0 && axis.place(8192.0) < 100.0);
    }

    #[test]
    fn ticks_are_round() {
        let axis = Axis { low: 0.15, high: 3.0, from: 0.0, to: 1.0 };
        assert_eq!(axis.ticks(), [0.2, 0.5, 1.0, 2.0]);
    }

    #[test]
    fn a_plot_holds_all_points() {
        let series = Series { name: "tiny", points: vec![(256.0, 9000.0), (512.0, 8000.0)] };
        let text = svg(&[Panel { title: "tokens a second", axis: "context", series: vec![series] }]);
        assert_eq!(text.matches("<circle").count(), 2);
        assert!(text.contains(">512<") && text.contains(">tiny<") && text.ends_with("</svg>\n"));
        assert!(!text.contains("NaN"), "{text}");
        let empty = svg(&[Panel { title: "t", axis: "a", series: vec![] }]);
        assert!(!empty.contains("NaN") && !empty.contains("inf"), "{empty}");
    }
}
