//! Files that are read in a process of their own.
//!
//! A parser of others may overflow the stack or ask for all the memory, and nothing within a process can stop that. So a program that
//! says how ([`apart_by`]) is started for each PDF and each Parquet table, with limits on memory and time; what ends that process
//! ends nothing else. Otherwise the files are read in this one.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Cursor, Read, Write};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

use serde::{Deserialize, Serialize};

use super::content::Seekable;
use super::formats::parquet::{self, Found, Stop, Taker};
use super::formats::pdf::{self, Extract};
use crate::Error;

/// Starts a process that calls [`read_apart`] with these arguments and this input, its output in a pipe.
pub type Start = fn(&[&str], Stdio) -> io::Result<Child>;

static START: OnceLock<Start> = OnceLock::new();

const PDF: &str = "pdf";
const PARQUET: &str = "parquet";

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
    fn of_file(bytes: u64, effort: u32) -> Self {
        let (more, effort) = (bytes >> 20, u64::from(effort));
        Self {
            memory: effort.saturating_mul(MEMORY + more * MEMORY_PER_MIB),
            seconds: effort.saturating_mul(SECONDS + more * SECONDS_PER_MIB),
        }
    }
}

/// Reads the file `input` (or, where it is no file, what comes from there) and writes what it gives to `output`; `limit` is told what
/// it may take, before it is parsed.
pub fn read_apart(
    arguments: &[OsString],
    mut input: File,
    output: &mut dyn Write,
    limit: impl FnOnce(Limits),
) -> io::Result<()> {
    let metadata = input.metadata()?;
    let source = match metadata.is_file() {
        true => Seekable::File(input),
        false => {
            let mut bytes = Vec::new();
            input.read_to_end(&mut bytes)?;
            Seekable::Memory(Cursor::new(bytes.into()))
        }
    };
    let size = match &source {
        Seekable::File(_) => metadata.len(),
        Seekable::Memory(bytes) => bytes.get_ref().len() as u64,
    };
    let [kind, effort, field] = arguments else { return Err(io::ErrorKind::InvalidInput.into()) };
    let effort = effort.to_string_lossy().parse().map_err(|_| io::ErrorKind::InvalidInput)?;
    limit(Limits::of_file(size, effort));
    let mut output = BufWriter::new(output);
    match kind == PDF {
        true => write_text(source, effort, &mut output)?,
        false => write_rows(source, &field.to_string_lossy(), &mut output)?,
    }
    output.flush()
}

fn write_text(mut source: Seekable, effort: u32, output: &mut dyn Write) -> io::Result<()> {
    let mut bytes = Vec::new();
    source.read_to_end(&mut bytes)?;
    Ok(serde_json::to_writer(output, &pdf::extract(bytes, effort))?)
}

/// What is written of a table, a line each.
#[derive(Serialize, Deserialize)]
enum Line {
    Found(Found),
    End(Option<parquet::Refusal>),
}

fn write_rows(source: Seekable, field: &str, output: &mut dyn Write) -> io::Result<()> {
    let mut write = |line: &Line| {
        serde_json::to_writer(&mut *output, line)?;
        output.write_all(b"\n")
    };
    let mut take = |found| write(&Line::Found(found)).map_err(Error::read(PARQUET.as_ref()));
    match parquet::table(source, field, &mut take) {
        Ok(()) => write(&Line::End(None)),
        Err(Stop::Refused(refusal)) => write(&Line::End(Some(refusal))),
        Err(Stop::Taker(_)) => Err(io::ErrorKind::BrokenPipe.into()),
    }
}

/// The text of a PDF.
pub(super) fn text(bytes: Vec<u8>, effort: u32) -> Result<Extract, pdf::Refusal> {
    let bytes: Arc<[u8]> = bytes.into();
    match start(PDF, effort, "", Seekable::Memory(Cursor::new(bytes.clone()))) {
        Some(reader) => {
            let output = reader.end();
            serde_json::from_slice(&output).unwrap_or(Err(pdf::Refusal::Fatal))
        }
        None => pdf::extract(bytes.to_vec(), effort),
    }
}

/// A Parquet table to be read.
pub(super) struct Table<'a> {
    pub bytes: Seekable,
    /// The column of the text.
    pub field: &'a str,
    /// A multiple of the usual limits.
    pub effort: u32,
}

/// Hands on the rows of a table.
pub(super) fn rows(table: Table, take: Taker) -> Result<(), Stop> {
    let again = table.bytes.again().map_err(Error::read(PARQUET.as_ref()))?;
    let Some(mut reader) = start(PARQUET, table.effort, table.field, again) else {
        return parquet::table(table.bytes, table.field, take);
    };
    loop {
        match reader.line() {
            Some(Line::Found(found)) => take(found)?,
            Some(Line::End(refusal)) => return refusal.map_or(Ok(()), |refusal| Err(refusal.into())),
            None => return Err(parquet::Refusal::Fatal.into()),
        }
    }
}

/// A process that reads a file; it ends with this.
struct ReaderApart {
    child: Child,
    output: BufReader<ChildStdout>,
    writer: Option<JoinHandle<()>>,
}

/// Starts the program where there is one, on a file of a kind, whose text is in a field.
fn start(kind: &str, effort: u32, field: &str, source: Seekable) -> Option<ReaderApart> {
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
    fn line(&mut self) -> Option<Line> {
        let mut line = Vec::new();
        self.output.read_until(b'\n', &mut line).ok()?;
        serde_json::from_slice(&line).ok()
    }

    fn end(mut self) -> Vec<u8> {
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
