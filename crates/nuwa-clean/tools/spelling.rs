//! What spelling repairs and what it harms:
//! `cargo run --release -p nuwa-clean --example spelling -- TYPOS BOOK...`
//!
//! TYPOS holds `'right': 'wrong wrong ...'` pairs. `tests/it/slips.rs` says how it is measured.

#[path = "../tests/it/slips.rs"]
mod slips;

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let (typos, books) = paths.split_first().ok_or("give the file of typos and the books")?;
    let books: Vec<String> = books.iter().map(std::fs::read_to_string).collect::<Result<_, _>>()?;
    let folder = std::env::temp_dir().join(format!("nuwa-spelling-{}", std::process::id()));
    let outcome = slips::measure(&std::fs::read_to_string(typos)?, &books, &folder)?;
    std::fs::remove_dir_all(folder)?;
    let absent = outcome.absent.join(" ");
    println!("{} pairs, {} planted; not in the books: {absent}", outcome.pairs, outcome.planted);
    let (summary, step) = (&outcome.summary, &outcome.summary.steps[0]);
    println!(
        "{:.1} MB in {:.1} s: {:.1} MB/s with reading and writing, {:.1} MB/s a thread in the step; {} words replaced",
        summary.bytes_in as f64 / 1e6,
        summary.seconds,
        summary.bytes_in as f64 / 1e6 / summary.seconds,
        step.bytes_in as f64 / 1e6 / step.seconds,
        step.replaced
    );
    let share = 100.0 * outcome.repaired as f64 / outcome.planted as f64;
    println!("repaired {} of {}, {share:.1} %", outcome.repaired, outcome.planted);
    let precision = 100.0 * outcome.repaired as f64 / step.replaced.max(1) as f64;
    println!("of {} changes {} are right, {precision:.1} %", step.replaced, outcome.repaired);
    let harmed = &outcome.harmed;
    let in_million = 1e6 * harmed.len() as f64 / outcome.words as f64;
    println!("harmed {} of {} words, {in_million:.1} in a million", harmed.len(), outcome.words);
    println!("missed: {}", outcome.missed.join(" "));
    println!("harmed: {:?}", harmed.iter().step_by(harmed.len() / 200 + 1).collect::<Vec<_>>());
    Ok(())
}
