//! The words of the pages, in English and in Chinese side by side: a place for each page.
//!
//! A text that says the same every time is a line of a table ([`fixed!`]), one with figures in it a function. Neither compiles with one
//! language alone.

pub mod card;
pub mod classes;
pub mod comparing;
pub mod data_card;
pub mod inspect;
pub mod judging;
pub mod names;
pub mod remarks;
pub mod report;

use serde::Serialize;

/// A text in both languages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Text {
    pub en: String,
    pub zh: String,
}

/// A text that says the same every time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Fixed {
    pub en: &'static str,
    pub zh: &'static str,
}

impl Text {
    pub fn new(en: impl Into<String>, zh: impl Into<String>) -> Self {
        Self { en: en.into(), zh: zh.into() }
    }

    /// A name or a number, which is the same in every language.
    pub fn same(text: impl Into<String>) -> Self {
        let en: String = text.into();
        Self { zh: en.clone(), en }
    }

    /// The parts that there are, one after the other.
    pub fn joined(parts: &[Self], separator: Fixed) -> Self {
        let of = |language: fn(&Self) -> &str, separator: &str| {
            let parts: Vec<&str> = parts.iter().map(language).filter(|part| !part.is_empty()).collect();
            parts.join(separator)
        };
        Self { en: of(|part| &part.en, separator.en), zh: of(|part| &part.zh, separator.zh) }
    }

    /// The same with `change` made to both.
    pub fn map(&self, change: impl Fn(&str) -> String) -> Self {
        Self { en: change(&self.en), zh: change(&self.zh) }
    }

    pub fn is_empty(&self) -> bool {
        self.en.is_empty()
    }
}

impl From<Fixed> for Text {
    fn from(fixed: Fixed) -> Self {
        Self::new(fixed.en, fixed.zh)
    }
}

/// Between parts of equal rank, and between things of a list.
pub const DOT: Fixed = Fixed { en: " · ", zh: " · " };
pub const COMMA: Fixed = Fixed { en: ", ", zh: "，" };
/// Between names.
pub const AND: Fixed = Fixed { en: ", ", zh: "、" };

/// A table of texts that say the same every time: a name, English, Chinese.
macro_rules! fixed {
    ($(#[$doc:meta])* $table:ident { $($name:ident: $en:literal, $zh:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, serde::Serialize)]
        pub struct $table {
            $(pub $name: $crate::words::Fixed,)+
        }

        impl $table {
            pub const ALL: Self = Self { $($name: $crate::words::Fixed { en: $en, zh: $zh },)+ };
        }
    };
}

/// A text with values in it, in English and in Chinese.
macro_rules! both {
    ($en:literal, $zh:literal) => {
        $crate::words::Text::new(format!($en), format!($zh))
    };
}

pub(crate) use both;
pub(crate) use fixed;

/// How many of something, in English with its noun.
fn counted(count: u64, noun: &str) -> String {
    crate::numbers::counted(count, noun)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_chinese(text: &str) -> bool {
        text.chars().any(|character| ('\u{4e00}'..='\u{9fff}').contains(&character))
    }

    /// The texts of a table.
    fn texts(table: impl Serialize) -> Vec<(String, String, String)> {
        let table = serde_json::to_value(table).unwrap();
        let of = |text: &serde_json::Value, key: &str| text[key].as_str().unwrap().to_string();
        let all = table.as_object().unwrap().iter();
        all.map(|(name, text)| (name.clone(), of(text, "en"), of(text, "zh"))).collect()
    }

    #[test]
    fn every_fixed_text_is_in_both_languages() {
        let tables = [
            texts(report::Words::ALL),
            texts(inspect::Words::ALL),
            texts(card::Words::ALL),
            texts(classes::Words::ALL),
            texts(judging::Words::ALL),
            texts(comparing::Words::ALL),
            texts(data_card::Words::ALL),
        ]
        .concat();
        assert!(tables.len() > 100, "{}", tables.len());
        for (name, en, zh) in tables {
            assert!(!en.is_empty() && !is_chinese(&en), "{name}: {en}");
            assert!(is_chinese(&zh), "{name}: {zh}");
        }
    }

    #[test]
    fn parts_are_joined_and_empty_ones_left_out() {
        let parts = [Text::new("a", "甲"), Text::default(), Text::new("b", "乙")];
        assert_eq!(Text::joined(&parts, COMMA), Text::new("a, b", "甲，乙"));
    }
}
