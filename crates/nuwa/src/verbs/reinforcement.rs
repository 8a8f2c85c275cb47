use std::path::{Path, PathBuf};

use clap::Args;
use nuwa_report::records::FineTuningOutcome;

use super::fine_tuning::{TrainingArguments, put};
use crate::alignment::{Alignment, Feedback};
use crate::model;
use crate::recipe::Draft;
use crate::run::About;

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
    /// Number of rounds of sampling and learning
    #[arg(long, value_name = "N")]
    rounds: Option<i64>,
    /// Coefficient of the KL divergence from the model it begins as
    #[arg(long, value_name = "COEFFICIENT")]
    kl: Option<f64>,
    /// Maximum number of tokens of an answer
    #[arg(long, value_name = "N")]
    max_tokens: Option<i64>,
    #[command(flatten)]
    pub training: TrainingArguments,
}

impl ReinforcementArguments {
    /// Puts what was said here into the settings of `stage`.
    pub fn put_into(&self, stage: &About, draft: &mut Draft) -> anyhow::Result<()> {
        let name = stage.name;
        put(draft, &format!("{name}.rollouts.rounds"), self.rounds)?;
        put(draft, &format!("{name}.rollouts.max_tokens"), self.max_tokens)?;
        put(draft, &format!("{name}.kl"), self.kl)?;
        let rules = Some(self.rule.clone()).filter(|rules| !rules.is_empty());
        put(draft, &format!("{name}.rules"), rules)?;
        self.training.put_into(stage, draft)
    }

    /// Does the work of `stage` with the folder locked.
    pub fn with<T>(
        &self,
        stage: &About,
        seed: u64,
        rules: &[String],
        work: impl FnOnce(&Alignment<'_>, &Feedback<'_>) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let reward = self.reward.as_deref().map(reward_folder).transpose()?;
        let feedback = Feedback { reward: reward.as_deref(), rules };
        self.training.with(stage, seed, (&self.model, &self.prompts, &[]), |job| work(job, &feedback))
    }

    /// What to do with what was written.
    pub fn next_step(&self, outcome: &FineTuningOutcome) -> String {
        self.training.next_step(&self.model, outcome)
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
