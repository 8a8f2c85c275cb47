//! Whole ways through the crate: documents in, cleaned documents, accounts and errors out.

mod boilerplate;
mod cleaning;
mod decontaminating;
mod forms;
mod framed;
mod labelled;
mod limits;
mod mixing;
mod near_duplicates;
mod persons;
mod quality;
mod real_data;
mod repeated_passages;
mod slips;
mod surveying;
mod words;

use std::path::{Path, PathBuf};

use nuwa_clean::{CleanSettings, CleanSummary, Error, clean};
use nuwa_collect::{CollectSettings, collect};
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

/// The documents of these files.
fn collected(paths: &[PathBuf], settings: &CollectSettings) -> Vec<Document> {
    let out = tempfile::tempdir().unwrap();
    collect(paths, out.path(), settings, &mut |_| {}).unwrap();
    documents::read(out.path()).unwrap().map(Result::unwrap).collect()
}

/// Writes documents of these texts into a folder.
fn documents_of(texts: &[&str]) -> tempfile::TempDir {
    let lines: String =
        texts.iter().map(|text| format!("{}\n", serde_json::json!({ "text": text }))).collect();
    folder(&[("documents-00000.jsonl", lines.as_bytes())])
}

struct Cleaned {
    summary: CleanSummary,
    kept: Vec<String>,
    rejected: Vec<serde_json::Value>,
}

fn cleaned(input: &Path, settings: &CleanSettings) -> Result<Cleaned, Error> {
    let out = tempfile::tempdir().unwrap();
    let summary = clean(&[input.to_path_buf()], out.path(), settings, &mut |_| {})?;
    let kept = documents::read(out.path())?.map(|document| document.unwrap().text).collect();
    Ok(Cleaned { summary, kept, rejected: rejected_in(out.path()) })
}

fn rejected_in(out: &Path) -> Vec<serde_json::Value> {
    let file = std::fs::File::open(out.join("rejected.jsonl.zst")).unwrap();
    let text = zstd::stream::decode_all(file).unwrap();
    text.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
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
