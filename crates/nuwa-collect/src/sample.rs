//! A sample of files, for those who want to know what there is before all of it is read.
//!
//! Files are taken in an order that follows from the hashes of their ids, so the same sample comes each time; of a large one the
//! beginning is read. How much text all of them hold is estimated: of a file that was read in part by the share of its bytes (of a
//! compressed one, by what the text that was read packs to), of others by the files that were read.

use std::cell::RefCell;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use nuwa_files::Progress;
use xxhash_rust::xxh3::xxh3_64;

use super::collection::{Collection, PART_BYTES};
use super::content::{Budget, Content};
use super::format::Format;
use super::read;
use super::reading::{Found, ReadContext};
use super::settings::CollectSettings;
use super::summary::CollectSummary;
use super::walk::{self, Input};
use crate::{Error, Result};

/// A sample, and what it says about all files.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What was collected into the folder, as [`super::collect`] tells it.
    pub summary: CollectSummary,
    /// About how many bytes of text there are in all files.
    pub bytes_in_all: u64,
    /// Files there are in all.
    pub files_in_all: u64,
    /// Whether every file was read to its end, so that nothing is estimated.
    pub is_whole: bool,
}

/// A large file gives at most the share of the sample that is left, divided by so many.
const FILES_AT_LEAST: usize = 8;
/// Of each file so many bytes of text at least, where it has them.
const LEAST_OF_EACH: u64 = 1 << 12;
/// Bytes of a file for a byte of text: pages have markup.
const RAW_FOR_TEXT: u64 = 2;

/// Collects about `most` bytes of text from `paths` into `out`.
///
/// # Errors
/// As [`super::collect`]; what is wrong behind the part of a file that was read is not found.
pub fn sample(
    paths: &[PathBuf],
    out: &Path,
    settings: &CollectSettings,
    most: u64,
    progress: &mut dyn FnMut(Progress),
) -> Result<Sample> {
    settings.check()?;
    let mut summary = CollectSummary::default();
    let mut inputs = walk::inputs(paths, settings, &mut summary)?;
    inputs.sort_by_key(|input| xxh3_64(input.id.as_bytes()));
    let mut collection = Collection::new(PART_BYTES, &inputs, out, settings, summary, progress);
    let (mut estimate, mut left) = (Estimate::default(), most);
    for (at, input) in inputs.iter().enumerate() {
        if left == 0 {
            estimate.unread += input.bytes;
            continue;
        }
        let room = (left / (inputs.len() - at).min(FILES_AT_LEAST) as u64).max(LEAST_OF_EACH);
        let part = take(&mut collection, input, ReadContext { settings, spool: out }, room)?;
        left = left.saturating_sub(part.text);
        estimate.add(&part);
    }
    let summary = collection.finish(paths)?;
    Ok(Sample {
        summary,
        bytes_in_all: estimate.bytes_in_all(),
        files_in_all: inputs.len() as u64,
        is_whole: estimate.is_whole && estimate.unread == 0,
    })
}

/// What was read of a file.
struct Part {
    /// Its size on the disk.
    size: u64,
    /// Bytes of text that were found.
    text: u64,
    /// About how many there are in all of it.
    text_in_all: f64,
    is_whole: bool,
}

struct Estimate {
    /// Sizes on the disk of the files that were looked into, and of the others.
    read: u64,
    unread: u64,
    text: f64,
    is_whole: bool,
}

impl Default for Estimate {
    fn default() -> Self {
        Self { read: 0, unread: 0, text: 0.0, is_whole: true }
    }
}

impl Estimate {
    fn add(&mut self, part: &Part) {
        self.read += part.size;
        self.text += part.text_in_all;
        self.is_whole &= part.is_whole;
    }

    fn bytes_in_all(&self) -> u64 {
        let unread = self.text * self.unread as f64 / self.read.max(1) as f64;
        (self.text + unread).round() as u64
    }
}

/// Reads up to `room` bytes of text of a file.
fn take(collection: &mut Collection<'_>, input: &Input, context: ReadContext<'_>, room: u64) -> Result<Part> {
    let content = Content::file(&input.path, Budget::of_file(input.bytes, context.settings));
    let beginning = beginning(input, &content, room * RAW_FOR_TEXT).map_err(Error::read(&input.path))?;
    let cut = beginning.is_some();
    let raw = beginning.as_ref().map_or(0, |bytes| bytes.len() as u64);
    let is_packed = content.is_compressed().map_err(Error::read(&input.path))?;
    let packed = beginning.as_deref().filter(|_| is_packed).map(packed_size).transpose();
    let packed = packed.map_err(Error::read(&input.path))?;
    let content = beginning.map_or(content, Content::memory);

    // Other files are one document, or were cut already.
    let may_stop = matches!(input.format, Format::Parquet | Format::Zip);
    let (text, is_full) = (RefCell::new(String::new()), RefCell::new(false));
    let result = read::read(input, &content, context, &mut |found| {
        if let Found::Document(document) = &found {
            text.borrow_mut().push_str(&document.text);
        }
        collection.found(found)?;
        *is_full.borrow_mut() = may_stop && text.borrow().len() as u64 >= room;
        // No damage of the file, so that an archive does not go on with its next member.
        let enough = || Error::read(&input.path)(io::ErrorKind::Interrupted.into());
        if *is_full.borrow() { Err(enough()) } else { Ok(()) }
    });
    let (text, is_full) = (text.into_inner(), is_full.into_inner());
    // What a cut did to the last record is no error of the file.
    let is_ours = (is_full || cut) && !text.is_empty();
    collection.end(input, if is_ours { Ok(()) } else { result })?;

    let size = input.bytes as f64;
    let found = text.len() as f64;
    let text_in_all = match (cut, packed) {
        (true, None) => found * size / raw.max(1) as f64,
        (true, Some(packed)) => found * size / packed.max(1) as f64,
        (false, _) if is_full => {
            let packed = packed_size(text.as_bytes()).map_err(Error::read(&input.path))?;
            found.max(found * size / packed.max(1) as f64)
        }
        (false, _) => found,
    };
    Ok(Part { size: input.bytes, text: text.len() as u64, text_in_all, is_whole: !cut && !is_full })
}

/// Up to `most` bytes from the start of a file that is read from its start to its end, up to a line's end; none where it is shorter,
/// or of another kind.
fn beginning(input: &Input, content: &Content, most: u64) -> io::Result<Option<Vec<u8>>> {
    use Format::{Csv, JsonLines, Mailbox, Markdown, Tar, Text, Tsv, Warc};
    if !matches!(input.format, Text | Markdown | JsonLines | Csv | Tsv | Mailbox | Warc | Tar) {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    content.open()?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 <= most {
        return Ok(None);
    }
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
    bytes.truncate(end.unwrap_or_else(|| start_of_last_character(&bytes)));
    Ok(Some(bytes))
}

/// Where the last character of UTF-8 begins, so that none is cut in two.
fn start_of_last_character(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| byte & 0xC0 != 0x80).unwrap_or(bytes.len())
}

/// What bytes pack to, about as gzip and zstd pack them.
fn packed_size(bytes: &[u8]) -> io::Result<u64> {
    Ok(zstd::encode_all(bytes, 3)?.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(count: usize, seed: usize) -> String {
        (0..count).map(|at| format!("word{} ", (at * 7919 + seed) % 5000)).collect::<String>() + "\n"
    }

    fn sampled(files: &[(&str, Vec<u8>)], most: u64) -> Sample {
        let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (name, bytes) in files {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        let settings = CollectSettings::default();
        sample(&[folder.path().to_path_buf()], out.path(), &settings, most, &mut |_| {}).unwrap()
    }

    #[test]
    fn what_fits_is_read_as_a_whole() {
        let files = [("a.txt", words(100, 1).into_bytes()), ("b.txt", words(200, 2).into_bytes())];
        let found = sampled(&files, 1 << 20);
        assert!(found.is_whole);
        assert_eq!((found.bytes_in_all, found.files_in_all), (found.summary.bytes, 2));
    }

    fn is_near(found: &Sample, expected: usize, share: f64) {
        let ratio = found.bytes_in_all as f64 / expected as f64;
        assert!(!found.is_whole && (ratio - 1.0).abs() < share, "{ratio}: {found:?}");
        assert!(found.summary.bytes < expected as u64 / 2, "{found:?}");
    }

    #[test]
    fn the_rest_of_a_large_file_and_other_files_are_estimated() {
        let text: String = (0..40).map(|at| words(1000, at)).collect();
        is_near(&sampled(&[("a.txt", text.clone().into_bytes())], 50_000), text.len(), 0.02);
        let many: Vec<_> =
            (0..40).map(|at| (format!("{at}.txt"), words(900 + 10 * at, at).into_bytes())).collect();
        let sizes: usize = many.iter().map(|(_, bytes)| bytes.len()).sum();
        let named: Vec<_> = many.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
        is_near(&sampled(&named, 60_000), sizes, 0.1);
    }

    #[test]
    fn packed_files_and_records_are_estimated_by_what_they_pack_to() {
        let lines: Vec<String> =
            (0..400).map(|at| serde_json::json!({"text": words(100, at * 31)}).to_string()).collect();
        let texts: usize = (0..400).map(|at| words(100, at * 31).len()).sum();
        let plain = lines.join("\n").into_bytes();
        is_near(&sampled(&[("a.jsonl", plain.clone())], 60_000), texts, 0.05);
        let packed = zstd::encode_all(plain.as_slice(), 3).unwrap();
        is_near(&sampled(&[("a.jsonl.zst", packed)], 60_000), texts, 0.4);
    }
}
