//! How a failure is told: `error:` with what happened, `cause:` lines, then `hint:` with what to do next.

use std::error::Error as StandardError;
use std::fmt;
use std::io;
use std::process::ExitCode;

use nuwa_report::text::printable;

use crate::hints::hint;
use crate::interrupt;

/// A failure of the program itself, with its next step.
#[derive(Debug)]
pub struct Problem {
    message: String,
    hint: Option<String>,
}

impl Problem {
    /// What happened: names the file, the key or the value, and what was expected.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    /// What the user can do about it.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// What was said that the user can do, if anything.
    pub fn next_step(&self) -> Option<String> {
        self.hint.clone()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl StandardError for Problem {}

/// Prints the failure on standard error; the exit code that goes with it.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if reader_is_gone(error) {
        return ExitCode::SUCCESS;
    }
    if let Some(told) = interrupt::told(error) {
        eprintln!("{told}");
        return ExitCode::from(interrupt::EXIT_CODE);
    }
    eprint!("{}", printable(&text(error)));
    ExitCode::FAILURE
}

/// Prints a failure that the program goes on after, with the line of the input that it is about.
pub fn tell(line: Option<u64>, error: &anyhow::Error) {
    let place = line.map_or(String::new(), |number| format!("line {number}: "));
    eprint!("{}", printable(&text(error)).replacen("error: ", &format!("error: {place}"), 1));
}

/// `nuwa ... | head` closes the pipe when it has enough: no failure of ours.
fn reader_is_gone(error: &anyhow::Error) -> bool {
    let broken = |cause: &&(dyn StandardError + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    error.chain().any(|cause| broken(&cause))
}

fn text(error: &anyhow::Error) -> String {
    let mut said = error.to_string();
    let mut text = format!("error: {said}\n");
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // Many messages already end in their cause.
        if !said.contains(&cause) {
            text += &format!("cause: {cause}\n");
            said = cause;
        }
    }
    let hint = error.chain().find_map(next_step).unwrap_or_else(usual_hint);
    text + &format!("hint: {hint}\n")
}

/// What the user can do about one cause, as the problem itself says it or the cause's kind lets one know.
fn next_step(cause: &(dyn StandardError + 'static)) -> Option<String> {
    match cause.downcast_ref::<Problem>() {
        Some(problem) => problem.next_step(),
        None => hint(cause),
    }
}

/// Where nothing better is known: what the verb expects.
fn usual_hint() -> String {
    let verb =
        std::env::args().nth(1).filter(|verb| verb.chars().all(|character| character.is_ascii_lowercase()));
    format!("`nuwa {} says what is expected", verb.map_or("--help`".into(), |verb| format!("{verb} --help`")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn a_failure_names_its_cause_once_and_the_next_step() {
        let inner: anyhow::Result<()> = Err(Problem::new("the key is unknown").hint("spell it").into());
        let error = inner.context("cannot read recipe.toml").unwrap_err();
        assert_eq!(
            text(&error),
            "error: cannot read recipe.toml\ncause: the key is unknown\nhint: spell it\n"
        );
        let repeated = anyhow::Error::new(Problem::new("no space")).context("cannot write a: no space");
        assert_eq!(
            text(&repeated),
            "error: cannot write a: no space\nhint: `nuwa --help` says what is expected\n"
        );
    }
}
