//! A classifier's file.
#![no_main]

use nuwa_data::classify::Classifier;
use nuwa_fuzz::Files;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let files = Files::new(&[("a.classifier", bytes)]);
    if let Ok(classifier) = Classifier::load(&files.path("a.classifier")) {
        classifier.probability("The potter put the jar on the wheel.");
    }
});
