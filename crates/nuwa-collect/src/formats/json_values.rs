//! JSON values one after another, without the rest of the file: those of a list, and those that follow each other.

use std::io::{self, BufRead};

/// A value as it is written.
#[derive(Debug, PartialEq)]
pub(super) struct Written {
    /// The line it begins in, counted from 1.
    pub line: u64,
    pub bytes: Vec<u8>,
}

/// Takes values from a reader. The elements of a list that is no element itself count as values of their own.
pub(super) struct Values<R> {
    reader: R,
    line: u64,
    in_list: bool,
    /// The most bytes a value may have.
    limit: u64,
}

/// Where in a value the next byte stands.
#[derive(Default)]
struct Within {
    depth: u64,
    in_string: bool,
    is_escaped: bool,
    /// A number or a word, which the byte behind it ends.
    is_bare: bool,
}

impl<R: BufRead> Values<R> {
    pub fn new(reader: R, limit: u64) -> Self {
        Self { reader, line: 1, in_list: false, limit }
    }

    /// The line of the next value or before it.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The next value; at the end of the file perhaps a part of one. An error of the kind `FileTooLarge` where it is too long.
    pub fn next(&mut self) -> io::Result<Option<Written>> {
        let Some(first) = self.first()? else { return Ok(None) };
        let mut value = Written { line: self.line, bytes: Vec::new() };
        let mut within = Within { is_bare: !matches!(first, b'{' | b'[' | b'"'), ..Within::default() };
        loop {
            let block = self.reader.fill_buf()?;
            let mut count = 0;
            let ended = loop {
                let Some(&byte) = block.get(count) else { break block.is_empty() };
                if within.ends_before(byte) && (count > 0 || !value.bytes.is_empty()) {
                    break true;
                }
                count += 1;
                self.line += u64::from(byte == b'\n');
                if within.ends_with(byte) {
                    break true;
                }
            };
            value.bytes.extend_from_slice(&block[..count]);
            self.reader.consume(count);
            if ended {
                return Ok(Some(value));
            }
            if value.bytes.len() as u64 > self.limit {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
        }
    }

    /// The first byte of the next value, which stays to be read.
    fn first(&mut self) -> io::Result<Option<u8>> {
        loop {
            let Some(&byte) = self.reader.fill_buf()?.first() else { return Ok(None) };
            match byte {
                b'[' if !self.in_list => self.in_list = true,
                b']' if self.in_list => self.in_list = false,
                b',' => {}
                byte if byte.is_ascii_whitespace() => self.line += u64::from(byte == b'\n'),
                byte => return Ok(Some(byte)),
            }
            self.reader.consume(1);
        }
    }
}

impl Within {
    fn ends_before(&self, byte: u8) -> bool {
        self.is_bare && (byte.is_ascii_whitespace() || matches!(byte, b',' | b']' | b'[' | b'{' | b'"'))
    }

    /// Whether the value ends with this byte of it.
    fn ends_with(&mut self, byte: u8) -> bool {
        if self.is_bare {
            return false;
        }
        if self.in_string {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return !self.in_string && self.depth == 0;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        matches!(byte, b'}' | b']') && self.depth == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values_of(text: &str, capacity: usize) -> Vec<(u64, String)> {
        let mut values = Values::new(io::BufReader::with_capacity(capacity, text.as_bytes()), 1 << 20);
        let next = || {
            let value = values.next().unwrap()?;
            Some((value.line, String::from_utf8(value.bytes).unwrap()))
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn values_are_those_of_a_list_and_those_behind_one_another() {
        let cases: [(&str, &[(u64, &str)]); 6] = [
            (
                "[\n{\"a\": \"]}\"},\n [1, 2], \"x\\\"y\", 5]\n",
                &[(2, "{\"a\": \"]}\"}"), (3, "[1, 2]"), (3, "\"x\\\"y\""), (3, "5")],
            ),
            ("{\n\"a\": [1]\n}\n{}", &[(1, "{\n\"a\": [1]\n}"), (4, "{}")]),
            ("[] []", &[]),
            ("{\"a\": \"cut", &[(1, "{\"a\": \"cut")]),
            ("} ]x[1]", &[(1, "}"), (1, "]x"), (1, "1")]),
            ("", &[]),
        ];
        for (text, expected) in cases {
            let expected: Vec<(u64, String)> =
                expected.iter().map(|(line, value)| (*line, value.to_string())).collect();
            for capacity in [1, 3, 100] {
                assert_eq!(values_of(text, capacity), expected, "{text}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_ends(text in "[{}\\[\\],\"\\\\a \n]{0,40}") {
            prop_assert_eq!(values_of(&text, 1), values_of(&text, 64));
        }
    }
}
