//! The documents of many files on their way to the disk, and what can be gone on with after an interruption.

use std::path::{Path, PathBuf};
use std::time::Instant;

use nuwa_files::Document;
use nuwa_files::Progress;
use nuwa_files::documents::{LinesWriter, move_parts, part_path};
use nuwa_files::unfinished::{Unfinished, basis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::content::{Budget, Content};
use super::read;
use super::reading::{Found, ReadContext};
use super::settings::CollectSettings;
use super::summary::CollectSummary;
use super::walk::Input;
use crate::{Error, Result};

/// Files that are worked on side by side: few enough that all of them fit into memory.
const GROUP_FILES: usize = 64;
const GROUP_BYTES: u64 = 1 << 23;
/// Bytes of text in a file of documents, and after which interrupted work can be gone on with.
pub(super) const PART_BYTES: u64 = 1 << 28;
/// Text that waits to be written.
const PENDING_BYTES: usize = 1 << 22;
const PART: &str = "part";

pub(super) struct Collection<'a> {
    context: ReadContext<'a>,
    out: &'a Path,
    unfinished: Unfinished,
    /// Bytes of text after which the next part begins.
    part_bytes: u64,
    writer: Option<LinesWriter>,
    written: u64,
    pending: Vec<Document>,
    pending_bytes: usize,
    at: Place,
    /// Of the file at hand so much was found before the interruption.
    found_before: u64,
    summary: CollectSummary,
    files: usize,
    progress: &'a mut dyn FnMut(Progress),
    started: Instant,
    seconds_before: f64,
}

/// How far the work is.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Place {
    /// Files that are read to their end.
    inputs: usize,
    /// Documents and other things that were found in the next one.
    found: u64,
    /// Files of documents that are written.
    parts: usize,
}

impl<'a> Collection<'a> {
    pub fn new(
        part_bytes: u64,
        inputs: &[Input],
        out: &'a Path,
        settings: &'a CollectSettings,
        summary: CollectSummary,
        progress: &'a mut dyn FnMut(Progress),
    ) -> Self {
        let values = serde_json::to_value(settings).expect("settings are plain values");
        let origins: Vec<_> =
            inputs.iter().map(|input| input.origin.as_ref().map(|origin| &origin.1)).collect();
        let values = serde_json::json!({ "settings": values, "origins": origins });
        let basis = basis(inputs.iter().map(|input| input.path.as_path()), &values);
        Self {
            context: ReadContext { settings, spool: out },
            out,
            unfinished: Unfinished::new(out.join(".collect"), Some(basis)),
            part_bytes,
            writer: None,
            written: 0,
            pending: Vec::new(),
            pending_bytes: 0,
            at: Place::default(),
            found_before: 0,
            summary,
            files: inputs.len(),
            progress,
            started: Instant::now(),
            seconds_before: 0.0,
        }
    }

    /// Goes on from where the very same work was interrupted.
    pub fn take_up(&mut self) -> Result<()> {
        if let Some((at, summary)) = self.unfinished.take_up::<(Place, CollectSummary)>()? {
            self.at = at;
            self.found_before = at.found;
            self.seconds_before = summary.seconds;
            self.summary = summary;
        }
        Ok(())
    }

    /// Reads all files that are not read yet.
    pub fn take(&mut self, inputs: &[Input]) -> Result<()> {
        self.report();
        while self.at.inputs < inputs.len() {
            self.take_group(group(&inputs[self.at.inputs..]))?;
            self.report();
        }
        Ok(())
    }

    fn report(&mut self) {
        (self.progress)(Progress {
            task: "collecting files",
            done: self.at.inputs as u64,
            total: Some(self.files as u64),
            unit: "files",
            bytes: Some(self.summary.bytes),
        });
    }

    fn take_group(&mut self, group: &[Input]) -> Result<()> {
        let context = self.context;
        let ahead = |input: &Input| {
            let content = Content::file(&input.path, Budget::of_file(input.bytes, context.settings));
            let found = read::in_memory(input, &content, context);
            (content, found)
        };
        let read_ahead: Vec<_> = group.par_iter().map(ahead).collect();
        for (input, (content, found)) in group.iter().zip(read_ahead) {
            let result = match found {
                Some((found, result)) => {
                    found.into_iter().try_for_each(|found| self.found(found))?;
                    result
                }
                None => read::read(input, &content, context, &mut |found| self.found(found)),
            };
            self.end(input, result)?;
        }
        Ok(())
    }

    pub fn found(&mut self, found: Found) -> Result<()> {
        if self.found_before > 0 {
            self.found_before -= 1;
            return Ok(());
        }
        self.at.found += 1;
        match found {
            Found::Document(document) => self.add(document)?,
            Found::File(outcome) => self.summary.count(outcome),
            Found::Skipped(path, reason) => self.summary.skip(path, reason),
            Found::Odd(oddity) => self.summary.meet(oddity),
        }
        Ok(())
    }

    fn add(&mut self, document: Document) -> Result<()> {
        self.summary.documents += 1;
        self.summary.bytes += document.text.len() as u64;
        self.summary.characters += document.text.chars().count() as u64;
        self.pending_bytes += document.text.len();
        self.pending.push(document);
        if self.pending_bytes < PENDING_BYTES.min(self.part_bytes as usize) {
            return Ok(());
        }
        self.write_pending()?;
        if self.written >= self.part_bytes {
            self.end_part()?;
        }
        self.report();
        Ok(())
    }

    fn write_pending(&mut self) -> Result<()> {
        let path = part_path(self.unfinished.folder(), PART, self.at.parts);
        self.writer.get_or_insert_with(|| LinesWriter::new(path)).write(&self.pending)?;
        self.written += self.pending_bytes as u64;
        self.pending.clear();
        self.pending_bytes = 0;
        Ok(())
    }

    /// From here on a new run would go on.
    fn end_part(&mut self) -> Result<()> {
        if let Some(writer) = self.writer.take() {
            writer.finish()?;
            self.at.parts += 1;
            self.written = 0;
        }
        self.summary.seconds = self.seconds();
        Ok(self.unfinished.write(|| (self.at, &self.summary))?)
    }

    fn seconds(&self) -> f64 {
        self.seconds_before + self.started.elapsed().as_secs_f64()
    }

    /// Damage and the like in one file of a folder is no reason to stop; what came before it is kept.
    pub fn end(&mut self, input: &Input, result: Result<()>) -> Result<()> {
        if let Err(error) = result {
            match error.skip_reason() {
                Some(reason) if !input.named => self.summary.skip(input.path.clone(), reason),
                _ => return Err(error),
            }
        }
        self.at.inputs += 1;
        self.at.found = 0;
        self.found_before = 0;
        Ok(())
    }

    /// After an error: what can be gone on with stays.
    pub fn leave(&self) -> Result<()> {
        if self.unfinished.was_written() { Ok(()) } else { Ok(self.unfinished.remove()?) }
    }

    pub fn finish(mut self, paths: &[PathBuf]) -> Result<CollectSummary> {
        if self.summary.documents == 0 {
            let path = paths.first().cloned().unwrap_or_default();
            let skipped = self.summary.reasons();
            return Err(match path.is_dir() || !skipped.is_empty() {
                true => Error::EmptyFolder { path, skipped },
                false => Error::EmptyFile { path },
            });
        }
        if !self.pending.is_empty() {
            self.write_pending()?;
        }
        // Written once more, so that being interrupted while parts are moved loses nothing.
        self.end_part()?;
        let parts: Vec<PathBuf> =
            (0..self.at.parts).map(|part| part_path(self.unfinished.folder(), PART, part)).collect();
        move_parts(&parts, self.out, "documents")?;
        nuwa_files::write_json(&self.out.join("collect.json"), &self.summary)?;
        self.unfinished.remove()?;
        Ok(self.summary)
    }
}

/// The first files of these that are worked on side by side.
fn group(inputs: &[Input]) -> &[Input] {
    let mut bytes = 0;
    let fits = |input: &&Input| {
        bytes += input.bytes;
        bytes <= GROUP_BYTES
    };
    let count = inputs.iter().take(GROUP_FILES).take_while(fits).count();
    &inputs[..count.max(1).min(inputs.len())]
}
