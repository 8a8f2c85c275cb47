//! The live view: the lowest lines of a terminal, redrawn while something runs; what is to stay scrolls away above them.
//!
//! Nothing takes the whole screen, so what was printed can still be read, copied and scrolled back to. The cursor is never hidden:
//! a program that is killed leaves the terminal as it should be.

use std::io::{self, Stderr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::symbols::Marker;
use ratatui::symbols::line::{HORIZONTAL, THICK_HORIZONTAL};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType, LineGauge, Widget};

use super::region::Region;
use super::terminal;

/// Time between two drawings.
const BETWEEN_DRAWINGS: Duration = Duration::from_millis(125);
/// Lines of the curve.
const CURVE_LINES: u16 = 9;
/// Points of a curve; where there are more, every second one goes.
const MOST_POINTS: usize = 600;

/// Whether a view is drawn now.
static STANDS: AtomicBool = AtomicBool::new(false);

/// Whether the cursor is below a view that will be drawn over.
pub(super) fn stands() -> bool {
    STANDS.load(Ordering::Relaxed)
}

/// The stages of a build, and the one that runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// Their names in order; empty where a verb runs by itself.
    pub names: Vec<&'static str>,
    /// The place of the one that runs.
    pub current: usize,
}

/// What is drawn.
#[derive(Debug, Clone, Default)]
pub(super) struct View {
    /// The stages of a build, or nothing.
    pub stages: Shown,
    /// What is being done.
    pub task: String,
    /// The figures of the moment.
    pub line: String,
    /// Share of the work that is done, where the whole is known.
    pub share: Option<f64>,
    /// The loss over the steps, of a training run.
    pub curve: Option<LossCurve>,
}

impl View {
    /// As many rows as there is something to show, and the terminal has.
    fn height(&self, rows: u16) -> u16 {
        let lines = u16::from(!self.stages.names.is_empty()) + 2;
        let curve = self.curve.as_ref().map_or(0, |_| CURVE_LINES);
        if lines + curve < rows { lines + curve } else { lines }
    }

    /// The view on a terminal of this size. The last column stays free: what stands there may break the line.
    fn drawn(&self, (columns, rows): (u16, u16)) -> Buffer {
        let area = Rect::new(0, 0, columns.saturating_sub(1).max(1), self.height(rows));
        let mut buffer = Buffer::empty(area);
        self.draw(area, &mut buffer);
        buffer
    }

    fn draw(&self, area: Rect, buffer: &mut Buffer) {
        let stages = u16::from(!self.stages.names.is_empty());
        let curve = area.height - 2 - stages;
        let rows = Layout::vertical([stages, curve, 1, 1].map(Constraint::Length)).split(area);
        stages_line(&self.stages).render(rows[0], buffer);
        if let Some(shown) = self.curve.as_ref().filter(|_| curve > 0) {
            shown.draw(rows[1], buffer);
        }
        self.draw_share(rows[2], buffer);
        Line::from(self.line.as_str()).render(rows[3], buffer);
    }

    fn draw_share(&self, area: Rect, buffer: &mut Buffer) {
        match self.share {
            Some(share) => {
                let label = format!("{} {:>3.0} %", self.task, share * 100.0);
                let gauge = LineGauge::default().ratio(share.clamp(0.0, 1.0)).label(label);
                let gauge = gauge.filled_symbol(THICK_HORIZONTAL).unfilled_symbol(HORIZONTAL);
                gauge.filled_style(Style::new().fg(Color::Cyan)).render(area, buffer);
            }
            None => Line::from(self.task.as_str()).render(area, buffer),
        }
    }
}

/// `world ✓  collect ✓  pretrain ▶  eval`.
fn stages_line(stages: &Shown) -> Line<'_> {
    let mut spans = Vec::new();
    for (index, name) in stages.names.iter().enumerate() {
        spans.push(match index.cmp(&stages.current) {
            std::cmp::Ordering::Less => Span::from(format!("{name} ✓  ")).green(),
            std::cmp::Ordering::Equal => Span::from(format!("{name} ▶  ")).cyan().bold(),
            std::cmp::Ordering::Greater => Span::from(format!("{name}  ")).dark_gray(),
        });
    }
    Line::from(spans)
}

/// A figure that changes from step to step, smoothed: the mean of all so far, each weighing a tenth less than the one after it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Smoothed(Option<f64>);

impl Smoothed {
    /// The smoothed figure with one more.
    pub fn with(&mut self, value: f64) -> f64 {
        const SHARE: f64 = 0.1;
        let smoothed = self.0.map_or(value, |before| before + SHARE * (value - before));
        self.0 = Some(smoothed);
        smoothed
    }
}

/// The smoothed loss over the steps.
#[derive(Debug, Clone)]
pub(super) struct LossCurve {
    steps: u64,
    loss: Smoothed,
    points: Vec<(f64, f64)>,
}

impl LossCurve {
    pub(super) fn new(steps: u64) -> Self {
        Self { steps, loss: Smoothed::default(), points: Vec::new() }
    }

    /// The loss of a step.
    pub(super) fn add(&mut self, step: u64, loss: f64) {
        self.points.push((step as f64, self.loss.with(loss)));
        if self.points.len() > MOST_POINTS {
            let mut keep = false;
            self.points.retain(|_| {
                keep = !keep;
                keep
            });
        }
    }

    fn bounds(&self) -> [f64; 2] {
        let losses = || self.points.iter().map(|(_, loss)| *loss).filter(|loss| loss.is_finite());
        let (least, most) = (losses().fold(f64::INFINITY, f64::min), losses().fold(0.0, f64::max));
        if least > most { [0.0, 1.0] } else { [least.min(most - 0.01), most] }
    }

    fn draw(&self, area: Rect, buffer: &mut Buffer) {
        let bounds = self.bounds();
        let data = Dataset::default()
            .marker(Marker::Braille)
            .graph_type(GraphType::Line)
            .style(Style::new().fg(Color::Cyan))
            .data(&self.points);
        let losses = Axis::default().bounds(bounds).labels(bounds.map(|bound| format!("{bound:.2}")));
        let steps = Axis::default().bounds([0.0, self.steps.max(1) as f64]);
        let chart = Chart::new(vec![data]).block(Block::new().title("loss".dark_gray()));
        chart.x_axis(steps).y_axis(losses).render(area, buffer);
    }
}

/// The lowest lines of the terminal.
pub(super) struct Live {
    region: Region<Stderr>,
    view: View,
    drawn: Option<Instant>,
}

impl Live {
    /// Nothing is drawn yet.
    pub(super) fn new(view: View) -> Self {
        let colours = terminal::takes_colours(&io::stderr());
        Self { region: Region::new(io::stderr(), colours), view, drawn: None }
    }

    /// Changes what is shown; draws it when that is due, or at once at the end.
    pub(super) fn update(&mut self, at_once: bool, change: impl FnOnce(&mut View)) -> io::Result<()> {
        change(&mut self.view);
        let due = self.drawn.is_none_or(|drawn| drawn.elapsed() >= BETWEEN_DRAWINGS);
        if due || at_once { self.draw() } else { Ok(()) }
    }

    /// Prints text that stays, above the lines.
    pub(super) fn note(&mut self, text: &str) -> io::Result<()> {
        self.region.replace(text, terminal::size().0)?;
        self.draw()
    }

    fn draw(&mut self) -> io::Result<()> {
        let size = terminal::size();
        self.drawn = Some(Instant::now());
        STANDS.store(true, Ordering::Relaxed);
        self.region.draw(&self.view.drawn(size), size.0)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // A terminal that cannot be written to any more needs no clearing.
        let _ = self.region.replace("", terminal::size().0);
        STANDS.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use ratatui::buffer::Cell;

    use super::*;

    #[test]
    fn a_view_shows_stages_curve_share_and_figures() {
        let mut curve = LossCurve::new(100);
        (1..=50).for_each(|step| curve.add(step, 5.0 / step as f64));
        let view = View {
            stages: Shown { names: vec!["collect", "pretrain", "eval"], current: 1 },
            task: "training".into(),
            line: "step 50/100  loss 0.100".into(),
            share: Some(0.5),
            curve: Some(curve),
        };
        let drawn = text_of(&view.drawn((60, 24)));
        for wanted in ["collect ✓  pretrain ▶  eval", "loss", "training  50 %", "━──", "step 50/100"]
        {
            assert!(drawn.contains(wanted), "{wanted}: {drawn}");
        }
        assert!(drawn.chars().any(|drawn| ('\u{2801}'..='\u{28ff}').contains(&drawn)), "{drawn}");
        let low = text_of(&view.drawn((12, 8)));
        assert!(!low.contains("loss  ") && low.contains("step 50/100"), "no room for the curve: {low}");
    }

    fn text_of(buffer: &Buffer) -> String {
        let row = |cells: &[Cell]| cells.iter().map(Cell::symbol).collect::<String>() + "\n";
        buffer.content.chunks(usize::from(buffer.area.width)).map(row).collect()
    }

    #[test]
    fn a_long_curve_keeps_its_shape_in_few_points() {
        let mut curve = LossCurve::new(10_000);
        (1..=10_000).for_each(|step| curve.add(step, 1.0));
        assert!(curve.points.len() <= MOST_POINTS);
        assert!(curve.points.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
