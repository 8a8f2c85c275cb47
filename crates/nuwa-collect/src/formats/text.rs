//! Plain text, Markdown, fortune files and HTML.

use std::io::{BufRead, Read};

use nuwa_text::cut_near;

use super::page::describe;
use crate::content::LARGEST_PAGE;
use crate::decode::Text;
use crate::format::Format;
use crate::reading::Reading;
use crate::{Error, Result};

/// A page, the items of a fortune file, or a text in one piece or several.
pub(crate) fn read(reading: &mut Reading) -> Result<&'static str> {
    let mut text = reading.text()?;
    let is_fortune = text.inspection.is_fortune && reading.context.settings.split_fortune_files;
    match reading.input.format {
        Format::Text if text.inspection.is_html => html(reading, &mut text),
        Format::Text if is_fortune => fortune(reading, &mut text),
        Format::Html => html(reading, &mut text),
        Format::Markdown => pieces(reading, &mut text, "markdown"),
        _ => pieces(reading, &mut text, "text"),
    }
}

/// One document, or several where the text is huge. What came before damage is kept.
fn pieces(reading: &mut Reading, text: &mut Text, format: &'static str) -> Result<&'static str> {
    let limit = reading.context.settings.split_documents_over as usize;
    let mut held = String::new();
    let mut part = None;
    let end = loop {
        match text.fill(&mut held, limit + 1) {
            Ok(true) => {}
            end => break end,
        }
        let cut = cut_near(&held, limit, limit / 2);
        let rest = held.split_off(cut);
        part = Some(part.unwrap_or(0) + 1);
        let piece = std::mem::replace(&mut held, rest);
        reading.give(reading.document(part, piece, format))?;
    };
    let part = part.map(|part| part + 1);
    if !held.is_empty() {
        reading.give(reading.document(part, held, format))?;
    }
    end.map(|_| format)
}

fn fortune(reading: &mut Reading, text: &mut Text) -> Result<&'static str> {
    let mut item = String::new();
    let mut position = 0;
    loop {
        let mut line = Vec::new();
        let limit = reading.context.settings.split_documents_over;
        let mut limited = text.reader.by_ref().take(limit);
        limited.read_until(b'\n', &mut line).map_err(Error::read(&reading.input.path))?;
        let separator = line.trim_ascii() == b"%";
        if line.is_empty() || separator || (item.len() + line.len()) as u64 > limit {
            if !item.trim().is_empty() {
                position += 1;
                reading.give(reading.document(Some(position), std::mem::take(&mut item), "fortune"))?;
            }
            item.clear();
        }
        if line.is_empty() {
            return Ok("fortune");
        }
        if !separator {
            item.push_str(&String::from_utf8_lossy(&line));
        }
    }
}

fn html(reading: &mut Reading, text: &mut Text) -> Result<&'static str> {
    let mut page = String::new();
    if text.fill(&mut page, LARGEST_PAGE as usize)? {
        return Err(Error::LargePage { path: reading.input.path.clone(), limit: LARGEST_PAGE });
    }
    let mut document = reading.document(None, page, "html");
    describe(&mut document);
    reading.give(document)?;
    Ok("html")
}
