//! What the records of a build teach: it follows from the family, and from the first record that the recipe names as answers.

use nuwa_align::data::{Columns, is_labelled};
use nuwa_models::{Family, Prediction};

use crate::recipe::Recipe;
use crate::source::Records;

/// What a model learns from records after pretraining.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taught {
    /// To answer in dialogues, and which answers are preferred.
    Dialogues,
    /// To write an answer to a source.
    Pairs,
    /// To tell labels of texts, with a head in place of that for tokens: it writes nothing then.
    Labels,
    /// Nothing: an encoder without labels is pretrained alone.
    Nothing,
}

impl Taught {
    /// What the records of `recipe` teach.
    pub fn of(recipe: &Recipe) -> Self {
        if holds_labels(recipe) {
            return Self::Labels;
        }
        let family = recipe.model.family();
        match family.registered().predicts {
            Prediction::NextToken => Self::Dialogues,
            Prediction::Answer => Self::Pairs,
            Prediction::MaskedTokens if family == Family::Unilm => Self::Pairs,
            Prediction::MaskedTokens | Prediction::AnyOrder | Prediction::Nothing => Self::Nothing,
        }
    }

    /// Whether such records are learnt from.
    pub fn learns_from(self, records: Records) -> bool {
        match self {
            Self::Dialogues => true,
            Self::Pairs | Self::Labels => records == Records::Answers,
            Self::Nothing => false,
        }
    }
}

/// Whether the first record that the recipe names as an answer is a text with a label. What cannot be read is told of by who learns
/// from it, where it may be left out.
fn holds_labels(recipe: &Recipe) -> bool {
    let Some(first) = recipe.answers.first() else { return false };
    let records = nuwa_align::data::records(first, &Columns::new());
    records.is_ok_and(|records| records.first().is_some_and(is_labelled))
}
