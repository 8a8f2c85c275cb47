use std::collections::HashSet;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nuwa_files::compressed;

use super::crawl::OWN_FILES;
use super::format::{Format, extension};
use super::letters::HEAD;
use super::origin::{ORIGIN_FILE, Origin};
use super::settings::CollectSettings;
use super::summary::CollectSummary;
use crate::error::{LEADS_OUT, MAY_NOT_BE_READ};
use crate::{Error, Result};

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
    /// How many archives it lies in.
    pub depth: u32,
    /// The folder above that says where its files come from, with what it says.
    pub origin: Option<Arc<(PathBuf, Origin)>>,
}

/// The files to read, in a fixed order; those of a folder that are passed over by name go into the summary.
pub(super) fn inputs(
    paths: &[PathBuf],
    settings: &CollectSettings,
    summary: &mut CollectSummary,
) -> Result<Vec<Input>> {
    let mut walk = Walk {
        settings,
        summary,
        seen: HashSet::new(),
        inputs: Vec::new(),
        origin: None,
        root: PathBuf::new(),
    };
    for path in paths {
        let metadata = fs::metadata(path).map_err(Error::read(path))?;
        let id = root_id(path, paths);
        if metadata.is_dir() {
            walk.root = path.canonicalize().map_err(Error::read(path))?;
            walk.folder(path, "")?;
        } else {
            let format = Format::of_name(path, &settings.extra_text_extensions);
            let format = format.unwrap_or_else(|| Format::of_bytes(&start(path)));
            let bytes = metadata.len();
            walk.inputs.push(Input {
                path: path.clone(),
                id,
                format,
                named: true,
                bytes,
                depth: 0,
                origin: None,
            });
        }
    }
    Ok(walk.inputs)
}

/// The first bytes of a file; none where it cannot be read, which reading will say.
fn start(path: &Path) -> Vec<u8> {
    let mut start = Vec::new();
    if let Ok(reader) = compressed::open(path) {
        let _ = reader.take(HEAD as u64).read_to_end(&mut start);
    }
    start
}

/// A named file's own name, or its whole path where two named files share a name.
fn root_id(path: &Path, paths: &[PathBuf]) -> String {
    let alike = paths.iter().filter(|other| other.file_name() == path.file_name()).count();
    match path.file_name() {
        Some(name) if alike == 1 => name.to_string_lossy().into_owned(),
        _ => path.display().to_string(),
    }
}

struct Walk<'a> {
    settings: &'a CollectSettings,
    summary: &'a mut CollectSummary,
    /// Folders gone into, so that a link to a folder above does not lead round in circles.
    seen: HashSet<PathBuf>,
    inputs: Vec<Input>,
    origin: Option<Arc<(PathBuf, Origin)>>,
    /// The folder that was named, without links in its path.
    root: PathBuf,
}

impl Walk<'_> {
    /// A folder below the one that was named: what may not be read ends nothing.
    fn subfolder(&mut self, folder: &Path, id: &str) -> Result<()> {
        match fs::read_dir(folder) {
            Ok(_) => self.folder(folder, id),
            Err(_) => {
                self.summary.skip(folder.to_path_buf(), "a folder that may not be read".into());
                Ok(())
            }
        }
    }

    /// Whether a link in the folder leads to what does not belong to it.
    fn leads_out(&self, path: &Path) -> bool {
        let is_link = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
        is_link
            && !self.settings.follow_links
            && !path.canonicalize().is_ok_and(|target| target.starts_with(&self.root))
    }

    fn folder(&mut self, folder: &Path, id: &str) -> Result<()> {
        let real = folder.canonicalize().map_err(Error::read(folder))?;
        if !self.seen.insert(real) {
            return Ok(());
        }
        let above = self.origin.clone();
        if let Some(origin) = Origin::of_folder(folder)? {
            self.origin = Some(Arc::new((folder.to_path_buf(), origin)));
        }
        self.entries(folder, id)?;
        self.origin = above;
        Ok(())
    }

    fn entries(&mut self, folder: &Path, id: &str) -> Result<()> {
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
        if name == ORIGIN_FILE || OWN_FILES.iter().any(|own| name == *own) {
            return Ok(());
        }
        if name.starts_with('.') && !is_folder_of_mails(path) {
            self.summary.skip(path.to_path_buf(), "hidden".into());
            return Ok(());
        }
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.summary.skip(path.to_path_buf(), MAY_NOT_BE_READ.into());
                return Ok(());
            }
            Err(_) => {
                self.summary.skip(path.to_path_buf(), "a link to nothing".into());
                return Ok(());
            }
        };
        if self.leads_out(path) {
            self.summary.skip(path.to_path_buf(), LEADS_OUT.into());
            return Ok(());
        }
        let id = if folder_id.is_empty() { name.to_string() } else { format!("{folder_id}/{name}") };
        if metadata.is_dir() {
            return self.subfolder(path, &id);
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
        let named = Format::of_name(path, &self.settings.extra_text_extensions);
        let looked_at = || Format::is_unnamed(path).then(|| Format::of_certain_bytes(&start(path))).flatten();
        match named.or_else(looked_at) {
            Some(format) => {
                let path = path.to_path_buf();
                let bytes = metadata.len();
                let origin = self.origin.clone();
                self.inputs.push(Input { path, id, format, named: false, bytes, depth: 0, origin });
            }
            None if extension.is_empty() => self.summary.skip(path.to_path_buf(), "no ending".into()),
            None => self.summary.skip(path.to_path_buf(), format!(".{extension} is not a known ending")),
        }
        Ok(())
    }
}

/// Maildir keeps the folders of a mailbox under names that begin with a dot.
fn is_folder_of_mails(path: &Path) -> bool {
    path.join("cur").is_dir() && path.join("new").is_dir()
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
