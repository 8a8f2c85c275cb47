//! The steps that judge a document by itself, on any text.
#![no_main]

use std::sync::LazyLock;

use nuwa_data::Document;
use nuwa_data::clean::{CleanSettings, DocumentStep, Preset, Step, Verdict};

static CHAIN: LazyLock<Vec<Box<dyn DocumentStep>>> = LazyLock::new(|| {
    let settings = CleanSettings { preset: Preset::Web, ..CleanSettings::default() };
    let chain = settings.chain().expect("the chain of the preset").into_iter();
    chain.filter_map(|step| if let Step::Document(step) = step { Some(step) } else { None }).collect()
});

libfuzzer_sys::fuzz_target!(|text: &str| {
    let mut document = Document { text: text.into(), ..Document::default() };
    for step in CHAIN.iter() {
        if let Verdict::Rejected { .. } = step.apply(&mut document) {
            document.text = text.into();
        }
    }
});
