//! Ctrl-C: work stops where the least of it is lost, and whoever stopped it is told how to go on.
//!
//! Training looks after each step whether it is to stop, and keeps a checkpoint first. All other work stops at once: what it has
//! finished lies whole on the disk. A second Ctrl-C stops at once whatever runs.

use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, mpsc};

use anyhow::Context;
use nuwa_files::quoted;
use nuwa_train::Error::Stopped;

use crate::console;

/// The exit code of a program that Ctrl-C ended.
pub const EXIT_CODE: u8 = 130;

/// Whether the user has pressed Ctrl-C.
static ASKED: AtomicBool = AtomicBool::new(false);
/// Whether the work at hand looks at that by itself.
static WAITS: AtomicBool = AtomicBool::new(false);
/// What is at hand.
static WORK: Mutex<Option<Work>> = Mutex::new(None);
/// Temporary folders, which go with the program however it ends.
static SCRATCH: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A piece of work that may be interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Its name: that of the stage, where it is one.
    pub name: &'static str,
    /// What is kept when it is interrupted; nothing where it begins again.
    pub kept: Option<&'static str>,
    /// Whether it is part of a build, whose other stages are kept.
    pub in_build: bool,
}

impl Work {
    /// Fetching what lies on other machines.
    pub fn downloads(in_build: bool) -> Self {
        Self { name: "downloads", kept: Some("what was fetched"), in_build }
    }

    /// A verb of which nothing is kept.
    pub fn alone(name: &'static str) -> Self {
        Self { name, kept: None, in_build: false }
    }
}

/// The next piece of work was not begun any more.
#[derive(Debug)]
struct NotBegun(Work);

impl fmt::Display for NotBegun {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} was not begun", self.0.name)
    }
}

impl std::error::Error for NotBegun {}

/// Work begins that Ctrl-C stops with a word on how to go on; not where it was pressed before.
pub fn begin(work: Work) -> anyhow::Result<()> {
    static LISTEN: Once = Once::new();
    LISTEN.call_once(|| {
        // Where this is refused, Ctrl-C ends the program without a word.
        let _ = ctrlc::set_handler(pressed);
    });
    if is_asked() {
        return Err(NotBegun(work).into());
    }
    *WORK.lock().unwrap_or_else(|broken| broken.into_inner()) = Some(work);
    Ok(())
}

/// What gives a word when Ctrl-C is pressed.
pub fn on_end() -> anyhow::Result<mpsc::Receiver<()>> {
    let (sender, receiver) = mpsc::channel();
    let pressed = move || {
        // The first one is on its way to an end already.
        let _ = sender.send(());
    };
    ctrlc::set_handler(pressed).context("Ctrl-C cannot be listened for")?;
    Ok(receiver)
}

/// Whether work that looks is to stop.
pub fn is_asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// While this lives, the work at hand asks by itself whether it is to stop.
pub struct Waiting;

impl Waiting {
    pub fn begin() -> Self {
        WAITS.store(true, Ordering::Relaxed);
        Self
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        WAITS.store(false, Ordering::Relaxed);
    }
}

/// A temporary folder that Ctrl-C does not leave behind.
pub struct Scratch(tempfile::TempDir);

impl Scratch {
    pub fn new() -> std::io::Result<Self> {
        let folder = tempfile::tempdir()?;
        SCRATCH.lock().unwrap_or_else(|broken| broken.into_inner()).push(folder.path().into());
        Ok(Self(folder))
    }
}

impl Deref for Scratch {
    type Target = Path;

    fn deref(&self) -> &Path {
        self.0.path()
    }
}

/// Runs on a thread of its own.
fn pressed() {
    let is_first = !ASKED.swap(true, Ordering::Relaxed);
    if is_first && WAITS.load(Ordering::Relaxed) {
        return console::remark("stopping after this step; Ctrl-C again stops at once");
    }
    let work = *WORK.lock().unwrap_or_else(|broken| broken.into_inner());
    let what = work.map_or("interrupted".into(), left);
    let scratch = SCRATCH.lock().unwrap_or_else(|broken| broken.into_inner());
    scratch.iter().for_each(|folder| drop(std::fs::remove_dir_all(folder)));
    console::last_words(&farewell(&what));
    std::process::exit(EXIT_CODE.into());
}

/// What to say where `error` is an interruption.
pub fn told(error: &anyhow::Error) -> Option<String> {
    let stopped = match error.downcast_ref::<nuwa_align::Error>() {
        Some(nuwa_align::Error::Train(error)) => Some(error),
        _ => error.downcast_ref::<nuwa_train::Error>(),
    };
    if let Some(Stopped { step, steps }) = stopped {
        let what = format!("interrupted after step {step} of {steps}, of which a checkpoint is kept");
        return Some(farewell(&what));
    }
    let NotBegun(work) = error.downcast_ref()?;
    Some(farewell(&format!("interrupted before {}: finished stages are kept", work.name)))
}

/// What an interruption at once leaves of work.
fn left(Work { name, kept, in_build }: Work) -> String {
    match (kept, in_build) {
        (Some(kept), true) => format!("interrupted in {name}: {kept} and finished stages are kept"),
        (Some(kept), false) => format!("interrupted: {kept} is kept"),
        (None, true) => format!("interrupted in {name}, which begins again: finished stages are kept"),
        (None, false) => "interrupted: nothing is kept of it".into(),
    }
}

fn farewell(what: &str) -> String {
    let command: Vec<String> = std::env::args_os().map(quoted).collect();
    format!("{what}\nhint: to go on, give the same command again: {}", command.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_what_is_lost() {
        let checkpoint = Some("the last checkpoint");
        let said = |name, kept, in_build| left(Work { name, kept, in_build });
        assert_eq!(
            said("tokenizer", None, true),
            "interrupted in tokenizer, which begins again: finished stages are kept"
        );
        assert_eq!(
            said("sft", checkpoint, true),
            "interrupted in sft: the last checkpoint and finished stages are kept"
        );
        assert_eq!(said("pretrain", checkpoint, false), "interrupted: the last checkpoint is kept");
        assert_eq!(said("eval", None, false), "interrupted: nothing is kept of it");
    }

    #[test]
    fn an_interruption_is_told_from_a_failure() {
        let stopped = || Stopped { step: 3, steps: 9 };
        for error in [anyhow::Error::new(stopped()), anyhow::Error::new(nuwa_align::Error::from(stopped()))] {
            let told = told(&error).unwrap();
            assert!(
                told.starts_with("interrupted after step 3 of 9, of which a checkpoint is kept\nhint: "),
                "{told}"
            );
        }
        assert!(told(&anyhow::anyhow!("the disk is full")).is_none());
    }
}
