/// What can go wrong when a model writes or scores text.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The model's folder is none, or is damaged.
    #[error(transparent)]
    Format(#[from] nuwa_format::Error),
    /// The model refused its input.
    #[error("the model failed: {0}")]
    Model(#[from] nuwa_tensor::Error),
    /// The tokenizer refused a text or an id.
    #[error(transparent)]
    Tokenizer(#[from] nuwa_tokenizer::Error),
    /// A setting that nothing can be generated with.
    #[error("{name} = {value}: {expected}")]
    Setting {
        /// Its name.
        name: &'static str,
        /// What it was set to.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// A prompt that the model cannot see as a whole.
    #[error("the prompt has {tokens} tokens, but the model's context holds {context}")]
    PromptTooLong {
        /// Its length.
        tokens: usize,
        /// Positions that the model has.
        context: usize,
    },
    /// The last turn of a conversation, which nothing more can be left out of.
    #[error(
        "the question has {tokens} tokens, with its template and the system prompt, but only {} fit: the model's context holds \
         {context}, {reserve} of them for the answer",
        .context.saturating_sub(*.reserve)
    )]
    QuestionTooLong {
        /// Its length.
        tokens: usize,
        /// Positions that the model has.
        context: usize,
        /// Positions that are kept for the answer.
        reserve: usize,
    },
    /// Nothing to continue, and no token to begin a text with.
    #[error("the prompt is empty, and the tokenizer names no token that begins or ends a text")]
    EmptyPrompt,
    /// Model and tokenizer do not belong together.
    #[error("the tokenizer has {tokenizer} ids, but the model knows {model}")]
    Vocabulary {
        /// Ids of the tokenizer.
        tokenizer: usize,
        /// Rows of the model's output head.
        model: usize,
    },
    /// The model gave scores that are no numbers.
    #[error("the model gave the score {value} for token {id}")]
    NotFinite {
        /// NaN or an infinity.
        value: f32,
        /// The first token with such a score.
        id: usize,
    },
    /// A window to score that the model cannot see as a whole, or that holds nothing to score.
    #[error(
        "a window of {ids} ids scored from {scored_from} on cannot be scored: expected 1 <= scored_from < ids \
         <= {context} + 1, the model's context and the id after it"
    )]
    Window {
        /// Its length.
        ids: usize,
        /// The first id to score.
        scored_from: usize,
        /// Positions that the model has.
        context: usize,
    },
}

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Format(error) => return error.hint(),
            Self::Tokenizer(error) => return error.hint(),
            Self::Model(_) | Self::Setting { .. } | Self::Window { .. } => return None,
            Self::PromptTooLong { tokens, context } => {
                format!(
                    "shorten the prompt by {} tokens, or use a model with a longer context",
                    tokens - context
                )
            }
            Self::QuestionTooLong { tokens, context, reserve } => {
                let more = tokens - context.saturating_sub(*reserve);
                format!("shorten it by {more} tokens, or use a model with a longer context")
            }
            Self::EmptyPrompt => "give a prompt, or name eos_token in tokenizer_config.json".to_string(),
            Self::Vocabulary { .. } => {
                "use the tokenizer that the model was trained with; it lies in the model's folder".to_string()
            }
            Self::NotFinite { .. } => {
                "the weights are damaged or training diverged; go back to an earlier checkpoint".to_string()
            }
        };
        Some(hint)
    }
}
