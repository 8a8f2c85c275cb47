//! What a reader of figures should know, as values that whoever shows them can word in another language.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a reader of the figures of a task should know; in files, its English sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Warning {
    /// Prompts that were longer than the context.
    Cut {
        /// How many items they belong to.
        items: u64,
        /// Of how many.
        of: u64,
        /// The context, in tokens.
        context: u64,
    },
    /// Texts that encoding and decoding changes.
    Changed {
        /// How many.
        texts: u64,
        /// Of how many.
        of: u64,
    },
    /// What another version said.
    Other(String),
}

/// What standard errors are taken over; in files, its English words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum ErrorsOver {
    /// A mean over items.
    Items,
    /// A ratio of sums over so many texts.
    Texts(u64),
    /// A ratio of sums over blocks of texts, of which there were few.
    Blocks {
        /// How many blocks.
        blocks: u64,
        /// How many texts would have been enough to take those.
        fewer_than: u64,
    },
    /// What another version said, or nothing.
    Other(String),
}

impl fmt::Display for Warning {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut { items, of, context } => write!(
                out,
                "{items} of {of} items do not fit the context of {context} tokens: the beginnings of their prompts were cut \
                 off"
            ),
            Self::Changed { texts, of } => write!(
                out,
                "{texts} of {of} texts do not come back the same from this tokenizer, so it may have had less to predict \
                 than another one"
            ),
            Self::Other(text) => out.write_str(text),
        }
    }
}

impl fmt::Display for ErrorsOver {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Items => out.write_str("of a mean over items: sample deviation / sqrt(n)"),
            Self::Texts(texts) => write!(out, "of a ratio of sums over {texts} texts"),
            Self::Blocks { blocks, fewer_than } => write!(
                out,
                "of a ratio of sums over {blocks} blocks, as there are fewer than {fewer_than} texts; a lower bound, for \
                 blocks of one text are not independent"
            ),
            Self::Other(text) => out.write_str(text),
        }
    }
}

impl From<Warning> for String {
    fn from(warning: Warning) -> Self {
        warning.to_string()
    }
}

impl From<ErrorsOver> for String {
    fn from(over: ErrorsOver) -> Self {
        over.to_string()
    }
}

impl From<String> for Warning {
    fn from(text: String) -> Self {
        let known = match *numbers(&text) {
            [items, of, context] => Self::Cut { items, of, context },
            [texts, of] => Self::Changed { texts, of },
            _ => return Self::Other(text),
        };
        if known.to_string() == text { known } else { Self::Other(text) }
    }
}

impl From<String> for ErrorsOver {
    fn from(text: String) -> Self {
        let known = match *numbers(&text) {
            [] => Self::Items,
            [texts] => Self::Texts(texts),
            [blocks, fewer_than] => Self::Blocks { blocks, fewer_than },
            _ => return Self::Other(text),
        };
        if known.to_string() == text { known } else { Self::Other(text) }
    }
}

impl Default for ErrorsOver {
    fn default() -> Self {
        Self::Other(String::new())
    }
}

/// The whole numbers in a sentence. A value that says the same sentence with them is the one that said it.
fn numbers(text: &str) -> Box<[u64]> {
    text.split(|character: char| !character.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_hold_sentences_that_are_read_as_what_they_say() {
        let warnings = [
            Warning::Cut { items: 3, of: 40, context: 512 },
            Warning::Changed { texts: 2, of: 9 },
            Warning::Other("of 2 kinds, 3".into()),
        ];
        for warning in warnings {
            let text = serde_json::to_string(&warning).unwrap();
            assert_eq!(text, format!("\"{warning}\""));
            assert_eq!(serde_json::from_str::<Warning>(&text).unwrap(), warning);
        }
        let blocks = ErrorsOver::Blocks { blocks: 7, fewer_than: 30 };
        let errors = [ErrorsOver::Items, ErrorsOver::Texts(40), blocks, ErrorsOver::default()];
        for over in errors {
            let text = serde_json::to_string(&over).unwrap();
            assert_eq!(serde_json::from_str::<ErrorsOver>(&text).unwrap(), over);
        }
    }
}
