//! What a terminal can show, as far as the environment tells: the terminal itself is never asked, so that one which does not
//! answer costs no time.

use std::ffi::OsStr;
use std::io::{self, IsTerminal};

/// Columns and rows where the terminal says nothing of them.
const USUAL_SIZE: (u16, u16) = (80, 24);

/// Whether lines of this stream may be drawn over, with codes that move the cursor.
pub fn takes_codes(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && has_codes(std::env::var_os("TERM").as_deref()) && codes_are_on()
}

/// Whether this stream shows colours, and the user wants them (<https://no-color.org>).
pub fn takes_colours(stream: &impl IsTerminal) -> bool {
    takes_codes(stream) && wants_colours(std::env::var_os("NO_COLOR").as_deref())
}

/// A terminal without a name is taken for a dumb one, but on Windows, where none has a name.
fn has_codes(name: Option<&OsStr>) -> bool {
    name.map_or(cfg!(windows), |name| name != "dumb" && !name.is_empty())
}

fn wants_colours(no_colour: Option<&OsStr>) -> bool {
    no_colour.is_none_or(OsStr::is_empty)
}

#[cfg(windows)]
fn codes_are_on() -> bool {
    anstyle_query::windows::enable_ansi_colors().unwrap_or(false)
}

#[cfg(not(windows))]
fn codes_are_on() -> bool {
    true
}

/// Columns and rows of the terminal that standard error goes to.
pub fn size() -> (u16, u16) {
    let known = terminal_size::terminal_size_of(io::stderr());
    known.map_or(USUAL_SIZE, |(columns, rows)| (columns.0, rows.0))
}

/// Columns of the terminal that standard output goes to.
pub fn output_columns() -> u16 {
    terminal_size::terminal_size_of(io::stdout()).map_or(USUAL_SIZE.0, |(columns, _)| columns.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dumb_and_nameless_terminals_get_no_codes() {
        let named = |name: &'static str| has_codes(Some(OsStr::new(name)));
        assert!(named("xterm-256color") && named("screen") && named("linux"));
        assert!(!named("dumb") && !named("") && has_codes(None) == cfg!(windows));
    }

    #[test]
    fn an_empty_wish_for_no_colour_is_none() {
        let said = |value: &'static str| wants_colours(Some(OsStr::new(value)));
        assert!(wants_colours(None) && said("") && !said("1") && !said("0"));
    }
}
