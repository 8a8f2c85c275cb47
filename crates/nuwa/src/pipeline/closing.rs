//! How a build went, and how to go on from there.

use std::path::{Path, PathBuf};

use nuwa_files::{quoted, quoted_path};
use nuwa_models::Prediction;
use nuwa_report::numbers;
use nuwa_report::records::{Evaluation, FineTuningOutcome, PlanFile, PretrainingOutcome};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::run::About;
use crate::source::Records;
use crate::stages::{self, Build, eval, plan, pretrain};
use crate::suggestion;
use crate::taught::Taught;

/// What a build came to.
#[derive(Serialize)]
pub struct End<'a> {
    run: &'a Path,
    model: PathBuf,
    report: PathBuf,
    plan: PlanFile,
    pretrain: PretrainingOutcome,
    eval: Evaluation,
    #[serde(skip)]
    answers: bool,
    /// Whether it was taught to tell labels.
    #[serde(skip)]
    tells_labels: bool,
    /// Whether it was taught to answer sources.
    #[serde(skip)]
    answers_sources: bool,
    /// What it was taught to answer.
    #[serde(skip)]
    question: Option<String>,
}

impl<'a> End<'a> {
    /// Reads what the stages wrote.
    pub fn of(build: &'a Build) -> anyhow::Result<Self> {
        let eval: Evaluation = figures(build, &eval::ABOUT)?;
        let fine_tuned = stages::models().into_iter().skip(1);
        let mut fine_tuned = fine_tuned.filter_map(|stage| figures::<FineTuningOutcome>(build, stage).ok());
        Ok(Self {
            run: &build.folder,
            model: build.folder.join("model"),
            report: build.folder.join("report.html"),
            plan: plan::made(build)?,
            pretrain: figures(build, &pretrain::ABOUT)?,
            answers_sources: build.taught == Taught::Pairs && !build.records(Records::Answers).is_empty(),
            tells_labels: build.taught == Taught::Labels,
            answers: eval.tasks.keys().any(|name| !name.starts_with("pretrain/") && name.contains('/')),
            eval,
            question: fine_tuned.find_map(|outcome| outcome.question),
        })
    }

    /// The figures and the next commands.
    pub fn text(&self) -> String {
        let (predicted, measured) = (&self.plan.plan.predicted, &self.pretrain);
        let time = [predicted.seconds, measured.summary.seconds].map(numbers::seconds);
        let memory = [Some(predicted.memory_bytes), measured.peak_memory_bytes];
        let memory = memory.map(|bytes| bytes.map_or("?".into(), numbers::bytes));
        let bits = [self.predicted_bits(), self.measured_bits()];
        let header = ["predicted", "measured"].map(String::from);
        let rows = [("", header), ("time", time), ("memory", memory), ("bits per byte", bits)];
        // A model that is not measured in bits per byte has no such line.
        let is_known = |row: &&(&str, [String; 2])| row.1.iter().any(|told| told != "?");
        let table: String = rows
            .iter()
            .filter(is_known)
            .map(|(name, [before, after])| format!("{name:<14} {before:>13} {after:>17}\n"))
            .collect();
        let (model, report) = (self.model.display(), self.report.display());
        let next = match self.answers {
            _ if self.tells_labels => format!(
                "nuwa classify {} {}{}",
                quoted_path(self.run),
                quoted(self.prompt()),
                self.language()
            ),
            _ if self.answers_sources => {
                let source = self.question.clone().unwrap_or_else(|| self.prompt());
                format!("nuwa translate {} {}", quoted_path(self.run), quoted(source))
            }
            true => format!("nuwa chat {}{}", quoted_path(self.run), self.question()),
            false if self.plan.plan.model.predicts() == Prediction::MaskedTokens => {
                let text = format!("{} [MASK]", self.prompt());
                format!("nuwa fill {} {}{}", quoted_path(self.run), quoted(text), self.language())
            }
            false => {
                let (run, prompt) = (quoted_path(self.run), quoted(self.prompt()));
                format!("nuwa generate {run} --prompt {prompt}{}", self.language())
            }
        };
        format!("\n{table}\nmodel    {model}\nreport   {report}\ntry      {next}")
    }

    /// Something to continue that is in the text's own language, and safe between quotes.
    fn prompt(&self) -> String {
        suggestion::plain(&self.pretrain.prompt).unwrap_or_else(|| "Once upon a time".into())
    }

    /// Which language the model is told, where it is told one: that of the prompt is one of the first two.
    fn language(&self) -> String {
        let codes = self.plan.plan.model.languages();
        let is_wide = self.prompt().chars().any(|character| character >= '\u{2E80}');
        let code = codes.iter().find(|code| (code.as_str() == "zh") == is_wide).or(codes.first());
        code.map_or(String::new(), |code| format!(" --language {code}"))
    }

    fn question(&self) -> String {
        self.question.as_ref().map_or(String::new(), |question| format!("\nask      {question}"))
    }

    fn predicted_bits(&self) -> String {
        let predicted = &self.plan.plan.predicted;
        match (predicted.bits_per_byte, predicted.bits_per_byte_error) {
            (Some(value), Some(error)) => format!("{value:.2} ± {error:.2}"),
            _ => "?".into(),
        }
    }

    /// Of the evaluation, which reads the held-out text as text; else of the last validation.
    fn measured_bits(&self) -> String {
        let pretrained = |name: &str| name.split_once('/').is_none_or(|(stage, _)| stage == "pretrain");
        let mut tasks = self.eval.tasks.iter().filter(|(name, _)| pretrained(name));
        let figure = tasks.find_map(|(_, task)| task.metrics.get("bits_per_byte"));
        match figure.map(|figure| (figure.value, figure.stderr)) {
            Some((value, Some(error))) => format!("{value:.3} ± {error:.3}"),
            Some((value, None)) => format!("{value:.3}"),
            None => self.pretrain.summary.bits_per_byte.map_or("?".into(), |value| format!("{value:.3}")),
        }
    }
}

fn figures<T: DeserializeOwned>(build: &Build, stage: &About) -> anyhow::Result<T> {
    Ok(nuwa_files::read_json(&build.place(stage).join(stage.summary_file()))?)
}
