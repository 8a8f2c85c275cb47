//! Tables with remarks, as a page in both languages and as lines for a terminal: what results of judging and of comparing are shown as.

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use crate::error::Result;
use crate::templates::{Sealed, render};
use crate::words::{Fixed, Text};

/// What is shown.
#[derive(Debug, Default, Serialize)]
pub struct Sheet {
    pub brand: Text,
    pub title: Text,
    pub subtitle: Text,
    /// What a reader should know before believing the figures.
    pub warnings: Vec<Text>,
    pub sections: Vec<Section>,
    pub footer: Text,
}

#[derive(Debug, Default, Serialize)]
pub struct Section {
    pub title: Text,
    pub tables: Vec<Grid>,
    pub samples: Vec<Sample>,
    /// What the figures mean.
    pub notes: Vec<Text>,
}

/// A table.
#[derive(Debug, Default, Serialize)]
pub struct Grid {
    pub title: Option<Text>,
    pub head: Vec<Text>,
    pub rows: Vec<Vec<SheetCell>>,
}

#[derive(Debug, Default, Clone, Serialize)]
pub struct SheetCell {
    pub text: Text,
    /// A share and its interval in percent of the width, where it is drawn.
    pub mark: Option<Mark>,
    /// Whether it is words, which stand left, and may be long.
    pub is_word: bool,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Mark {
    pub low: f64,
    pub value: f64,
    pub high: f64,
}

/// A text with what several models made of it.
#[derive(Debug, Serialize)]
pub struct Sample {
    pub title: Text,
    pub prompt: String,
    pub given: Vec<Given>,
}

#[derive(Debug, Serialize)]
pub struct Given {
    pub name: Text,
    pub text: String,
    /// Whether it is right, where that is known.
    pub is_right: Option<bool>,
}

impl SheetCell {
    pub fn word(text: impl Into<Text>) -> Self {
        Self { text: text.into(), mark: None, is_word: true }
    }

    pub fn name(text: impl Into<String>) -> Self {
        Self::word(Text::same(text))
    }

    pub fn figure(text: impl Into<String>) -> Self {
        Self { text: Text::same(text), mark: None, is_word: false }
    }

    /// A figure with its interval, which is drawn too where it is a share.
    pub fn share(value: f64, interval: Option<[f64; 2]>) -> Self {
        let percent = |share: f64| (share * 100.0).clamp(0.0, 100.0);
        let [low, high] = interval.unwrap_or([value; 2]);
        let mark = Mark { low: percent(low), value: percent(value), high: percent(high) };
        let told = interval
            .map_or(String::new(), |[low, high]| format!(" [{:.1}, {:.1}]", 100.0 * low, 100.0 * high));
        Self { text: Text::same(format!("{:.1} %{told}", 100.0 * value)), mark: Some(mark), is_word: false }
    }

    /// A figure with its interval.
    pub fn estimate(value: f64, interval: Option<[f64; 2]>) -> Self {
        let told = interval.map_or(String::new(), |[low, high]| format!(" [{low:.3}, {high:.3}]"));
        Self::figure(format!("{value:.3}{told}"))
    }
}

impl From<Fixed> for SheetCell {
    fn from(text: Fixed) -> Self {
        Self::word(text)
    }
}

impl Sheet {
    /// The page, which stands alone.
    pub fn html(&self) -> Result<String> {
        render("sheet.html", Sealed::new(self, self)?)
    }

    /// The same in English, as lines.
    pub fn text(&self) -> String {
        let mut blocks = vec![format!("{}\n{}", self.title.en, self.subtitle.en)];
        blocks.extend(self.warnings.iter().map(|warning| format!("note: {}", warning.en)));
        for section in &self.sections {
            blocks.push(format!("\n{}", section.title.en));
            blocks.extend(section.tables.iter().map(Grid::text));
            blocks.extend(section.samples.iter().map(Sample::text));
        }
        blocks.join("\n")
    }
}

impl Grid {
    fn text(&self) -> String {
        let head: Vec<&str> = self.head.iter().map(|text| text.en.as_str()).collect();
        let mut lines: Vec<Vec<&str>> = vec![head];
        lines.extend(self.rows.iter().map(|row| row.iter().map(|cell| cell.text.en.as_str()).collect()));
        let columns = lines.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            lines
                .iter()
                .filter_map(|line| line.get(column))
                .map(|text| text.width())
                .max()
                .unwrap_or_default()
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let is_word =
            |column: usize| self.rows.iter().all(|row| row.get(column).is_some_and(|cell| cell.is_word));
        let words: Vec<bool> = (0..columns).map(is_word).collect();
        let line = |line: &Vec<&str>| {
            let cells = line.iter().enumerate().map(|(column, text)| {
                let blanks = " ".repeat(widths[column] - text.width());
                if words[column] { format!("{text}{blanks}") } else { format!("{blanks}{text}") }
            });
            format!("  {}", cells.collect::<Vec<_>>().join("  ")).trim_end().to_string()
        };
        let title = self.title.iter().map(|title| format!("  {}", title.en));
        title.chain(lines.iter().map(line)).collect::<Vec<_>>().join("\n")
    }
}

impl Sample {
    fn text(&self) -> String {
        let short =
            |text: &str| crate::text::clipped(&text.split_whitespace().collect::<Vec<_>>().join(" "), 160);
        let given = self.given.iter().map(|given| {
            let mark = match given.is_right {
                Some(true) => "right: ",
                Some(false) => "wrong: ",
                None => "",
            };
            format!("    {}: {mark}{}", given.name.en, short(&given.text))
        });
        let first = format!("  {}: {}", self.title.en, short(&self.prompt));
        std::iter::once(first).chain(given).collect::<Vec<_>>().join("\n")
    }
}
