//! `language`: says which language each document is in, and keeps those that are wanted.
//!
//! Why: later steps speak the document's language, the counts show what a corpus is made of, and who builds a model for two
//! languages does not want to pay for the others. How a language is told is said in [`nuwa_text::language`]; a document that is
//! too short, or in several languages, stays without one. Only the label changes: such a document counts as kept.

use std::borrow::Cow;

use nuwa_files::Document;
use nuwa_text::language::identify;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{DocumentStep, Labels, Verdict};
use crate::{Error, Result};

/// Which languages are wanted, and when a language counts as known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LanguageSettings {
    /// Languages to keep, as ISO 639 codes such as "en" and "zh"; an empty list keeps all.
    pub languages: Vec<String>,
    /// Keep documents whose language could not be identified, when `languages` is set.
    pub keep_unknown: bool,
    /// Run language identification even on documents with a language label, and replace the label.
    pub overwrite: bool,
    /// Minimum number of letters for language identification; a Chinese, Japanese or Thai character
    /// counts as three, a Korean one as two.
    pub min_letters: u64,
    /// Minimum share of the letters that must be in one language, 0.5 to 1.
    pub share: f64,
}

impl Default for LanguageSettings {
    fn default() -> Self {
        Self { languages: Vec::new(), keep_unknown: true, overwrite: false, min_letters: 24, share: 0.6 }
    }
}

/// The step.
#[derive(Debug)]
pub struct Language {
    settings: LanguageSettings,
}

impl Language {
    /// With these settings.
    ///
    /// # Errors
    /// When `share` is out of its range or a language is no code.
    pub fn new(settings: &LanguageSettings) -> Result<Self> {
        let fault = |name, value, expected| Err(Error::Setting { name, value, expected });
        if !(0.5..=1.0).contains(&settings.share) {
            return fault("clean.language.share", settings.share.to_string(), "0.5 to 1");
        }
        match settings.languages.iter().find(|wanted| primary(wanted).as_deref() != Some(wanted)) {
            Some(wanted) => fault(
                "clean.language.languages",
                wanted.clone(),
                "ISO 639 codes of two or three small letters, such as \"en\"",
            ),
            None => Ok(Self { settings: settings.clone() }),
        }
    }

    fn judge(&self, language: Option<&str>) -> Verdict {
        let LanguageSettings { languages, keep_unknown, .. } = &self.settings;
        match language {
            _ if languages.is_empty() => Verdict::Kept,
            None if *keep_unknown => Verdict::Kept,
            None => Verdict::rejected("language unknown", ""),
            Some(language) if languages.iter().any(|wanted| wanted == language) => Verdict::Kept,
            Some(language) => Verdict::rejected(format!("language {language}"), ""),
        }
    }
}

/// The language of a code with or without a region ("en-GB", "zh_Hans"), where it is one.
pub(super) fn primary(code: &str) -> Option<String> {
    let first = code.split(['-', '_']).next().unwrap_or_default();
    let is_code = (2..=3).contains(&first.len()) && first.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_code.then(|| first.to_ascii_lowercase())
}

impl DocumentStep for Language {
    fn name(&self) -> &'static str {
        "language"
    }

    fn apply(&self, document: &mut Document) -> Verdict {
        self.apply_and_count(document, &mut Labels::new())
    }

    fn apply_and_count(&self, document: &mut Document, labels: &mut Labels) -> Verdict {
        let said = document.lang.as_deref().and_then(primary);
        if said.is_none() || self.settings.overwrite {
            let found = identify(&document.text, self.settings.min_letters, self.settings.share);
            document.lang = found.map(str::to_string).or_else(|| document.lang.take());
        }
        let language = document.lang.as_deref().and_then(primary);
        let label = language.clone().map_or(Cow::Borrowed("unknown"), Cow::Owned);
        *labels.entry(label).or_default() += 1;
        self.judge(language.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GERMAN: &str = "Die alte Frau stellte den Kessel aufs Feuer und wartete auf ihren Sohn.";

    fn check(
        settings: LanguageSettings,
        text: &str,
        said: Option<&str>,
        lang: Option<&str>,
        verdict: Verdict,
    ) {
        let mut document =
            Document { text: text.into(), lang: said.map(str::to_string), ..Document::default() };
        let mut labels = Labels::new();
        let judged = Language::new(&settings).unwrap().apply_and_count(&mut document, &mut labels);
        assert_eq!((document.lang.as_deref(), judged), (lang, verdict), "{text}");
        assert_eq!(labels.values().sum::<u64>(), 1);
    }

    #[test]
    fn documents_are_labelled_and_those_that_say_their_language_are_believed() {
        let overwrite = LanguageSettings { overwrite: true, ..Default::default() };
        check(Default::default(), GERMAN, None, Some("de"), Verdict::Kept);
        check(Default::default(), GERMAN, Some("en-GB"), Some("en-GB"), Verdict::Kept);
        check(overwrite.clone(), GERMAN, Some("en-GB"), Some("de"), Verdict::Kept);
        check(overwrite, "Ja", Some("en-GB"), Some("en-GB"), Verdict::Kept);
        check(Default::default(), "Ja", None, None, Verdict::Kept);
    }

    #[test]
    fn only_wanted_languages_are_kept() {
        let wanted = LanguageSettings { languages: vec!["en".into(), "zh".into()], ..Default::default() };
        let strict = LanguageSettings { keep_unknown: false, ..wanted.clone() };
        check(wanted.clone(), GERMAN, None, Some("de"), Verdict::rejected("language de", ""));
        check(wanted.clone(), GERMAN, Some("EN"), Some("EN"), Verdict::Kept);
        check(wanted, "Ja", None, None, Verdict::Kept);
        check(strict, "Ja", None, None, Verdict::rejected("language unknown", ""));
    }

    #[test]
    fn wrong_settings_are_named() {
        for settings in [
            LanguageSettings { share: 0.2, ..Default::default() },
            LanguageSettings { languages: vec!["english".into()], ..Default::default() },
            LanguageSettings { languages: vec!["EN".into()], ..Default::default() },
        ] {
            assert!(matches!(Language::new(&settings), Err(Error::Setting { .. })), "{settings:?}");
        }
    }
}
