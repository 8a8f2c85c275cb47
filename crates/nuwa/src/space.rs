//! Whether the disk holds a build, before it begins: a full disk an hour later loses that hour.

use std::fs;
use std::path::{Path, PathBuf};

use nuwa_files::compressed::name_within;
use nuwa_report::numbers::bytes;

use crate::failure::Problem;
use crate::machine::disk;
use crate::online::is_online;
use crate::recipe::Recipe;

/// What a build writes for each byte of text: documents as they were collected and as they were cleaned, what cleaning sorts on
/// the disk, and token ids. A megabyte of English took 1.5 at the most, without what does not grow with the text.
const FOR_TEXT: f64 = 1.5;
/// Bytes for each weight: a checkpoint has it with its two moments and stands until the next one is whole; then a model of
/// the stage, and the one that is handed on.
const FOR_WEIGHT: u64 = 4 * (3 + 3 + 1 + 1);
/// Endings of files that hold about as much text as bytes, or more where they are packed; of pages and mails the source is kept too.
/// What PDF, office files and archives hold may be anything, so they do not count.
const TEXTS: [&str; 19] = [
    "txt", "text", "md", "markdown", "json", "jsonl", "ndjson", "csv", "tsv", "tab", "parquet", "html",
    "htm", "xhtml", "mbox", "eml", "warc", "tex", "rst",
];

/// Refuses a build in the folder `run` that the disk clearly cannot hold; a warning where it may not.
pub fn check(recipe: &Recipe, run: &Path) -> anyhow::Result<Option<String>> {
    let offline = recipe.from.iter().filter(|source| !is_online(source));
    let endings: Vec<&str> = TEXTS
        .into_iter()
        .chain(recipe.collect.extra_text_extensions.iter().map(|own| own.trim_start_matches('.')))
        .collect();
    let text: u64 = offline.map(|source| text_in(source, &endings)).sum();
    let weights = recipe.params.map_or(0, |count| count.0);
    let needed = (text as f64 * FOR_TEXT) as u64 + weights.saturating_mul(FOR_WEIGHT);
    // Of a build that goes on, a part is written.
    judge(needed.saturating_sub(disk::used(run)), run)
}

/// The same for the training of so many weights.
pub fn check_weights(weights: u64, run: &Path) -> anyhow::Result<Option<String>> {
    let written = disk::used(&run.join("pretrain")) + disk::used(&run.join("model"));
    judge(weights.saturating_mul(FOR_WEIGHT).saturating_sub(written), run)
}

fn judge(needed: u64, run: &Path) -> anyhow::Result<Option<String>> {
    let Some(free) = disk::free(run) else { return Ok(None) };
    let said =
        format!("needs about {} on the disk, {} are free at {}", bytes(needed), bytes(free), run.display());
    match () {
        () if free < needed / 2 => Err(Problem::new(format!("this build {said}"))
            .hint("free some space (nuwa runs lists runs with their sizes), or choose a folder on another disk with --out")
            .into()),
        () if free < needed => Ok(Some(format!("warning: this build {said}"))),
        () => Ok(None),
    }
}

/// Bytes of the files of text below a path, as collecting would find them; links are not followed.
fn text_in(path: &Path, endings: &[&str]) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(path) else { return 0 };
    if metadata.is_dir() {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        let shown = entries.filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."));
        return shown.map(|entry| text_in(&entry.path(), endings)).sum();
    }
    let name = PathBuf::from(name_within(path));
    let ending = name.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    if endings.contains(&ending.as_str()) { metadata.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers::Count;

    #[test]
    fn only_what_the_disk_clearly_cannot_hold_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let free = disk::free(folder.path()).unwrap();
        assert_eq!(judge(free / 2, folder.path()).unwrap(), None);
        let warned = judge(free / 2 * 3, folder.path()).unwrap().unwrap();
        assert!(warned.starts_with("warning: this build needs about "), "{warned}");
        let refused = judge(free.saturating_mul(3), folder.path()).unwrap_err().to_string();
        assert!(
            refused.starts_with("this build needs about ") && refused.contains("are free at"),
            "{refused}"
        );
        let recipe = Recipe { params: Some(Count(free)), ..Recipe::default() };
        assert!(check(&recipe, folder.path()).is_err());
    }

    #[test]
    fn text_counts_and_pictures_do_not() {
        let folder = tempfile::tempdir().unwrap();
        for (name, size) in
            [("a.txt", 10), ("b.JSONL.gz", 20), ("c.png", 400), (".hidden.txt", 800), ("d.log", 1600)]
        {
            fs::write(folder.path().join(name), vec![0; size]).unwrap();
        }
        assert_eq!(text_in(folder.path(), &TEXTS), 30);
        assert_eq!(text_in(&folder.path().join("d.log"), &["log"]), 1600);
    }
}
