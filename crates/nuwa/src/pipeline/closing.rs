//! How a build went, and how to go on from there.

use std::path::{Path, PathBuf};

use nuwa_files::{quoted, quoted_path};
use nuwa_models::Prediction;
use nuwa_report::numbers;
use nuwa_report::records::{Evaluation, FineTuningOutcome, PlanFile, PretrainingOutcome};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::run::About;
use crate::stages::{self, Build, eval, plan, pretrain};
use crate::suggestion;

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
        let table: String = rows
            .iter()
            .map(|(name, [before, after])| format!("{name:<14} {before:>13} {after:>17}\n"))
            .collect();
        let (model, report) = (self.model.display(), self.report.display());
        let next = match self.answers {
            _ if self.plan.plan.model.is_encoder_decoder() => {
                let source = self.question.clone().unwrap_or_else(|| self.prompt());
                format!("nuwa translate {} {}", quoted_path(self.run), quoted(source))
            }
            true => format!("nuwa chat {}{}", quoted_path(self.run), self.question()),
            false if self.plan.plan.model.predicts() == Prediction::MaskedTokens => {
                let text = format!("{} [MASK]", self.prompt());
                format!("nuwa fill {} {}", quoted_path(self.run), quoted(text))
            }
            false => {
                format!("nuwa generate {} --prompt {}", quoted_path(self.run), quoted(self.prompt()))
            }
        };
        format!("\n{table}\nmodel    {model}\nreport   {report}\ntry      {next}")
    }

    /// Something to continue that is in the text's own language, and safe between quotes.
    fn prompt(&self) -> String {
        suggestion::plain(&self.pretrain.prompt).unwrap_or_else(|| "Once upon a time".into())
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
