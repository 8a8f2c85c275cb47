//! The steps that judge a document by itself, on any text.
#![no_main]

use std::sync::LazyLock;

use nuwa_data::Document;
use nuwa_data::clean::{CleanSettings, Preset, Step, Verdict};

static CHAIN: LazyLock<Vec<Step>> = LazyLock::new(|| {
    let settings = CleanSettings { preset: Preset::Web, ..CleanSettings::default() };
    settings.chain().expect("the default chain")
});

libfuzzer_sys::fuzz_target!(|text: &str| {
    let mut document = Document { text: text.into(), ..Document::default() };
    for step in CHAIN.iter() {
        if let Step::Document(step) = step
            && let Verdict::Rejected { .. } = step.apply(&mut document)
        {
            document.text = text.into();
        }
    }
});
