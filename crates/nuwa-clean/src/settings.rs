//! Which steps run, in which order, and how.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bias::{Bias, BiasSettings};
use super::limits::check_samples;
use super::memory;
use super::step::Step;
use super::steps::{
    article, boilerplate, c4, classified, counterfactual, decontaminate, emoji, exact_duplicates, fineweb,
    gopher_quality, language, length, mix, near_duplicates, personal_data, repeated_passages, repetition,
    spelling, toxicity, unicode, whitespace,
};
use crate::Result;

/// Which steps run, in which order, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CleanSettings {
    /// Cleaning steps, in the order in which they run; steps can be left out or repeated.
    pub steps: Vec<StepName>,
    /// Additional steps: "general" adds none; "web" adds quality filters for web pages
    /// (`boilerplate`, `gopher-quality`, `c4`, `fineweb`) after the last step that looks at single
    /// documents. They reject poems, lists and short answers, so use them for web pages only.
    pub preset: Preset,
    /// Repair of encodings and invisible characters.
    pub unicode: unicode::UnicodeSettings,
    /// Article extraction from HTML pages.
    pub article: article::ArticleSettings,
    /// Whitespace at line ends, and blank lines.
    pub whitespace: whitespace::WhitespaceSettings,
    /// Which language documents are in, and which languages are kept.
    pub language: language::LanguageSettings,
    /// Replacing emoji and emoticons by words.
    pub emoji: emoji::EmojiSettings,
    /// Personal data: addresses and numbers of persons.
    pub personal_data: personal_data::PersonalDataSettings,
    /// Documents that are too short or too long.
    pub length: length::LengthSettings,
    /// Documents that repeat themselves.
    pub repetition: repetition::RepetitionSettings,
    /// Toxic text, by word lists and a classifier.
    pub toxicity: toxicity::ToxicitySettings,
    /// Documents that a trained classifier keeps.
    pub classified: classified::ClassifiedSettings,
    /// Swapping gendered words in a part of the documents.
    pub counterfactual: counterfactual::CounterfactualSettings,
    /// Spelling correction.
    pub spelling: spelling::SpellingSettings,
    /// Documents that do not read like prose.
    pub gopher_quality: gopher_quality::GopherQualitySettings,
    /// Boilerplate: lines that recur across the documents of a source.
    pub boilerplate: boilerplate::BoilerplateSettings,
    /// Lines that are no sentences.
    pub c4: c4::C4Settings,
    /// Pages that look like lists and menus.
    pub fineweb: fineweb::FineWebSettings,
    /// Documents that contain evaluation items (test-set contamination).
    pub decontaminate: decontaminate::DecontaminateSettings,
    /// Documents that are nearly the same as another.
    pub near_duplicates: near_duplicates::NearDuplicatesSettings,
    /// Passages that occur in more than one place.
    pub repeated_passages: repeated_passages::RepeatedPassagesSettings,
    /// Data mixture: weights of sources and languages.
    pub mix: mix::MixSettings,
    /// Bias census: how often groups of people are mentioned and with which words, before and after
    /// cleaning.
    pub bias: BiasSettings,
    /// Memory limit, such as "500MB" or "2GB", at least "100MB". Steps that need the whole corpus
    /// use up to half of it and then spill to disk. Small corpora use less.
    #[schemars(extend("x-decides" = false))]
    pub memory: String,
    /// Number of sample documents in the summary for each outcome (kept, changed, and each reason
    /// for rejection), 0 to 100.
    pub samples: usize,
}

/// The steps there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StepName {
    /// Repairs wrongly decoded text, normalizes Unicode, removes invisible characters.
    Unicode,
    /// Extracts the article from HTML pages.
    Article,
    /// Normalizes whitespace and blank lines.
    Whitespace,
    /// Identifies the language of a document; rejects unwanted languages.
    Language,
    /// Replaces emoji and emoticons by words.
    Emoji,
    /// Replaces e-mail addresses, phone, card and identity numbers by placeholders.
    PersonalData,
    /// Rejects documents that are too short or too long.
    Length,
    /// Rejects repetitive documents (Gopher's rules).
    Repetition,
    /// Removes toxic text, by word lists and a classifier.
    Toxicity,
    /// Keeps documents that a trained classifier accepts.
    Classified,
    /// Swaps he and she and their relatives in half of the documents.
    Counterfactual,
    /// Corrects misspelled words.
    Spelling,
    /// Removes lines that recur across the documents of a source (for web pages).
    Boilerplate,
    /// Rejects documents that do not read like prose (Gopher's rules, for web pages).
    GopherQuality,
    /// Keeps lines that are sentences, rejects pages with few of them (C4's rules, for web pages).
    C4,
    /// Rejects pages that look like lists and menus (FineWeb's rules, for web pages).
    #[serde(rename = "fineweb")]
    FineWeb,
    /// Rejects documents that contain evaluation items.
    Decontaminate,
    /// Rejects exact copies.
    ExactDuplicates,
    /// Rejects near copies (MinHash).
    NearDuplicates,
    /// Removes passages that occur earlier in the corpus.
    RepeatedPassages,
    /// Mixes sources and languages by weight; runs last if `clean.mix` sets weights.
    Mix,
}

/// Steps for one kind of corpus.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Only the steps listed.
    #[default]
    General,
    /// Adds the rules for web pages.
    Web,
}

/// The steps that [`Preset::Web`] adds, the rules in the order in which FineWeb applied them.
const WEB_STEPS: [StepName; 4] =
    [StepName::Boilerplate, StepName::GopherQuality, StepName::C4, StepName::FineWeb];

impl Default for CleanSettings {
    fn default() -> Self {
        Self {
            steps: vec![
                StepName::Unicode,
                StepName::Article,
                StepName::Whitespace,
                StepName::Length,
                StepName::Language,
                StepName::Emoji,
                StepName::PersonalData,
                StepName::Repetition,
                StepName::Decontaminate,
                StepName::ExactDuplicates,
                StepName::NearDuplicates,
            ],
            preset: Preset::General,
            unicode: Default::default(),
            article: Default::default(),
            whitespace: Default::default(),
            language: Default::default(),
            emoji: Default::default(),
            personal_data: Default::default(),
            length: Default::default(),
            repetition: Default::default(),
            toxicity: Default::default(),
            classified: Default::default(),
            counterfactual: Default::default(),
            spelling: Default::default(),
            gopher_quality: Default::default(),
            boilerplate: Default::default(),
            c4: Default::default(),
            fineweb: Default::default(),
            decontaminate: Default::default(),
            near_duplicates: Default::default(),
            repeated_passages: Default::default(),
            mix: Default::default(),
            bias: Default::default(),
            memory: "1GB".into(),
            samples: 3,
        }
    }
}

impl CleanSettings {
    /// Whether each value lies in its range, and each file that is named can be read.
    ///
    /// # Errors
    /// Naming the first setting that is out of its range, or the first file that cannot be read.
    pub fn check(&self) -> Result<()> {
        memory::parse(&self.memory)?;
        check_samples(self.samples)?;
        Bias::new(&self.bias)?;
        self.chain().map(drop)
    }

    /// The chain of steps that these settings describe.
    ///
    /// # Errors
    /// As [`CleanSettings::check`].
    pub fn chain(&self) -> Result<Vec<Step>> {
        let mut chain: Vec<Step> = self.steps.iter().map(|name| self.step(*name)).collect::<Result<_>>()?;
        if self.preset == Preset::Web {
            let last = chain.iter().rposition(|step| matches!(step, Step::Document(_)));
            let added = WEB_STEPS.into_iter().filter(|name| !self.steps.contains(name));
            let added: Vec<Step> = added.map(|name| self.step(name)).collect::<Result<_>>()?;
            let behind = last.map_or(0, |last| last + 1);
            chain.splice(behind..behind, added);
        }
        if self.mix.is_wanted() && !self.steps.contains(&StepName::Mix) {
            chain.push(self.step(StepName::Mix)?);
        }
        Ok(chain)
    }

    fn step(&self, name: StepName) -> Result<Step> {
        Ok(match name {
            StepName::Unicode => Step::document(unicode::Unicode::new(&self.unicode)),
            StepName::Article => Step::document(article::ArticleText::new(&self.article)),
            StepName::Whitespace => Step::document(whitespace::Whitespace::new(&self.whitespace)),
            StepName::Language => Step::document(language::Language::new(&self.language)?),
            StepName::Emoji => Step::document(emoji::Emoji::new(&self.emoji)),
            StepName::PersonalData => Step::document(personal_data::PersonalData::new(&self.personal_data)),
            StepName::Length => Step::document(length::Length::new(&self.length)),
            StepName::Repetition => Step::document(repetition::Repetition::new(&self.repetition)),
            StepName::Toxicity => Step::document(toxicity::Toxicity::new(&self.toxicity)?),
            StepName::Classified => Step::document(classified::Classified::new(&self.classified)?),
            StepName::Counterfactual => {
                Step::document(counterfactual::Counterfactual::new(&self.counterfactual)?)
            }
            StepName::Spelling => Step::learning(spelling::Spelling::new(&self.spelling)?),
            StepName::Boilerplate => Step::learning(boilerplate::Boilerplate::new(&self.boilerplate)?),
            StepName::GopherQuality => {
                Step::document(gopher_quality::GopherQuality::new(&self.gopher_quality))
            }
            StepName::C4 => Step::document(c4::C4::new(&self.c4)?),
            StepName::FineWeb => Step::document(fineweb::FineWeb::new(&self.fineweb)),
            StepName::Decontaminate => {
                Step::document(decontaminate::Decontaminate::new(&self.decontaminate)?)
            }
            StepName::ExactDuplicates => Step::corpus(exact_duplicates::ExactDuplicates::default()),
            StepName::NearDuplicates => {
                Step::corpus(near_duplicates::NearDuplicates::new(&self.near_duplicates)?)
            }
            StepName::RepeatedPassages => {
                Step::corpus(repeated_passages::RepeatedPassages::new(&self.repeated_passages)?)
            }
            StepName::Mix => Step::corpus(mix::Mix::new(&self.mix)?),
        })
    }
}
