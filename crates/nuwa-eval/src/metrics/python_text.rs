//! Text as Python's `str` takes it apart, on which the figures of the packages in Python rest.

/// Whether `str.split` takes a character for a blank: Unicode's white space, and the four separators of ASCII.
pub fn is_blank(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

/// `str.split()`.
pub fn words(text: &str) -> Vec<&str> {
    text.split(is_blank).filter(|word| !word.is_empty()).collect()
}

/// `str.rstrip()`.
pub fn without_blanks_at_the_end(text: &str) -> &str {
    text.trim_end_matches(is_blank)
}

/// `string.punctuation`.
pub fn is_punctuation(character: char) -> bool {
    character.is_ascii_punctuation()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_are_those_of_python() {
        assert_eq!(words("\u{1c}a\u{3000}b\u{a0}\u{200b}c \n"), ["a", "b", "\u{200b}c"]);
        assert_eq!(without_blanks_at_the_end("a \u{1f}\u{85}"), "a");
    }
}
