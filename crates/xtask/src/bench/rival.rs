//! The other side: a script that trains the same model with PyTorch and prints one line of figures.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

const INSTALL: &str = "\
the rival is PyTorch; to install it:
    python3 -m venv rival
    rival/bin/pip install torch numpy
and run this again with --python rival/bin/python. torch.compile needs a C++ compiler as well (Debian, Ubuntu:
apt install g++; Fedora: dnf install gcc-c++; macOS: xcode-select --install); CXX names another one.";

/// Bytes in one of the script's gigabytes of memory: it counts a million KiB.
const SCRIPT_GIGABYTE: f64 = 1024e6;

/// How the script is run.
#[derive(Debug)]
pub struct Rival {
    /// The Python that has torch.
    pub python: PathBuf,
    /// The script.
    pub script: PathBuf,
    /// The instruction set that it is held to.
    pub isa: Option<String>,
}

/// The figures of the script's line.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Millions of parameters, to one place.
    pub millions: f64,
    /// The last step's loss.
    pub loss: f64,
    /// Median time of a step in milliseconds.
    pub median_ms: f64,
    /// Tokens a second.
    pub tokens_per_second: f64,
    /// Peak resident memory in gigabytes of 10^9 bytes.
    pub peak_memory_gb: f64,
}

impl Rival {
    /// The version of torch; an error that says how to install what is missing.
    pub fn version(&self) -> Result<String> {
        ensure!(self.script.is_file(), "no script at {}", self.script.display());
        let mut command = Command::new(&self.python);
        command.args(["-c", "import numpy, torch; print(torch.__version__)"]);
        let python = self.python.display();
        let output = command.output().with_context(|| format!("{INSTALL}\n\ncannot start {python}"))?;
        if !output.status.success() {
            bail!("{INSTALL}\n\n{python} cannot import it: {}", last_line(&output.stderr));
        }
        let compiler = compiler();
        let works =
            Command::new(&compiler).arg("--version").output().is_ok_and(|output| output.status.success());
        ensure!(works, "{INSTALL}\n\ntorch is there, but no C++ compiler: {compiler} does not start");
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
    }

    /// Runs the script once.
    pub fn run(&self, size: &str, precision: &str, steps: usize, family: &str) -> Result<Line> {
        let mut command = Command::new(&self.python);
        command.arg(&self.script).args([size, mode(precision), &steps.to_string(), family]);
        if let Some(isa) = &self.isa {
            command.env("ATEN_CPU_CAPABILITY", isa);
        }
        let output = command.output().with_context(|| format!("cannot start {}", self.python.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            bail!("the rival failed at {family} {size}: {}\n\n{INSTALL}", last_line(&output.stderr));
        }
        let line = text.lines().rev().find_map(parse);
        line.with_context(|| format!("the rival printed no line of figures: {}", text.trim()))
    }
}

impl Line {
    /// The figures by name.
    pub fn json(&self) -> Value {
        json!({"parameters_millions": self.millions, "loss": self.loss, "median_ms": self.median_ms,
            "tokens_per_second": self.tokens_per_second, "peak_memory_gb": self.peak_memory_gb})
    }
}

/// What the script calls compiled training in `precision`.
fn mode(precision: &str) -> &'static str {
    if precision == "f32" { "fp32compile" } else { "bf16compile" }
}

/// The compiler that torch.compile starts.
fn compiler() -> String {
    let usual = if cfg!(target_os = "macos") { "clang++" } else { "g++" };
    std::env::var("CXX").unwrap_or_else(|_| usual.to_string())
}

/// The last thing that a program said.
pub fn last_line(errors: &[u8]) -> String {
    let text = String::from_utf8_lossy(errors);
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it says nothing").to_string()
}

/// Reads `gpt tiny bf16compile 5.8M loss 8.3 median 214.0 ms tok/s 9570 rss 0.20 GB`.
fn parse(line: &str) -> Option<Line> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let after = |name: &str| -> Option<f64> {
        let place = words.iter().position(|word| *word == name)?;
        words.get(place + 1)?.parse().ok()
    };
    Some(Line {
        millions: words.get(3)?.strip_suffix('M')?.parse().ok()?,
        loss: after("loss")?,
        median_ms: after("median")?,
        tokens_per_second: after("tok/s")?,
        peak_memory_gb: after("rss")? * SCRIPT_GIGABYTE / 1e9,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "llama mid bf16compile 29.8M loss 9.0625 median 1214.5 ms tok/s 1686 rss 1.25 GB";

    #[test]
    fn the_line_is_read() {
        let line = parse(LINE).unwrap();
        assert_eq!((line.millions, line.loss, line.median_ms), (29.8, 9.0625, 1214.5));
        assert_eq!(line.tokens_per_second, 1686.0);
        assert!((line.peak_memory_gb - 1.28).abs() < 1e-9);
    }

    #[test]
    fn other_lines_are_not() {
        for line in ["", "warning: loss of precision", "gpt tiny bf16compile 5.8M loss nothing"] {
            assert_eq!(parse(line), None, "{line}");
        }
        assert_eq!(parse(LINE.trim_end_matches(" 1.25 GB")), None);
        assert_eq!(parse(&LINE.replace("29.8M", "29.8")), None);
    }

    #[test]
    fn a_rival_that_is_absent_is_to_be_installed() {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let rival = |script| Rival { python: "no-such-python".into(), script, isa: None };
        let message = rival(script).version().unwrap_err().to_string();
        assert!(message.contains("pip install torch") && message.contains("no-such-python"), "{message}");
        let message = rival("no/such/script.py".into()).version().unwrap_err().to_string();
        assert!(message.contains("no/such/script.py"), "{message}");
    }
}
