//! How fast text becomes clean documents: `cargo run --release -p nuwa-data --example measure -- PATH...`

use std::path::PathBuf;

use nuwa_data::clean::{CleanSettings, clean};
use nuwa_data::collect::{CollectSettings, collect};

fn main() -> nuwa_data::Result<()> {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
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
    let summary = clean(&[documents], &cleaned, &CleanSettings::default(), &mut |_| {})?;
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
