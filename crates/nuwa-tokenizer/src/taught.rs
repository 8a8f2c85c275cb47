//! What the model of a tokenizer was taught beyond answering, noted in `tokenizer_config.json`: other programs pass such keys by.

use serde_json::Value;

use crate::{Attribute, Tokenizer};

/// The attributes that it rates.
const RATINGS: &str = "rating_attributes";

/// Whether it asks a tool set.
const TOOLS: &str = "asks_tools";

impl Tokenizer {
    /// The attributes that the model of this tokenizer was taught to rate, none where it was not; kept in `tokenizer_config.json`.
    pub fn taught_ratings(&self) -> Vec<Attribute> {
        let names =
            self.config().note(RATINGS).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        names.iter().filter_map(Value::as_str).filter_map(Attribute::of_name).collect()
    }

    /// The same tokenizer with these attributes among those that its model was taught to rate.
    #[must_use]
    pub fn with_taught_ratings(&self, attributes: impl IntoIterator<Item = Attribute>) -> Self {
        let mut all = self.taught_ratings();
        all.extend(attributes);
        all.sort_unstable();
        all.dedup();
        match all.is_empty() {
            true => self.clone(),
            false => self.with_note(RATINGS, all.iter().map(|attribute| attribute.name()).collect()),
        }
    }

    /// Whether the model of this tokenizer was taught to ask a tool set before it answers; kept in `tokenizer_config.json`.
    pub fn taught_tools(&self) -> bool {
        self.config().note(TOOLS) == Some(&Value::Bool(true))
    }

    /// The same tokenizer, of a model that was taught so.
    #[must_use]
    pub fn with_taught_tools(&self) -> Self {
        self.with_note(TOOLS, true.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TrainSettings, train};

    #[test]
    fn what_was_taught_is_kept_on_disk() {
        let settings = TrainSettings { vocab_size: 270, ..TrainSettings::default() };
        let untaught = train(std::iter::once("clay and water ".repeat(9)), &settings, &mut |_| {}).unwrap();
        assert!(untaught.taught_ratings().is_empty() && !untaught.taught_tools());
        let safe = untaught.with_taught_ratings([Attribute::Safe]);
        let taught = safe.with_taught_ratings([Attribute::Sensible]).with_taught_tools();
        let folder = tempfile::tempdir().unwrap();
        taught.save(folder.path()).unwrap();
        let loaded = Tokenizer::load(folder.path()).unwrap();
        assert_eq!(loaded.taught_ratings(), [Attribute::Sensible, Attribute::Safe]);
        assert!(loaded.taught_tools());
        assert_eq!(loaded.vocab_size(), untaught.vocab_size());
    }
}
