//! Every format that is collected; the first byte chooses which.
#![no_main]

use nuwa_data::collect::{BadLines, CollectSettings, collect};
use nuwa_fuzz::{Files, chosen};

const ENDINGS: [&str; 18] = [
    "txt", "html", "jsonl", "csv", "tsv", "eml", "mbox", "warc", "wet", "zip", "tar", "parquet", "pdf", "gz", "json",
    "docx", "odt", "epub",
];

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((ending, bytes)) = chosen(bytes, ENDINGS.len()) else { return };
    let name = format!("a.{}", ENDINGS[ending]);
    let files = Files::new(&[(&name, bytes)]);
    let settings = CollectSettings { bad_lines: BadLines::Skip, ..CollectSettings::default() };
    let _ = collect(&[files.path(&name)], &files.folder().join("out"), &settings, &mut |_| {});
});
