//! All files, in order, into the output folder.

use std::path::{Path, PathBuf};

use nuwa_files::Progress;

use super::collection::{Collection, PART_BYTES};
use super::settings::CollectSettings;
use super::summary::CollectSummary;
use super::walk;
use crate::Result;

/// Reads files and folders (recursively, in the order of their names) into `out/documents-*.jsonl.zst`.
///
/// A file that is named must be readable as text; in a folder, what is not is passed over and counted.
///
/// # Errors
/// When a setting is out of its range, a path is not there, a file that is named is no text, nothing is found, or `out` cannot be written.
pub fn collect(
    paths: &[PathBuf],
    out: &Path,
    settings: &CollectSettings,
    progress: &mut dyn FnMut(Progress),
) -> Result<CollectSummary> {
    collect_in_parts(PART_BYTES, paths, out, settings, progress)
}

fn collect_in_parts(
    part_bytes: u64,
    paths: &[PathBuf],
    out: &Path,
    settings: &CollectSettings,
    progress: &mut dyn FnMut(Progress),
) -> Result<CollectSummary> {
    settings.check()?;
    let mut summary = CollectSummary::default();
    let inputs = walk::inputs(paths, settings, &mut summary)?;
    let mut collection = Collection::new(part_bytes, &inputs, out, settings, summary, progress);
    collection.take_up()?;
    match collection.take(&inputs) {
        Ok(()) => collection.finish(paths),
        Err(error) => {
            collection.leave()?;
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use nuwa_files::documents;

    use super::*;
    use crate::BadLines;

    /// Files of one document and of many, an archive, and some that are passed over.
    fn sources(folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        for number in 0..40 {
            fs::write(folder.join(format!("{number:02}.txt")), format!("Text number {number}. ").repeat(30))
                .unwrap();
        }
        let line = |number: usize| {
            if number % 50 == 7 {
                "{\"text\": 5}\n".into()
            } else {
                format!("{{\"text\": \"Line {number} of many.\"}}\n")
            }
        };
        fs::write(folder.join("05-lines.jsonl"), (0..2000).map(line).collect::<String>()).unwrap();
        fs::write(folder.join("07-picture.txt"), b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR").unwrap();
        fs::write(folder.join("08-picture.png"), "").unwrap();
        let mut archive = tar::Builder::new(fs::File::create(folder.join("09-archive.tar")).unwrap());
        for number in 0..200 {
            let text = format!("Member {number}. ").repeat(20);
            let mut header = tar::Header::new_ustar();
            header.set_size(text.len() as u64);
            let name = format!("{number}.{}", if number % 30 == 3 { "png" } else { "md" });
            archive.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        archive.finish().unwrap();
    }

    #[test]
    fn collecting_that_was_killed_anywhere_ends_as_if_it_had_not_been() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("from");
        sources(&from);
        let settings = CollectSettings { bad_lines: BadLines::Skip, ..CollectSettings::default() };
        let collected = |out: &Path, progress: &mut dyn FnMut(Progress)| {
            let summary = collect_in_parts(3000, std::slice::from_ref(&from), out, &settings, progress);
            CollectSummary { seconds: 0.0, ..summary.unwrap() }
        };
        let written = |out: &Path| {
            let files = documents::files(out).unwrap();
            files
                .iter()
                .map(|file| zstd::stream::decode_all(&fs::read(file).unwrap()[..]).unwrap())
                .collect::<Vec<_>>()
        };
        let whole = folder.path().join("whole");
        let expected = collected(&whole, &mut |_| {});
        assert!(expected.documents > 2000 && expected.skipped_files == 9, "{expected:?}");
        let killed = folder.path().join("killed");
        let state = killed.join(".collect/state.json");
        let (mut attempts, mut taken_up) = (0, 0);
        let found = loop {
            attempts += 1;
            let before = fs::read(&state).ok();
            taken_up += usize::from(before.is_some());
            // Every look at the state may be the last; each attempt comes one part further.
            let kill = |_: Progress| assert!(fs::read(&state).ok() == before, "killed");
            match catch_unwind(AssertUnwindSafe(|| collected(&killed, &mut { kill }))) {
                Ok(found) => break found,
                Err(_) => assert!(attempts < 500, "it comes no further"),
            }
        };
        assert!(taken_up > 3, "{taken_up} of {attempts}");
        assert_eq!(found, expected);
        assert!(written(&killed) == written(&whole));
        assert!(!killed.join(".collect").exists());
    }
}
