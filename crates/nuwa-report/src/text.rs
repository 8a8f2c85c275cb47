//! Text of others on our pages: cut to a length, with nothing invisible in it that could disturb what is around it.

/// At most `longest` characters of `text`, with an ellipsis where some are missing.
pub fn clipped(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => printable(&text[..end]) + "…",
        None => printable(text),
    }
}

/// `text` with a visible sign for each control character but line ends and tabs.
pub fn printable(text: &str) -> String {
    let visible = |c: char| if c.is_control() && c != '\n' && c != '\t' { '\u{FFFD}' } else { c };
    text.chars().map(visible).collect()
}

/// Whether a character takes no room of its own, or turns the direction of those around it.
pub fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
        || (character.is_control() && character != '\n' && character != '\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_visible_and_long_text_is_cut_between_characters() {
        assert_eq!(printable("a\0b\n\tc\u{1b}"), "a\u{FFFD}b\n\tc\u{FFFD}");
        assert_eq!(clipped("女娲补天", 2), "女娲…");
    }
}
