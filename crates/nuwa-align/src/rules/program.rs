//! A program that scores answers: it is started for each batch, reads one JSON object a line, and prints one JSON number (or null) a
//! line, in the same order.
//!
//! A line it reads: `{"prompt": [turns], "answer": text, "answers": [references], "ended": true, "record": {the whole record}}`. No
//! shell comes between: the command is cut at blanks, of which those between double quotes are kept.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::spec::wrong;
use super::{Judged, Rule};
use crate::{Error, Result};

/// Bytes that a program may print for an answer, and besides.
const PRINTED: [u64; 2] = [1024, 65_536];
/// Bytes of its complaints that are shown: the last.
const SHOWN: usize = 2000;
/// How often one looks whether it has ended.
const PAUSE: Duration = Duration::from_millis(2);

/// A program as a rule.
#[derive(Debug)]
pub struct Program {
    written: String,
    command: Vec<String>,
    limit: Duration,
}

impl Program {
    pub fn new(written: &str, command: &str, limit: Duration) -> Result<Self> {
        let command = cut(command).ok_or_else(|| {
            wrong(written, "a double quote in the command is not closed", "close it, or leave it out")
        })?;
        if command.is_empty() {
            return Err(wrong(
                written,
                "a command is missing",
                "name the program, such as program:./judge --strict",
            ));
        }
        Ok(Self { written: written.into(), command, limit })
    }

    fn start(&self) -> Result<Running> {
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own: what it starts itself ends with it, and Ctrl-C is for this program alone.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command.spawn().map_err(|error| {
            let problem = format!("{} could not be started: {error}", self.command[0]);
            wrong(
                &self.written,
                problem,
                "name a program that is there and may be run; no shell looks for it or its arguments",
            )
        })?;
        Ok(Running(child))
    }

    /// What it prints for this input, once it has ended well.
    fn run(&self, input: String, answers: usize) -> Result<String> {
        let until = Instant::now() + self.limit;
        let mut running = self.start()?;
        let streams = (running.0.stdin.take(), running.0.stdout.take(), running.0.stderr.take());
        let (Some(mut stdin), Some(stdout), Some(stderr)) = streams else {
            return Err(wrong(&self.written, "its input and output could not be opened", "try again"));
        };
        // A program that does not read all of it says so by what it prints.
        thread::spawn(move || stdin.write_all(input.as_bytes()));
        let most = PRINTED[0] * answers as u64 + PRINTED[1];
        let (said, complaints) = (Heard::of(stdout.take(most + 1), usize::MAX), Heard::of(stderr, SHOWN));
        let failed = |problem: String| self.failed(problem, &complaints);
        let left = |until: Instant| until.saturating_duration_since(Instant::now());
        if said.ended.recv_timeout(left(until)).is_err() {
            return Err(failed(self.too_slow(&said, answers)));
        }
        let text = said.text();
        if text.len() as u64 > most {
            return Err(failed(format!("it printed more than {most} bytes for {answers} answers")));
        }
        match running.wait(until) {
            None => Err(failed(self.too_slow(&said, answers))),
            // What it still has to say is waited for, not longer than a moment: a process of its own may keep the pipe open.
            Some(status) if !status.success() => {
                let _ = complaints.ended.recv_timeout(left(until).min(Duration::from_millis(200)));
                Err(failed(format!("{} ended with {status}", self.command[0])))
            }
            Some(_) => Ok(text),
        }
    }

    fn too_slow(&self, said: &Heard, answers: usize) -> String {
        let lines = said.text().lines().count();
        let seconds = self.limit.as_secs_f64();
        format!(
            "it did not end within {seconds} s and was stopped; it had printed {lines} of {answers} scores"
        )
    }

    fn failed(&self, mut problem: String, complaints: &Heard) -> Error {
        let complaints = complaints.text();
        if !complaints.trim().is_empty() {
            let _ = write!(problem, "; it said: {}", complaints.trim());
        }
        let advice = "it reads one JSON object a line until its input ends, prints one number (or null) for each, and ends with status \
            0; more time is given as program@SECONDS:COMMAND";
        wrong(&self.written, problem, advice)
    }

    /// The scores in what was printed.
    fn read(&self, printed: &str, answers: usize) -> Result<Vec<Option<f32>>> {
        let advice = "it prints one JSON number, or null, for each answer, in their order, and nothing else";
        let lines: Vec<&str> = printed.trim_end().lines().collect();
        if lines.len() != answers {
            let problem = format!("it printed {} lines for {answers} answers", lines.len());
            return Err(wrong(&self.written, problem, advice));
        }
        let score = |(line, number): (&str, usize)| match serde_json::from_str(line.trim()) {
            Ok(Value::Null) => Ok(None),
            Ok(Value::Number(score)) if score.as_f64().is_some_and(|score| (score as f32).is_finite()) => {
                Ok(score.as_f64().map(|score| score as f32))
            }
            _ => {
                let start: String = line.chars().take(80).collect();
                let problem = format!(
                    "line {number} of what it printed is {start:?}, expected a finite number or null"
                );
                Err(wrong(&self.written, problem, advice))
            }
        };
        lines.into_iter().zip(1..).map(score).collect()
    }
}

impl Rule for Program {
    fn name(&self) -> String {
        self.written.clone()
    }

    fn scores(&self, judged: &[Judged<'_>]) -> Result<Vec<Option<f32>>> {
        if judged.is_empty() {
            return Ok(Vec::new());
        }
        let input: String = judged.iter().map(|judged| format!("{}\n", line(judged))).collect();
        self.read(&self.run(input, judged.len())?, judged.len())
    }
}

fn line(judged: &Judged<'_>) -> Value {
    json!({
        "prompt": judged.prompt.messages,
        "answer": judged.answer,
        "answers": judged.prompt.answers,
        "ended": judged.ended,
        "record": judged.prompt.fields,
    })
}

/// A command cut at blanks, but for those between double quotes; none where a quote is not closed.
fn cut(command: &str) -> Option<Vec<String>> {
    let (mut parts, mut current, mut quoted): (Vec<String>, Option<String>, bool) = (Vec::new(), None, false);
    for character in command.chars() {
        match character {
            '"' => {
                quoted = !quoted;
                current.get_or_insert_default();
            }
            blank if blank.is_whitespace() && !quoted => parts.extend(current.take()),
            other => current.get_or_insert_default().push(other),
        }
    }
    parts.extend(current);
    (!quoted).then_some(parts)
}

/// A process that is stopped when it is no longer waited for.
struct Running(Child);

impl Running {
    /// How it ended; none when it has not by then.
    fn wait(&mut self, until: Instant) -> Option<ExitStatus> {
        loop {
            match self.0.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < until => thread::sleep(PAUSE),
                _ => return None,
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(Some(_))) {
            return;
        }
        #[cfg(unix)]
        if let Some(group) = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What comes from a stream, heard by a thread of its own, so that no full pipe stops the other side.
struct Heard {
    bytes: Arc<Mutex<Vec<u8>>>,
    /// Says when the stream has ended.
    ended: Receiver<()>,
}

impl Heard {
    /// Of `stream`, the last `most` bytes.
    fn of(mut stream: impl Read + Send + 'static, most: usize) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let (said, ended) = channel();
        let shared = Arc::clone(&bytes);
        thread::spawn(move || {
            let mut block = [0; 8192];
            while let Ok(count @ 1..) = stream.read(&mut block) {
                let mut bytes = shared.lock().unwrap_or_else(PoisonError::into_inner);
                bytes.extend_from_slice(&block[..count]);
                let excess = bytes.len().saturating_sub(most);
                bytes.drain(..excess);
            }
            drop(stream);
            let _ = said.send(());
        });
        Self { bytes, ended }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn commands_are_cut_at_blanks_that_are_not_quoted() {
        for (command, expected) in [
            ("python3 judge.py --strict", vec!["python3", "judge.py", "--strict"]),
            ("  \"my judge\"  a\"b c\"d \"\" ", vec!["my judge", "ab cd", ""]),
            ("C:\\judge.exe $HOME *", vec!["C:\\judge.exe", "$HOME", "*"]),
            ("", vec![]),
        ] {
            assert_eq!(cut(command).unwrap(), expected, "{command}");
        }
        assert_eq!(cut("judge \"a"), None);
    }
}
