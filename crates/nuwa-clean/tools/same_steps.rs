//! The steps that other programs have too, on documents in JSON lines, timed: `cargo xtask bench clean` runs this in turn with
//! datatrove. `cargo run --release -p nuwa-clean --example same_steps -- DOCUMENTS OUT` prints one JSON object.

use std::path::{Path, PathBuf};

use nuwa_clean::{CleanSettings, CleanSummary, StepName, clean};
use serde_json::{Value, json};

/// Encodings, the rules of Gopher, C4 and FineWeb, and personal data.
const RULES: [StepName; 6] = [
    StepName::Unicode,
    StepName::Repetition,
    StepName::GopherQuality,
    StepName::C4,
    StepName::FineWeb,
    StepName::PersonalData,
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [documents, out] = &paths[..] else {
        return Err("give the folder of documents and one to write to".into());
    };
    let rules = run(documents, &out.join("rules"), &RULES)?;
    let near = run(documents, &out.join("near"), &[StepName::NearDuplicates])?;
    println!("{}", json!({ "rules": figures(&rules), "near_duplicates": figures(&near) }));
    Ok(())
}

fn run(documents: &Path, out: &Path, steps: &[StepName]) -> nuwa_clean::Result<CleanSummary> {
    let mut settings = CleanSettings { steps: steps.to_vec(), ..CleanSettings::default() };
    settings.bias.report = false;
    // The signature of datatrove's defaults.
    (settings.near_duplicates.bands, settings.near_duplicates.rows) = (14, 8);
    clean(&[documents.to_path_buf()], out, &settings, &mut |_| {})
}

fn figures(summary: &CleanSummary) -> Value {
    let steps = summary.steps.iter().map(|step| json!({ "name": step.name, "seconds": step.seconds }));
    json!({
        "seconds": summary.seconds,
        "bytes": summary.bytes_in,
        "documents": summary.documents_in,
        "kept": summary.documents_out,
        "steps": steps.collect::<Vec<_>>(),
    })
}
