//! `length`: rejects documents with too little or too much in them.
//!
//! Why: a line like "OK" or a row of dashes teaches nothing and costs an end-of-text token. The default minimum
//! is low on purpose, so that proverbs and couplets stay; web corpora want more (Gopher: 50 to 100,000 words,
//! Rae et al. 2021, <https://arxiv.org/abs/2112.11446>, table A1).
//! Letters and digits are counted without the signs on them. A Chinese or Japanese character counts as three, for it says
//! about as much as a short word, and one of Thai, Lao, Khmer or Burmese as two.

use nuwa_files::Document;
use nuwa_text::weight;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{DocumentStep, Verdict};

/// How long a document may be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LengthSettings {
    /// Minimum number of letters and digits; a Chinese or Japanese character counts as three, a
    /// Thai one as two.
    pub min_letters: u64,
    /// Maximum number of letters and digits, counted the same way; 0 for no limit.
    pub max_letters: u64,
}

impl Default for LengthSettings {
    fn default() -> Self {
        Self { min_letters: 8, max_letters: 0 }
    }
}

/// The step.
#[derive(Debug)]
pub struct Length {
    settings: LengthSettings,
}

impl Length {
    /// With these settings.
    pub fn new(settings: &LengthSettings) -> Self {
        Self { settings: settings.clone() }
    }

    /// Counts no further than needed to decide.
    fn letters(&self, text: &str) -> u64 {
        let enough = match self.settings.max_letters {
            0 => self.settings.min_letters,
            most => most.saturating_add(1),
        };
        let mut letters = 0;
        for character in text.chars() {
            letters += weight(character) as u64;
            if letters >= enough {
                break;
            }
        }
        letters
    }
}

impl DocumentStep for Length {
    fn name(&self) -> &'static str {
        "length"
    }

    fn apply(&self, document: &mut Document) -> Verdict {
        let letters = self.letters(&document.text);
        let LengthSettings { min_letters, max_letters } = self.settings;
        if letters < min_letters {
            return Verdict::rejected("too short", format!("{letters} letters, at least {min_letters}"));
        }
        if max_letters > 0 && letters > max_letters {
            return Verdict::rejected("too long", format!("more than {max_letters} letters"));
        }
        Verdict::Kept
    }
}
