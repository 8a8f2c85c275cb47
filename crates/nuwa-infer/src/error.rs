use nuwa_models::Prediction;

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
    /// A source that the model cannot read as a whole.
    #[error("the source has {tokens} tokens, but the model reads at most {context}")]
    SourceTooLong {
        /// Its length.
        tokens: usize,
        /// Positions that its encoder has.
        context: usize,
    },
    /// Nothing for an encoder-decoder to read.
    #[error("there is nothing to answer: the model writes answers to sources, and the source is empty")]
    NoSource,
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
    /// A model that predicts something else than what was asked for.
    #[error("the model {}, and cannot {}", does(*.predicts), wanted_is(*.wanted, *.predicts))]
    Predicts {
        /// What was asked for.
        wanted: Prediction,
        /// What it predicts.
        predicts: Prediction,
    },
    /// A tokenizer without a special token.
    #[error("the tokenizer has no {role}")]
    NoToken {
        /// What the token is for.
        role: &'static str,
    },
    /// A text of which nothing can be told.
    #[error("the text is empty")]
    EmptyText,
    /// A context that has no room for a text.
    #[error("a context of {context} tokens has no room for the text and the tokens around it")]
    NoRoom {
        /// Positions that the model has.
        context: usize,
    },
    /// A model that reads no text as a whole.
    #[error("{class} reads no text as a whole here, so it tells nothing of one")]
    ReadsNothingWhole {
        /// What the model is at transformers.
        class: &'static str,
    },
    /// A text without a mask.
    #[error("there is no mask in the text")]
    NoMask,
    /// A model that is asked to rate and was never taught to.
    #[error("the model was not taught to rate answers")]
    NotTaughtToRate,
    /// The model gave logits that are no numbers.
    #[error("the model gave the logit {value} for token {id}")]
    NotFinite {
        /// NaN or an infinity.
        value: f32,
        /// The first token with such a logit.
        id: usize,
    },
    /// The model failed while texts were written beside this one.
    #[error("the model failed: {reason}")]
    Failed {
        /// What it said.
        reason: String,
    },
    /// A schema that text cannot be held to.
    #[error("the schema, at {place}: {problem}")]
    Schema {
        /// Where in it, as a JSON pointer.
        place: String,
        /// What is wrong there.
        problem: String,
    },
    /// A vocabulary without the tokens that a schema asks for.
    #[error("no token of the vocabulary may come next")]
    NothingAllowed,
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

/// What a model does.
fn does(predicts: Prediction) -> &'static str {
    match predicts {
        Prediction::NextToken => "predicts the next token from those before it",
        Prediction::MaskedTokens => "predicts masked words from those on both sides",
        Prediction::AnyOrder => "predicts tokens in any order",
        Prediction::Answer => "writes answers to sources",
        Prediction::Nothing => "has no head that predicts words",
    }
}

/// What a user wanted of it.
fn wanted_is(wanted: Prediction, predicts: Prediction) -> &'static str {
    match wanted {
        Prediction::NextToken if predicts == Prediction::Answer => "write or score a text by itself",
        Prediction::NextToken | Prediction::AnyOrder => "write or score a text",
        Prediction::Answer => "answer a source",
        Prediction::MaskedTokens | Prediction::Nothing => "fill in masks",
    }
}

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Format(error) => return error.hint(),
            Self::Tokenizer(error) => return error.hint(),
            Self::Model(_) | Self::Failed { .. } | Self::Setting { .. } | Self::Window { .. } => return None,
            Self::PromptTooLong { tokens, context } => {
                format!(
                    "shorten the prompt by {} tokens, or use a model with a longer context",
                    tokens - context
                )
            }
            Self::SourceTooLong { tokens, context } => {
                format!("shorten it by {} tokens, or cut it into parts", tokens - context)
            }
            Self::NoSource => "give the text to be answered: translated, summarised or continued".to_string(),
            Self::QuestionTooLong { tokens, context, reserve } => {
                let more = tokens - context.saturating_sub(*reserve);
                format!("shorten it by {more} tokens, or use a model with a longer context")
            }
            Self::Predicts { predicts: Prediction::MaskedTokens, .. } => {
                "it is an encoder: let it fill in the masks of a text, or take a model that writes, such as GPT-2 or LLaMA".to_string()
            }
            Self::Predicts { predicts: Prediction::Answer, .. } => {
                "it is an encoder-decoder: give it a source to answer, or take a model that continues a text, such as GPT-2 or LLaMA"
                    .to_string()
            }
            Self::Predicts { predicts: Prediction::Nothing, .. } => {
                "take a model with a head: one that writes, such as GPT-2 or LLaMA, or BERT with its head for masked words".to_string()
            }
            Self::Predicts { wanted: Prediction::Answer, .. } => {
                "take an encoder-decoder such as Marian, T5 or BART, or let this one continue a text".to_string()
            }
            Self::Predicts { predicts: Prediction::NextToken | Prediction::AnyOrder, .. } => {
                "take an encoder such as BERT, or let this one continue a text".to_string()
            }
            Self::NoToken { role } => format!("name {role} in tokenizer_config.json"),
            Self::NotTaughtToRate => {
                "fine-tune it on rated answers beside its dialogues: records with a context, a response and ratings"
                    .to_string()
            }
            Self::EmptyText => "give a text with some words in it".to_string(),
            Self::NoRoom { .. } => "use a model with a longer context".to_string(),
            Self::ReadsNothingWhole { .. } => {
                "take an encoder such as BERT, or a decoder such as GPT-2 or LLaMA".to_string()
            }
            Self::NoMask => "write [MASK] in the place of each word to fill in".to_string(),
            Self::EmptyPrompt => "give a prompt, or name eos_token in tokenizer_config.json".to_string(),
            Self::Vocabulary { .. } => {
                "use the tokenizer that the model was trained with; it lies in the model's folder".to_string()
            }
            Self::Schema { .. } => "correct the schema there; the rest of it is not left out in silence".to_string(),
            Self::NothingAllowed => "the tokenizer cannot spell what the schema asks for; take another model".to_string(),
            Self::NotFinite { .. } => {
                "the weights are damaged or training diverged; go back to an earlier checkpoint".to_string()
            }
        };
        Some(hint)
    }
}
