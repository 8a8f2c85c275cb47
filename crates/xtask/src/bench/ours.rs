//! Our side: the example `step` of `nuwa-train`, built once, each run a process of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// The built example.
#[derive(Debug)]
pub struct Ours {
    program: PathBuf,
    isa: Option<String>,
}

/// What one run printed.
#[derive(Debug, Clone)]
pub struct Report(pub Value);

/// The time of one kind of operation, in milliseconds a step.
#[derive(Debug, PartialEq)]
pub struct Operation {
    /// Its name.
    pub name: String,
    /// How often it runs a step.
    pub calls: f64,
    /// Time of all its forward runs.
    pub forward: f64,
    /// Time of all its backward runs.
    pub backward: f64,
}

impl Ours {
    /// Builds the example; the runs are held to `isa` if one is given.
    pub fn build(isa: Option<String>) -> Result<Self> {
        Ok(Self { program: build_example("nuwa-train", "step")?, isa })
    }

    /// Runs the example with `arguments`.
    pub fn run(&self, arguments: &[String]) -> Result<Report> {
        let mut command = Command::new(&self.program);
        command.args(arguments).arg("--json");
        if let Some(isa) = &self.isa {
            command.args(["--isa", isa]);
        }
        let output = command.output().with_context(|| format!("cannot start {}", self.program.display()))?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            bail!("step {}: {}\n{}", arguments.join(" "), output.status, errors.trim());
        }
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(Report(serde_json::from_str(&text).with_context(|| format!("no report of a run: {text}"))?))
    }
}

impl Report {
    /// The number at `key`.
    pub fn number(&self, key: &str) -> Result<f64> {
        self.0[key].as_f64().with_context(|| format!("the report of step lacks {key}: {}", self.0))
    }

    /// The table of time per operation, the optimizer's among them, the longest first.
    pub fn operations(&self) -> Result<Vec<Operation>> {
        let rows = self.0["operations"].as_array().map(Vec::as_slice).unwrap_or_default();
        let number = |row: &Value, key: &str| row[key].as_f64().unwrap_or(0.0);
        let mut operations: Vec<Operation> = rows
            .iter()
            .map(|row| Operation {
                name: row["name"].as_str().unwrap_or("?").to_string(),
                calls: number(row, "calls"),
                forward: number(row, "forward_ms"),
                backward: number(row, "backward_ms"),
            })
            .collect();
        let name = "clip and AdamW".to_string();
        let forward = self.number("optimizer_ms")?;
        operations.push(Operation { name, calls: 1.0, forward, backward: 0.0 });
        operations.sort_by(|a, b| b.total().total_cmp(&a.total()));
        Ok(operations)
    }
}

impl Operation {
    /// Forward and backward together.
    pub fn total(&self) -> f64 {
        self.forward + self.backward
    }
}

/// Builds an example, optimised; where it lies.
pub fn build_example(package: &str, example: &str) -> Result<PathBuf> {
    eprintln!("building the example {example} of {package} ...");
    let mut command = Command::new(option_env!("CARGO").unwrap_or("cargo"));
    command.args(["build", "--quiet", "--release", "-p", package, "--example", example]);
    command.arg("--message-format=json-render-diagnostics").current_dir(root());
    let output = command.stderr(Stdio::inherit()).output().context("cannot start cargo")?;
    ensure!(output.status.success(), "the example {example} of {package} does not build");
    let program = executable(&String::from_utf8_lossy(&output.stdout));
    program.with_context(|| format!("cargo named no executable for the example {example}"))
}

/// The root of the workspace.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// The path of the example among cargo's messages, a JSON object on each line.
fn executable(messages: &str) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut paths = messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from));
    paths.next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_names_the_executable() {
        let messages = "{\"reason\":\"compiler-artifact\",\"executable\":null}\n\
            {\"reason\":\"compiler-artifact\",\"executable\":\"target/release/examples/step\"}\n\
            {\"reason\":\"build-finished\",\"success\":true}\n";
        assert_eq!(executable(messages), Some("target/release/examples/step".into()));
        assert_eq!(executable("warning: nothing\n"), None);
    }

    #[test]
    fn the_optimizer_is_an_operation() {
        let report = Report(serde_json::json!({"optimizer_ms": 5.0, "operations": [
            {"name": "softmax", "calls": 2.0, "forward_ms": 1.0, "backward_ms": 2.0},
        ]}));
        let operations = report.operations().unwrap();
        let names: Vec<&str> = operations.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["clip and AdamW", "softmax"]);
        assert_eq!(operations[1].total(), 3.0);
        assert!(Report(serde_json::json!({})).number("loss").is_err());
    }
}
