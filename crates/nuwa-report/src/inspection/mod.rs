//! What cleaning made of the documents, to look at: a page (`inspect.html`) or the same in a terminal.
//!
//! Reads what cleaning wrote, by way of [`nuwa_clean::survey`]: every figure counts all documents, texts are a few of each
//! kind. What documents hold is escaped and stays text; the page loads nothing, and its policy forbids that it could.

mod terminal;
mod view;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use nuwa_clean::survey::{Survey, survey};
use nuwa_files::Progress;

use crate::run::name_of;
use crate::templates::{Sealed, render};
use crate::{Error, Result};
pub use terminal::{Screen, text};
use view::Inspection;

/// Documents of each kind on a page.
pub const SAMPLES: usize = 20;

/// A cleaned corpus, found and read.
pub struct Cleaned {
    /// The run, or the folder that `nuwa clean` wrote.
    folder: PathBuf,
    /// Where the documents and counts are.
    documents: PathBuf,
    /// What is in it.
    pub survey: Survey,
}

impl Cleaned {
    /// Reads what cleaning left in the folder of a run, or in a folder of its own, with at most `samples` documents of each kind.
    ///
    /// # Errors
    /// When the folder holds no documents that were cleaned, or a file of it cannot be read.
    pub fn read(folder: &Path, samples: usize, progress: &mut dyn FnMut(Progress)) -> Result<Self> {
        let (folder, documents) = places(folder)?;
        let survey = survey(&documents, samples, progress)?;
        Ok(Self { folder, documents, survey })
    }

    /// Writes `inspect.html` and returns its path.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_page(&self) -> Result<PathBuf> {
        let path = self.folder.join("inspect.html");
        let html = render("inspect.html", Sealed::new(self.inspection()?, &self.survey)?)?;
        nuwa_files::write_atomically(&path, html.as_bytes())?;
        Ok(path)
    }

    /// The same in words, for a terminal.
    fn inspection(&self) -> Result<Inspection> {
        let optional = |name: &str| Some(self.documents.join(name)).filter(|path| path.is_file());
        let audit = optional("audit.json").map(|path| nuwa_files::read_json(&path)).transpose()?;
        let bias = optional("bias.json").map(|path| nuwa_files::read_json(&path)).transpose()?;
        Ok(Inspection::of(name_of(&self.folder), &self.survey, audit.as_ref(), bias.as_ref()))
    }
}

/// The folder to write the page to, and the one that cleaning wrote.
fn places(folder: &Path) -> Result<(PathBuf, PathBuf)> {
    if !folder.is_dir() {
        return Err(Error::NotAFolder { path: folder.to_path_buf() });
    }
    let within = folder.join("clean");
    if within.join("clean.json").is_file() {
        return Ok((folder.to_path_buf(), within));
    }
    if folder.join("clean.json").is_file() {
        // The folder of a stage belongs to its run.
        let is_stage = folder.join("manifest.json").is_file();
        let run = folder.parent().filter(|_| is_stage).unwrap_or(folder);
        return Ok((run.to_path_buf(), folder.to_path_buf()));
    }
    Err(without_cleaning(folder))
}

/// Whether a run has not come to cleaning, or no run is there.
fn without_cleaning(folder: &Path) -> Error {
    let collected = folder.join("collect").is_dir();
    match collected || folder.join("recipe.toml").is_file() {
        true => Error::NotCleaned { run: folder.to_path_buf(), collected },
        false => Error::NothingCleaned { path: folder.to_path_buf() },
    }
}
