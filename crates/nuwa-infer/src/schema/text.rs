//! The text between the quotes of a string, followed byte by byte.

/// Where in a string of so many characters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InText {
    /// The fewest characters.
    least: usize,
    /// The most.
    most: Option<usize>,
    count: usize,
    character: Character,
}

/// Where in a character.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Character {
    Start,
    /// So many more bytes, the next of which lies within bounds.
    Bytes {
        left: u8,
        low: u8,
        high: u8,
    },
    /// Behind a backslash.
    Escape,
    /// In the four digits of an escape.
    Digits {
        left: u8,
        surrogate: bool,
    },
}

/// What a byte leads to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum After {
    /// More of the string.
    Within(InText),
    /// Its end.
    End,
}

impl InText {
    /// Behind the first quote.
    pub fn begin(least: usize, most: Option<usize>) -> Self {
        Self { least, most, count: 0, character: Character::Start }
    }

    /// Whether any text may follow, up to a quote, a backslash or a control character.
    pub fn is_free(&self) -> bool {
        self.most.is_none() && self.character == Character::Start
    }

    /// What a byte leads to: the text is UTF-8, and its escapes are no halves of a pair.
    pub fn step(self, byte: u8) -> Option<After> {
        let has_room = self.most.is_none_or(|most| self.count < most);
        let is_hexadecimal = byte.is_ascii_hexdigit();
        match self.character {
            Character::Start => match byte {
                b'"' => (self.count >= self.least).then_some(After::End),
                _ if !has_room => None,
                b'\\' => self.to(Character::Escape),
                0x20..=0x7e => self.whole(),
                _ => self.to(leading(byte)?),
            },
            Character::Bytes { left, low, high } if (low..=high).contains(&byte) => match left {
                1 => self.whole(),
                _ => self.to(Character::Bytes { left: left - 1, low: 0x80, high: 0xbf }),
            },
            Character::Escape => match byte {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.whole(),
                b'u' => self.to(Character::Digits { left: 4, surrogate: false }),
                _ => None,
            },
            Character::Digits { left: 4, .. } if is_hexadecimal => {
                self.to(Character::Digits { left: 3, surrogate: byte.eq_ignore_ascii_case(&b'd') })
            }
            Character::Digits { left: 3, surrogate: true } if !(b'0'..=b'7').contains(&byte) => None,
            Character::Digits { left: 1, .. } if is_hexadecimal => self.whole(),
            Character::Digits { left, .. } if is_hexadecimal => {
                self.to(Character::Digits { left: left - 1, surrogate: false })
            }
            _ => None,
        }
    }

    fn to(self, character: Character) -> Option<After> {
        Some(After::Within(Self { character, ..self }))
    }

    /// A character is whole.
    fn whole(self) -> Option<After> {
        Some(After::Within(Self { character: Character::Start, count: self.count + 1, ..self }))
    }
}

/// What follows the first byte of a character of several (Unicode, table 3-7).
fn leading(byte: u8) -> Option<Character> {
    let (left, low, high) = match byte {
        0xc2..=0xdf => (1, 0x80, 0xbf),
        0xe0 => (2, 0xa0, 0xbf),
        0xed => (2, 0x80, 0x9f),
        0xe1..=0xef => (2, 0x80, 0xbf),
        0xf0 => (3, 0x90, 0xbf),
        0xf1..=0xf3 => (3, 0x80, 0xbf),
        0xf4 => (3, 0x80, 0x8f),
        _ => return None,
    };
    Some(Character::Bytes { left, low, high })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(least: usize, most: Option<usize>, text: &[u8]) -> bool {
        let mut at = InText::begin(least, most);
        for byte in text {
            match at.step(*byte) {
                Some(After::Within(next)) => at = next,
                _ => return false,
            }
        }
        at.step(b'"') == Some(After::End)
    }

    #[test]
    fn characters_are_counted_and_whole() {
        assert!(takes(2, Some(2), "女a".as_bytes()) && takes(2, Some(2), b"\\u0041\\n"));
        assert!(!takes(3, None, "女a".as_bytes()) && !takes(0, Some(1), "女a".as_bytes()));
        for bad in [
            b"\xff".as_slice(),
            b"\xe5\xa5",
            b"\xed\xa0\x80",
            b"\xc0\x80",
            b"\\ud800",
            b"\\x",
            b"\n",
            b"\\u12",
        ] {
            assert!(!takes(0, None, bad), "{bad:?}");
        }
        for character in
            ['\u{80}', '\u{7ff}', '\u{800}', '\u{d7ff}', '\u{e000}', '\u{ffff}', '\u{10000}', '\u{10ffff}']
        {
            assert!(takes(1, Some(1), character.to_string().as_bytes()), "{character:?}");
        }
    }
}
