use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use crate::{Error, Result};

/// The XXH3-128 hash of `bytes`, as 32 hexadecimal digits.
pub fn hash_bytes(bytes: &[u8]) -> String {
    format!("{:032x}", xxhash_rust::xxh3::xxh3_128(bytes))
}

/// The same hash of bytes that come in blocks.
pub fn hash_blocks<T: AsRef<[u8]>>(blocks: impl IntoIterator<Item = T>) -> String {
    let mut hasher = Xxh3::new();
    blocks.into_iter().for_each(|block| hasher.update(block.as_ref()));
    format!("{:032x}", hasher.digest128())
}

/// The XXH3-128 hash of a file's content, read in blocks.
///
/// # Errors
/// When the file cannot be read.
pub fn hash_file(path: &Path) -> Result<String> {
    let mut hasher = Xxh3::new();
    feed(path, &mut hasher)?;
    Ok(format!("{:032x}", hasher.digest128()))
}

/// The hash of a file, or of a folder: the names (relative, sorted) and contents of all files below it.
///
/// # Errors
/// When a file or folder cannot be read.
pub fn hash_path(path: &Path) -> Result<String> {
    if !path.is_dir() {
        return hash_file(path);
    }
    let files = files_in(path)?;
    let mut hasher = Xxh3::new();
    for file in files {
        let name = file.strip_prefix(path).unwrap_or(&file);
        hasher.update(name.to_string_lossy().as_bytes());
        hasher.update(&[0]);
        feed(&file, &mut hasher)?;
    }
    Ok(format!("{:032x}", hasher.digest128()))
}

/// All files below a folder, sorted by path.
///
/// # Errors
/// When a folder cannot be read.
pub fn files_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    list(folder, &mut files)?;
    files.sort();
    Ok(files)
}

fn feed(path: &Path, hasher: &mut Xxh3) -> Result<()> {
    let mut file = File::open(path).map_err(Error::read(path))?;
    let mut block = vec![0; 1 << 18];
    loop {
        let count = file.read(&mut block).map_err(Error::read(path))?;
        if count == 0 {
            return Ok(());
        }
        hasher.update(&block[..count]);
    }
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(Error::read(folder))? {
        let path = entry.map_err(Error::read(folder))?.path();
        if path.is_dir() { list(&path, files)? } else { files.push(path) }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_hash_as_the_whole() {
        assert_eq!(hash_blocks(["ab", "", "c"]), hash_bytes(b"abc"));
        assert_ne!(hash_blocks(["ab", "d"]), hash_bytes(b"abc"));
    }

    #[test]
    fn a_folder_hash_sees_names_and_contents() {
        let folder = tempfile::tempdir().unwrap();
        let of = |name: &str, text: &str| {
            fs::write(folder.path().join(name), text).unwrap();
            hash_path(folder.path()).unwrap()
        };
        let first = of("a", "1");
        assert_ne!(first, of("a", "2"));
        assert_eq!(first, of("a", "1"));
        assert_ne!(first, of("b", ""));
    }
}
