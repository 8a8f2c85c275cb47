//! `whitespace`: tidies what is invisible without touching the shape of verse, code and tables.
//!
//! Why: blanks at line ends and long gaps cost tokens and mean nothing. Indentation and the blanks inside a line
//! do mean something in code, verse and columns, so they stay unless `collapse_spaces` is set; and then they
//! still stay in indented lines, fenced code and tables. (Text from HTML is collapsed by the article step.)

use nuwa_files::Document;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{DocumentStep, Verdict};

/// How far blanks are tidied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WhitespaceSettings {
    /// Maximum number of consecutive blank lines.
    pub max_blank_lines: usize,
    /// Collapse runs of spaces inside a line into one, except in indented lines, fenced code and
    /// tables.
    pub collapse_spaces: bool,
}

impl Default for WhitespaceSettings {
    fn default() -> Self {
        Self { max_blank_lines: 2, collapse_spaces: false }
    }
}

/// The step.
#[derive(Debug)]
pub struct Whitespace {
    settings: WhitespaceSettings,
}

impl Whitespace {
    /// With these settings.
    pub fn new(settings: &WhitespaceSettings) -> Self {
        Self { settings: settings.clone() }
    }

    fn tidy(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut blank_lines = 0;
        let mut fenced = false;
        for line in text.lines() {
            let line = line.trim_end();
            if line.is_empty() {
                blank_lines += 1;
                continue;
            }
            let gap = if out.is_empty() { 0 } else { 1 + blank_lines.min(self.settings.max_blank_lines) };
            out.extend(std::iter::repeat_n('\n', gap));
            blank_lines = 0;
            fenced ^= line.starts_with("```") || line.starts_with("~~~");
            match self.settings.collapse_spaces && !fenced && is_prose(line) {
                true => collapse(line, &mut out),
                false => out.push_str(line),
            }
        }
        if !out.is_empty() && text.ends_with('\n') {
            out.push('\n');
        }
        out
    }
}

fn is_prose(line: &str) -> bool {
    !line.starts_with([' ', '\t', '|', '\u{3000}'])
}

fn collapse(line: &str, out: &mut String) {
    let mut after_blank = false;
    for character in line.chars() {
        let blank = character.is_whitespace();
        if !blank {
            out.push(character);
        } else if !after_blank {
            out.push(' ');
        }
        after_blank = blank;
    }
}

impl DocumentStep for Whitespace {
    fn name(&self) -> &'static str {
        "whitespace"
    }

    fn apply(&self, document: &mut Document) -> Verdict {
        let tidied = self.tidy(&document.text);
        let changed = tidied != document.text;
        if changed {
            document.text = tidied;
        }
        Verdict::changed(changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str, collapse_spaces: bool) {
        let settings = WhitespaceSettings { collapse_spaces, ..Default::default() };
        assert_eq!(Whitespace::new(&settings).tidy(text), expected);
    }

    #[test]
    fn verse_and_code_keep_their_shape() {
        let text = "Shall I compare  thee\n    to a summer's day?\n\nfn main() {}\n";
        check(text, text, false);
        check("    A = LU    或    PA\n", "    A = LU    或    PA\n", true);
        check("```\na  b\n```\nc  d", "```\na  b\n```\nc d", true);
    }

    #[test]
    fn line_ends_and_gaps_are_tidied() {
        check("\n \na \t\n\n\n\n\nb  c\n\n", "a\n\n\nb  c\n", false);
        check("", "", false);
    }
}
