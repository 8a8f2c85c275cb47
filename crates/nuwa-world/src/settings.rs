use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The embedded world: its sizes and shares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WorldSettings {
    /// Seed of the world: the same seed gives the same corpus, dialogues and tasks.
    pub seed: u64,
    /// Number of documents in the corpus, including noisy ones; duplicates are added on top.
    pub documents: usize,
    /// Share of Chinese text, 0 to 1; the rest is English.
    pub chinese: f64,
    /// Mix of document kinds in the corpus, as relative weights.
    pub shares: Shares,
    /// Noise to plant, as shares of all documents, so that cleaning can be measured.
    pub noise: NoiseShares,
    /// A bias to plant, so that measures of bias can be measured.
    pub bias: PlantedBias,
    /// Number of dialogues for supervised fine-tuning.
    pub dialogues: usize,
    /// Number of preference pairs for reward models and DPO.
    pub preferences: usize,
    /// Number of rated answers, from which a model learns to rate.
    pub ratings: usize,
    /// Whether a build learns them beside the dialogues, so that its model can rate its own answers.
    pub learn_ratings: bool,
    /// Number of dialogues in which something is looked up before it is answered; no build learns them by itself.
    pub lookups: usize,
    /// Number of prompts for reinforcement learning, each with its right answers; half as many (at most 500) are held out to measure on.
    pub prompts: usize,
    /// Number of held-out evaluation items per task and language.
    pub items: usize,
}

/// Proportions of the kinds of document.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Shares {
    /// Entries: everything that is known about one subject, as in an encyclopedia.
    pub entries: f64,
    /// Stories about people's days.
    pub stories: f64,
    /// Comparisons: one fact for several subjects.
    pub comparisons: f64,
    /// Questions with answers.
    pub questions: f64,
    /// Passages followed by questions about them.
    pub passages: f64,
    /// Translations: sentences in both languages.
    pub translations: f64,
    /// Simple arithmetic.
    pub sums: f64,
    /// Reviews with their sentiment.
    pub reviews: f64,
    /// Conversations between two people: greetings, questions, requests for a language.
    pub conversations: f64,
}

/// A planted bias: half of the occupations are spoken of mostly as he, the others mostly as she.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PlantedBias {
    /// Share of the documents that speak so, 0 to 1; with 0 there is no planted bias.
    pub share: f64,
    /// Share of the usual pronoun in them, 0.5 (none) to 1 (always).
    pub strength: f64,
}

/// Shares of planted noise.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NoiseShares {
    /// Exact duplicates of other documents.
    pub exact_duplicates: f64,
    /// Near duplicates: other documents with one sentence added.
    pub near_duplicates: f64,
    /// HTML pages with unclosed tags.
    pub broken_html: f64,
    /// Mojibake: text decoded with the wrong encoding.
    pub mojibake: f64,
    /// Text with typos.
    pub typos: f64,
    /// Text with emoji.
    pub emoji: f64,
    /// Text with (made-up) slurs.
    pub slurs: f64,
    /// Text with (made-up) e-mail addresses and phone numbers.
    pub personal_data: f64,
}

impl Default for WorldSettings {
    fn default() -> Self {
        Self {
            seed: 1,
            documents: 12_000,
            chinese: 0.5,
            shares: Shares::default(),
            noise: NoiseShares::default(),
            bias: PlantedBias::default(),
            dialogues: 6000,
            preferences: 1600,
            ratings: 2000,
            learn_ratings: false,
            lookups: 1000,
            prompts: 400,
            items: 120,
        }
    }
}

impl Default for PlantedBias {
    fn default() -> Self {
        Self { share: 0.0, strength: 0.7 }
    }
}

impl Default for Shares {
    fn default() -> Self {
        Self {
            entries: 0.25,
            stories: 0.16,
            comparisons: 0.1,
            questions: 0.36,
            passages: 0.1,
            translations: 0.08,
            sums: 0.06,
            reviews: 0.02,
            conversations: 0.09,
        }
    }
}

impl Default for NoiseShares {
    fn default() -> Self {
        Self {
            exact_duplicates: 0.03,
            near_duplicates: 0.03,
            broken_html: 0.01,
            mojibake: 0.01,
            typos: 0.01,
            emoji: 0.01,
            slurs: 0.01,
            personal_data: 0.01,
        }
    }
}

impl Shares {
    /// In the order of the fields.
    pub(crate) fn all(&self) -> [f64; 9] {
        let Self {
            entries,
            stories,
            comparisons,
            questions,
            passages,
            translations,
            sums,
            reviews,
            conversations,
        } = *self;
        [entries, stories, comparisons, questions, passages, translations, sums, reviews, conversations]
    }
}

impl NoiseShares {
    /// In the order of [`Noise::ALL`](super::Noise::ALL).
    pub(crate) fn all(&self) -> [f64; 8] {
        let Self {
            exact_duplicates,
            near_duplicates,
            broken_html,
            mojibake,
            typos,
            emoji,
            slurs,
            personal_data,
        } = *self;
        [exact_duplicates, near_duplicates, broken_html, mojibake, typos, emoji, slurs, personal_data]
    }
}

impl WorldSettings {
    /// Whether each value lies in its range.
    ///
    /// # Errors
    /// Naming the first setting that is out of its range.
    pub fn check(&self) -> Result<()> {
        let kinds = self.shares.all();
        ensure((0.0..=1.0).contains(&self.chinese), "world.chinese", self.chinese, "a share from 0 to 1")?;
        let fit =
            kinds.iter().all(|share| *share >= 0.0 && share.is_finite()) && kinds.iter().sum::<f64>() > 0.0;
        ensure(fit, "world.shares", format!("{kinds:?}"), "numbers of 0 or more that are not all 0")?;
        for share in self.noise.all() {
            ensure((0.0..=1.0).contains(&share), "world.noise", share, "shares from 0 to 1")?;
        }
        let PlantedBias { share, strength } = self.bias;
        ensure((0.0..=1.0).contains(&share), "world.bias.share", share, "a share from 0 to 1")?;
        ensure((0.0..=1.0).contains(&strength), "world.bias.strength", strength, "a share from 0 to 1")?;
        ensure(self.documents > 0, "world.documents", self.documents, "at least 1")
    }
}

fn ensure(holds: bool, name: &'static str, value: impl ToString, expected: &'static str) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::Setting { name, value: value.to_string(), expected }) }
}
