//! `classified`: keeps documents that a trained classifier takes for worth it.
//!
//! Why: rules find what is broken, not what is worth learning from. A linear classifier trained on good pages against
//! ordinary ones is what made FineWeb-Edu (Penedo et al. 2024, <https://arxiv.org/abs/2406.17557>) and DCLM (Li et al. 2024,
//! <https://arxiv.org/abs/2406.11794>); train it with `nuwa classifier`.

use std::path::PathBuf;

use nuwa_files::Document;
use nuwa_text::classify::Classifier;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{DocumentStep, Verdict};
use crate::{Error, Result};

/// Which documents a classifier keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClassifiedSettings {
    /// Classifier file written by `nuwa classifier`; required by this step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classifier: Option<PathBuf>,
    /// Minimum probability of the positive class, 0 to 1.
    pub min_probability: f32,
    /// Maximum probability of the positive class, 0 to 1; with a minimum of 0 this inverts the
    /// filter.
    pub max_probability: f32,
}

impl Default for ClassifiedSettings {
    fn default() -> Self {
        Self { classifier: None, min_probability: 0.5, max_probability: 1.0 }
    }
}

/// The step.
pub struct Classified {
    classifier: Classifier,
    min: f32,
    max: f32,
}

impl Classified {
    /// With these settings; reads the classifier.
    ///
    /// # Errors
    /// When a setting is out of its range, or a file that it names cannot be read.
    pub fn new(settings: &ClassifiedSettings) -> Result<Self> {
        let Some(path) = &settings.classifier else {
            let expected = "a file written by `nuwa classifier`";
            return Err(Error::Setting {
                name: "clean.classified.classifier",
                value: "nothing".into(),
                expected,
            });
        };
        let (min, max) = (settings.min_probability, settings.max_probability);
        if !(0.0 <= min && min <= max && max <= 1.0) {
            let expected = "0 to 1, and at most clean.classified.max_probability, which is at most 1";
            return Err(Error::Setting {
                name: "clean.classified.min_probability",
                value: min.to_string(),
                expected,
            });
        }
        Ok(Self { classifier: Classifier::load(path)?, min, max })
    }
}

impl DocumentStep for Classified {
    fn name(&self) -> &'static str {
        "classified"
    }

    fn apply(&self, document: &mut Document) -> Verdict {
        let probability = self.classifier.probability(&document.text);
        let detail = || format!("probability {probability:.3}, kept from {} to {}", self.min, self.max);
        if probability < self.min {
            return Verdict::rejected("too improbable", detail());
        }
        if probability > self.max {
            return Verdict::rejected("too probable", detail());
        }
        Verdict::Kept
    }
}
