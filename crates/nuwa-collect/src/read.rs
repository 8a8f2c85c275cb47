//! One file: what it is, and the way to the reader of its format.

use std::io::Read;
use std::path::Path;

use super::content::Content;
use super::format::{Format, extension};
use super::formats;
use super::letters::HEAD;
use super::reading::{Found, ReadContext, Reading, Sink};
use super::summary::Outcome;
use super::walk::Input;
use crate::error::TOO_DEEP;
use crate::{Error, Result};

/// What is found in a file that fits into memory; `None` where it does not, or cannot be read.
pub(super) fn in_memory(
    input: &Input,
    content: &Content,
    context: ReadContext,
) -> Option<(Vec<Found>, Result<()>)> {
    if input.format.holds_many() {
        return None;
    }
    let content = content.in_memory().ok()??;
    let mut found = Vec::new();
    let result = read(input, &content, context, &mut |one| {
        found.push(one);
        Ok(())
    });
    Some((found, result))
}

/// Hands on what is found in a file of any size.
pub(super) fn read(input: &Input, content: &Content, context: ReadContext, sink: Sink) -> Result<()> {
    let mut reading = Reading::new(input, content, context, &mut *sink);
    let format = documents(&mut reading);
    if content.has_rest() {
        reading.odd("bytes behind the end of a gzip file, passed over", None);
    }
    // What was odd before the damage is told too.
    reading.tell_odd()?;
    let Some(format) = format? else { return Ok(()) };
    let outcome = Outcome { format, ..std::mem::take(&mut reading.outcome) };
    sink(Found::File(outcome))
}

/// Hands on the documents; the name of the format, `None` of an archive, whose members are counted instead.
fn documents(reading: &mut Reading) -> Result<Option<&'static str>> {
    let format = match format(reading)? {
        Format::Text | Format::Markdown | Format::Html => formats::text::read(reading)?,
        Format::JsonLines | Format::Json => formats::json_lines::read(reading)?,
        Format::Csv | Format::Tsv => formats::table::read(reading)?,
        Format::Mail => formats::mail::read(reading)?,
        Format::Mailbox => formats::mail::read_mailbox(reading)?,
        Format::Warc => formats::warc::read(reading)?,
        Format::Parquet => formats::parquet::read(reading)?,
        Format::Pdf => formats::pdf::read(reading)?,
        Format::Zip | Format::Office => return formats::zip::read(reading, member),
        Format::Tar => return formats::tar::read(reading, member).map(|()| None),
    };
    Ok(Some(format))
}

/// The format, by its content where the name promises no more than text.
fn format(reading: &Reading) -> Result<Format> {
    let input = reading.input;
    if input.format != Format::Text {
        return Ok(input.format);
    }
    let mut head = Vec::new();
    let opened = reading.content.open().map_err(Error::read(&input.path))?;
    // Reading will find the damage again, and say where it is.
    let _ = opened.take(HEAD as u64).read_to_end(&mut head);
    Ok(Format::of_mail(&head).unwrap_or(Format::Text))
}

/// Reads a member of an archive like a file of a folder.
fn member(archive: &mut Reading, name: &str, bytes: &mut dyn Read) -> Result<()> {
    let mut head = Vec::new();
    if Format::is_unnamed(Path::new(name)) {
        // What cannot be read is damaged, and found to be so behind these bytes.
        let _ = (&mut *bytes).take(HEAD as u64).read_to_end(&mut head);
    }
    let member = match recognise(archive, name, &head) {
        Ok(member) => member,
        Err(reason) => return archive.skip_member(name, &reason),
    };
    let bytes = &mut (&head[..]).chain(bytes);
    let content = Content::member(bytes, archive.content.budget(), archive.context.spool);
    let result = content
        .map_err(Error::read(&member.path))
        .and_then(|content| read(&member, &content, archive.context, &mut *archive.sink));
    match result {
        Err(error @ Error::File(nuwa_files::Error::Expanded { .. })) => Err(error),
        Err(error) => match error.skip_reason() {
            Some(reason) => archive.skip_member(name, &reason),
            None => Err(error),
        },
        Ok(()) => Ok(()),
    }
}

/// The member as a file to read, or why it is none.
fn recognise(archive: &Reading, name: &str, head: &[u8]) -> Result<Input, String> {
    if name.split(['/', '\\']).any(|part| part.starts_with('.') && part != "." && part != "..") {
        return Err("hidden".into());
    }
    let settings = archive.context.settings;
    let extension = extension(Path::new(name));
    let named = Format::of_name(Path::new(name), &settings.extra_text_extensions);
    let format = match named.or_else(|| Format::of_certain_bytes(head)) {
        Some(format) => format,
        None if extension.is_empty() => return Err("no ending".into()),
        None => return Err(format!(".{extension} is not a known ending")),
    };
    let depth = archive.input.depth + 1;
    if format.is_archive() && depth >= settings.nested_archives {
        return Err(TOO_DEEP.into());
    }
    let id = format!("{}!{name}", archive.input.id);
    Ok(Input {
        path: archive.member_path(name),
        id,
        format,
        named: false,
        bytes: 0,
        depth,
        origin: archive.input.origin.clone(),
    })
}
