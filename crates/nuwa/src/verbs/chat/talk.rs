//! Line after line: from a terminal, where it can be edited and found again, or from a pipe.

use std::io::{self, IsTerminal, StdinLock, Write};
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use nuwa_infer::Flow;
use nuwa_report::numbers::counted;
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{Config, Editor};

use super::lines::Lines;
use super::{ANSWERING, STOP};
use crate::console::message;
use crate::failure::{self, Problem};

/// Whether what is typed can be found again the next time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// In a file of the user's.
    Kept,
    /// Only until the program ends.
    Session,
}

/// Lines that are kept.
const MOST_KEPT: usize = 1000;

/// Hears line after line until one says to end, or there are no more; `name` says who listens.
pub fn talk(
    name: &str,
    history: History,
    hear: &mut dyn FnMut(&str) -> anyhow::Result<Flow>,
) -> anyhow::Result<()> {
    let at_terminal = io::stdin().is_terminal();
    if at_terminal {
        message(&format!("{name}; /help says what can be done"));
    }
    listen_for_interrupts();
    let mut lines = match at_terminal && io::stdout().is_terminal() {
        true => Typed::edited(history)?,
        false => Typed::Plain { lines: Lines::new(io::stdin().lock()), at_terminal },
    };
    let failed = hear_all(&mut lines, hear);
    lines.end();
    let failed = failed?;
    // At a terminal somebody saw each error and could ask again.
    if failed == 0 || at_terminal {
        return Ok(());
    }
    Err(Problem::new(format!("{} could not be answered", counted(failed, "line")))
        .hint("each is named above, with the reason")
        .into())
}

/// Hears all lines; how many could not be answered.
fn hear_all(lines: &mut Typed, hear: &mut dyn FnMut(&str) -> anyhow::Result<Flow>) -> anyhow::Result<u64> {
    let mut failed = 0;
    loop {
        let Some(line) = lines.next()? else { return Ok(failed) };
        match line.map_err(anyhow::Error::from).and_then(|line| hear(&line)) {
            Ok(Flow::Continue(())) => {}
            Ok(Flow::Break(())) => return Ok(failed),
            // Where nothing can be printed, nobody hears the next answer either.
            Err(error) if error.is::<io::Error>() => return Err(error),
            Err(error) => {
                failed += 1;
                failure::tell(lines.number(), &error);
            }
        }
    }
}

/// Where lines come from.
enum Typed {
    /// A terminal on which a line can be edited, and those before it found.
    Edited { editor: Box<Editor<(), DefaultHistory>>, file: Option<PathBuf> },
    /// Anything else.
    Plain { lines: Lines<StdinLock<'static>>, at_terminal: bool },
}

impl Typed {
    fn edited(history: History) -> anyhow::Result<Self> {
        let config = Config::builder().max_history_size(MOST_KEPT)?.history_ignore_space(true);
        let mut editor = Editor::with_config(config.auto_add_history(true).build())?;
        let file = history_file().filter(|_| history == History::Kept);
        if let Some(file) = &file {
            // The first time there is none, and one that is damaged is no reason not to talk.
            let _ = editor.load_history(file);
        }
        Ok(Self::Edited { editor: Box::new(editor), file })
    }

    /// The next line; none at the end.
    fn next(&mut self) -> anyhow::Result<Option<Result<String, Problem>>> {
        match self {
            Self::Edited { editor, .. } => match editor.readline("> ") {
                Ok(line) => Ok(Some(Ok(line))),
                Err(ReadlineError::Eof) => Ok(None),
                Err(ReadlineError::Interrupted) => {
                    self.end();
                    std::process::exit(130);
                }
                Err(ReadlineError::Io(error)) => Err(error.into()),
                Err(error) => Err(error.into()),
            },
            Self::Plain { lines, at_terminal } => {
                if *at_terminal {
                    eprint!("> ");
                    io::stderr().flush()?;
                }
                Ok(lines.read()?)
            }
        }
    }

    /// The number of the line, where nobody saw it.
    fn number(&self) -> Option<u64> {
        match self {
            Self::Plain { lines, at_terminal: false } => Some(lines.number()),
            _ => None,
        }
    }

    /// Keeps what was typed.
    fn end(&mut self) {
        let Self::Edited { editor, file: Some(file) } = self else { return };
        let kept = file.parent().map_or(Ok(()), std::fs::create_dir_all);
        if kept.is_err() || editor.save_history(file).is_err() {
            message(&format!("note: what was typed cannot be kept in {}", file.display()));
        }
    }
}

/// Where lines are kept for the next time: among the user's files of state.
fn history_file() -> Option<PathBuf> {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = match cfg!(windows) {
        true => named("LOCALAPPDATA"),
        false => named("XDG_STATE_HOME").or_else(|| Some(named("HOME")?.join(".local/state"))),
    };
    Some(state?.join("nuwa").join("chat_history"))
}

/// Ctrl-C stops an answer; where none is being written, it ends the program.
fn listen_for_interrupts() {
    let stop = || match ANSWERING.load(Ordering::Relaxed) {
        true => STOP.store(true, Ordering::Relaxed),
        false => std::process::exit(130),
    };
    if ctrlc::set_handler(stop).is_err() {
        message("Ctrl-C will end the program, not only an answer");
    }
}
