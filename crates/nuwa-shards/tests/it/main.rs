//! Whole ways through the crate: documents in, shards and errors out.

mod shards;
mod splitting;
mod tokenizing;

use std::path::Path;

use nuwa_shards::Error;

/// Writes documents of these texts into a folder.
fn documents_of(texts: &[&str]) -> tempfile::TempDir {
    let lines: String =
        texts.iter().map(|text| format!("{}\n", serde_json::json!({ "text": text }))).collect();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("documents-00000.jsonl"), lines).unwrap();
    folder
}

/// The message and the hint, with the folder's changing name taken out.
fn shown(error: &Error, folder: &Path) -> String {
    let hint = error.hint().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    format!("{error}{hint}").replace(&folder.display().to_string(), "DIR")
}
