//! `personal-data`: finds what reaches or identifies a person, and puts a typed placeholder in its place.
//!
//! Why: a model repeats what it has read. What: e-mail addresses, phone numbers, IP addresses, payment cards (check digit),
//! IBANs (check digits, length by country), US social security numbers (ranges), Chinese identity numbers (check character,
//! date of birth) and mobile numbers. Not found: names, postal addresses, and what is spelt out ("at example dot com").
//!
//! How sure a kind is, and what it leaves alone (version numbers, dates, years, prices, book and order numbers), is said in
//! the header of each module.

mod address;
mod checks;
mod context;
mod groups;
mod mail;
mod numbers;
mod phone;

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use nuwa_files::Document;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{DocumentStep, Labels, Verdict};

/// A kind of personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// E-mail addresses.
    Email,
    /// Phone numbers.
    Phone,
    /// Public IP addresses, of version 4 and 6.
    Ip,
    /// Numbers of payment cards.
    Card,
    /// International bank account numbers.
    Iban,
    /// US social security numbers.
    Ssn,
    /// Chinese identity numbers.
    ChineseId,
    /// Chinese mobile numbers.
    ChineseMobile,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Email,
        Self::Phone,
        Self::Ip,
        Self::Card,
        Self::Iban,
        Self::Ssn,
        Self::ChineseId,
        Self::ChineseMobile,
    ];

    /// Its name in settings and counts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Ip => "ip",
            Self::Card => "card",
            Self::Iban => "iban",
            Self::Ssn => "ssn",
            Self::ChineseId => "chinese-id",
            Self::ChineseMobile => "chinese-mobile",
        }
    }

    /// Its word in placeholders.
    fn word(self) -> &'static str {
        match self {
            Self::Email => "EMAIL",
            Self::Phone | Self::ChineseMobile => "PHONE",
            Self::Ip => "IP_ADDRESS",
            Self::Card => "CARD_NUMBER",
            Self::Iban => "IBAN",
            Self::Ssn => "SSN",
            Self::ChineseId => "IDENTITY_NUMBER",
        }
    }
}

/// What is looked for, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PersonalDataSettings {
    /// Kinds of personal data to replace.
    pub kinds: Vec<Kind>,
    /// Placeholder for personal data: TYPE becomes the kind ("EMAIL"), NUMBER numbers the distinct
    /// values of a kind within the document, so `[TYPE_NUMBER]` keeps people apart.
    pub placeholder: String,
    /// Reject documents with more than this many matches; 0 rejects none.
    pub reject_over: u64,
}

impl Default for PersonalDataSettings {
    fn default() -> Self {
        Self { kinds: Kind::ALL.to_vec(), placeholder: "[TYPE]".into(), reject_over: 0 }
    }
}

/// The step.
#[derive(Debug)]
pub struct PersonalData {
    settings: PersonalDataSettings,
}

impl PersonalData {
    /// With these settings.
    pub fn new(settings: &PersonalDataSettings) -> Self {
        Self { settings: settings.clone() }
    }

    fn rewrite(&self, text: &str, found: &[(Kind, Range<usize>)]) -> String {
        let mut out = String::with_capacity(text.len());
        let mut numbers: HashMap<(&'static str, &str), usize> = HashMap::new();
        let mut counts: HashMap<&'static str, usize> = HashMap::new();
        let mut done = 0;
        for (kind, range) in found {
            let number = numbers.entry((kind.word(), &text[range.clone()])).or_insert_with(|| {
                let count = counts.entry(kind.word()).or_default();
                *count += 1;
                *count
            });
            let placeholder = self.settings.placeholder.replace("NUMBER", &number.to_string());
            out.push_str(&text[done..range.start]);
            out.push_str(&placeholder.replace("TYPE", kind.word()));
            done = range.end;
        }
        out.push_str(&text[done..]);
        out
    }
}

/// The personal data of these kinds in `text`, in order and without overlaps.
pub fn find(text: &str, kinds: &[Kind]) -> Vec<(Kind, Range<usize>)> {
    let mut found = Vec::new();
    mail::find(text, |range| found.push((Kind::Email, range)));
    address::version_6(text, |range| found.push((Kind::Ip, range)));
    numbers::find(text, |kind, range| found.push((kind, range)));
    // Digits within a mail address are no number.
    found.sort_by_key(|(kind, range)| (range.start, *kind != Kind::Email));
    let mut end = 0;
    found.retain(|(_, range)| {
        let free = range.start >= end;
        end = end.max(range.end);
        free
    });
    found.retain(|(kind, _)| kinds.contains(kind));
    found
}

impl DocumentStep for PersonalData {
    fn name(&self) -> &'static str {
        "personal-data"
    }

    fn apply(&self, document: &mut Document) -> Verdict {
        self.apply_and_count(document, &mut Labels::new())
    }

    fn apply_and_count(&self, document: &mut Document, labels: &mut Labels) -> Verdict {
        let found = find(&document.text, &self.settings.kinds);
        for (kind, _) in &found {
            *labels.entry(Cow::Borrowed(kind.name())).or_default() += 1;
        }
        let PersonalDataSettings { reject_over, .. } = self.settings;
        if reject_over > 0 && found.len() as u64 > reject_over {
            let detail = format!("{} found, at most {reject_over}", found.len());
            return Verdict::rejected("much personal data", detail);
        }
        if !found.is_empty() {
            document.text = self.rewrite(&document.text, &found);
        }
        Verdict::changed(!found.is_empty())
    }
}

#[cfg(test)]
mod tests;
