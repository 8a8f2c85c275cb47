//! Documents in JSON lines.
#![no_main]

use nuwa_data::documents;
use nuwa_fuzz::Files;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let files = Files::new(&[("documents-00000.jsonl", bytes)]);
    if let Ok(documents) = documents::read(files.folder()) {
        documents.take_while(Result::is_ok).for_each(drop);
    }
});
