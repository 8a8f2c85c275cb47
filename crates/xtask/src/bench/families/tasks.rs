//! What a pretrained model is worth: fine-tuned on labels or on pairs, and measured on files it has not seen.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::super::options::Options;
use super::{json, percent, said};

/// The options that name the files.
pub const OPTIONS: [&str; 3] = ["labels", "pairs", "language"];

/// The families that learn from pairs.
const OF_PAIRS: [&str; 4] = ["marian", "t5", "bart", "unilm"];

/// What the models are fine-tuned on.
#[derive(Debug, Default)]
pub struct Tasks {
    /// Texts with labels to learn from, and others to be measured by.
    labels: Option<[PathBuf; 2]>,
    /// Two files of lines to learn from, and two to be measured by.
    pairs: Option<[PathBuf; 4]>,
    /// The language of the texts with labels, for a family that wants to know it.
    language: String,
}

/// What fine-tuning came to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct FineTuned {
    /// The share of labels that were right.
    pub labels: Option<f64>,
    /// The share of translations that equal their reference.
    pub exact: Option<f64>,
    /// BLEU of the translations.
    pub bleu: Option<f64>,
}

impl FineTuned {
    /// The last cells of a row.
    pub fn cells(&self) -> String {
        let bleu = self.bleu.map_or("-".into(), |score| format!("{score:.1}"));
        format!("{} | {} | {bleu}", percent(self.labels), percent(self.exact))
    }
}

impl Tasks {
    /// The tasks that the options name.
    pub fn of(options: &Options) -> Result<Self> {
        let language = options.get("language").unwrap_or("en").into();
        Ok(Self { labels: files(options, "labels")?, pairs: files(options, "pairs")?, language })
    }

    /// Fine-tunes the model of `run`, and measures what it then does. Results that are there are read.
    pub fn fine_tuned(&self, program: &Path, family: &str, run: &Path) -> Result<FineTuned> {
        let mut found = FineTuned::default();
        if let Some(files) = &self.labels {
            let figures = self.labelled(program, family, run, files)?;
            let all = figures["figures"].as_array().into_iter().flatten();
            found.labels = all.filter(|figure| figure[0] == "accuracy").find_map(|figure| figure[1].as_f64());
            ensure!(found.labels.is_some(), "nuwa classify told no accuracy: {figures}");
        }
        if let Some(files) = self.pairs.as_ref().filter(|_| OF_PAIRS.contains(&family)) {
            let figures = translated(program, run, files)?;
            let figure = |name: &str| figures["figures"][name]["value"].as_f64();
            (found.exact, found.bleu) = (figure("exact match"), figure("BLEU"));
            ensure!(found.bleu.is_some(), "nuwa translate told no BLEU: {figures}");
        }
        Ok(found)
    }

    fn labelled(
        &self,
        program: &Path,
        family: &str,
        run: &Path,
        [train, test]: &[PathBuf; 2],
    ) -> Result<Value> {
        let out = place(run, "labels", train);
        let told = out.join("test.json");
        if !told.is_file() {
            let language = ["--language", self.language.as_str()];
            let own: &[&str] = if family == "xlm" { &language } else { &[] };
            let mut sft = Command::new(program);
            said(
                sft.arg("sft")
                    .arg(run.join("model"))
                    .arg("--data")
                    .arg(train)
                    .arg("--out")
                    .arg(&out)
                    .args(own),
            )?;
            let mut classify = Command::new(program);
            classify.arg("classify").arg(out.join("model")).arg("--file").arg(test).arg("--json").args(own);
            std::fs::write(&told, said(&mut classify)?)?;
        }
        json(&told)
    }
}

fn translated(program: &Path, run: &Path, files: &[PathBuf; 4]) -> Result<Value> {
    let [source, target, test, references] = files;
    let out = place(run, "pairs", source);
    let told = out.join("test.json");
    if !told.is_file() {
        let mut sft = Command::new(program);
        sft.arg("sft").arg(run.join("model")).arg("--data").arg(source).arg("--target").arg(target);
        said(sft.arg("--out").arg(&out))?;
        let mut translate = Command::new(program);
        translate.arg("translate").arg(out.join("model")).arg("--file").arg(test);
        std::fs::write(&told, said(translate.arg("--references").arg(references).arg("--json"))?)?;
    }
    json(&told)
}

/// A folder beside `run`, named after the task and its file.
fn place(run: &Path, task: &str, file: &Path) -> PathBuf {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let name = run.file_name().unwrap_or_default().to_string_lossy();
    run.with_file_name(format!("{name}-{task}-{stem}"))
}

/// As many files as the option wants, separated by commas.
fn files<const N: usize>(options: &Options, name: &str) -> Result<Option<[PathBuf; N]>> {
    let Some(text) = options.get(name) else { return Ok(None) };
    let all: Vec<PathBuf> = text.split(',').map(PathBuf::from).collect();
    for file in &all {
        ensure!(file.is_file(), "--{name}: no file at {}", file.display());
    }
    let count = all.len();
    let all = all.try_into().ok().with_context(|| format!("--{name}: expected {N} files, got {count}"))?;
    Ok(Some(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_counted_before_anything_runs() {
        let options =
            |text: &str| Options::parse(&["--labels".to_string(), text.to_string()], &OPTIONS).unwrap();
        let told = Tasks::of(&options("Cargo.toml")).unwrap_err().to_string();
        assert_eq!(told, "--labels: expected 2 files, got 1");
        let told = Tasks::of(&options("Cargo.toml,nowhere.csv")).unwrap_err().to_string();
        assert_eq!(told, "--labels: no file at nowhere.csv");
        assert!(Tasks::of(&options("Cargo.toml,Cargo.toml")).unwrap().labels.is_some());
    }
}
