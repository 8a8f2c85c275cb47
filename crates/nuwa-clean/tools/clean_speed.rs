//! How fast text becomes clean documents: `cargo run --release -p nuwa-clean --example clean_speed -- [--web] PATH...`
//!
//! With `--web` the rules for pages of the web run too.

use std::path::PathBuf;

use nuwa_clean::{CleanSettings, Preset, clean};
use nuwa_collect::{CollectSettings, collect};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (options, paths): (Vec<PathBuf>, Vec<PathBuf>) =
        std::env::args_os().skip(1).map(PathBuf::from).partition(|argument| argument.as_os_str() == "--web");
    let preset = if options.is_empty() { Preset::General } else { Preset::Web };
    let settings = CleanSettings { preset, ..CleanSettings::default() };
    let out = std::env::temp_dir().join(format!("nuwa-measure-{}", std::process::id()));
    let (documents, cleaned) = (out.join("collect"), out.join("clean"));
    let collected = collect(&paths, &documents, &CollectSettings::default(), &mut |_| {})?;
    let speed = |bytes: u64, seconds: f64| bytes as f64 / 1e6 / seconds;
    println!(
        "collect: {} documents, {:.1} MB, {:.1} MB/s; skipped {:?}",
        collected.documents,
        collected.bytes as f64 / 1e6,
        speed(collected.bytes, collected.seconds),
        collected.skipped_reasons
    );
    let summary = clean(&[documents], &cleaned, &settings, &mut |_| {})?;
    println!(
        "clean: {} of {} documents, {:.1} of {:.1} MB, {:.1} MB/s",
        summary.documents_out,
        summary.documents_in,
        summary.bytes_out as f64 / 1e6,
        summary.bytes_in as f64 / 1e6,
        speed(summary.bytes_in, summary.seconds)
    );
    for step in &summary.steps {
        println!(
            "  {:16} {:8.1} MB/s a thread, {:6} in, {:6} changed, {:6} rejected {:?}",
            step.name,
            speed(step.bytes_in, step.seconds),
            step.documents_in,
            step.changed,
            step.rejected,
            step.reasons
        );
    }
    println!("documents in {}", cleaned.display());
    Ok(())
}
