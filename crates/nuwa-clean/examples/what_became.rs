//! What cleaning makes of each document: repaired, rejected with a reason, or kept.
//!
//!     cargo run -p nuwa-clean --example what_became

use nuwa_clean::{CleanSettings, StepName, clean};
use nuwa_files::documents;

const LETTER: &str =
    "Please write to mina@example.org about the clay, the water and the rope that were ordered in spring.";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let (texts, out) = (folder.path().join("texts.jsonl"), folder.path().join("clean"));
    let all = [
        LETTER,
        LETTER,
        "Too short.",
        "The river rose, and she dammed it with reeds \u{1F600} and with stones.",
    ];
    let lines = all.map(|text| serde_json::json!({ "text": text }).to_string());
    std::fs::write(&texts, lines.join("\n"))?;

    // The chain is a list of names, each with its settings.
    let mut settings = CleanSettings {
        steps: vec![StepName::Length, StepName::NearDuplicates, StepName::PersonalData, StepName::Emoji],
        ..CleanSettings::default()
    };
    settings.length.min_letters = 20;
    let summary = clean(&[texts], &out, &settings, &mut |_| {})?;

    println!("{} of {} documents are left", summary.documents_out, summary.documents_in);
    for step in &summary.steps {
        println!(
            "  {:16} changed {}, rejected {} {:?}",
            step.name, step.changed, step.rejected, step.reasons
        );
    }
    for sample in &summary.samples {
        println!(
            "{} {} {}",
            sample.outcome,
            sample.step.as_deref().unwrap_or("-"),
            sample.reason.as_deref().unwrap_or("-")
        );
    }
    for document in documents::read(&out)? {
        println!("kept: {}", document?.text);
    }
    Ok(())
}
