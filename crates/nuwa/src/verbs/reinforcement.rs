use std::path::{Path, PathBuf};

use clap::Args;
use nuwa_align::data::Columns;
use nuwa_files::quoted_path;
use nuwa_report::records::FineTuningOutcome;

use super::fine_tuning::{check_out, columns};
use crate::alignment::{Alignment, Feedback};
use crate::interrupt;
use crate::recipe::Draft;
use crate::run::{About, Lock};
use crate::{model, pretraining};

/// What `ppo` and `grpo` are told alike.
#[derive(Debug, Args)]
pub struct ReinforcementArguments {
    /// The model to train: a model folder, or a run folder
    model: PathBuf,
    /// Prompts: files of records (a prompt, a dialogue, or a preference pair, of which the prompt is taken) or of
    /// plain lines (.txt); may be repeated
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    prompts: Vec<PathBuf>,
    /// A reward model, as `nuwa reward` writes it
    #[arg(long, value_name = "RM")]
    reward: Option<PathBuf>,
    /// A reward that can be checked, NAME:ARGUMENT*WEIGHT: exact, contains, numeric, choice, regex:PATTERN,
    /// json:SCHEMA, length:MIN-MAX, language, no-repetition, ended, program:COMMAND; may be repeated
    #[arg(long, value_name = "RULE")]
    rule: Vec<String>,
    /// Token shards of the pretraining text to mix in, against forgetting [default: those of the run that
    /// contains the model]
    #[arg(long, value_name = "DIR")]
    shards: Option<PathBuf>,
    /// Output folder for the model, metrics and checkpoint
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Train LoRA adapters of this rank instead of all weights
    #[arg(long, value_name = "RANK")]
    lora: Option<i64>,
    /// Number of rounds of sampling and learning
    #[arg(long, value_name = "N")]
    rounds: Option<i64>,
    /// Peak learning rate
    #[arg(long, value_name = "RATE")]
    learning_rate: Option<f64>,
    /// Coefficient of the KL divergence from the model it begins as
    #[arg(long, value_name = "COEFFICIENT")]
    kl: Option<f64>,
    /// Maximum number of tokens of an answer
    #[arg(long, value_name = "N")]
    max_tokens: Option<i64>,
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

impl ReinforcementArguments {
    /// Puts what was said here into the settings of `stage`.
    pub fn put_into(&self, stage: &About, draft: &mut Draft) -> anyhow::Result<()> {
        let stage = stage.name;
        let whole = [
            ("lora.rank", self.lora),
            ("rollouts.rounds", self.rounds),
            ("rollouts.max_tokens", self.max_tokens),
        ];
        for (key, value) in whole.into_iter().filter_map(|(key, value)| Some((key, value?))) {
            draft.put(&format!("{stage}.{key}"), toml::Value::Integer(value))?;
        }
        let numbers = [("learning_rate", self.learning_rate), ("kl", self.kl)];
        for (key, value) in numbers.into_iter().filter_map(|(key, value)| Some((key, value?))) {
            draft.put(&format!("{stage}.{key}"), toml::Value::Float(value))?;
        }
        if let Some(what) = &self.bad_records {
            draft.put(&format!("{stage}.tuning.bad_records"), toml::Value::String(what.clone()))?;
        }
        if !self.rule.is_empty() {
            draft.put(&format!("{stage}.rules"), toml::Value::try_from(&self.rule)?)?;
        }
        match self.seed {
            Some(seed) => draft.put("seed", toml::Value::Integer(seed)),
            None => Ok(()),
        }
    }

    /// Does the work of `stage` with the folder locked.
    pub fn with<T>(
        &self,
        stage: &About,
        seed: u64,
        rules: &[String],
        work: impl FnOnce(&Alignment<'_>, &Feedback<'_>) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let columns: Columns = columns(&self.columns)?;
        let folder = model::folder(&self.model)?;
        check_out(&self.out, &folder)?;
        let reward = self.reward.as_deref().map(reward_folder).transpose()?;
        let template = self.chat_template.as_deref().map(nuwa_files::read_to_string).transpose()?;
        let shards = pretraining::shards(self.shards.as_deref(), &folder)?;
        let _lock = Lock::take(&self.out)?;
        interrupt::begin(stage.work(false))?;
        let alignment = Alignment {
            model: &folder,
            data: &self.prompts,
            columns: &columns,
            shards: shards.as_deref(),
            template: template.as_deref(),
            out: &self.out,
            seed,
        };
        work(&alignment, &Feedback { reward: reward.as_deref(), rules })
    }

    /// What to do with what was written.
    pub fn next_step(&self, outcome: &FineTuningOutcome) -> String {
        let (written, argument) = (outcome.written.display(), quoted_path(&outcome.written));
        match self.lora {
            Some(rank) if rank > 0 => {
                let base = quoted_path(&self.model);
                format!("adapter  {written}\nmerge    nuwa merge {base} --adapter {argument} --out DIR")
            }
            _ => {
                let ask = outcome.question.iter().map(|question| format!("\nask      {question}"));
                format!("model    {written}\ntry      nuwa chat {argument}{}", ask.collect::<String>())
            }
        }
    }
}

/// The folder of a reward model that a path means: itself, or what training one has written there.
pub fn reward_folder(path: &Path) -> anyhow::Result<PathBuf> {
    let places = [path.to_path_buf(), path.join("model"), path.join("reward/model")];
    let is_model = |place: &PathBuf| place.join("config.json").is_file();
    let scores = |place: &PathBuf| is_model(place) && nuwa_format::is_scored(place).unwrap_or(false);
    let found =
        places.iter().find(|place| scores(place)).or_else(|| places.iter().find(|place| is_model(place)));
    found.cloned().map_or_else(|| model::folder(path), Ok)
}
