use std::borrow::Cow;
use std::path::PathBuf;

use nuwa_models::PresetName;

/// What can go wrong while training.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error(transparent)]
    Files(#[from] nuwa_files::Error),
    /// The shards could not be read.
    #[error(transparent)]
    Shards(#[from] nuwa_shards::Error),
    /// The tokenizer cannot be extended.
    #[error(transparent)]
    Tokenizer(#[from] nuwa_tokenizer::Error),
    /// The engine refused.
    #[error(transparent)]
    Tensor(#[from] nuwa_tensor::Error),
    /// No model can be built from the settings.
    #[error("the model settings make no model: {0}")]
    Model(#[from] nuwa_models::Error),
    /// A setting is out of its range.
    #[error("{name} = {value}: expected {expected}")]
    Setting {
        /// The key in the recipe.
        name: Cow<'static, str>,
        /// Its value.
        value: String,
        /// What it would have to be.
        expected: String,
    },
    /// The corpus does not fill one sequence.
    #[error("the {part} text holds {tokens} tokens, one sequence needs {needed}")]
    TooShort {
        /// "training" or "validation".
        part: &'static str,
        /// Tokens there are.
        tokens: u64,
        /// Tokens one sequence takes, its last target included.
        needed: u64,
    },
    /// A model that is told languages, and text in only one.
    #[error("the text in {} is in one language alone, {only:?}: xlm learns from several", folder.display())]
    OneLanguage {
        /// The folder of the shards.
        folder: PathBuf,
        /// The language.
        only: String,
    },
    /// A token id that the model does not know.
    #[error("the shards hold token id {id}, but the model's vocabulary ends at {vocabulary}")]
    Vocabulary {
        /// The offending id.
        id: u32,
        /// The size of the vocabulary.
        vocabulary: usize,
    },
    /// What the steps are made of is at fault: answers that cannot be sampled, a reward that is no number.
    #[error(transparent)]
    Steps(Box<dyn std::error::Error + Send + Sync>),
    /// The loss or the gradient stopped being a number.
    #[error("training diverged at step {step}: the {what} is {value}")]
    Diverged {
        /// The step whose update was refused.
        step: u64,
        /// "loss" or "gradient norm".
        what: &'static str,
        /// The value found.
        value: f32,
    },
    /// It was asked to stop.
    #[error("training was stopped after step {step} of {steps}; a checkpoint keeps it")]
    Stopped {
        /// Steps done.
        step: u64,
        /// All steps.
        steps: u64,
    },
    /// A checkpoint cannot be used.
    #[error("{} is not a usable checkpoint: {problem}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The budget is too small for any training.
    #[error("the budget leaves {left:.1} s for training, too little for a useful run")]
    Budget {
        /// Seconds that were left.
        left: f64,
    },
    /// The model would not fit the memory.
    #[error("training needs about {needed:.1} GB of memory, {available:.1} GB are free")]
    Memory {
        /// Predicted need.
        needed: f64,
        /// What the system says is free.
        available: f64,
    },
    /// A published size would not fit the memory.
    #[error(
        "training {preset} needs about {needed:.1} GB of memory, {available:.1} GB are free; {}",
        largest.map_or("no preset fits".into(), |largest| format!("the largest preset that fits is {largest}"))
    )]
    PresetMemory {
        /// What was asked for.
        preset: PresetName,
        /// Predicted need.
        needed: f64,
        /// What the system says is free.
        available: f64,
        /// The largest that would fit.
        largest: Option<PresetName>,
    },
}

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Files(error) => return error.hint(),
            Self::Shards(error) => return error.hint(),
            Self::Tokenizer(error) => return error.hint(),
            Self::Tensor(_) | Self::Steps(_) => return None,
            Self::Model(_) => "choose other values under [model] in the recipe, or leave them to the plan".into(),
            Self::Setting { name, .. } => format!("change {name} in the recipe"),
            Self::TooShort { .. } => {
                "give more text, or a shorter context: model.context = 64 (any even number from 8 on)".into()
            }
            Self::OneLanguage { .. } => "give text in more languages, or take bert".into(),
            Self::Vocabulary { .. } => "tokenize again with the tokenizer that the model was made for".into(),
            Self::Diverged { .. } => {
                "the last good state is kept in the checkpoint; delete it and lower the peak: pretrain.learning_rate = 3e-4"
                    .into()
            }
            Self::Stopped { .. } => "start again: it goes on".into(),
            Self::Checkpoint { .. } => "delete the file to start this stage anew".into(),
            Self::Budget { .. } => "give more time".into(),
            Self::PresetMemory { largest: Some(largest), .. } => {
                format!("choose it: model.preset = \"{largest}\", or a shorter model.context")
            }
            Self::PresetMemory { .. } => "choose a shorter model.context, or give params in place of a preset".into(),
            Self::Memory { .. } => "choose fewer parameters, a smaller pretrain.micro_batch_tokens (1024), or leave pretrain.recompute on auto".into(),
        })
    }
}
