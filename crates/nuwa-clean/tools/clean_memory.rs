//! How much memory cleaning takes as the corpus grows:
//! `cargo run --release -p nuwa-clean --example clean_memory -- MEGABYTES [MEMORY]`
//!
//! Makes a corpus of short documents out of random words, a fifth of them copies or near copies, with a line that recurs, and
//! cleans it by the default chain and `boilerplate`, with `clean.memory` = MEMORY (100MB). One size a process, for the
//! greatest resident size is the process's own (`VmHWM` of `/proc/self/status`, so on Linux only).

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use nuwa_clean::{CleanSettings, StepName, clean};

const WORDS_A_DOCUMENT: u64 = 90;
const WORDS: u64 = 50_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let megabytes: u64 = arguments.next().ok_or("give the size of the corpus in megabytes")?.parse()?;
    let memory = arguments.next().unwrap_or("100MB".into());
    let mut settings = CleanSettings { memory, ..CleanSettings::default() };
    settings.steps.insert(3, StepName::Boilerplate);
    settings.bias.report = false;
    let folder = std::env::temp_dir().join(format!("nuwa-memory-{}", std::process::id()));
    let documents = generate(&folder.join("documents"), megabytes * 1_000_000)?;
    let before = peak()?;
    let summary = clean(&[folder.join("documents")], &folder.join("clean"), &settings, &mut |_| {})?;
    println!(
        "{megabytes} MB, {documents} documents, {} kept: {:.0} s, {:.1} MB/s, at most {} MB resident ({before} MB before), clean.memory {}",
        summary.documents_out,
        summary.seconds,
        summary.bytes_in as f64 / 1e6 / summary.seconds,
        peak()?,
        settings.memory,
    );
    for step in &summary.steps {
        println!(
            "  {:16} {:6.1} s, {} changed, {} rejected",
            step.name, step.seconds, step.changed, step.rejected
        );
    }
    fs::remove_dir_all(&folder)?;
    Ok(())
}

/// Writes documents until there are so many bytes; gives their number.
fn generate(folder: &Path, bytes: u64) -> std::io::Result<u64> {
    fs::create_dir_all(folder)?;
    let mut writer = BufWriter::new(File::create(folder.join("documents-00000.jsonl"))?);
    let (mut written, mut number) = (0, 0);
    while written < bytes {
        // Every tenth document is one of the hundred before it, every tenth nearly so.
        let (seed, changed) = match number % 10 {
            3 => (number - number % 100, None),
            7 => (number - number % 100 + 1, Some(number % WORDS_A_DOCUMENT)),
            _ => (number, None),
        };
        let mut text = String::from("Home and contents\\n");
        for at in 0..WORDS_A_DOCUMENT {
            let salt = if changed == Some(at) { number } else { 0 };
            text += &word(mixed(seed * 1000 + at + (salt << 40)) % WORDS);
            text += if at % 12 == 11 { ".\\n" } else { " " };
        }
        writeln!(
            writer,
            "{{\"id\":\"made#{number}\",\"source\":\"made\",\"lang\":\"en\",\"text\":\"{text}\"}}"
        )?;
        written += text.len() as u64;
        number += 1;
    }
    writer.flush()?;
    Ok(number)
}

/// A number as a word of letters.
fn word(mut number: u64) -> String {
    let mut word = String::new();
    for _ in 0..3 {
        word.push(char::from(b"bdfgklmnprstvz"[(number % 14) as usize]));
        word.push(char::from(b"aeiou"[(number / 14 % 5) as usize]));
        number /= 70;
    }
    word
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014).
fn mixed(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The greatest resident size of this process so far, in megabytes.
fn peak() -> Result<u64, Box<dyn std::error::Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).ok_or("no VmHWM")?;
    let kilobytes: u64 = line.split_whitespace().nth(1).ok_or("no number")?.parse()?;
    Ok(kilobytes * 1024 / 1_000_000)
}
