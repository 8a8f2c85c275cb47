use std::path::{Path, PathBuf};

use clap::Args;
use nuwa_align::data::Columns;
use nuwa_files::{quoted, quoted_path};
use nuwa_report::records::FineTuningOutcome;
use toml::Value;

use crate::alignment::Alignment;
use crate::failure::Problem;
use crate::interrupt;
use crate::recipe::Draft;
use crate::run::{About, Lock};
use crate::{model, pretraining};

/// What all verbs that train a model further are told alike.
#[derive(Debug, Args)]
pub struct TrainingArguments {
    /// Token shards of the pretraining text to mix in, against forgetting [default: those of the
    /// run that contains the model]
    #[arg(long, value_name = "DIR")]
    pub shards: Option<PathBuf>,
    /// Output folder for the model, metrics and checkpoint
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Train LoRA adapters of this rank instead of all weights
    #[arg(long, value_name = "RANK")]
    lora: Option<i64>,
    /// Peak learning rate
    #[arg(long, value_name = "RATE")]
    learning_rate: Option<f64>,
    /// Map the usual column names to those of your file
    #[arg(long, value_name = "USUAL=OWN,...", value_delimiter = ',')]
    columns: Vec<String>,
    /// What to do with invalid records: error or skip
    #[arg(long, value_name = "WHAT")]
    bad_records: Option<String>,
    /// A Jinja chat template to use instead of the model's own
    #[arg(long, value_name = "FILE")]
    chat_template: Option<PathBuf>,
    /// Random seed: the same seed gives the same weights
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    seed: Option<i64>,
    /// Print the results as JSON
    #[arg(long)]
    pub json: bool,
}

/// What `sft`, `dpo` and `reward` are told alike.
#[derive(Debug, Args)]
pub struct FineTuningArguments {
    /// The model to fine-tune: a model folder, or a run folder
    model: PathBuf,
    /// Training records: files, or folders of them; may be repeated
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    data: Vec<PathBuf>,
    /// Number of epochs
    #[arg(long, value_name = "N")]
    epochs: Option<i64>,
    #[command(flatten)]
    pub training: TrainingArguments,
}

impl TrainingArguments {
    /// Puts what was said here into the settings of `stage`.
    pub fn put_into(&self, stage: &About, draft: &mut Draft) -> anyhow::Result<()> {
        let stage = stage.name;
        put(draft, &format!("{stage}.lora.rank"), self.lora)?;
        put(draft, &format!("{stage}.learning_rate"), self.learning_rate)?;
        put(draft, &format!("{stage}.tuning.bad_records"), self.bad_records.clone())?;
        put(draft, "seed", self.seed)
    }

    /// Does the work of `stage` on `model` and `data` with the folder locked.
    pub fn with<T>(
        &self,
        stage: &About,
        seed: u64,
        (model, data, targets): (&Path, &[PathBuf], &[PathBuf]),
        work: impl FnOnce(&Alignment<'_>) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let columns = columns(&self.columns)?;
        let folder = model::trainable(model)?;
        check_out(&self.out, &folder)?;
        let template = self.chat_template.as_deref().map(nuwa_files::read_to_string).transpose()?;
        let shards = pretraining::shards(self.shards.as_deref(), &folder)?;
        let _lock = Lock::take(&self.out)?;
        interrupt::begin(stage.work(false))?;
        work(&Alignment {
            model: &folder,
            data,
            targets,
            columns: &columns,
            shards: shards.as_deref(),
            template: template.as_deref(),
            out: &self.out,
            seed,
        })
    }

    /// What to do with what was written.
    pub fn next_step(&self, model: &Path, outcome: &FineTuningOutcome) -> String {
        let (written, argument) = (outcome.written.display(), quoted_path(&outcome.written));
        match self.lora {
            Some(rank) if rank > 0 => {
                let base = quoted_path(model);
                format!("adapter  {written}\nmerge    nuwa merge {base} --adapter {argument} --out DIR")
            }
            _ if outcome.sequences.is_some() => {
                let source = outcome.question.as_deref().unwrap_or("TEXT");
                format!("model    {written}\ntry      nuwa translate {argument} {}", quoted(source))
            }
            _ => {
                let ask = outcome.question.iter().map(|question| format!("\nask      {question}"));
                format!("model    {written}\ntry      nuwa chat {argument}{}", ask.collect::<String>())
            }
        }
    }
}

impl FineTuningArguments {
    /// Puts what was said here into the settings of `stage`.
    pub fn put_into(&self, stage: &About, draft: &mut Draft) -> anyhow::Result<()> {
        put(draft, &format!("{}.epochs", stage.name), self.epochs)?;
        self.training.put_into(stage, draft)
    }

    /// Does the work of `stage` with the folder locked.
    pub fn with<T>(
        &self,
        stage: &About,
        seed: u64,
        work: impl FnOnce(&Alignment<'_>) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        self.with_targets(stage, seed, &[], work)
    }

    /// As [`Self::with`], where lines of other files belong to those of the data.
    pub fn with_targets<T>(
        &self,
        stage: &About,
        seed: u64,
        targets: &[PathBuf],
        work: impl FnOnce(&Alignment<'_>) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        self.training.with(stage, seed, (&self.model, &self.data, targets), work)
    }

    /// What to do with what was written.
    pub fn next_step(&self, outcome: &FineTuningOutcome) -> String {
        self.training.next_step(&self.model, outcome)
    }
}

/// Says `value` in `draft`, where there is one.
pub fn put(draft: &mut Draft, key: &str, value: Option<impl Into<Value>>) -> anyhow::Result<()> {
    value.map_or(Ok(()), |value| draft.put(key, value.into()))
}

/// DIR/model is where the fine-tuned model is written: what was there moves aside, and a killed run would miss it.
fn check_out(out: &Path, folder: &Path) -> anyhow::Result<()> {
    if model::absolute(folder) != model::absolute(&out.join("model")) {
        return Ok(());
    }
    let problem = Problem::new(format!("--out {} holds the model that is fine-tuned", out.display()));
    Err(problem.hint("name another folder, so that the model stays as it is").into())
}

/// Column names, each with what stands for it.
pub fn columns(named: &[String]) -> anyhow::Result<Columns> {
    let pair = |text: &String| match text.split_once('=') {
        Some((usual, own)) if !usual.is_empty() && !own.is_empty() => Ok((usual.into(), own.into())),
        _ => Err(Problem::new(format!("--columns {text}: expected USUAL=OWN"))
            .hint("for example --columns instruction=question,output=reply")
            .into()),
    };
    named.iter().map(pair).collect()
}
