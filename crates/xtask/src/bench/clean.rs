//! The same cleaning steps on the same documents on both sides, in turn.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::load::{DISTURBED, Meter};
use super::options::Options;
use super::ours::{build_example, root};
use super::rival::last_line;
use super::{machine, median};

const INSTALL: &str = "\
the rival is datatrove; to install it:
    python3 -m venv rival
    rival/bin/pip install 'datatrove>=0.10,<0.11' ftfy nltk spacy regex orjson tokenizers 'xxhash<4'
and run this again with --python rival/bin/python";

/// What both sides do: the name in their reports, and in words.
const CHAINS: [(&str, &str); 2] = [
    ("rules", "encodings, rules of Gopher, C4 and FineWeb, personal data"),
    ("near_duplicates", "near duplicates, from signatures to filter"),
];

/// Characters of a document: as long as a page of the web.
const DOCUMENT: usize = 4000;

/// Both sides, and the documents for them.
#[derive(Debug)]
struct Contest {
    ours: PathBuf,
    python: PathBuf,
    script: PathBuf,
    documents: PathBuf,
    folder: PathBuf,
    workers: usize,
}

/// One run of each side.
#[derive(Debug)]
struct Pair {
    rival: Value,
    ours: Value,
    /// The share of the processors that other programs took while ours ran, where it can be known: datatrove's workers are no
    /// children that are waited for, so that beside them everything would seem to be of others.
    others: Option<f64>,
}

/// `cargo xtask bench clean`.
pub fn run(arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments, &["against", "python", "pairs", "books", "json"])?;
    let pairs = options.count("pairs", 1)?.unwrap_or(3);
    let script = options.path("against").context("--against SCRIPT says what to run in turn with")?;
    ensure!(script.is_file(), "no script at {}", script.display());
    // Both are run in another folder. A link is not followed: where it lies tells Python its packages.
    let script = std::path::absolute(script)?;
    let python = options.path("python").unwrap_or_else(|| "python3".into());
    let python = if python.is_file() { std::path::absolute(python)? } else { python };
    let version = version(&python)?;
    let books =
        options.path("books").unwrap_or_else(|| root().join("../shared/data/corpus/en/standard_ebooks"));
    let folder = std::env::temp_dir().join(format!("nuwa-bench-clean-{}", std::process::id()));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let documents = folder.join("documents");
    write_documents(&books, &documents, workers)?;
    let ours = build_example("nuwa-clean", "same_steps")?;
    let contest = Contest { ours, python, script, documents, folder, workers };
    println!("{}; rival: datatrove {version}, {workers} workers", machine());
    let pairs = contest.pairs(pairs);
    std::fs::remove_dir_all(&contest.folder)?;
    let pairs = pairs?;
    print_medians(&pairs)?;
    if let Some(file) = options.path("json") {
        let all: Vec<Value> = pairs.iter().map(Pair::json).collect();
        let text = serde_json::to_string_pretty(
            &json!({ "machine": machine(), "datatrove": version, "pairs": all }),
        )?;
        std::fs::write(&file, text + "\n").with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// The version of datatrove; an error that says how to install what is missing.
fn version(python: &Path) -> Result<String> {
    let imports = "import ftfy, nltk, spacy, regex, orjson, tokenizers, xxhash, datatrove.pipeline.dedup";
    let program = format!("{imports}; from importlib.metadata import version; print(version('datatrove'))");
    let output = Command::new(python).args(["-c", &program]).output();
    let output = output.with_context(|| format!("{INSTALL}\n\ncannot start {}", python.display()))?;
    if !output.status.success() {
        bail!("{INSTALL}\n\n{} cannot import it: {}", python.display(), last_line(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
}

/// The books in pieces of the length of pages, in a file for each worker.
fn write_documents(books: &Path, out: &Path, files: usize) -> Result<()> {
    let entries = std::fs::read_dir(books).with_context(|| format!("cannot read {}", books.display()))?;
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "txt"));
    paths.sort();
    ensure!(!paths.is_empty(), "{} holds no .txt file", books.display());
    let mut lines = vec![String::new(); files];
    let mut number = 0;
    for path in paths {
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        for text in pieces(&text) {
            lines[number % files] += &format!("{}\n", json!({ "id": number.to_string(), "text": text }));
            number += 1;
        }
    }
    std::fs::create_dir_all(out)?;
    for (number, lines) in lines.iter().enumerate() {
        std::fs::write(out.join(format!("documents-{number:05}.jsonl")), lines)?;
    }
    Ok(())
}

/// Paragraphs together until they are long enough for a document.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for paragraph in text.split("\n\n") {
        let last = pieces.len() - 1;
        if pieces[last].chars().count() > DOCUMENT {
            pieces.push(paragraph.into());
        } else {
            let piece = &mut pieces[last];
            *piece += if piece.is_empty() { "" } else { "\n\n" };
            *piece += paragraph;
        }
    }
    pieces
}

impl Contest {
    fn pairs(&self, count: usize) -> Result<Vec<Pair>> {
        println!("  pair  chain             rival MB/s   ours MB/s   ratio   kept by the rival, by us");
        (1..=count).map(|number| self.pair(number)).collect()
    }

    fn pair(&self, number: usize) -> Result<Pair> {
        let rival =
            self.report(Command::new(&self.python).arg(&self.script), &[&self.workers.to_string()])?;
        let meter = Meter::start();
        let ours = self.report(&mut Command::new(&self.ours), &[])?;
        let pair = Pair { rival, ours, others: meter.and_then(Meter::others) };
        pair.print(number)?;
        Ok(pair)
    }

    /// Runs a side, which gets the documents, a fresh folder and `more`, and reads the object that it prints last.
    fn report(&self, command: &mut Command, more: &[&str]) -> Result<Value> {
        let out = self.folder.join("out");
        let program = command.get_program().to_owned();
        let output = command.arg(&self.documents).arg(&out).args(more).current_dir(&self.folder).output();
        let output = output.with_context(|| format!("cannot start {}", program.display()))?;
        if !output.status.success() {
            bail!("{} failed: {}", program.display(), last_line(&output.stderr));
        }
        std::fs::remove_dir_all(&out)?;
        let text = String::from_utf8_lossy(&output.stdout);
        let report = text.lines().rev().find_map(|line| serde_json::from_str(line).ok());
        report.with_context(|| format!("{} printed no figures: {}", program.display(), text.trim()))
    }
}

impl Pair {
    fn print(&self, number: usize) -> Result<()> {
        for (chain, _) in CHAINS {
            let [rival, ours] = [speed(&self.rival, &[chain])?, speed(&self.ours, &[chain])?];
            let kept = |side: &Value| side[chain]["kept"].as_u64().unwrap_or(0);
            println!(
                "  {number:<5} {chain:<17} {rival:>10.2} {ours:>11.1} {:>7.1}   {}, {}",
                ours / rival,
                kept(&self.rival),
                kept(&self.ours)
            );
        }
        if let Some(share) = self.others.filter(|&share| share > DISTURBED) {
            println!(
                "  DISTURBED: other programs took {:.0} % of the processors while ours ran",
                100.0 * share
            );
        }
        Ok(())
    }

    fn ratio(&self, chains: &[&str]) -> Result<f64> {
        Ok(speed(&self.ours, chains)? / speed(&self.rival, chains)?)
    }

    fn json(&self) -> Value {
        json!({ "rival": self.rival, "ours": self.ours, "others_share": self.others })
    }
}

/// Megabytes of text a second through the chains, one after the other.
fn speed(side: &Value, chains: &[&str]) -> Result<f64> {
    let sum = |key: &str| -> Result<f64> {
        let number =
            |chain: &&str| side[*chain][key].as_f64().with_context(|| format!("no {chain}.{key} in {side}"));
        chains.iter().map(number).sum()
    };
    Ok(sum("bytes")? / chains.len() as f64 / 1e6 / sum("seconds")?)
}

fn print_medians(pairs: &[Pair]) -> Result<()> {
    let names = CHAINS.map(|(name, _)| name);
    let all = ("all", "both, one after the other");
    println!("\n  median ratio");
    for (name, meaning) in CHAINS.into_iter().chain([all]) {
        let chains = names.into_iter().filter(|chain| name == "all" || name == *chain).collect::<Vec<_>>();
        let ratios = pairs.iter().map(|pair| pair.ratio(&chains)).collect::<Result<Vec<f64>>>()?;
        println!("  {name:<17} {:>6.1}   {meaning}", median(&ratios));
    }
    println!("\n  share of the time of our steps, reading and writing left out");
    for (name, share) in shares(pairs) {
        println!("  {name:<17} {:>5.1} %", 100.0 * share);
    }
    Ok(())
}

/// The steps with their shares of the processor time, over all pairs, in their order.
fn shares(pairs: &[Pair]) -> Vec<(String, f64)> {
    let mut seconds: BTreeMap<(usize, String), f64> = BTreeMap::new();
    for pair in pairs {
        let steps =
            CHAINS.iter().flat_map(|(chain, _)| pair.ours[*chain]["steps"].as_array().into_iter().flatten());
        for (place, step) in steps.enumerate() {
            let name = step["name"].as_str().unwrap_or("?").to_string();
            *seconds.entry((place, name)).or_default() += step["seconds"].as_f64().unwrap_or(0.0);
        }
    }
    let sum: f64 = seconds.values().sum();
    seconds.into_iter().map(|((_, name), seconds)| (name, seconds / sum.max(f64::MIN_POSITIVE))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(rules: f64, near: f64) -> Value {
        let chain = |seconds: f64, steps: &[&str]| {
            let steps =
                steps.iter().map(|name| json!({ "name": name, "seconds": seconds })).collect::<Vec<_>>();
            json!({ "seconds": seconds, "bytes": 8e6, "documents": 2, "kept": 2, "steps": steps })
        };
        json!({ "rules": chain(rules, &["unicode", "c4"]), "near_duplicates": chain(near, &["near-duplicates"]) })
    }

    #[test]
    fn ratios_are_those_of_the_times() {
        let pair = Pair { rival: side(30.0, 10.0), ours: side(0.5, 0.5), others: None };
        assert_eq!(pair.ratio(&["rules"]).unwrap(), 60.0);
        assert_eq!(pair.ratio(&["rules", "near_duplicates"]).unwrap(), 40.0);
        assert_eq!(speed(&pair.rival, &["near_duplicates"]).unwrap(), 0.8);
        let names = ["unicode", "c4", "near-duplicates"].map(String::from);
        assert_eq!(shares(&[pair]), names.map(|name| (name, 1.0 / 3.0)));
        assert!(speed(&json!({}), &["rules"]).is_err());
    }

    #[test]
    fn documents_are_whole_paragraphs() {
        let paragraph = "a word ".repeat(400);
        let text = [paragraph.as_str(); 5].join("\n\n");
        let pieces = pieces(&text);
        assert_eq!(pieces.len(), 3);
        assert_eq!(pieces.join("\n\n"), text);
    }

    #[test]
    fn a_rival_that_is_absent_is_to_be_installed() {
        let message = version(Path::new("no-such-python")).unwrap_err().to_string();
        assert!(
            message.contains("pip install 'datatrove") && message.contains("no-such-python"),
            "{message}"
        );
    }
}
