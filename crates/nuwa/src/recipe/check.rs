//! Holds what a recipe says against the keys there are.

use strsim::{damerau_levenshtein, normalized_damerau_levenshtein};
use toml::{Table, Value};

use super::keys::{self, Key, Kind};
use crate::numbers::{Count, Span};

/// What is wrong with a recipe, and where.
#[derive(Debug, PartialEq)]
pub struct Fault {
    /// The key as it was written, with dots.
    pub path: String,
    pub message: String,
    pub hint: String,
}

/// Every key must be known and hold what it should; numbers written as people do (`"30M"`) become numbers.
pub fn check(table: &mut Table) -> Result<(), Fault> {
    check_table(table, "")
}

fn check_table(table: &mut Table, prefix: &str) -> Result<(), Fault> {
    for (name, value) in table.iter_mut() {
        let path = format!("{prefix}{name}");
        let Some(key) = keys::find(&path) else { return Err(unknown(&path)) };
        match (&key.kind, &mut *value) {
            (Kind::Table, Value::Table(inner)) => check_table(inner, &format!("{path}."))?,
            (kind, value) => check_value(key, kind, value)?,
        }
    }
    Ok(())
}

fn check_value(key: &Key, kind: &Kind, value: &mut Value) -> Result<(), Fault> {
    let fits = match (kind, &mut *value) {
        (Kind::Boolean, Value::Boolean(_)) | (Kind::Text, Value::String(_)) | (Kind::Other, _) => true,
        (Kind::Number, Value::Float(_) | Value::Integer(_)) => true,
        (Kind::Whole { minimum }, Value::Integer(number)) => minimum.is_none_or(|minimum| *number >= minimum),
        (Kind::Whole { .. }, Value::String(text)) => match text.parse::<Count>() {
            Ok(Count(count)) => {
                *value = Value::Integer(count.try_into().unwrap_or(i64::MAX));
                true
            }
            Err(_) => false,
        },
        (Kind::Count, Value::Integer(number)) => *number > 0,
        (Kind::Count, Value::String(text)) => text.parse::<Count>().is_ok(),
        (Kind::Time, Value::String(text)) => text.parse::<Span>().is_ok(),
        (Kind::Choice(words), Value::String(text)) => words.iter().any(|(word, _)| word == text),
        (Kind::List(item), Value::Array(values)) => {
            return values.iter_mut().try_for_each(|value| check_value(key, item, value));
        }
        _ => false,
    };
    if fits { Ok(()) } else { Err(wrong(key, kind, value)) }
}

fn wrong(key: &Key, kind: &Kind, value: &Value) -> Fault {
    let range = match kind {
        Kind::Whole { minimum: Some(minimum) } => format!(" of at least {minimum}"),
        _ => String::new(),
    };
    let message = format!("`{}` = {value}: expected {}{range}", key.path, kind.name());
    let hint = match (kind, value, &key.default) {
        (Kind::Choice(words), Value::String(text), _) => {
            nearest(text, words.iter().map(|(word, _)| word.as_str()))
                .map(|word| format!("did you mean \"{word}\"?"))
        }
        (_, _, Some(default)) => Some(format!("its default is {default}")),
        _ => None,
    };
    let hint = hint.unwrap_or_else(|| "`nuwa init` writes a recipe with every key and what it means".into());
    Fault { path: key.path.clone(), message, hint }
}

fn unknown(path: &str) -> Fault {
    let hint = match nearest_key(path) {
        Some(known) => format!("did you mean `{known}`?"),
        None => "`nuwa init` writes a recipe with every key and what it means".into(),
    };
    Fault { path: path.into(), message: format!("unknown key `{path}`"), hint }
}

/// The key that was probably meant: the same name elsewhere, or one spelt alike.
fn nearest_key(path: &str) -> Option<&'static str> {
    let paths = || keys::all().iter().map(|key| key.path.as_str());
    let last = |path: &'static str| path.rsplit('.').next().unwrap_or(path);
    let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
    let siblings = paths().filter(|known| known.rsplit_once('.').map_or("", |(parent, _)| parent) == parent);
    nearest(name, siblings.clone().map(last))
        .and_then(|found| siblings.clone().find(|known| last(known) == found))
        .or_else(|| paths().find(|known| last(known) == name))
        .or_else(|| nearest(path, paths()))
        .or_else(|| {
            let found = nearest(name, paths().map(last))?;
            paths().find(|known| last(known) == found)
        })
}

/// Of the names, the one spelt most like `wanted`, if any comes near.
fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = |name: &&str| {
        damerau_levenshtein(wanted, name) <= 2 && wanted.len() > 3
            || normalized_damerau_levenshtein(wanted, name) > 0.6
            || (wanted.len() > 2 && name.starts_with(wanted))
    };
    names.filter(near).min_by_key(|name| damerau_levenshtein(wanted, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Fault {
        check(&mut text.parse::<Table>().unwrap()).unwrap_err()
    }

    #[test]
    fn an_unknown_key_names_the_nearest_known_one() {
        assert_eq!(fault("[tokenizer]\nvocab_sise = 5").hint, "did you mean `tokenizer.vocab_size`?");
        assert_eq!(fault("vocab_size = 5").hint, "did you mean `tokenizer.vocab_size`?");
        assert_eq!(fault("[tokeniser]\nvocab_size = 5").hint, "did you mean `tokenizer`?");
        assert_eq!(fault("[clean]\nlen.min_letters = 5").hint, "did you mean `clean.length`?");
        assert!(fault("zzzzzzz = 1").hint.contains("nuwa init"));
    }

    #[test]
    fn a_wrong_value_says_what_was_expected() {
        assert_eq!(
            fault("[tokenizer]\nvocab_size = true").message,
            "`tokenizer.vocab_size` = true: expected a whole number of at least 0"
        );
        assert_eq!(
            fault("[collect]\nbad_lines = \"skipp\"").message,
            "`collect.bad_lines` = \"skipp\": expected one of \"error\", \"skip\""
        );
        assert_eq!(fault("[collect]\nbad_lines = \"skipp\"").hint, "did you mean \"skip\"?");
        assert!(fault("budget = \"10\"").message.contains("expected a time"));
        assert!(fault("clean = 3").message.contains("expected a table of keys"));
    }

    #[test]
    fn human_numbers_become_numbers() {
        let mut table: Table = "[tokenizer]\nvocab_size = \"4k\"".parse().unwrap();
        check(&mut table).unwrap();
        assert_eq!(table["tokenizer"]["vocab_size"].as_integer(), Some(4000));
    }
}
