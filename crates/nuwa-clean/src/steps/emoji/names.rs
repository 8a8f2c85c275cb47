//! What emoji are called: Unicode CLDR's short names, in English and Chinese.

use std::collections::HashMap;
use std::sync::LazyLock;

/// An emoji as the table knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name {
    pub english: &'static str,
    pub chinese: &'static str,
    /// A character of text unless U+FE0F follows, such as "©".
    pub text_by_default: bool,
}

static NAMES: LazyLock<HashMap<&'static str, Name>> =
    LazyLock::new(|| read(include_str!("../../../data/emoji.tsv")));

fn read(table: &'static str) -> HashMap<&'static str, Name> {
    let entry = |line: &'static str| {
        let mut columns = line.split('\t');
        let mut column = || columns.next().expect("the table is ours");
        let (sequence, presentation, english, chinese) = (column(), column(), column(), column());
        (sequence, Name { english, chinese, text_by_default: presentation == "t" })
    };
    table.lines().filter(|line| !line.starts_with("# ")).map(entry).collect()
}

/// The name of a sequence without skin tones and without U+FE0F.
pub(super) fn name(sequence: &str) -> Option<Name> {
    NAMES.get(sequence).copied()
}
