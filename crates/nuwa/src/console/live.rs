//! The live view: the lowest lines of a terminal, redrawn while something runs; what is to stay scrolls away above them.
//!
//! The lines are ratatui's inline viewport, so nothing takes the whole screen, and what was printed can still be read,
//! copied and scrolled back to. The cursor is never hidden: a program that is killed leaves the terminal as it should be.

use std::io::{self, Stderr};
use std::time::{Duration, Instant};

use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType, LineGauge, Paragraph, Widget, Wrap};
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};

use super::Stages;

/// Time between two drawings.
const BETWEEN_DRAWINGS: Duration = Duration::from_millis(125);
/// Lines of the curve.
const CURVE_LINES: u16 = 9;
/// Points of a curve; where there are more, every second one goes.
const MOST_POINTS: usize = 600;

/// What is drawn.
#[derive(Debug, Clone, Default)]
pub(super) struct View {
    /// The stages of a build, or nothing.
    pub stages: Stages,
    /// What is being done.
    pub task: String,
    /// The figures of the moment.
    pub line: String,
    /// Share of the work that is done, where the whole is known.
    pub share: Option<f64>,
    /// The loss over the steps, of a training run.
    pub curve: Option<Curve>,
}

impl View {
    fn height(&self) -> u16 {
        let stages = u16::from(!self.stages.names.is_empty());
        stages + 2 + if self.curve.is_some() { CURVE_LINES } else { 0 }
    }

    fn draw(&self, frame: &mut Frame<'_>) {
        let curve = self.curve.as_ref().map_or(0, |_| CURVE_LINES);
        let stages = u16::from(!self.stages.names.is_empty());
        let rows = Layout::vertical([stages, curve, 1, 1].map(Constraint::Length)).split(frame.area());
        frame.render_widget(stages_line(&self.stages), rows[0]);
        if let Some(curve) = &self.curve {
            curve.draw(frame, rows[1]);
        }
        self.draw_share(frame, rows[2]);
        frame.render_widget(Line::from(self.line.as_str()), rows[3]);
        frame.set_cursor_position(Position::new(rows[3].x, rows[3].y));
    }

    fn draw_share(&self, frame: &mut Frame<'_>, area: Rect) {
        match self.share {
            Some(share) => {
                let label = format!("{} {:>3.0} %", self.task, share * 100.0);
                let gauge = LineGauge::default().ratio(share.clamp(0.0, 1.0)).label(label);
                frame.render_widget(gauge.filled_style(Style::new().fg(Color::Cyan)), area);
            }
            None => frame.render_widget(Line::from(self.task.as_str()), area),
        }
    }
}

/// `world ✓  collect ✓  pretrain ▶  eval`.
fn stages_line(stages: &Stages) -> Line<'_> {
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
pub(super) struct Curve {
    steps: u64,
    loss: Smoothed,
    points: Vec<(f64, f64)>,
}

impl Curve {
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

    fn draw(&self, frame: &mut Frame<'_>, area: Rect) {
        let bounds = self.bounds();
        let data = Dataset::default()
            .marker(Marker::Braille)
            .graph_type(GraphType::Line)
            .style(Style::new().fg(Color::Cyan))
            .data(&self.points);
        let losses = Axis::default().bounds(bounds).labels(bounds.map(|bound| format!("{bound:.2}")));
        let steps = Axis::default().bounds([0.0, self.steps.max(1) as f64]);
        let chart = Chart::new(vec![data]).block(Block::new().title("loss".dark_gray()));
        frame.render_widget(chart.x_axis(steps).y_axis(losses), area);
    }
}

/// The lowest lines of the terminal.
pub(super) struct Live {
    terminal: Terminal<CrosstermBackend<Stderr>>,
    view: View,
    drawn: Option<Instant>,
}

impl Live {
    /// Takes as many lines as the view needs.
    pub(super) fn open(view: View) -> io::Result<Self> {
        let options = TerminalOptions { viewport: Viewport::Inline(view.height()) };
        let terminal = Terminal::with_options(CrosstermBackend::new(io::stderr()), options)?;
        Ok(Self { terminal, view, drawn: None })
    }

    /// Changes what is shown; draws it when that is due, or at once at the end.
    pub(super) fn update(&mut self, at_once: bool, change: impl FnOnce(&mut View)) -> io::Result<()> {
        change(&mut self.view);
        let due = self.drawn.is_none_or(|drawn| drawn.elapsed() >= BETWEEN_DRAWINGS);
        if due || at_once {
            let view = &self.view;
            self.terminal.draw(|frame| view.draw(frame))?;
            self.drawn = Some(Instant::now());
        }
        Ok(())
    }

    /// Prints text that stays, above the lines.
    pub(super) fn note(&mut self, text: &str) -> io::Result<()> {
        let width = self.terminal.size()?.width.max(1);
        let height: usize = text.lines().map(|line| lines_of(line, width)).sum();
        let paragraph = Paragraph::new(text).wrap(Wrap { trim: false });
        self.terminal.insert_before(height.max(1) as u16, |buffer| paragraph.render(buffer.area, buffer))?;
        let view = &self.view;
        self.terminal.draw(|frame| view.draw(frame))?;
        Ok(())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // A terminal that cannot be written to any more needs no clearing.
        let _ = self.terminal.clear();
    }
}

/// How many lines of the terminal a line of text takes: wrapped at words, so that there may be one more than the widths
/// say.
fn lines_of(line: &str, width: u16) -> usize {
    let paragraph = Line::from(line).width();
    let full = paragraph.div_ceil(usize::from(width));
    if full > 1 { full + 1 } else { 1 }
}

#[cfg(test)]
mod tests {
    use ratatui::backend::TestBackend;

    use super::*;

    #[test]
    fn a_view_shows_stages_curve_share_and_figures() {
        let mut curve = Curve::new(100);
        (1..=50).for_each(|step| curve.add(step, 5.0 / step as f64));
        let view = View {
            stages: Stages { names: vec!["collect", "pretrain", "eval"], current: 1 },
            task: "training".into(),
            line: "step 50/100  loss 0.100".into(),
            share: Some(0.5),
            curve: Some(curve),
        };
        let mut terminal = Terminal::new(TestBackend::new(60, view.height())).unwrap();
        terminal.draw(|frame| view.draw(frame)).unwrap();
        let drawn = terminal.backend().to_string();
        for wanted in ["collect ✓  pretrain ▶  eval", "loss", "training  50 %", "step 50/100"] {
            assert!(drawn.contains(wanted), "{wanted}: {drawn}");
        }
        assert!(drawn.chars().any(|drawn| ('\u{2801}'..='\u{28ff}').contains(&drawn)), "{drawn}");
    }

    #[test]
    fn a_long_curve_keeps_its_shape_in_few_points() {
        let mut curve = Curve::new(10_000);
        (1..=10_000).for_each(|step| curve.add(step, 1.0));
        assert!(curve.points.len() <= MOST_POINTS);
        assert!(curve.points.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
