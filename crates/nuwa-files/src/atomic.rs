use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::{Builder, NamedTempFile};

use crate::{Error, Result};

/// The temporary name of a file, around what is drawn by chance.
const PREFIX: &str = ".writing-";
const SUFFIX: &str = ".tmp";

/// A file being written under a temporary name; [`AtomicFile::commit`] gives it its real one.
///
/// Dropped without a commit it leaves nothing behind.
#[derive(Debug)]
pub struct AtomicFile {
    target: PathBuf,
    writer: BufWriter<NamedTempFile>,
}

impl AtomicFile {
    /// Opens a temporary file beside `target`, making its folder where it is missing.
    ///
    /// # Errors
    /// When the folder or the file cannot be made.
    pub fn create(target: &Path) -> Result<Self> {
        let folder = folder_of(target);
        create_folder(folder)?;
        let temporary = Builder::new()
            .prefix(PREFIX)
            .suffix(SUFFIX)
            .permissions_if_unix()
            .tempfile_in(folder)
            .map_err(Error::write(target))?;
        Ok(Self { target: target.to_path_buf(), writer: BufWriter::with_capacity(1 << 18, temporary) })
    }

    /// The name the file will have.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// The name that it has meanwhile: what was written and flushed can be read there.
    pub fn temporary(&self) -> &Path {
        self.writer.get_ref().path()
    }

    /// Flushes to the disk, renames, and flushes the folder: from here on the file exists, whole, through a loss of power too.
    ///
    /// # Errors
    /// When the disk is full, or the file cannot be renamed.
    pub fn commit(self) -> Result<()> {
        let Self { target, writer } = self;
        let temporary = writer.into_inner().map_err(|e| Error::write(&target)(e.into_error()))?;
        temporary.as_file().sync_all().map_err(Error::write(&target))?;
        temporary.persist(&target).map_err(|e| Error::write(&target)(e.error))?;
        sync_folder(folder_of(&target))
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

trait OrdinaryPermissions {
    fn permissions_if_unix(&mut self) -> &mut Self;
}

impl OrdinaryPermissions for Builder<'_, '_> {
    /// Temporary files are private by default; an artifact is as readable as any file the user writes.
    #[cfg(unix)]
    fn permissions_if_unix(&mut self) -> &mut Self {
        use std::os::unix::fs::PermissionsExt;
        self.permissions(fs::Permissions::from_mode(0o666))
    }

    #[cfg(not(unix))]
    fn permissions_if_unix(&mut self) -> &mut Self {
        self
    }
}

/// Removes from `folder` what a program that was killed was writing there; for a folder that no other program writes to.
///
/// # Errors
/// When the folder cannot be read, or a file in it not be removed.
pub fn remove_unwritten(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(Error::read(folder))? {
        let path = entry.map_err(Error::read(folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(PREFIX) && name.ends_with(SUFFIX) {
            fs::remove_file(&path).map_err(Error::write(&path))?;
        }
    }
    Ok(())
}

/// Writes `bytes` to `path`, whole or not at all.
///
/// # Errors
/// When the file cannot be written.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes).map_err(Error::write(path))?;
    file.commit()
}

/// Writes `value` as indented JSON to `path`, whole or not at all.
///
/// # Errors
/// When the file cannot be written.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|source| Error::Json { path: path.to_path_buf(), source })?;
    bytes.push(b'\n');
    write_atomically(path, &bytes)
}

/// Gives a file or folder another name, and makes sure that the disk knows it by that.
///
/// # Errors
/// When it cannot be renamed.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(Error::write(to))?;
    if folder_of(from) != folder_of(to) {
        sync_folder(folder_of(from))?;
    }
    sync_folder(folder_of(to))
}

/// Makes room for `path` without losing what is there: `NAME` becomes `NAME.old`, or `NAME.old-2` where that is taken too.
/// Gives the name under which it is kept; where there is nothing, none.
///
/// # Errors
/// When it cannot be renamed.
pub fn keep_aside(path: &Path) -> Result<Option<PathBuf>> {
    if path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        return Ok(None);
    }
    let kept = free_name(path, ".old");
    rename(path, &kept)?;
    Ok(Some(kept))
}

/// `path` with `ending`, and with a number behind that where the name is taken.
pub fn free_name(path: &Path, ending: &str) -> PathBuf {
    let named = |number: u64| {
        let mut name = path.as_os_str().to_os_string();
        name.push(ending);
        if number > 1 {
            name.push(format!("-{number}"));
        }
        PathBuf::from(name)
    };
    let is_free = |path: &PathBuf| path.symlink_metadata().is_err();
    (1..).map(named).find(is_free).expect("numbers do not end")
}

/// The folder that `path` lies in.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes a folder with all above it that are missing, each flushed to the disk.
fn create_folder(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = folder_of(folder);
    if above != folder {
        create_folder(above)?;
    }
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists || !folder.is_dir() => {
            Err(Error::write(folder)(error))
        }
        _ => sync_folder(above),
    }
}

/// Flushes the names in a folder to the disk: without that, a file that was renamed may be gone after a loss of power.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> Result<()> {
    use io::ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
    #[cfg(test)]
    tests::SYNCED.with_borrow_mut(|synced| synced.push(folder.to_path_buf()));
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // A folder that may be written but not read, or a file system that knows no such flush: as safe as it gets there.
        Err(error) if ![InvalidInput, PermissionDenied, Unsupported].contains(&error.kind()) => {
            Err(Error::write(folder)(error))
        }
        _ => Ok(()),
    }
}

/// Elsewhere folders cannot be flushed; the system does so by itself.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> Result<()> {
    Ok(())
}

/// Opens a file for appending, making it where it is missing.
///
/// # Errors
/// When the file cannot be opened or made.
pub fn open_for_append(path: &Path) -> Result<File> {
    File::options().create(true).append(true).open(path).map_err(Error::write(path))
}

/// Removes a folder with all that is in it; where there is none, all is well.
///
/// # Errors
/// When something in it cannot be removed.
pub fn remove_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::write(folder)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    thread_local! {
        /// Folders that were flushed.
        pub static SYNCED: RefCell<Vec<PathBuf>> = const { RefCell::new(Vec::new()) };
    }

    #[cfg(unix)]
    #[test]
    fn a_commit_and_a_rename_flush_every_folder_that_changed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        write_atomically(&at("new/deep/a.txt"), b"text").unwrap();
        assert_eq!(
            SYNCED.take(),
            [at(""), at("new"), at("new/deep")].map(|path| path.components().collect::<PathBuf>())
        );
        rename(&at("new/deep/a.txt"), &at("new/b.txt")).unwrap();
        assert_eq!(SYNCED.take(), [at("new/deep"), at("new")]);
        assert!(sync_folder(&at("absent")).is_err(), "the flush looks at the folder");
    }

    #[test]
    fn what_is_in_the_way_is_kept_under_a_free_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        assert_eq!(keep_aside(&path).unwrap(), None);
        for (text, name) in [("1", "a.bin.old"), ("2", "a.bin.old-2"), ("3", "a.bin.old-3")] {
            write_atomically(&path, text.as_bytes()).unwrap();
            assert_eq!(keep_aside(&path).unwrap(), Some(folder.path().join(name)));
            assert_eq!(fs::read_to_string(folder.path().join(name)).unwrap(), text);
        }
        assert!(!path.exists());
    }

    #[test]
    fn an_uncommitted_file_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.txt");
        let mut file = AtomicFile::create(&target).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_commit_replaces_the_old_file_whole() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("deep/er/a.txt");
        write_atomically(&target, b"old and long").unwrap();
        write_atomically(&target, b"new").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(fs::read_dir(target.parent().unwrap()).unwrap().count(), 1);
    }
}
