//! Which option an item names as the right one: by its number, its letter, or its text.

use minijinja::value::{Value, ValueKind};

/// What an item says of its right option, and what it may mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Readings {
    by_sign: Option<usize>,
    by_text: Option<usize>,
}

impl Readings {
    /// Of `value` where options are counted from `first` and `names` are their texts.
    pub fn of(value: &Value, first: i64, names: &[String], options: usize) -> Self {
        let by_sign = number(value).and_then(|number| usize::try_from(number - first).ok());
        let text = value.as_str().map(str::trim);
        let by_sign = by_sign.or_else(|| text.and_then(letter)).filter(|place| *place < options);
        let by_text = text.and_then(|text| names.iter().position(|name| name.trim() == text));
        Self { by_sign, by_text }
    }

    /// Whether only the text of an option can be meant.
    pub fn is_text_only(self) -> bool {
        self.by_sign.is_none() && self.by_text.is_some()
    }

    /// The option that is meant, in a file whose items name options by their texts or not.
    pub fn option(self, by_text: bool) -> Option<usize> {
        match by_text {
            true => self.by_text.or(self.by_sign),
            false => self.by_sign.or(self.by_text),
        }
    }
}

/// A whole number, whether as such or as text.
fn number(value: &Value) -> Option<i64> {
    match value.kind() {
        ValueKind::Bool => Some(i64::from(value.is_true())),
        ValueKind::Number => {
            let number = f64::try_from(value.clone()).ok()?;
            (number.fract() == 0.0).then_some(number as i64)
        }
        ValueKind::String => value.as_str()?.trim().parse().ok(),
        _ => None,
    }
}

/// A as 0, also as `a`, `A.`, `(A)`.
fn letter(text: &str) -> Option<usize> {
    let bare = text.trim_matches(['(', ')', '.', ':', ' ']);
    let [letter @ (b'a'..=b'z' | b'A'..=b'Z')] = bare.as_bytes() else { return None };
    Some(usize::from(letter.to_ascii_uppercase() - b'A'))
}

/// 1 or 0, true or false, also as text.
pub fn mark(value: &Value) -> Option<bool> {
    match number(value) {
        Some(0) => Some(false),
        Some(1) => Some(true),
        _ => value.as_str().and_then(|text| text.trim().to_ascii_lowercase().parse().ok()),
    }
}

/// What was expected where none of it was found.
pub fn expected(first: i64, options: usize) -> String {
    let last = first + options as i64 - 1;
    let last_letter = char::from(b'A' + u8::try_from(options.clamp(1, 26) - 1).unwrap_or(25));
    format!(
        "expected the number of the right option, {first} to {last}, its letter, A to {last_letter}, or its text"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: impl Into<Value>, by_text: bool) -> Option<usize> {
        let names = ["4", "2", "three", "1"].map(String::from);
        Readings::of(&value.into(), 0, &names, 4).option(by_text)
    }

    #[test]
    fn numbers_letters_and_texts_are_read() {
        for (value, expected) in
            [("1", 1), (" 3 ", 3), ("b", 1), ("(C)", 2), ("D.", 3), ("three", 2), ("4", 0)]
        {
            assert_eq!(read(value, false), Some(expected), "{value}");
        }
        assert_eq!(read("1", true), Some(3), "where a file names options by text, 1 is the last");
        assert_eq!((read(2, true), read(2.0, false), read(true, false)), (Some(2), Some(2), Some(1)));
    }

    #[test]
    fn what_names_no_option_is_not_guessed() {
        for value in [Value::from(-1), Value::from(4), Value::from(0.5), Value::from(""), Value::from("E")] {
            assert_eq!(Readings::of(&value, 0, &[], 4).option(false), None, "{value}");
        }
        assert_eq!(Readings::of(&Value::from("0"), 1, &[], 2).option(false), None);
        assert_eq!(mark(&Value::from("0")), Some(false));
        assert_eq!(mark(&Value::from("False")), Some(false));
        assert_eq!(mark(&Value::from(2)), None);
    }
}
