//! The form in which texts are compared: NFKC (full width is folded), lower case, without what is invisible, one blank for any
//! white space; each character with its place in the text as it was written.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A text as it is compared.
#[derive(Debug, Default)]
pub struct Normal {
    /// All of it.
    pub text: String,
    /// For each byte of it the place in the written text where its character begins, and at last the length of that.
    pub places: Vec<usize>,
}

impl Normal {
    /// That of a text.
    pub fn of(text: &str) -> Self {
        let mut normal = Self::default();
        let mut joined = String::new();
        let mut start = 0;
        for (at, character) in text.char_indices().filter(|(_, character)| !is_invisible(*character)) {
            if !joins(character) {
                normal.add(&joined, start);
                joined.clear();
                start = at;
            }
            joined.push(character);
        }
        normal.add(&joined, start);
        normal.places.push(text.len());
        normal
    }

    /// A character with the marks on it, which stands at `place`.
    fn add(&mut self, joined: &str, place: usize) {
        for character in joined.nfkc().flat_map(char::to_lowercase) {
            let character = match character {
                'ς' => 'σ',
                blank if blank.is_whitespace() => ' ',
                other => other,
            };
            if character == ' ' && self.text.ends_with(' ') {
                continue;
            }
            self.text.push(character);
            self.places.extend(std::iter::repeat_n(place, character.len_utf8()));
        }
    }

    /// The first byte that stands at `place` of the written text or behind it.
    pub fn byte_at(&self, place: usize) -> usize {
        self.places.partition_point(|other| *other < place).min(self.text.len())
    }
}

/// Whether the character may become one with that before it.
fn joins(character: char) -> bool {
    is_combining_mark(character) || matches!(character, '\u{1160}'..='\u{11ff}' | '\u{ff9e}' | '\u{ff9f}')
}

/// Without a width of its own, and without meaning for which word it is: soft hyphen, zero-width blanks and joiners, marks of
/// direction, variation selectors, tags.
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_the_same_is_the_same() {
        let cases = [
            ("ＰＩＰＥ　Bomb", "pipe bomb"),
            ("b\u{200b}o\u{ad}m\u{feff}b", "bomb"),
            ("a \t\n b", "a b"),
            ("cafe\u{301}", "café"),
            ("ｶﾞ炸\u{200d}弹", "ガ炸弹"),
            ("ΣΑΣ", "σασ"),
            ("①Ⅻ ﬁ", "1xii fi"),
        ];
        for (written, compared) in cases {
            assert_eq!(Normal::of(written).text, compared, "{written:?}");
        }
    }

    #[test]
    fn each_character_knows_where_it_stood() {
        let normal = Normal::of("é\u{200b}ﬁ x");
        assert_eq!(normal.text, "éfi x");
        assert_eq!(normal.places, [0, 0, 5, 5, 8, 9, 10]);
        assert_eq!(normal.byte_at(3), 2);
    }
}
