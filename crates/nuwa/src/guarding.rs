//! A guard at work: around what is asked of a model and what it writes.

use std::cell::RefCell;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use nuwa_guard::{Blocked, FoundBy, Guard, Side, Step};
use nuwa_infer::Flow;
use serde::Serialize;

use crate::console::message;

/// The reason for which a text ends where the guard stopped it, as APIs of others name it.
pub const CONTENT_FILTER: &str = "content_filter";

#[derive(Debug, Args)]
pub struct GuardArguments {
    /// Check prompts and answers against this guard (TOML: word lists, patterns, a classifier; docs/guard.md shows one)
    #[arg(long, value_name = "FILE")]
    guard: Option<PathBuf>,
}

impl GuardArguments {
    /// The guard that was asked for, which keeps its decisions.
    pub fn begin(&self) -> anyhow::Result<Option<Watch>> {
        Ok(self.read()?.map(|guard| Watch { guard }))
    }

    /// The guard that was asked for.
    pub fn read(&self) -> anyhow::Result<Option<Guard>> {
        Ok(self.guard.as_ref().map(|path| Guard::read(path)).transpose()?)
    }
}

/// A guard that keeps its decisions.
#[derive(Debug)]
pub struct Watch {
    guard: Guard,
}

/// A line of the log: everything but the text.
#[derive(Serialize)]
struct LogLine<'a> {
    seconds: u64,
    side: Side,
    category: &'a str,
    by: FoundBy,
}

impl Watch {
    /// Why a whole text is not let through.
    pub fn check(&self, text: &str, side: Side) -> anyhow::Result<Option<Blocked>> {
        let blocked = self.guard.check(text, side);
        blocked.iter().try_for_each(|blocked| self.keep(blocked))?;
        Ok(blocked)
    }

    /// What is let through of a whole answer, and why not more.
    pub fn cut(&self, answer: &str) -> anyhow::Result<(String, Option<Blocked>)> {
        let mut stream = self.guard.stream();
        let first = stream.push(answer);
        let last = if first.blocked.is_none() { stream.finish() } else { Step::default() };
        let blocked = first.blocked.or(last.blocked);
        blocked.iter().try_for_each(|blocked| self.keep(blocked))?;
        Ok((first.release + &last.release, blocked))
    }

    fn keep(&self, blocked: &Blocked) -> anyhow::Result<()> {
        self.guard.log.as_ref().map_or(Ok(()), |path| keep(path, blocked))
    }
}

/// Adds a decision to the log of a guard.
pub fn keep(path: &Path, Blocked { category, by, side, .. }: &Blocked) -> anyhow::Result<()> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let line = serde_json::to_string(&LogLine { seconds, side: *side, category, by: *by })?;
    let written = nuwa_files::open_for_append(path)?.write_all(format!("{line}\n").as_bytes());
    Ok(written.map_err(nuwa_files::Error::write(path))?)
}

/// Tells the user that something was stopped.
pub fn tell(blocked: &Blocked) {
    message(&format!("{} ({})", blocked.message, blocked.category));
}

/// Lets `write` write under the eyes of a guard, where there is one: `on_text` gets what may be shown, and the writing ends where
/// something may not.
pub fn guarded<T>(
    watch: Option<&Watch>,
    goes_on: &mut dyn FnMut() -> Flow,
    on_text: &mut dyn FnMut(&str),
    write: impl FnOnce(&mut dyn FnMut() -> Flow, &mut dyn FnMut(&str)) -> nuwa_infer::Result<T>,
) -> anyhow::Result<(T, Option<Blocked>)> {
    let Some(watch) = watch else { return Ok((write(goes_on, on_text)?, None)) };
    let mut stream = watch.guard.stream();
    let stopped: RefCell<Option<Blocked>> = RefCell::new(None);
    let written =
        write(&mut || if stopped.borrow().is_some() { Flow::Break(()) } else { goes_on() }, &mut |text| {
            if stopped.borrow().is_none() {
                let Step { release, blocked } = stream.push(text);
                on_text(&release);
                *stopped.borrow_mut() = blocked;
            }
        })?;
    let mut blocked = stopped.into_inner();
    if blocked.is_none() {
        let last = stream.finish();
        on_text(&last.release);
        blocked = last.blocked;
    }
    blocked.iter().try_for_each(|blocked| watch.keep(blocked))?;
    Ok((written, blocked))
}
