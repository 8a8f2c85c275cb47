use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{CollectSettings, CollectSummary};
use crate::{Error, Result, compressed};

/// A file to read.
#[derive(Debug)]
pub(super) struct Input {
    pub path: PathBuf,
    /// The start of its documents' ids: the path from the folder that was named, so that a moved folder gives
    /// the same ids.
    pub id: String,
    pub format: Format,
    /// Named by the user, rather than found in a folder.
    pub named: bool,
    /// Its size on the disk.
    pub bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Markdown,
    Html,
    JsonLines,
}

impl Format {
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Markdown => "markdown",
            Self::Html => "html",
            Self::JsonLines => "jsonl",
        }
    }

    fn of_extension(extension: &str, settings: &CollectSettings) -> Option<Self> {
        match extension {
            "txt" | "text" => Some(Self::Text),
            "md" | "markdown" => Some(Self::Markdown),
            "html" | "htm" | "xhtml" => Some(Self::Html),
            "jsonl" | "ndjson" => Some(Self::JsonLines),
            other => settings
                .extra_text_extensions
                .iter()
                .any(|extra| extra.trim_start_matches('.').eq_ignore_ascii_case(other))
                .then_some(Self::Text),
        }
    }
}

/// The files to read, in a fixed order; those of a folder that are passed over by name go into the summary.
pub(super) fn inputs(
    paths: &[PathBuf],
    settings: &CollectSettings,
    summary: &mut CollectSummary,
) -> Result<Vec<Input>> {
    let mut walk = Walk { settings, summary, seen: HashSet::new(), inputs: Vec::new() };
    for path in paths {
        let metadata = fs::metadata(path).map_err(Error::read(path))?;
        let id = root_id(path, paths);
        if metadata.is_dir() {
            walk.folder(path, "")?;
        } else {
            let format = Format::of_extension(&extension(path), settings).unwrap_or(Format::Text);
            walk.inputs.push(Input { path: path.clone(), id, format, named: true, bytes: metadata.len() });
        }
    }
    Ok(walk.inputs)
}

/// A named file's own name, or its whole path where two named files share a name.
fn root_id(path: &Path, paths: &[PathBuf]) -> String {
    let alike = paths.iter().filter(|other| other.file_name() == path.file_name()).count();
    match path.file_name() {
        Some(name) if alike == 1 => name.to_string_lossy().into_owned(),
        _ => path.display().to_string(),
    }
}

fn extension(path: &Path) -> String {
    let name = compressed::name_within(path);
    let extension = Path::new(&name).extension().unwrap_or_default();
    extension.to_string_lossy().to_lowercase()
}

struct Walk<'a> {
    settings: &'a CollectSettings,
    summary: &'a mut CollectSummary,
    /// Folders gone into, so that a link to a folder above does not lead round in circles.
    seen: HashSet<PathBuf>,
    inputs: Vec<Input>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, id: &str) -> Result<()> {
        let real = folder.canonicalize().map_err(Error::read(folder))?;
        if !self.seen.insert(real) {
            return Ok(());
        }
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder).map_err(Error::read(folder))? {
            entries.push(entry.map_err(Error::read(folder))?.path());
        }
        entries.sort();
        for path in entries {
            self.entry(&path, id)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, folder_id: &str) -> Result<()> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') {
            self.summary.skip(path.to_path_buf(), "hidden".into());
            return Ok(());
        }
        let Ok(metadata) = fs::metadata(path) else {
            self.summary.skip(path.to_path_buf(), "a link to nothing".into());
            return Ok(());
        };
        let id = if folder_id.is_empty() { name.to_string() } else { format!("{folder_id}/{name}") };
        if metadata.is_dir() {
            return self.folder(path, &id);
        }
        if !metadata.is_file() {
            self.summary.skip(path.to_path_buf(), "not a regular file".into());
            return Ok(());
        }
        if is_book_in_one_page(path) {
            self.summary.skip(path.to_path_buf(), "an mdBook's print page, which repeats the others".into());
            return Ok(());
        }
        let extension = extension(path);
        match Format::of_extension(&extension, self.settings) {
            Some(format) => {
                let path = path.to_path_buf();
                self.inputs.push(Input { path, id, format, named: false, bytes: metadata.len() });
            }
            None if extension.is_empty() => self.summary.skip(path.to_path_buf(), "no ending".into()),
            None => self.summary.skip(path.to_path_buf(), format!(".{extension} is not a known ending")),
        }
        Ok(())
    }
}

/// mdBook puts the whole book once more into `print.html`, beside `toc.html` or `toc.js`.
fn is_book_in_one_page(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "print.html")
        && ["toc.html", "toc.js", "book.js"].iter().any(|sibling| mdbook_file_exists(path, sibling))
}

/// Newer mdBooks put a hash into the names: `toc-1a2b3c4d.js`.
fn mdbook_file_exists(page: &Path, name: &str) -> bool {
    let Some(folder) = page.parent() else { return false };
    let Some((stem, ending)) = name.split_once('.') else { return false };
    let matches =
        |file: String| file == name || (file.starts_with(&format!("{stem}-")) && file.ends_with(ending));
    folder.join(name).exists()
        || fs::read_dir(folder).is_ok_and(|entries| {
            entries.flatten().any(|entry| matches(entry.file_name().to_string_lossy().into_owned()))
        })
}
