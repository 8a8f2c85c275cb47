//! Which steps run, in which order, and how.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bias::{Bias, BiasSettings};
use super::limits::check_samples;
use super::memory;
use super::step::Step;
use super::steps::{
    article, boilerplate, c4, classified, decontaminate, emoji, exact_duplicates, fineweb, gopher_quality,
    language, length, mix, near_duplicates, personal_data, repeated_passages, repetition, spelling, toxicity,
    unicode, whitespace,
};
use crate::Result;

/// Which steps run, in which order, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CleanSettings {
    /// The steps, in the order in which they run; a step may be left out or come twice.
    pub steps: Vec<StepName>,
    /// What else runs: "general" nothing; "web" what pages of the web need (`boilerplate`, `gopher-quality`, `c4`, `fineweb`), behind
    /// the last step that judges a document by itself. They reject poems, lists and short answers, so they suit nothing but the web.
    pub preset: Preset,
    /// Repair of encodings and invisible characters.
    pub unicode: unicode::UnicodeSettings,
    /// The article out of an HTML page.
    pub article: article::ArticleSettings,
    /// Blanks at line ends and blank lines.
    pub whitespace: whitespace::WhitespaceSettings,
    /// Which language documents are in, and which languages are kept.
    pub language: language::LanguageSettings,
    /// Emoji and emoticons as words.
    pub emoji: emoji::EmojiSettings,
    /// Addresses and numbers of persons.
    pub personal_data: personal_data::PersonalDataSettings,
    /// Documents that are too short or too long.
    pub length: length::LengthSettings,
    /// Documents that repeat themselves.
    pub repetition: repetition::RepetitionSettings,
    /// Abuse, by word lists and a classifier.
    pub toxicity: toxicity::ToxicitySettings,
    /// Documents that a trained classifier keeps.
    pub classified: classified::ClassifiedSettings,
    /// Repair of misspelt words.
    pub spelling: spelling::SpellingSettings,
    /// Documents that do not read like prose.
    pub gopher_quality: gopher_quality::GopherQualitySettings,
    /// Lines that recur over the documents of a source.
    pub boilerplate: boilerplate::BoilerplateSettings,
    /// Lines that are no sentences.
    pub c4: c4::C4Settings,
    /// Pages that look like lists and menus.
    pub fineweb: fineweb::FineWebSettings,
    /// Documents that hold items of the evaluations to come.
    pub decontaminate: decontaminate::DecontaminateSettings,
    /// Documents that are nearly the same as another.
    pub near_duplicates: near_duplicates::NearDuplicatesSettings,
    /// Passages that stand in more than one place.
    pub repeated_passages: repeated_passages::RepeatedPassagesSettings,
    /// How much comes from each source and each language.
    pub mix: mix::MixSettings,
    /// What is said of groups of people, counted before and after.
    pub bias: BiasSettings,
    /// The memory to stay within, such as "500MB" or "2GB", at least "100MB": half of it is for what the steps that need the whole
    /// corpus gather before they go on on disk. It takes less where there is less to do.
    #[schemars(extend("x-decides" = false))]
    pub memory: String,
    /// How many sample documents of each kind (kept, changed, rejected for each reason) the summary shows, 0 to 100.
    pub samples: usize,
}

/// The steps there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StepName {
    /// Repairs wrongly decoded text, normalises Unicode, removes invisible characters.
    Unicode,
    /// Takes the article out of HTML pages.
    Article,
    /// Tidies blanks and blank lines.
    Whitespace,
    /// Says which language a document is in; rejects languages that are not wanted.
    Language,
    /// Turns emoji and emoticons into words.
    Emoji,
    /// Puts placeholders in the place of e-mail addresses, phone, card and identity numbers.
    PersonalData,
    /// Rejects documents that are too short or too long.
    Length,
    /// Rejects documents that repeat themselves (Gopher's rules).
    Repetition,
    /// Takes out abuse, by word lists and a classifier.
    Toxicity,
    /// Keeps what a trained classifier takes for worth it.
    Classified,
    /// Writes misspelt words as they were meant.
    Spelling,
    /// Takes out lines that recur over the documents of a source, for pages of the web.
    Boilerplate,
    /// Rejects documents that do not read like prose (Gopher's rules), for pages of the web.
    GopherQuality,
    /// Keeps lines that are sentences, rejects pages with few (C4's rules), for pages of the web.
    C4,
    /// Rejects pages that look like lists and menus (FineWeb's rules), for pages of the web.
    #[serde(rename = "fineweb")]
    FineWeb,
    /// Rejects documents that hold evaluation items.
    Decontaminate,
    /// Rejects exact copies.
    ExactDuplicates,
    /// Rejects near copies (MinHash).
    NearDuplicates,
    /// Cuts passages that stand earlier in the corpus.
    RepeatedPassages,
    /// Gives each source and each language its share; runs at the end where `clean.mix` asks for shares.
    Mix,
}

/// Steps for one kind of corpus.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// The steps as they are listed.
    #[default]
    General,
    /// With the rules for pages of the web.
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
