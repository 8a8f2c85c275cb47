//! What the user sees while something runs: results on standard output, all else on standard error.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use nuwa_files::Progress;
use serde::Serialize;

use crate::numbers;

/// Without a terminal a line is enough every few seconds.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// Prints a result.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Prints a result and ends the line.
pub fn print_line(text: &str) -> anyhow::Result<()> {
    print(&format!("{text}\n"))
}

/// Prints figures: as JSON where that was asked for, else as `text` says them.
pub fn print_figures<T: Serialize>(
    json: bool,
    figures: &T,
    text: impl FnOnce() -> String,
) -> anyhow::Result<()> {
    match json {
        true => print_line(&serde_json::to_string_pretty(figures)?),
        false => print_line(&text()),
    }
}

/// A message between results.
pub fn message(text: &str) {
    eprintln!("{text}");
}

/// Draws the progress of one piece of work: a bar on a terminal, else a plain line now and then.
pub struct Display {
    bar: Option<ProgressBar>,
    task: String,
    started: Instant,
    last_line: Instant,
}

impl Display {
    /// Ready to draw, with nothing drawn yet.
    pub fn new() -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::no_length();
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(8));
            bar.set_style(style("{msg}"));
            bar
        });
        let now = Instant::now();
        Self { bar, task: String::new(), started: now, last_line: now }
    }

    /// Shows how far the work has come.
    pub fn show(&mut self, progress: Progress) {
        if self.task != progress.task {
            self.begin(progress);
        }
        if let Some(bar) = &self.bar {
            bar.set_position(progress.done);
        } else if self.line_is_due() {
            message(&self.plain(progress));
        }
    }

    /// Shows a step of training: its line is written by the caller, for it knows what matters.
    pub fn show_step(&mut self, step: u64, steps: u64, line: &str) {
        let progress = Progress { task: "training", done: step, total: Some(steps), unit: "steps" };
        if self.task != progress.task {
            self.begin(progress);
            if let Some(bar) = &self.bar {
                bar.set_style(style("{bar:24} {msg}"));
            }
        }
        let due = step == 1 || step == steps || self.line_is_due();
        match &self.bar {
            Some(bar) => {
                bar.set_message(line.to_string());
                bar.set_position(step);
            }
            None if due => message(line),
            None => {}
        }
    }

    /// A message that stays, above the bar where there is one.
    pub fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| message(text)),
            None => message(text),
        }
    }

    fn begin(&mut self, progress: Progress) {
        self.task = progress.task.to_string();
        self.started = Instant::now();
        self.last_line = self.started;
        let Some(bar) = &self.bar else { return };
        bar.reset();
        bar.set_message(progress.task);
        match progress.total {
            Some(total) => {
                bar.set_length(total);
                bar.set_style(style(&format!(
                    "{{msg:20}} {{bar:24}} {}, {{eta}} left",
                    counted(progress, true)
                )));
            }
            None => bar.set_style(style(&format!("{{msg:20}} {{spinner}} {}", counted(progress, false)))),
        }
    }

    fn line_is_due(&mut self) -> bool {
        let due = self.last_line.elapsed() >= BETWEEN_LINES;
        if due {
            self.last_line = Instant::now();
        }
        due
    }

    fn plain(&self, progress: Progress) -> String {
        let Progress { task, done, total, unit } = progress;
        let amount = |n: u64| if unit == "bytes" { numbers::bytes(n) } else { numbers::grouped(n) };
        let unit = if unit == "bytes" { "" } else { unit };
        match total {
            Some(total) => {
                let left = self.started.elapsed().as_secs_f64() * (total.saturating_sub(done)) as f64
                    / done.max(1) as f64;
                let left = numbers::seconds(left);
                format!("{task}: {} of {} {unit}, {left} left", amount(done), amount(total))
                    .replace(" ,", ",")
            }
            None => format!("{task}: {} {unit}", amount(done)).trim_end().to_string(),
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn counted(progress: Progress, of_total: bool) -> String {
    match (progress.unit, of_total) {
        ("bytes", true) => "{decimal_bytes}/{decimal_total_bytes}".into(),
        ("bytes", false) => "{decimal_bytes}, {decimal_bytes_per_sec}".into(),
        (unit, true) => format!("{{human_pos}}/{{human_len}} {unit}"),
        (unit, false) => format!("{{human_pos}} {unit}"),
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_lines_say_what_is_left() {
        let display = Display::new();
        let known = Progress { task: "collecting files", done: 10, total: Some(10), unit: "files" };
        assert_eq!(display.plain(known), "collecting files: 10 of 10 files, 0.0s left");
        let unknown = Progress { task: "tokenizing", done: 2_500_000, total: None, unit: "bytes" };
        assert_eq!(display.plain(unknown), "tokenizing: 2.5 MB");
    }
}
