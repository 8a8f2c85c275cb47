//! `emoji`: turns emoji and emoticons into words, in the document's language.
//!
//! Why: a small tokenizer spends several tokens on a picture that it meets a few times; as words ("party popper", "拉炮彩带")
//! it says what it means. Names are Unicode CLDR's, English and Chinese; in other languages English. Within fenced and
//! inline code nothing is touched; what counts as an emoji is said in `sequences`, as an emoticon in `emoticons`.
//!
//! Blanks are put round a name where a word or a character of another script would touch it. Emoji in a row are joined by
//! commas, and the same one several times in a row is named once.

mod emoticons;
mod names;
mod sequences;

use std::ops::Range;

use nuwa_files::Document;
use nuwa_text::{code_spans, is_unspaced};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::language::primary;
use crate::{DocumentStep, Labels, Verdict};
use names::Name;

/// What becomes of emoji and emoticons.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EmojiSettings {
    /// Emoji: "name" replaces them by their names, "drop" removes them, "keep" keeps them.
    pub emoji: Treatment,
    /// Emoticons such as ":-)", likewise.
    pub emoticons: Treatment,
}

impl Default for EmojiSettings {
    fn default() -> Self {
        Self { emoji: Treatment::Name, emoticons: Treatment::Name }
    }
}

/// What becomes of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Treatment {
    /// Their name, in the document's language.
    Name,
    /// They are removed.
    Drop,
    /// They are kept.
    Keep,
}

/// The step.
#[derive(Debug)]
pub struct Emoji {
    settings: EmojiSettings,
}

/// An emoji or emoticon in a text.
struct Found {
    range: Range<usize>,
    name: Name,
    treatment: Treatment,
    is_emoticon: bool,
    /// The mouth of the emoticon also closes a bracket.
    closes: bool,
}

impl Emoji {
    /// With these settings.
    pub fn new(settings: &EmojiSettings) -> Self {
        Self { settings: settings.clone() }
    }

    fn find(&self, text: &str) -> Vec<Found> {
        let mut found = Vec::new();
        if self.settings.emoji != Treatment::Keep {
            find_emoji(text, self.settings.emoji, &mut found);
        }
        if self.settings.emoticons != Treatment::Keep {
            find_emoticons(text, self.settings.emoticons, &mut found);
        }
        found.sort_by_key(|one| one.range.start);
        let mut end = 0;
        found.retain(|one| {
            let free = one.range.start >= end;
            end = end.max(one.range.end);
            free
        });
        let code = if found.is_empty() { Vec::new() } else { code_spans(text) };
        found.retain(|one| !code.iter().any(|span| span.contains(&one.range.start)));
        found
    }
}

fn find_emoji(text: &str, treatment: Treatment, found: &mut Vec<Found>) {
    let mut done = 0;
    for start in sequences::candidates(text) {
        if start >= done
            && let Some((length, name)) = sequences::emoji_at(&text[start..])
        {
            done = start + length;
            found.push(Found { range: start..done, name, treatment, is_emoticon: false, closes: false });
        }
    }
}

fn find_emoticons(text: &str, treatment: Treatment, found: &mut Vec<Found>) {
    for start in emoticons::candidates(text) {
        if let Some(face) = emoticons::emoticon_at(text, start) {
            let range = start..start + face.length;
            found.push(Found { range, name: face.name, treatment, is_emoticon: true, closes: face.closes });
        }
    }
}

/// Whether names are Chinese: by the document's language, or where it says none, by its script.
fn is_chinese(document: &Document) -> bool {
    match document.lang.as_deref().and_then(primary) {
        Some(language) => language == "zh",
        None => {
            let is_han = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
            let is_other = |c: char| matches!(c, '\u{3041}'..='\u{30ff}' | '\u{ac00}'..='\u{d7af}');
            document.text.chars().any(is_han) && !document.text.chars().any(is_other)
        }
    }
}

/// `text` with names, or nothing, in the place of what was found.
fn rewrite(text: &str, found: &[Found], chinese: bool) -> String {
    let mut out = String::with_capacity(text.len() + 16 * found.len());
    let mut done = 0;
    let mut before: Option<&'static str> = None;
    for one in found {
        let gap = &text[done..one.range.start];
        let rest = &text[one.range.end..];
        done = one.range.end;
        if one.treatment == Treatment::Drop {
            out.push_str(gap);
            close_gap(&mut out, rest);
            before = None;
            continue;
        }
        let name = if chinese { one.name.chinese } else { one.name.english };
        match before {
            Some(same) if gap.trim_matches(' ').is_empty() && gap.len() < 2 => {
                if same != name {
                    out.push_str(if chinese { "、" } else { ", " });
                    out.push_str(name);
                }
            }
            _ => {
                out.push_str(gap);
                push_apart(&mut out, name);
            }
        }
        before = Some(name);
        if one.closes {
            out.push(')');
        }
        push_blank_before(&mut out, rest, found, done);
    }
    out.push_str(&text[done..]);
    out
}

/// Adds a name, with a blank before it where a word would touch it.
fn push_apart(out: &mut String, name: &str) {
    let touches = |character: char| !character.is_whitespace() && !is_open(character) && !is_wide(character);
    if out.chars().next_back().is_some_and(touches) {
        out.push(' ');
    }
    out.push_str(name);
}

/// Adds a blank behind a name where a word follows at once; another emoji gets its comma instead.
fn push_blank_before(out: &mut String, rest: &str, found: &[Found], done: usize) {
    let is_next = found.binary_search_by_key(&done, |one| one.range.start).is_ok();
    let is_word = |character: char| character.is_alphanumeric() || is_unspaced(character);
    if !is_next && rest.chars().next().is_some_and(|next| is_word(next) || is_open(next) && !is_wide(next)) {
        out.push(' ');
    }
}

/// Takes back the blank before what was dropped, where another blank, a mark or nothing follows.
fn close_gap(out: &mut String, rest: &str) {
    let follows = |next: char| next.is_whitespace() || ".,!?;:)]}".contains(next);
    if out.ends_with(' ') && rest.chars().next().is_none_or(follows) {
        out.pop();
    }
}

fn is_open(character: char) -> bool {
    "([{<“‘«\"'*_（「『《【〈".contains(character)
}

/// Marks that bring their own space.
fn is_wide(character: char) -> bool {
    matches!(character, '\u{3000}'..='\u{3020}' | '\u{ff01}'..='\u{ff0f}' | '\u{ff1a}'..='\u{ff20}' | '—' | '…')
}

impl DocumentStep for Emoji {
    fn name(&self) -> &'static str {
        "emoji"
    }

    fn apply(&self, document: &mut Document) -> Verdict {
        self.apply_and_count(document, &mut Labels::new())
    }

    fn apply_and_count(&self, document: &mut Document, labels: &mut Labels) -> Verdict {
        let found = self.find(&document.text);
        for one in &found {
            let label = if one.is_emoticon { "emoticons" } else { "emoji" };
            *labels.entry(label.into()).or_default() += 1;
        }
        if !found.is_empty() {
            document.text = rewrite(&document.text, &found, is_chinese(document));
        }
        Verdict::changed(!found.is_empty())
    }
}

#[cfg(test)]
mod tests;
