//! The program at a terminal that shows everything and answers nothing.

use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, Command};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::support::{Place, story};

/// A terminal: what is written to it is read from the file.
pub struct Terminal {
    screen: File,
    line: File,
}

impl Terminal {
    pub fn open() -> Self {
        let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&screen).unwrap();
        unlockpt(&screen).unwrap();
        let name = ptsname(&screen, Vec::new()).unwrap();
        let path = std::ffi::OsStr::from_bytes(name.to_bytes());
        let line = File::options().read(true).write(true).open(path).unwrap();
        Self { screen: screen.into(), line }
    }

    /// Starts a program whose three streams are this terminal; the program, and what it will be read from.
    pub fn start(self, command: &mut Command) -> (Child, File) {
        let end = || self.line.try_clone().unwrap();
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        // The command keeps ends of its own, with which there would be no end to read.
        command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
        command.stderr(std::process::Stdio::null());
        (child, self.screen)
    }
}

/// All that is shown until the program ends; where nobody is left to write, a terminal is an error.
pub fn shown(mut screen: File) -> String {
    let (mut all, mut block) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = screen.read(&mut block) {
        all.extend_from_slice(&block[..read]);
    }
    String::from_utf8(all).unwrap()
}

/// What is shown of a short piece of work, with such variables.
fn shown_with(variables: &[(&str, &str)]) -> String {
    let place = Place::new();
    place.write("story.txt", story(50));
    let mut command = place.command("collect story.txt --out out");
    command.env_remove("NO_COLOR").envs(variables.iter().copied());
    let (mut child, screen) = Terminal::open().start(&mut command);
    let shown = shown(screen);
    assert!(child.wait().unwrap().success() && shown.contains("1 document of 1 file"), "{shown:?}");
    shown
}

#[test]
fn a_terminal_is_drawn_on_and_never_asked() {
    let shown = shown_with(&[("TERM", "xterm-256color")]);
    assert!(shown.contains("\u{1b}[36m") && shown.contains("A\u{1b}[J"), "{shown:?}");
    let questions = ["\u{1b}[6n", "\u{1b}[c", "\u{1b}[>", "\u{1b}[?", "\u{1b}]"];
    assert!(!questions.iter().any(|question| shown.contains(question)), "{shown:?}");
}

#[test]
fn who_wants_no_colour_gets_none() {
    let shown = shown_with(&[("TERM", "xterm-256color"), ("NO_COLOR", "1")]);
    let ends = |code: &str| code.chars().find(char::is_ascii_alphabetic);
    let codes: Vec<char> = shown.split('\u{1b}').skip(1).filter_map(ends).collect();
    assert!(!codes.is_empty() && !codes.contains(&'m'), "{shown:?}");
}

#[test]
fn a_dumb_terminal_gets_plain_lines() {
    for name in ["dumb", ""] {
        let shown = shown_with(&[("TERM", name)]);
        assert!(!shown.contains('\u{1b}') && !shown.replace("\r\n", "").contains('\r'), "{shown:?}");
    }
}
