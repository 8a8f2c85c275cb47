//! The encodings that are read: those of the web's standard, and UTF-32.

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// How bytes stand for characters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Charset {
    Known(&'static Encoding),
    Utf32Le,
    Utf32Be,
}

impl Charset {
    pub const UTF_8: Self = Self::Known(UTF_8);

    pub fn name(self) -> &'static str {
        match self {
            Self::Known(encoding) => encoding.name(),
            Self::Utf32Le => "UTF-32LE",
            Self::Utf32Be => "UTF-32BE",
        }
    }

    /// Whether every character has two bytes or more, so that NUL bytes mean nothing.
    pub fn is_wide(self) -> bool {
        !matches!(self, Self::Known(encoding) if encoding != UTF_16LE && encoding != UTF_16BE)
    }

    /// What a byte order mark says.
    pub fn of_mark(head: &[u8]) -> Option<Self> {
        match head {
            // Else a UTF-16 text that begins with a NUL character.
            [0xff, 0xfe, 0, 0, ..] => Some(Self::Utf32Le),
            [0, 0, 0xfe, 0xff, ..] => Some(Self::Utf32Be),
            _ => Encoding::for_bom(head).map(|(encoding, _)| Self::Known(encoding)),
        }
    }

    /// The wide encoding in which bytes without a mark are text.
    pub fn of_wide(head: &[u8]) -> Option<Self> {
        if is_narrow(head) {
            return None;
        }
        let of_32 = |to: fn([u8; 4]) -> u32| Looks::of(units(head, to).map(char::from_u32));
        let of_16 = |to: fn([u8; 2]) -> u16| {
            let characters = char::decode_utf16(units(head, to));
            Looks::of(characters.map(Result::ok))
        };
        let pairs = [
            (Self::Utf32Le, of_32(u32::from_le_bytes), of_32(u32::from_be_bytes)),
            (Self::Utf32Be, of_32(u32::from_be_bytes), of_32(u32::from_le_bytes)),
            (Self::Known(UTF_16LE), of_16(u16::from_le_bytes), of_16(u16::from_be_bytes)),
            (Self::Known(UTF_16BE), of_16(u16::from_be_bytes), of_16(u16::from_le_bytes)),
        ];
        let found = pairs.into_iter().find(|(_, looks, swapped)| looks.is_text(swapped));
        found.map(|(charset, ..)| charset)
    }

    pub fn decoder(self) -> Decoding {
        match self {
            Self::Known(encoding) => Decoding::Known(encoding.new_decoder_with_bom_removal()),
            Self::Utf32Le => Decoding::Utf32(Utf32::new(u32::from_le_bytes)),
            Self::Utf32Be => Decoding::Utf32(Utf32::new(u32::from_be_bytes)),
        }
    }
}

/// Whether nearly all bytes are characters of ASCII: pairs of them would be ideographs. In wide texts of an alphabet every
/// other byte is NUL or the same, in those of ideographs half of the bytes are above ASCII.
fn is_narrow(head: &[u8]) -> bool {
    let nuls = head.iter().filter(|byte| **byte == 0).count();
    let ascii = head.iter().filter(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r')).count();
    nuls * 4 < head.len() && ascii * 10 > (head.len() - nuls) * 9
}

fn units<const N: usize, T>(head: &[u8], to: fn([u8; N]) -> T) -> impl Iterator<Item = T> {
    head.chunks_exact(N).map(move |bytes| to(bytes.try_into().expect("a chunk of that size")))
}

/// What characters look like.
struct Looks {
    characters: usize,
    /// Those that no text has.
    bad: usize,
    /// Those that nearly every text has: blanks, ASCII, the punctuation of Chinese and Japanese.
    common: usize,
    /// How much they look like text: the common ones twice, ideographs and kana once.
    score: usize,
}

impl Looks {
    fn of(characters: impl Iterator<Item = Option<char>>) -> Self {
        let mut looks = Self { characters: 0, bad: 0, common: 0, score: 0 };
        for character in characters {
            looks.characters += 1;
            looks.bad += usize::from(character.is_none_or(is_bad));
            let (is_common, is_east_asian) =
                (character.is_some_and(is_common), character.is_some_and(is_east_asian));
            looks.common += usize::from(is_common);
            looks.score += 2 * usize::from(is_common) + usize::from(is_east_asian);
        }
        looks
    }

    fn is_text(&self, swapped: &Self) -> bool {
        self.characters >= 4
            && self.bad * 50 <= self.characters
            && self.common * 20 >= self.characters
            && self.score > swapped.score
    }
}

fn is_bad(character: char) -> bool {
    (character.is_control() && !matches!(character, '\t' | '\n' | '\r' | '\x0c'))
        || matches!(character, '\u{e000}'..='\u{f8ff}' | '\u{fdd0}'..='\u{fdef}' | '\u{fffe}' | '\u{ffff}')
}

fn is_common(character: char) -> bool {
    matches!(character, ' '..='~' | '\n' | '\u{3000}'..='\u{303f}' | '\u{ff01}'..='\u{ff65}')
}

fn is_east_asian(character: char) -> bool {
    matches!(character, '\u{3040}'..='\u{30ff}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}')
}

/// Bytes on their way to become UTF-8.
pub(super) enum Decoding {
    Known(Decoder),
    Utf32(Utf32),
}

impl Decoding {
    /// Decodes into `out`, which holds some bytes at least: whether that is all, how many bytes were read and written.
    pub fn decode(&mut self, block: &[u8], out: &mut [u8], last: bool) -> (bool, usize, usize) {
        match self {
            Self::Known(decoder) => {
                let (result, read, written, _) = decoder.decode_to_utf8(block, out, last);
                (result == CoderResult::InputEmpty, read, written)
            }
            Self::Utf32(decoder) => decoder.decode(block, out, last),
        }
    }
}

pub(super) struct Utf32 {
    to: fn([u8; 4]) -> u32,
    /// The start of a character at the end of the last block.
    partial: Vec<u8>,
    begun: bool,
}

impl Utf32 {
    fn new(to: fn([u8; 4]) -> u32) -> Self {
        Self { to, partial: Vec::new(), begun: false }
    }

    fn decode(&mut self, block: &[u8], out: &mut [u8], last: bool) -> (bool, usize, usize) {
        let (mut read, mut written) = (0, 0);
        while read < block.len() && out.len() - written >= 4 {
            self.partial.push(block[read]);
            read += 1;
            if let Ok(unit) = <[u8; 4]>::try_from(&self.partial[..]) {
                self.partial.clear();
                written += self.character((self.to)(unit), &mut out[written..]);
            }
        }
        if last && read == block.len() && !self.partial.is_empty() && out.len() - written >= 4 {
            self.partial.clear();
            written += self.character(u32::MAX, &mut out[written..]);
        }
        (read == block.len(), read, written)
    }

    fn character(&mut self, unit: u32, out: &mut [u8]) -> usize {
        let is_mark = unit == 0xfeff && !self.begun;
        self.begun = true;
        let character = char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER);
        if is_mark { 0 } else { character.encode_utf8(out).len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, to: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(to).collect()
    }

    fn utf32(text: &str, to: fn(u32) -> [u8; 4]) -> Vec<u8> {
        text.chars().flat_map(|character| to(character.into())).collect()
    }

    #[test]
    fn wide_texts_show_themselves_without_a_mark() {
        for text in [
            "Plain words, a line.\n",
            "Mấy hôm nay trời mưa mãi.",
            "一二三，一个人在海上。\n一天",
            "Над морем туман и дождь\n",
        ] {
            let is = |bytes: Vec<u8>| Charset::of_wide(&bytes).map(Charset::name);
            assert_eq!(is(utf16(text, u16::to_le_bytes)), Some("UTF-16LE"), "{text}");
            assert_eq!(is(utf16(text, u16::to_be_bytes)), Some("UTF-16BE"), "{text}");
            assert_eq!(is(utf32(text, u32::to_le_bytes)), Some("UTF-32LE"), "{text}");
            assert_eq!(is(utf32(text, u32::to_be_bytes)), Some("UTF-32BE"), "{text}");
        }
    }

    #[test]
    fn numbers_are_no_wide_text() {
        let samples: Vec<u8> = (0..500_i16).flat_map(|n| ((n * 37) % 900).to_le_bytes()).collect();
        let counts: Vec<u8> = (0..500_u32).flat_map(u32::to_le_bytes).collect();
        for bytes in [&samples[..], &counts, b"a\0b", &[0; 64], b"path/one\0path/two\0path/three\0"] {
            assert_eq!(Charset::of_wide(bytes), None);
        }
    }

    #[test]
    fn utf_32_is_decoded_wherever_blocks_end() {
        let mut bytes = utf32("\u{feff}a\u{feff}é😀", u32::to_le_bytes);
        bytes.extend([0, 0, 0x11, 0, b'x']);
        for cut in 0..bytes.len() {
            let mut decoding = Charset::Utf32Le.decoder();
            let mut text = Vec::new();
            for (block, last) in [(&bytes[..cut], false), (&bytes[cut..], true)] {
                let mut out = [0; 64];
                let (ended, read, written) = decoding.decode(block, &mut out, last);
                assert_eq!((ended, read), (true, block.len()));
                text.extend_from_slice(&out[..written]);
            }
            assert_eq!(String::from_utf8(text).unwrap(), "a\u{feff}é😀\u{fffd}\u{fffd}");
        }
    }
}
