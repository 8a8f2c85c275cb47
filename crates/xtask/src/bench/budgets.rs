//! Builds of several texts within several budgets: what was foreseen, and what came of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::machine;
use super::options::Options;
use super::ours::root;

/// What one build came to.
#[derive(Debug, PartialEq)]
struct Outcome {
    text: String,
    bytes: u64,
    budget: String,
    parameters: u64,
    epochs: f64,
    /// Bits a byte that were foreseen, with their deviation.
    foreseen: [f64; 2],
    /// Bits a byte that were measured, with their standard error.
    measured: [f64; 2],
}

/// `cargo xtask bench budgets`.
pub fn run(arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments, &["texts", "budgets", "program", "cleaning"])?;
    let list = |name: &str| options.get(name).map(|list| list.split(',').map(String::from).collect());
    let texts: Vec<String> = list("texts").context("--texts A.txt,B.txt says what to build from")?;
    let budgets: Vec<String> = list("budgets").unwrap_or_else(|| vec!["1m".into(), "3m".into()]);
    let program = options.path("program").unwrap_or_else(|| root().join("target/release/nuwa"));
    ensure!(program.is_file(), "no program at {}: build it with cargo build --release", program.display());
    let cleaning = options.one_of("cleaning", &["on", "off"])?.is_none_or(|said| said == "on");
    let folder = std::env::temp_dir().join(format!("nuwa-bench-budgets-{}", std::process::id()));
    println!("{}\n\n{HEAD}", machine());
    let mut outcomes = Vec::new();
    for text in texts.iter().map(PathBuf::from) {
        for budget in &budgets {
            let outcome = build(&program, &text, budget, cleaning, &folder);
            // Finished or not, a run is of no use for the next one.
            let _ = std::fs::remove_dir_all(&folder);
            let outcome = outcome?;
            println!("{}", outcome.row());
            outcomes.push(outcome);
        }
    }
    let within = |outcome: &&Outcome| outcome.deviations().abs() <= 2.0;
    println!("\n{} of {} within two deviations", outcomes.iter().filter(within).count(), outcomes.len());
    Ok(())
}

const HEAD: &str = "\
| text | bytes | budget | weights | times read | foreseen | measured | deviations off |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |";

fn build(program: &Path, text: &Path, budget: &str, cleaning: bool, out: &Path) -> Result<Outcome> {
    let mut command = Command::new(program);
    command.args(["build", "--budget", budget, "--from"]).arg(text).arg("--out").arg(out);
    if !cleaning {
        command.args(["--set", "clean.steps=[]"]);
    }
    let output = command.output().with_context(|| format!("cannot start {}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} within {budget}: {}", text.display(), said.trim());
    let read = |name: &str| -> Result<Value> {
        let path = out.join(name);
        let file = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(serde_json::from_slice(&file)?)
    };
    let name = text.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let bytes = std::fs::metadata(text)?.len();
    let files = [
        read("plan/plan.json")?,
        read("pretrain/pretrain.json")?,
        read("tokenize/tokenize.json")?,
        read("eval/eval.json")?,
    ];
    outcome(name, bytes, budget, &files)
}

fn outcome(
    text: String,
    bytes: u64,
    budget: &str,
    [plan, pretrain, tokens, eval]: &[Value; 4],
) -> Result<Outcome> {
    let number = |value: &Value, what: &str| value.as_f64().with_context(|| format!("{text} has no {what}"));
    let predicted = &plan["predicted"];
    let bits = &eval["tasks"]["language_modelling"]["metrics"]["bits_per_byte"];
    let steps = number(&pretrain["kept_step"], "kept step")?;
    let read = steps * number(&plan["batch_tokens"], "batch")?;
    Ok(Outcome {
        bytes,
        budget: budget.into(),
        parameters: number(&pretrain["parameters"], "weights")? as u64,
        epochs: read / number(&tokens["train"]["tokens"], "tokens")?,
        foreseen: [
            number(&predicted["bits_per_byte"], "forecast")?,
            number(&predicted["bits_per_byte_error"], "deviation")?,
        ],
        measured: [number(&bits["value"], "bits per byte")?, bits["stderr"].as_f64().unwrap_or(0.0)],
        text,
    })
}

impl Outcome {
    /// How many stated deviations what was measured lies above what was foreseen.
    fn deviations(&self) -> f64 {
        (self.measured[0] - self.foreseen[0]) / self.foreseen[1]
    }

    fn row(&self) -> String {
        let Self { text, bytes, budget, parameters, epochs, foreseen, measured } = self;
        format!(
            "| {text} | {bytes} | {budget} | {parameters} | {epochs:.1} | {:.2} ± {:.2} | {:.3} ± {:.3} | {:+.1} |",
            foreseen[0],
            foreseen[1],
            measured[0],
            measured[1],
            self.deviations()
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_build_becomes_a_row() {
        let files = [
            json!({"batch_tokens": 500, "predicted": {"bits_per_byte": 2.0, "bits_per_byte_error": 0.1}}),
            json!({"kept_step": 20, "parameters": 1000}),
            json!({"train": {"tokens": 4000}}),
            json!({"tasks": {"language_modelling": {"metrics": {"bits_per_byte": {"value": 2.25, "stderr": 0.02}}}}}),
        ];
        let built = outcome("novel".into(), 9000, "1m", &files).unwrap();
        assert_eq!(built.row(), "| novel | 9000 | 1m | 1000 | 2.5 | 2.00 ± 0.10 | 2.250 ± 0.020 | +2.5 |");
        let unforeseen = [json!({"batch_tokens": 500}), files[1].clone(), files[2].clone(), files[3].clone()];
        let told = outcome("novel".into(), 9000, "1m", &unforeseen).unwrap_err().to_string();
        assert_eq!(told, "novel has no forecast");
    }

    #[test]
    fn texts_must_be_said() {
        let told = run(&["--budgets".into(), "1m".into()]).unwrap_err().to_string();
        assert!(told.starts_with("--texts A.txt,B.txt"), "{told}");
    }
}
