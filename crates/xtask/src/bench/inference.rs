//! A model from a GGUF file, read and written with by both sides in turn.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::load::{DISTURBED, Meter};
use super::options::Options;
use super::ours::{build_example, root};
use super::rival::last_line;
use super::{machine, median};

const INSTALL: &str = "\
the rival is llama.cpp; to install it (it is compiled for this processor, which needs cmake and a C++ compiler):
    python3 -m venv rival
    rival/bin/pip install llama-cpp-python==0.3.36 numpy
and run this again with --python rival/bin/python";

/// Types of the model, as the rival's script makes them.
const TYPES: [&str; 4] = ["Q4_1", "Q4_0", "Q8_0", "BF16"];

/// What both sides report of a file, and in words.
const FIGURES: [(&str, &str); 3] = [
    ("prompt", "prompt of 512, tokens/s"),
    ("one", "one sequence, tokens/s"),
    ("together", "8 sequences, tokens/s"),
];

/// Bytes of what is told in MB.
const MB: f64 = 1e6;

/// Both sides.
#[derive(Debug)]
struct Sides {
    ours: PathBuf,
    python: PathBuf,
    script: PathBuf,
    threads: usize,
}

/// Figures of runs, by type and name: of the rival, and of ours.
type Runs = BTreeMap<String, BTreeMap<String, [Vec<f64>; 2]>>;

/// `cargo xtask bench inference`.
pub fn run(arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments, &["python", "types", "pairs", "threads", "models", "json"])?;
    let types = options.some_of("types", &TYPES)?;
    let pairs = options.count("pairs", 1)?.unwrap_or(3);
    let threads = options.count("threads", 1)?.unwrap_or(2);
    let script = root().join("crates/xtask/rivals/llama_cpp_speed.py");
    let python = options.path("python").unwrap_or_else(|| "python3".into());
    let version = version(&python)?;
    let folder = options.path("models").unwrap_or_else(|| root().join("target/bench/inference"));
    let ours = build_example("nuwa-infer", "inference_speed")?;
    let sides = Sides { ours, python, script, threads };
    let paths = sides.prepare(&folder)?;
    println!("{}, {threads} used; rival: llama-cpp-python {version}", machine());
    let mut runs = Runs::new();
    for pair in 1..=pairs {
        for name in &types {
            let path = paths[name].as_str().with_context(|| format!("the script made no {name}"))?;
            sides.pair(pair, name, Path::new(path), runs.entry(name.clone()).or_default())?;
        }
    }
    print_medians(&runs);
    if let Some(file) = options.path("json") {
        let text = serde_json::to_string_pretty(
            &json!({ "machine": machine(), "llama_cpp_python": version, "threads": threads, "runs": runs }),
        )?;
        std::fs::write(&file, text + "\n").with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// The version of llama-cpp-python; an error that says how to install what is missing.
fn version(python: &Path) -> Result<String> {
    let program = "import llama_cpp, numpy; print(llama_cpp.__version__)";
    let output = Command::new(python).args(["-c", program]).output();
    let output = output.with_context(|| format!("{INSTALL}\n\ncannot start {}", python.display()))?;
    if !output.status.success() {
        bail!("{INSTALL}\n\n{} cannot import it: {}", python.display(), last_line(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
}

/// The last line of what a program printed, as JSON.
fn report(command: &mut Command) -> Result<Value> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(output.status.success(), "{command:?} failed: {}", last_line(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next_back().unwrap_or_default();
    serde_json::from_str(line).with_context(|| format!("{command:?} printed no figures: {text}"))
}

impl Sides {
    /// The files of all types.
    fn prepare(&self, folder: &Path) -> Result<Value> {
        eprintln!("fetching the model and making its types in {} ...", folder.display());
        report(Command::new(&self.python).arg(&self.script).arg("prepare").arg(folder))
    }

    fn rival(&self, what: &str, path: &Path) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(&self.script).arg(what).arg(path).arg(self.threads.to_string());
        command
    }

    fn ours(&self, what: &str, path: &Path) -> Command {
        let mut command = Command::new(&self.ours);
        command.arg(path).arg(what).env("RAYON_NUM_THREADS", self.threads.to_string());
        command
    }

    /// The rival, then ours; adds their figures.
    fn pair(
        &self,
        number: usize,
        name: &str,
        path: &Path,
        runs: &mut BTreeMap<String, [Vec<f64>; 2]>,
    ) -> Result<()> {
        let meter = Meter::start();
        let sides = [report(&mut self.rival("run", path))?, report(&mut self.ours("run", path))?];
        let others = meter.and_then(Meter::others).unwrap_or(0.0);
        let disturbed = if others > DISTURBED { " (disturbed by other programs)" } else { "" };
        for (key, words) in FIGURES {
            let [rival, ours] = sides.each_ref().map(|side| side[key].as_f64());
            let (rival, ours) = rival.zip(ours).with_context(|| format!("a report lacks {key}"))?;
            println!(
                "{number} {name}, {words}: rival {rival:.1}, ours {ours:.1}, {:.2} times{disturbed}",
                ours / rival
            );
        }
        let mut add = |key: &str, side: usize, value: f64| {
            runs.entry(key.to_string()).or_default()[side].push(value);
        };
        for (side, report) in sides.iter().enumerate() {
            for key in ["prompt", "one", "together", "resident", "resident_peak", "load"] {
                add(key, side, report[key].as_f64().unwrap_or(f64::NAN));
            }
        }
        for (side, mut command) in
            [self.rival("first", path), self.ours("first", path)].into_iter().enumerate()
        {
            let start = Instant::now();
            report(&mut command)?;
            add("first", side, start.elapsed().as_secs_f64());
        }
        add("file", 0, std::fs::metadata(path)?.len() as f64);
        Ok(())
    }
}

fn print_medians(runs: &Runs) {
    println!("\n| type | figure | llama.cpp | nuwa | times |\n| --- | --- | ---: | ---: | ---: |");
    for (name, figures) in runs {
        let of = |key: &str| {
            figures.get(key).map_or([f64::NAN; 2], |sides| sides.each_ref().map(|all| median(all)))
        };
        for (key, words) in FIGURES {
            let [rival, ours] = of(key);
            println!("| {name} | {words} | {rival:.0} | {ours:.0} | {:.2} |", ours / rival);
        }
        let [rival, ours] = of("resident").map(|bytes| bytes / MB);
        let file = of("file")[0] / MB;
        println!("| {name} | resident MB (file {file:.0}) | {rival:.0} | {ours:.0} | {:.2} |", ours / rival);
        let [rival, ours] = of("first");
        println!("| {name} | start to first token, s | {rival:.2} | {ours:.2} | {:.2} |", ours / rival);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rival_that_is_absent_is_to_be_installed() {
        let message = format!("{:#}", version(Path::new("no-such-python")).unwrap_err());
        assert!(
            message.contains("pip install llama-cpp-python") && message.contains("no-such-python"),
            "{message}"
        );
    }

    #[test]
    fn the_last_line_is_the_report() {
        let figures = report(Command::new("echo").arg("a word\n{\"one\": 2.5}")).unwrap();
        assert_eq!(figures["one"], 2.5);
        assert!(report(Command::new("echo").arg("nothing")).is_err());
    }
}
