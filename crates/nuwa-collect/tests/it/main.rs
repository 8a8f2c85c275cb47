//! Whole ways through the crate: files, archives, sites and data sets in, documents and errors out.

mod archives;
mod articles;
mod bombs;
mod collecting;
mod crawl;
mod hostile;
mod hub;
mod odd_inputs;
mod pdf;
mod tables;

use std::path::{Path, PathBuf};

use nuwa_collect::{CollectSettings, Error, collect};
use nuwa_files::{Document, documents};

/// A folder with the given files.
fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    folder
}

fn collected(paths: &[PathBuf], settings: &CollectSettings) -> Result<Vec<Document>, Error> {
    let out = tempfile::tempdir().unwrap();
    collect(paths, out.path(), settings, &mut |_| {})?;
    Ok(documents::read(out.path())?.collect::<nuwa_files::Result<_>>()?)
}

/// The message and the hint, with the folder's changing name taken out.
fn shown(error: &Error, folder: &Path) -> String {
    let hint = error.hint().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    format!("{error}{hint}").replace(&folder.display().to_string(), "DIR")
}

/// A path below `../shared/data`, where it is there.
fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    if !path.exists() {
        println!("skipped: {name}: ../shared/data is absent");
        return None;
    }
    Some(path)
}
