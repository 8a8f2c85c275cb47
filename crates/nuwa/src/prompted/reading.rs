//! Texts from the command line, from standard input, from files and folders, and passages of them to be found by their words.

use std::path::PathBuf;

use nuwa_collect::{CollectSettings, collect, html};
use nuwa_files::documents;
use nuwa_text::cut_near;
use nuwa_text::language::identify;
use nuwa_text::search::SearchIndex;

use crate::failure::Problem;
use crate::input;

/// Letters that tell the language of a text, at least, and the share of them that must be of it.
const LETTERS: u64 = 4;
const SHARE: f64 = 0.5;

/// Text that is kept in memory, at most.
const MOST_BYTES: usize = 256 << 20;

/// A text, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenText {
    /// The text.
    pub text: String,
    /// File, or number on the command line.
    pub place: String,
}

/// The language of a text by its code, where that is sure.
pub fn language_of(text: &str) -> Option<&'static str> {
    identify(text, LETTERS, SHARE)
}

/// The texts of the command line, `-` being all of standard input, and those of files and folders of any format that `nuwa collect`
/// reads, each document a text; of standard input where nothing is named.
pub fn given(arguments: &[String], files: &[PathBuf]) -> anyhow::Result<Vec<GivenText>> {
    let mut texts = Vec::new();
    let from_input = || -> anyhow::Result<GivenText> {
        Ok(GivenText { text: input::standard_input()?, place: "standard input".into() })
    };
    for (text, number) in arguments.iter().zip(1..) {
        texts.push(match text.as_str() {
            "-" => from_input()?,
            _ => GivenText { text: text.clone(), place: format!("text {number}") },
        });
    }
    if !files.is_empty() {
        texts.extend(documents_of(files)?);
    } else if texts.is_empty() {
        texts.push(from_input()?);
    }
    match texts.iter().find(|given| given.text.trim().is_empty()) {
        Some(empty) => Err(Problem::new(format!("{} is empty", empty.place))
            .hint("give a text with some words in it")
            .into()),
        None => Ok(texts),
    }
}

/// The documents of files and folders, of pages their articles.
fn documents_of(paths: &[PathBuf]) -> anyhow::Result<Vec<GivenText>> {
    let folder = tempfile::tempdir()?;
    collect(paths, folder.path(), &CollectSettings::default(), &mut |_| {})?;
    let (mut texts, mut bytes) = (Vec::new(), 0);
    for document in documents::read(folder.path())? {
        let document = document?;
        let is_page = document.meta.get("format").is_some_and(|format| format == "html");
        let text = if is_page { html::article(&document.text).text } else { document.text };
        bytes += text.len();
        if bytes > MOST_BYTES {
            let told = format!("there are more than {} MB of text", MOST_BYTES >> 20);
            return Err(Problem::new(told).hint("name fewer files").into());
        }
        texts.push(GivenText { text, place: document.source });
    }
    texts.retain(|given| !given.text.trim().is_empty());
    Ok(texts)
}

/// A part of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// What it says.
    pub text: String,
    /// The document.
    pub source: String,
    /// The line of the document's text in which it begins, from 1.
    pub line: usize,
}

/// Passages of documents, to be found by their words.
#[derive(Debug, Default)]
pub struct Passages {
    all: Vec<Passage>,
    index: SearchIndex,
}

impl Passages {
    /// Those of files and folders, of at most so many bytes each.
    pub fn read(paths: &[PathBuf], most_bytes: usize) -> anyhow::Result<Self> {
        let mut own = Self::default();
        for document in documents_of(paths)? {
            own.add(&document, most_bytes);
        }
        Ok(own)
    }

    fn add(&mut self, document: &GivenText, most_bytes: usize) {
        let (mut line, mut before) = (1, 0);
        for (at, text) in passages(&document.text, most_bytes) {
            line += document.text[before..at].matches('\n').count();
            before = at;
            self.index.add(text);
            self.all.push(Passage { text: text.to_string(), source: document.place.clone(), line });
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Those that fit a question best, the best first, with their BM25 scores.
    pub fn best(&self, question: &str, count: usize) -> Vec<(&Passage, f64)> {
        self.index
            .search(question, count)
            .into_iter()
            .map(|hit| (&self.all[hit.passage], hit.score))
            .collect()
    }
}

/// A text in passages of at most so many bytes that end with a sentence where that is possible, each with the byte where it begins.
pub fn passages(text: &str, most_bytes: usize) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        at += text[at..].len() - text[at..].trim_start().len();
        let rest = &text[at..];
        if rest.is_empty() {
            return None;
        }
        let end = match rest.len() <= most_bytes {
            true => rest.len(),
            false => cut_near(rest, most_bytes, most_bytes * 2 / 3),
        };
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let (begin, passage) = (at, &rest[..end.max(first)]);
        at += passage.len();
        Some((begin, passage.trim_end()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_into_passages_after_sentences() {
        let text = "Mina lives in Dorn. ".repeat(40);
        let all: Vec<(usize, &str)> = passages(&text, 300).collect();
        assert!(all.len() > 2);
        for (at, passage) in &all {
            assert!(passage.len() <= 300 && passage.ends_with('.') && text[*at..].starts_with(passage));
        }
        let chinese = "米娜住在多恩。".repeat(40);
        assert_eq!(passages(&chinese, 300).map(|(_, passage)| passage).collect::<String>(), chinese);
        assert_eq!(passages("  ", 300).count(), 0);
    }

    #[test]
    fn a_passage_is_found_by_its_words_with_its_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let filling = "The sea is wide and the wind is cold there.\n".repeat(20);
        std::fs::write(folder.path().join("a.txt"), format!("{filling}\nMina lives in Dorn.\n")).unwrap();
        std::fs::write(
            folder.path().join("b.html"),
            "<html><body><nav>Dorn Dorn Dorn</nav><p>Vell is a river, and it flows from the mountains to the sea.</p></body></html>",
        )
        .unwrap();
        let own = Passages::read(&[folder.path().to_path_buf()], 200).unwrap();
        let (best, score) = own.best("Where does Mina live?", 1)[0];
        assert!(best.source.ends_with("a.txt") && best.text.contains("Mina lives in Dorn."), "{best:?}");
        assert!(score > 0.0 && best.line > 1 && best.line <= 22, "{best:?}");
        assert!(own.best("river", 3).iter().all(|(passage, _)| passage.source.ends_with("b.html")));
        assert!(own.best("Zabo", 3).is_empty());
    }

    #[test]
    fn texts_are_arguments_and_documents() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.md");
        std::fs::write(&path, "# One\n\nTwo.").unwrap();
        let texts = given(&["x".into()], &[path]).unwrap();
        assert_eq!(texts[0], GivenText { text: "x".into(), place: "text 1".into() });
        assert!(texts[1].text.contains("Two.") && texts[1].place.ends_with("a.md"));
        assert_eq!(given(&[" ".into()], &[]).unwrap_err().to_string(), "text 1 is empty");
    }

    #[test]
    fn languages_are_told_by_short_texts_too() {
        assert_eq!(language_of("米娜住在哪里？"), Some("zh"));
        assert_eq!(language_of("12"), None);
    }
}
