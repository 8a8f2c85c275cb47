//! What other programs write for JSON although no JSON has it, made JSON: NaN and Infinity, Python's words, halves of surrogate
//! pairs, unknown escapes, control bytes in strings, commas before a closing bracket, values nested too deep.

/// Deeper than this a value becomes null.
const DEEPEST: usize = 100;

/// The same value as JSON, as far as it can be mended.
pub(super) fn mended(json: &[u8]) -> Vec<u8> {
    let mut mending = Mending { rest: json, out: Vec::with_capacity(json.len()), depth: 0 };
    while let Some(&byte) = mending.rest.first() {
        match byte {
            b'"' => mending.string(),
            b'{' | b'[' => mending.open(byte),
            b'}' | b']' => mending.close(byte),
            b'+' | b'-' | b'.' | b'_' => mending.word(),
            byte if byte.is_ascii_alphanumeric() => mending.word(),
            byte => mending.take(byte),
        }
    }
    mending.out
}

struct Mending<'a> {
    rest: &'a [u8],
    out: Vec<u8>,
    depth: usize,
}

impl Mending<'_> {
    /// Writes, unless this is too deep.
    fn put(&mut self, bytes: &[u8]) {
        if self.depth <= DEEPEST {
            self.out.extend_from_slice(bytes);
        }
    }

    fn take(&mut self, byte: u8) {
        self.rest = &self.rest[1..];
        self.put(&[byte]);
    }

    fn open(&mut self, byte: u8) {
        self.rest = &self.rest[1..];
        self.depth += 1;
        match self.depth == DEEPEST + 1 {
            true => self.out.extend_from_slice(b"null"),
            false => self.put(&[byte]),
        }
    }

    fn close(&mut self, byte: u8) {
        self.rest = &self.rest[1..];
        if self.depth <= DEEPEST {
            let end = self.out.trim_ascii_end().len();
            if self.out[..end].ends_with(b",") {
                self.out.truncate(end - 1);
            }
            self.out.push(byte);
        }
        self.depth = self.depth.saturating_sub(1);
    }

    /// A number or a word outside strings.
    fn word(&mut self) {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-._".contains(byte);
        let end = self.rest.iter().position(|byte| !is_part(byte)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.put(match word {
            b"True" => b"true",
            b"False" => b"false",
            b"None" | b"undefined" => b"null",
            _ if is_odd_number(word) => b"null",
            word => word,
        });
    }

    /// A string that begins here.
    fn string(&mut self) {
        self.take(b'"');
        while let Some(&byte) = self.rest.first() {
            match byte {
                b'\\' => self.escape(),
                b'"' => return self.take(b'"'),
                0..0x20 => {
                    self.rest = &self.rest[1..];
                    self.put(format!("\\u{byte:04x}").as_bytes());
                }
                _ => self.take(byte),
            }
        }
    }

    fn escape(&mut self) {
        let rest = self.rest;
        match rest.get(1) {
            Some(b'u') => self.unicode_escape(),
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.put(&rest[..2]);
                self.rest = &rest[2..];
            }
            // Python and JavaScript write \' for it.
            Some(b'\'') => self.rest = &rest[1..],
            _ => {
                self.put(b"\\\\");
                self.rest = &rest[1..];
            }
        }
    }

    fn unicode_escape(&mut self) {
        let rest = self.rest;
        let length = match (code_unit(rest), rest.get(6..).and_then(code_unit)) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => 12,
            (Some(0xd800..0xe000), _) => {
                self.put(b"\\ufffd");
                self.rest = &rest[6..];
                return;
            }
            (Some(_), _) => 6,
            (None, _) => {
                self.put(b"\\\\");
                self.rest = &rest[1..];
                return;
            }
        };
        self.put(&rest[..length]);
        self.rest = &rest[length..];
    }
}

/// The number in `\u0041`.
fn code_unit(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// A number that JSON cannot write (NaN, Infinity, .5, 0x1F), or that is beyond measure.
fn is_odd_number(word: &[u8]) -> bool {
    let name = word.strip_prefix(b"-").or_else(|| word.strip_prefix(b"+")).unwrap_or(word);
    let is_named = ["nan", "inf", "infinity"].iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
    let begins = name.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'.');
    is_named || (begins && serde_json::from_slice::<f64>(word).is_err())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn mended_value(json: &str) -> Option<Value> {
        serde_json::from_slice(&mended(json.as_bytes())).ok()
    }

    #[test]
    fn what_other_programs_write_becomes_json() {
        let cases = [
            (r#"{"a":NaN,"b":-Infinity,"c":[inf,],}"#, r#"{"a":null,"b":null,"c":[null]}"#),
            (r#"{"a":True,"b":None,"c":undefined}"#, r#"{"a":true,"b":null,"c":null}"#),
            (
                r#"{"a":1e999,"b":.5,"c":0x1F,"d":007,"e":-1.5e3}"#,
                r#"{"a":null,"b":null,"c":null,"d":null,"e":-1500.0}"#,
            ),
            (r#"["\ud83d x","\ude00","\ud83d\ude00"]"#, r#"["\ufffd x","\ufffd","😀"]"#),
            (r#"["it\'s","C:\dir","\u12"]"#, r#"["it's","C:\\dir","\\u12"]"#),
            ("[\"a\tb\"]", r#"["a\tb"]"#),
        ];
        for (odd, expected) in cases {
            assert_eq!(mended_value(odd), serde_json::from_str(expected).ok(), "{odd}");
        }
        assert_eq!(mended_value("{\"text\": oops}"), None);
        let deep = format!("{{\"a\":{}1{},\"text\":\"x\"}}", "[".repeat(9999), "]".repeat(9999));
        assert_eq!(mended_value(&deep).unwrap()["text"], "x");
    }

    proptest! {
        #[test]
        fn json_stays_as_it_is(text in any::<String>(), number in any::<f64>()) {
            let json = serde_json::json!({ "a": [text, number], "b": { "c": null } }).to_string();
            prop_assert_eq!(mended_value(&json), serde_json::from_str(&json).ok());
        }

        #[test]
        fn anything_is_mended_somehow(text in "[{}\\[\\],\"\\\\ud8-9a-fN+. \n]{0,40}") {
            let _ = mended(text.as_bytes());
        }
    }
}
