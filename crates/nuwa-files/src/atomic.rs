use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::{Builder, NamedTempFile};

use crate::{Error, Result};

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
    pub fn create(target: &Path) -> Result<Self> {
        let folder = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(folder).map_err(Error::write(folder))?;
        let temporary = Builder::new()
            .prefix(".writing-")
            .suffix(".tmp")
            .permissions_if_unix()
            .tempfile_in(folder)
            .map_err(Error::write(target))?;
        Ok(Self { target: target.to_path_buf(), writer: BufWriter::with_capacity(1 << 18, temporary) })
    }

    /// The name the file will have.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Flushes to the disk and renames: from here on the file exists, whole.
    pub fn commit(self) -> Result<()> {
        let Self { target, writer } = self;
        let temporary = writer.into_inner().map_err(|e| Error::write(&target)(e.into_error()))?;
        temporary.as_file().sync_all().map_err(Error::write(&target))?;
        temporary.persist(&target).map_err(|e| Error::write(&target)(e.error))?;
        Ok(())
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

/// Writes `bytes` to `path`, whole or not at all.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes).map_err(Error::write(path))?;
    file.commit()
}

/// Writes `value` as indented JSON to `path`, whole or not at all.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|source| Error::Json { path: path.to_path_buf(), source })?;
    bytes.push(b'\n');
    write_atomically(path, &bytes)
}

/// Opens a file for appending, making it where it is missing.
pub fn open_for_append(path: &Path) -> Result<File> {
    File::options().create(true).append(true).open(path).map_err(Error::write(path))
}

/// Removes a folder with all that is in it; where there is none, all is well.
pub fn remove_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::write(folder)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
