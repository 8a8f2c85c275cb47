//! What the user sees while something runs: results on standard output, all else on standard error.

mod live;
mod region;
pub mod terminal;

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use nuwa_files::Progress;
use nuwa_report::numbers;
use nuwa_report::text::printable;
use serde::Serialize;

use live::{Live, LossCurve, View};
pub use live::{Shown, Smoothed};

/// Without a terminal a line is enough every few seconds.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// Prints a result: into a file or a pipe as it is, at a terminal with nothing in it that a terminal obeys.
pub fn print(text: &str) -> anyhow::Result<()> {
    match io::stdout().is_terminal() {
        true => print_drawn(&printable(text)),
        false => print_drawn(text),
    }
}

/// Prints a result with colours of ours: whatever comes from others in it was made [`printable`] before.
pub fn print_drawn(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Prints a result for people, and ends the line.
pub fn print_line(text: &str) -> anyhow::Result<()> {
    print_drawn(&format!("{}\n", printable(text)))
}

/// Prints a result for programs, in JSON.
pub fn print_json<T: Serialize>(figures: &T) -> anyhow::Result<()> {
    print(&format!("{}\n", serde_json::to_string_pretty(figures)?))
}

/// Prints figures: as JSON where that was asked for, else as `text` says them.
pub fn print_figures<T: Serialize>(
    json: bool,
    figures: &T,
    text: impl FnOnce() -> String,
) -> anyhow::Result<()> {
    match json {
        true => print_json(figures),
        false => print_line(&text()),
    }
}

/// A message between results.
pub fn message(text: &str) {
    eprintln!("{}", printable(text));
}

/// A remark while something runs, from another thread: it stands until the next drawing of a live view.
pub fn remark(text: &str) {
    match live::stands() {
        true => eprint!("\r{}", printable(text)),
        false => last_words(text),
    }
}

/// A message behind which nothing more is drawn. What the user typed at a terminal stands on the line.
pub fn last_words(text: &str) {
    let before = if io::stderr().is_terminal() { "\n" } else { "" };
    message(&format!("{before}{text}"));
}

/// A step of training, as it is shown.
#[derive(Debug, Clone, Copy)]
pub struct ShownStep<'a> {
    /// The step, from 1.
    pub step: u64,
    /// All steps.
    pub steps: u64,
    /// Its loss.
    pub loss: f64,
    /// Its figures in a line.
    pub line: &'a str,
}

/// Draws the progress of one piece of work: live on a terminal, else a plain line now and then.
pub struct Display {
    is_live: bool,
    live: Option<Live>,
    stages: Shown,
    task: String,
    /// The first progress of the task, and the latest.
    first: Progress,
    latest: Progress,
    started: Instant,
    last_line: Instant,
}

const NOTHING: Progress = Progress { task: "", done: 0, total: None, unit: "", bytes: None };

impl Display {
    /// Ready to draw, with nothing drawn yet.
    pub fn new() -> Self {
        Self::of_stages(Shown::default())
    }

    /// The same within a build.
    pub fn of_stages(stages: Shown) -> Self {
        let is_live = terminal::takes_codes(&io::stderr());
        let now = Instant::now();
        Self {
            is_live,
            live: None,
            stages,
            task: String::new(),
            first: NOTHING,
            latest: NOTHING,
            started: now,
            last_line: now,
        }
    }

    /// Shows how far the work has come.
    pub fn show(&mut self, progress: Progress) {
        if self.task != progress.task {
            self.begin(progress, None);
        } else if progress.done < self.latest.done {
            // The next pass over the same things.
            (self.first, self.started) = (NOTHING, Instant::now());
        }
        self.latest = progress;
        let line = self.plain(progress);
        let share = progress.total.map(|total| progress.done as f64 / total.max(1) as f64);
        let is_last = progress.total == Some(progress.done);
        self.update(is_last, |view| (view.line, view.share) = (line.clone(), share));
        if !self.is_live && self.line_is_due() {
            message(&line);
        }
    }

    /// Shows a step of training: its line is written by the caller, for it knows what matters.
    pub fn show_step(&mut self, shown: ShownStep<'_>) {
        let ShownStep { step, steps, loss, line } = shown;
        let progress =
            Progress { task: "training", done: step, total: Some(steps), unit: "steps", bytes: None };
        if self.task != progress.task {
            self.begin(progress, Some(LossCurve::new(steps)));
        }
        self.update(step == steps, |view| {
            (view.line, view.share) = (line.to_string(), Some(step as f64 / steps.max(1) as f64));
            view.curve.iter_mut().for_each(|curve| curve.add(step, loss));
        });
        let due = step == 1 || step == steps || self.line_is_due();
        if !self.is_live && due {
            message(line);
        }
    }

    /// A message that stays, above the live view where there is one.
    pub fn note(&mut self, text: &str) {
        // A model in training writes anything, codes for the terminal included.
        let text = printable(text);
        match self.live.as_mut().map(|live| live.note(&text)) {
            Some(Ok(())) => {}
            _ => message(&text),
        }
    }

    fn begin(&mut self, progress: Progress, curve: Option<LossCurve>) {
        self.task = progress.task.to_string();
        // Of work that is gone on with, what was done before does not tell the speed.
        self.first = progress;
        self.started = Instant::now();
        self.last_line = self.started;
        self.live = None;
        if self.is_live {
            let stages = self.stages.clone();
            let view = View { stages, task: self.task.clone(), curve, ..View::default() };
            self.live = Some(Live::new(view));
        }
    }

    fn update(&mut self, at_once: bool, change: impl FnOnce(&mut View)) {
        if let Some(live) = &mut self.live {
            // What cannot be drawn now may be the next time; the work goes on.
            let _ = live.update(at_once, change);
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
        let Progress { task, done, total, unit, .. } = progress;
        let amount = |n: u64| if unit == "bytes" { numbers::bytes(n) } else { numbers::grouped(n) };
        let unit = if unit == "bytes" { "" } else { unit };
        match total {
            Some(total) => {
                let left = self.left(done, total).map_or(String::new(), |left| format!(", {left} left"));
                format!("{task}: {} of {} {unit}{}{left}", amount(done), amount(total), self.speed(progress))
                    .replace(" ,", ",")
            }
            None => format!("{task}: {} {unit}", amount(done)).trim_end().to_string() + &self.speed(progress),
        }
    }

    /// The time that the rest will take, once something is done.
    fn left(&self, done: u64, total: u64) -> Option<String> {
        let new = done.saturating_sub(self.first.done);
        let rest = total.saturating_sub(done) as f64;
        (new > 0).then(|| numbers::seconds(self.started.elapsed().as_secs_f64() * rest / new as f64))
    }

    /// Units and bytes a second, once there is something to tell them by.
    fn speed(&self, progress: Progress) -> String {
        let seconds = self.started.elapsed().as_secs_f64();
        let (first, new) = (self.first, progress.done.saturating_sub(self.first.done));
        let Some(bytes) = progress.bytes.filter(|_| seconds > 0.5 && new > 0) else { return String::new() };
        let bytes = bytes.saturating_sub(first.bytes.unwrap_or(0));
        let a_second = |amount: u64| (amount as f64 / seconds) as u64;
        format!(", {}/s, {}/s", numbers::grouped(a_second(new)), numbers::bytes(a_second(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_lines_say_what_is_left() {
        let display = Display::new();
        let known =
            Progress { task: "collecting files", done: 10, total: Some(10), unit: "files", bytes: None };
        assert_eq!(display.plain(known), "collecting files: 10 of 10 files, 0.0s left");
        assert_eq!(display.plain(Progress { done: 0, ..known }), "collecting files: 0 of 10 files");
        let unknown =
            Progress { task: "tokenizing", done: 2_500_000, total: None, unit: "bytes", bytes: None };
        assert_eq!(display.plain(unknown), "tokenizing: 2.5 MB");
    }

    #[test]
    fn speeds_are_those_of_this_run() {
        let at = |done, bytes| Progress {
            task: "a",
            done,
            total: Some(9000),
            unit: "documents",
            bytes: Some(bytes),
        };
        let mut display = Display::new();
        display.show(at(1000, 2_000_000));
        display.started = Instant::now() - Duration::from_secs(10);
        let line = display.plain(at(5000, 42_000_000));
        let begins = "a: 5,000 of 9,000 documents, 3";
        assert!(line.starts_with(begins) && line.contains("/s, ") && line.contains(" MB/s, 1"), "{line}");
    }
}
