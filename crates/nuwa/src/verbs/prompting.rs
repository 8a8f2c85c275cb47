//! Arguments of the verbs that ask a model in words, and what they share.

use std::path::{Path, PathBuf};

use clap::Args;
use nuwa_infer::{Finish, GenerateSettings};

use super::generate::reason;
use super::sampling::SamplingArguments;
use super::weights::WeightArguments;
use crate::console::message;
use crate::numbers::Count;
use crate::prompted::{Asker, PromptTemplate, Task};

/// What stands around the text that a model is given.
#[derive(Debug, Args)]
pub struct PromptArguments {
    /// Ask with this prompt file (Jinja) instead of the program's own
    #[arg(long, value_name = "FILE")]
    prompt_file: Option<PathBuf>,
    /// System prompt
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    system: Option<String>,
}

impl PromptArguments {
    /// The name of an argument that was given here, if any.
    pub fn given(&self) -> Option<&'static str> {
        let given = [("--prompt-file", self.prompt_file.is_some()), ("--system", self.system.is_some())];
        given.into_iter().find(|(_, is_given)| *is_given).map(|(name, _)| name)
    }

    /// The prompt file of a task.
    pub fn template(&self, task: Task) -> anyhow::Result<PromptTemplate> {
        PromptTemplate::read(task, self.prompt_file.as_deref())
    }

    /// The system prompt.
    pub fn system(&self) -> Option<&str> {
        self.system.as_deref()
    }
}

/// How a model writes what it is asked for.
#[derive(Debug, Args)]
pub struct WritingArguments {
    #[command(flatten)]
    pub prompt: PromptArguments,
    /// Softmax temperature; 0 is greedy decoding [default: 0]
    #[arg(long, alias = "temp", value_name = "T", allow_negative_numbers = true)]
    temperature: Option<f64>,
    #[command(flatten)]
    sampling: SamplingArguments,
    /// Random seed: the same seed gives the same text
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Maximum number of tokens of an answer [default: 256]
    #[arg(long, value_name = "N")]
    max_tokens: Option<Count>,
    #[command(flatten)]
    weights: WeightArguments,
}

/// Tokens of an answer, where nothing else is said.
pub const MOST_TOKENS: usize = 256;

impl WritingArguments {
    /// The settings.
    pub fn settings(&self) -> GenerateSettings {
        let sampling = self.sampling.settings(self.temperature.unwrap_or(0.0), 0);
        let max_tokens = self.max_tokens.map_or(MOST_TOKENS, |count| count.0 as usize);
        GenerateSettings { max_tokens, seed: self.seed, sampling, ..GenerateSettings::default() }
    }

    /// The model in `folder`, to be asked.
    pub fn asker(&self, folder: &Path) -> anyhow::Result<Asker> {
        Asker::new(self.weights.load(folder)?, folder, self.prompt.system(), self.settings())
    }
}

/// Tells the user of an answer that ended before its end; how it ended, as `--json` prints it.
pub fn told_finish(finish: Finish, place: &str) -> &'static str {
    if finish == Finish::Length {
        message(&format!(
            "{place}: the answer was cut off: --max-tokens allows more, as far as the context has room"
        ));
    }
    reason(finish)
}
