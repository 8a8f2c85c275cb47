//! Texts that a verb is given to tell something of: on the command line, on standard input, in files.

use std::path::Path;

use nuwa_align::data::PlainText;
use nuwa_infer::{TextReader, WholeText};
use nuwa_report::numbers::counted;

use crate::console::message;
use crate::input;

/// Endings of files that hold records.
const RECORDS: [&str; 5] = [".csv", ".tsv", ".json", ".jsonl", ".ndjson"];

/// Whether a file is plain text, a text a line.
pub fn is_plain(file: &Path) -> bool {
    let name = nuwa_files::compressed::name_within(file).to_lowercase();
    !RECORDS.iter().any(|end| name.ends_with(end))
}

/// A text for each line that is not blank; `name` is that of their place.
pub fn of_lines(name: &str, content: &str) -> Vec<PlainText> {
    let lines = content.trim_start_matches('\u{feff}').lines().map(str::trim).zip(1..);
    let text = |(line, number): (&str, usize)| PlainText {
        text: line.into(),
        pair: None,
        place: format!("{name}:{number}"),
    };
    lines.filter(|(line, _)| !line.is_empty()).map(text).collect()
}

/// The texts of the command line; `-` stands for those of standard input, a text a line.
pub fn given(arguments: &[String]) -> anyhow::Result<Vec<PlainText>> {
    let mut texts = Vec::new();
    for (text, number) in arguments.iter().zip(1..) {
        match text.as_str() {
            "-" => texts.extend(of_lines("standard input", &input::standard_input()?)),
            _ => texts.push(PlainText { text: text.clone(), pair: None, place: format!("text {number}") }),
        }
    }
    Ok(texts)
}

/// Texts as a model reads them; says how many were cut.
pub fn whole(reader: &TextReader, texts: &[PlainText]) -> anyhow::Result<Vec<WholeText>> {
    let read = |text: &PlainText| {
        let read = reader.read(&text.text, text.pair.as_deref());
        let place = text.place.clone();
        read.map_err(|source| nuwa_align::Error::Text { place, source: Box::new(source) })
    };
    let whole: Vec<WholeText> = texts.iter().map(read).collect::<nuwa_align::Result<_>>()?;
    let cut = whole.iter().filter(|text| text.cut > 0).count() as u64;
    if cut > 0 {
        message(&format!("{} cut to {} tokens", counted(cut, "text"), reader.context()));
    }
    Ok(whole)
}
