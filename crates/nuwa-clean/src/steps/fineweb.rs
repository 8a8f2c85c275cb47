//! `fineweb`: rejects pages that look like lists and menus, by the rules that FineWeb added to Gopher's and C4's.
//!
//! Why: of some fifty measures of a page these separated good snapshots of the web from bad ones (Penedo et al. 2024,
//! "The FineWeb Datasets", <https://arxiv.org/abs/2406.17557>, section 3.6). Default numbers are those of datatrove's
//! filter of this name.
//! What is counted, in the prose of a text (`nuwa_text`): lines that are not blank. A long line of Thai or Lao, which have no full stops, counts as ended; a line ends with punctuation also where a closing quotation mark or
//! bracket follows, which datatrove does not look behind. In the length of a line a Chinese or Japanese
//! character counts as three letters, a Thai one with its signs as two; a word is six of these.
//! It is for pages of the web: it rejects verse, lists of questions and tables, which have many short lines.

use std::collections::HashSet;

use memchr::memchr_iter;
use nuwa_files::Document;
use nuwa_text::prose;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pieces::{Amounts, is_ended, width};
use crate::{DocumentStep, Verdict};

/// The limits of the rules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FineWebSettings {
    /// Minimum share of lines that end with punctuation, 0 to 1; 0 turns the rule off.
    pub min_punctuated_line_share: f64,
    /// Lines with at most this many letters are short; a Chinese or Japanese character counts as
    /// three, a Thai one as two.
    pub short_line_letters: usize,
    /// Maximum share of short lines, 0 to 1; 1 turns the rule off.
    pub max_short_line_share: f64,
    /// Maximum share of characters in lines that repeat an earlier one, 0 to 1; 1 turns the rule
    /// off.
    pub max_duplicate_line_character_share: f64,
    /// Maximum ratio of line breaks to words and punctuation marks (two Chinese or Japanese
    /// characters count as a word, three Thai ones).
    pub max_line_breaks_per_word: f64,
}

impl Default for FineWebSettings {
    fn default() -> Self {
        Self {
            min_punctuated_line_share: 0.12,
            short_line_letters: 30,
            max_short_line_share: 0.67,
            max_duplicate_line_character_share: 0.01,
            max_line_breaks_per_word: 0.3,
        }
    }
}

/// The step.
#[derive(Debug)]
pub struct FineWeb {
    settings: FineWebSettings,
}

/// What there is of lines in a text.
#[derive(Debug, Default)]
struct LineCounts {
    all: usize,
    punctuated: usize,
    short: usize,
    bytes: usize,
    copied_bytes: usize,
}

impl LineCounts {
    fn of(text: &str, short: usize) -> Self {
        let mut counts = Self::default();
        let mut seen = HashSet::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            counts.all += 1;
            counts.punctuated += usize::from(is_ended(line));
            counts.short += usize::from(line.len() <= short * 4 && width(line) <= short);
            counts.bytes += line.len();
            counts.copied_bytes += if seen.insert(line) { 0 } else { line.len() };
        }
        counts
    }
}

impl FineWeb {
    /// With these settings.
    pub fn new(settings: &FineWebSettings) -> Self {
        Self { settings: settings.clone() }
    }

    fn broken_rule(&self, text: &str) -> Option<(&'static str, f64)> {
        let settings = &self.settings;
        let text = &prose(text);
        let lines = LineCounts::of(text, settings.short_line_letters);
        if lines.all == 0 {
            return Some(("no lines", 0.0));
        }
        let share = |part: usize, whole: usize| part as f64 / whole as f64;
        let punctuated = share(lines.punctuated, lines.all);
        if punctuated < settings.min_punctuated_line_share {
            return Some(("few lines end with punctuation", punctuated));
        }
        let short = share(lines.short, lines.all);
        if short > settings.max_short_line_share {
            return Some(("many short lines", short));
        }
        let copied = share(lines.copied_bytes, lines.bytes);
        if copied > settings.max_duplicate_line_character_share {
            return Some(("duplicate line characters", copied));
        }
        let breaks = memchr_iter(b'\n', text.as_bytes()).count() as f64 / Amounts::of(text).pieces().max(1.0);
        (breaks > settings.max_line_breaks_per_word).then_some(("few words between line breaks", breaks))
    }
}

impl DocumentStep for FineWeb {
    fn name(&self) -> &'static str {
        "fineweb"
    }

    fn apply(&self, document: &mut Document) -> Verdict {
        match self.broken_rule(&document.text) {
            Some((rule, share)) => Verdict::rejected(rule, format!("{:.1} %", share * 100.0)),
            None => Verdict::Kept,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Option<&'static str> {
        FineWeb::new(&FineWebSettings::default()).broken_rule(text).map(|broken| broken.0)
    }

    #[test]
    fn paragraphs_pass_in_either_script() {
        let english = "The river carries clay down from the hills, and leaves it where the water is slow.\n\n\
            \u{201c}Take it,\u{201d} said the ferryman, \u{201c}for tomorrow it will be gone.\u{201d}\n";
        assert_eq!(rule(english), None);
        assert_eq!(
            rule("俗说天地开辟，未有人民，女娲抟黄土作人。\n他说：“剧务，力不暇供，乃引绳于泥中。”\n"),
            None
        );
    }

    #[test]
    fn each_rule_finds_its_kind() {
        let long = "a line of some length that goes on without ever coming to an end\n";
        assert_eq!(
            rule(&(1..20).map(|at| format!("{at} {long}")).collect::<String>()),
            Some("few lines end with punctuation")
        );
        assert_eq!(
            rule(&(1..20).map(|at| format!("Item {at}.\n")).collect::<String>()),
            Some("many short lines")
        );
        assert_eq!(rule("首页。\n新闻。\n联系我们。\n"), Some("many short lines"));
        let sentence = "This sentence is said once more, so that it is there a second time.\n";
        assert_eq!(rule(&sentence.repeat(2)), Some("duplicate line characters"));
        let words = "Incomprehensibilities antidisestablishmentarianism.\n".to_string();
        let other = "Electroencephalographically, counterrevolutionaries.\n";
        assert_eq!(rule(&(words + "\n\n" + other)), Some("few words between line breaks"));
        assert_eq!(rule(" \n \n"), Some("no lines"));
    }
}
