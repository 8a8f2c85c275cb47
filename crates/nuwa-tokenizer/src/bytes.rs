//! GPT-2's way to write any byte as a visible character, so that vocabularies of bytes are JSON strings.

use std::sync::LazyLock;

use ahash::AHashMap;

static CHARACTERS: LazyLock<[char; 256]> = LazyLock::new(characters);
static BYTES: LazyLock<AHashMap<char, u8>> = LazyLock::new(|| {
    CHARACTERS.iter().enumerate().map(|(byte, &character)| (character, byte as u8)).collect()
});

/// Visible Latin-1 characters stand for themselves, the others are moved, in order, to U+0100 and above.
fn characters() -> [char; 256] {
    let mut moved = 0x100;
    std::array::from_fn(|byte| {
        let character = byte as u8 as char;
        if matches!(character, '!'..='~' | '\u{a1}'..='\u{ac}' | '\u{ae}'..='\u{ff}') {
            return character;
        }
        moved += 1;
        char::from_u32(moved - 1).unwrap_or(character)
    })
}

/// The 256 characters, by byte.
pub fn alphabet() -> &'static [char; 256] {
    &CHARACTERS
}

/// Writes bytes as their characters.
pub fn to_characters(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| CHARACTERS[byte as usize]).collect()
}

/// The bytes behind a token's characters; `None` when one of them stands for no byte.
pub fn from_characters(token: &str) -> Option<Vec<u8>> {
    token.chars().map(|character| BYTES.get(&character).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_characters_are_gpt2s() {
        assert_eq!(to_characters(b" a\n\xff\xad"), "ĠaĊÿŃ");
        assert_eq!(from_characters("ĠaĊÿŃ").unwrap(), b" a\n\xff\xad");
        assert_eq!(from_characters("a b"), None);
    }

    #[test]
    fn every_byte_has_its_own_character() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(from_characters(&to_characters(&all)).unwrap(), all);
    }
}
