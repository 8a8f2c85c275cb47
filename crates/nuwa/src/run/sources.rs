//! Whether a user's source has changed.
//!
//! A file that is named, and in a folder each file that collecting reads, is known by the hash of its content. The
//! rest of a folder (pictures, films: perhaps far more than the text) is not read: name, size and time of change
//! must do. Hidden files are left out, as collecting leaves them out, but for the one that says where a folder's files come from, and a folder is gone into once, so that
//! links do not lead round in circles.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use nuwa_collect::{ORIGIN_FILE, is_known_name};

/// The hash of a file's content, or of all that is below a folder.
pub fn source_hash(source: &Path, extra_endings: &[String]) -> anyhow::Result<String> {
    let metadata =
        fs::metadata(source).map_err(|_| nuwa_files::Error::Missing { path: source.to_path_buf() })?;
    if !metadata.is_dir() {
        return Ok(nuwa_files::hash_file(source)?);
    }
    let walk = FolderWalk::through(source)?;
    let lines = walk.files.iter().map(|(path, metadata)| line(source, path, metadata, extra_endings));
    Ok(nuwa_files::hash_bytes(lines.collect::<String>().as_bytes()))
}

/// The files whose content a source is known by: itself, or of a folder all that collecting reads.
pub fn source_files(source: &Path, extra_endings: &[String]) -> anyhow::Result<Vec<PathBuf>> {
    if !source.is_dir() {
        return Ok(vec![source.to_path_buf()]);
    }
    let files = FolderWalk::through(source)?.files.into_iter().map(|(path, _)| path);
    Ok(files.filter(|path| is_read(path, extra_endings)).collect())
}

fn is_read(path: &Path, extra_endings: &[String]) -> bool {
    is_known_name(path, extra_endings) || path.ends_with(ORIGIN_FILE)
}

#[derive(Default)]
struct FolderWalk {
    seen: HashSet<PathBuf>,
    files: Vec<(PathBuf, Metadata)>,
}

impl FolderWalk {
    fn through(folder: &Path) -> anyhow::Result<Self> {
        let mut walk = Self::default();
        walk.folder(folder)?;
        Ok(walk)
    }

    fn folder(&mut self, folder: &Path) -> anyhow::Result<()> {
        let read = || nuwa_files::Error::read(folder);
        if !self.seen.insert(folder.canonicalize().map_err(read())?) {
            return Ok(());
        }
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder).map_err(read())? {
            paths.push(entry.map_err(read())?.path());
        }
        paths.sort();
        paths.iter().try_for_each(|path| self.entry(path))
    }

    fn entry(&mut self, path: &Path) -> anyhow::Result<()> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let hidden = name.starts_with('.') && name != ORIGIN_FILE;
        match fs::metadata(path) {
            Ok(metadata) if !hidden && metadata.is_dir() => return self.folder(path),
            Ok(metadata) if !hidden && metadata.is_file() => self.files.push((path.to_path_buf(), metadata)),
            _ => {}
        }
        Ok(())
    }
}

fn line(root: &Path, path: &Path, metadata: &Metadata, extra_endings: &[String]) -> String {
    let name = path.strip_prefix(root).unwrap_or(path).display();
    // What cannot be read is collecting's to report.
    let content = match is_read(path, extra_endings) {
        true => nuwa_files::hash_file(path).unwrap_or_default(),
        false => stamp(metadata),
    };
    format!("{name}\0{content}\n")
}

fn stamp(metadata: &Metadata) -> String {
    let changed = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    format!("{} {}", metadata.len(), changed.unwrap_or_default().as_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_as_changed_as_its_text() {
        let folder = tempfile::tempdir().unwrap();
        let hash = || source_hash(folder.path(), &[]).unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("a.txt", "one");
        let first = hash();
        write(".hidden", "x");
        assert_eq!(hash(), first);
        write("a.txt", "two");
        assert_ne!(hash(), first);
        write("a.txt", "one");
        assert_eq!(hash(), first, "content, not time");
        write("picture.png", "x");
        assert_ne!(hash(), first);
    }

    #[cfg(unix)]
    #[test]
    fn links_do_not_lead_round_in_circles() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("again")).unwrap();
        source_hash(folder.path(), &[]).unwrap();
    }
}
