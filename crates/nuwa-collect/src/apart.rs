//! Files that are read in a process of their own.
//!
//! A parser of others may overflow the stack or ask for all the memory, and nothing within a process can stop that. So a program that
//! says how ([`apart_by`]) is started for each PDF and each Parquet table, with limits on memory and time; what ends that process
//! ends nothing else. Otherwise the files are read in this one.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::OnceLock;
use std::thread::{self, JoinHandle};

use serde::de::DeserializeOwned;

use super::content::Seekable;

/// Starts a process that calls [`read_apart`](super::read_apart) with these arguments and this input, its output in a pipe.
pub type Start = fn(&[&str], Stdio) -> io::Result<Child>;

static START: OnceLock<Start> = OnceLock::new();

/// What is read apart.
pub(super) const PDF: &str = "pdf";
pub(super) const PARQUET: &str = "parquet";

/// What each file may have, and more for each MiB of it.
const MEMORY: u64 = 400 << 20;
const MEMORY_PER_MIB: u64 = 16 << 20;
const SECONDS: u64 = 2;
const SECONDS_PER_MIB: u64 = 1;

/// From now on PDFs and Parquet tables are read by processes that `start` starts.
pub fn apart_by(start: Start) {
    let _ = START.set(start);
}

/// What the process that reads one file may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: u64,
    /// Seconds of a processor's time.
    pub seconds: u64,
}

impl Limits {
    /// Those of a file of this size; `effort` is a multiple of the usual ones.
    pub(super) fn of_file(bytes: u64, effort: u32) -> Self {
        let (more, effort) = (bytes >> 20, u64::from(effort));
        Self {
            memory: effort.saturating_mul(MEMORY + more * MEMORY_PER_MIB),
            seconds: effort.saturating_mul(SECONDS + more * SECONDS_PER_MIB),
        }
    }
}

/// A process that reads a file; it ends with this.
pub(super) struct ReaderApart {
    child: Child,
    output: BufReader<ChildStdout>,
    writer: Option<JoinHandle<()>>,
}

/// Starts the program where there is one, on a file of a kind, whose text is in a field.
pub(super) fn start(kind: &str, effort: u32, field: &str, source: Seekable) -> Option<ReaderApart> {
    let begin = START.get()?;
    let (input, bytes) = match source {
        Seekable::File(file) => (Stdio::from(file), None),
        Seekable::Memory(bytes) => (Stdio::piped(), Some(bytes.into_inner())),
    };
    let mut child = begin(&[kind, &effort.to_string(), field], input).ok()?;
    let output = BufReader::with_capacity(1 << 16, child.stdout.take()?);
    let pipe = child.stdin.take().zip(bytes);
    // A process that has ended reads no further: what it wrote says why.
    let writer = pipe.map(|(mut pipe, bytes)| thread::spawn(move || drop(pipe.write_all(&bytes))));
    Some(ReaderApart { child, output, writer })
}

impl ReaderApart {
    /// The next line that it writes, where it is a `T`.
    pub fn line<T: DeserializeOwned>(&mut self) -> Option<T> {
        let mut line = Vec::new();
        self.output.read_until(b'\n', &mut line).ok()?;
        serde_json::from_slice(&line).ok()
    }

    /// All that it writes.
    pub fn end(mut self) -> Vec<u8> {
        let mut all = Vec::new();
        let _ = self.output.read_to_end(&mut all);
        all
    }
}

impl Drop for ReaderApart {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}
