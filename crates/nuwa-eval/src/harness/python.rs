//! Values as Python writes and reads them: `str`, `repr`, `ast.literal_eval`.

use serde_json::{Map, Number, Value};

/// `str(value)`.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => repr(other),
    }
}

/// `repr(value)`.
pub fn repr(value: &Value) -> String {
    match value {
        Value::Null => "None".into(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Number(number) => number_text(number),
        Value::String(text) => quoted(text),
        Value::Array(list) => format!("[{}]", list.iter().map(repr).collect::<Vec<_>>().join(", ")),
        Value::Object(object) => {
            let pairs = object.iter().map(|(name, value)| format!("{}: {}", quoted(name), repr(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}

fn number_text(number: &Number) -> String {
    match number.as_f64().filter(|_| number.is_f64()) {
        Some(value) if value.fract() == 0.0 && value.abs() < 1e16 => format!("{value:.1}"),
        Some(value) => value.to_string(),
        None => number.to_string(),
    }
}

fn quoted(text: &str) -> String {
    let mark = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut quoted = String::from(mark);
    for character in text.chars() {
        match character {
            '\n' => quoted += "\\n",
            '\r' => quoted += "\\r",
            '\t' => quoted += "\\t",
            '\\' => quoted += "\\\\",
            _ if character == mark => quoted.extend(['\\', mark]),
            _ if character.is_control() => quoted += &format!("\\x{:02x}", u32::from(character)),
            _ => quoted.push(character),
        }
    }
    quoted.push(mark);
    quoted
}

/// `str.isdigit()`, for the digits that are written.
pub fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// White space as Python knows it, with the four separators that Unicode does not count.
pub fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

/// `ast.literal_eval(text)`; none where that would fail. Tuples become lists.
pub fn literal(text: &str) -> Option<Value> {
    let mut reader = Literal { rest: text.trim_end() };
    let value = reader.value(0)?;
    reader.skip();
    reader.rest.is_empty().then_some(value)
}

/// Lists within lists, and so on, go no deeper.
const DEEPEST: usize = 50;

struct Literal<'a> {
    rest: &'a str,
}

impl Literal<'_> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, mark: &str) -> bool {
        self.skip();
        let rest = self.rest.strip_prefix(mark);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        self.skip();
        match self.rest.chars().next().filter(|_| depth < DEEPEST)? {
            '[' => self.list('[', "]", depth),
            '(' => self.list('(', ")", depth),
            '{' => self.object(depth),
            '\'' | '"' => self.texts(),
            _ => self.word(),
        }
    }

    fn list(&mut self, open: char, close: &str, depth: usize) -> Option<Value> {
        self.rest = self.rest.strip_prefix(open)?;
        let mut list = Vec::new();
        while !self.take(close) {
            list.push(self.value(depth + 1)?);
            if !self.take(",") {
                return self.take(close).then_some(list.into());
            }
        }
        Some(list.into())
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        self.rest = self.rest.strip_prefix('{')?;
        let mut object = Map::new();
        while !self.take("}") {
            let name = text(&self.value(depth + 1)?);
            self.take(":").then_some(())?;
            object.insert(name, self.value(depth + 1)?);
            if !self.take(",") {
                return self.take("}").then_some(object.into());
            }
        }
        Some(object.into())
    }

    /// Texts that follow one another are one.
    fn texts(&mut self) -> Option<Value> {
        let mut all = String::new();
        while self.rest.starts_with(['\'', '"']) {
            all += &self.one_text()?;
            self.skip();
        }
        Some(all.into())
    }

    fn one_text(&mut self) -> Option<String> {
        let mark = self.rest.chars().next()?;
        let mut characters = self.rest[1..].char_indices();
        let mut read = String::new();
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => match characters.next()?.1 {
                    'n' => read.push('\n'),
                    't' => read.push('\t'),
                    'r' => read.push('\r'),
                    kind @ ('x' | 'u') => {
                        let digits = if kind == 'x' { 2 } else { 4 };
                        let hex: String = characters.by_ref().take(digits).map(|(_, digit)| digit).collect();
                        read.push(char::from_u32(u32::from_str_radix(&hex, 16).ok()?)?);
                    }
                    other => {
                        // What is no escape stays as it is.
                        read.extend((!"\\'\"".contains(other)).then_some('\\'));
                        read.push(other);
                    }
                },
                _ if character == mark => {
                    self.rest = &self.rest[1 + at + 1..];
                    return Some(read);
                }
                '\n' => return None,
                _ => read.push(character),
            }
        }
        None
    }

    fn word(&mut self) -> Option<Value> {
        let end = self.rest.find([',', ']', ')', '}', ':', ' ', '\n']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        match word {
            "None" => Some(Value::Null),
            "True" => Some(true.into()),
            "False" => Some(false.into()),
            _ => match word.parse::<i64>() {
                Ok(number) => Some(number.into()),
                Err(_) => word.parse::<f64>().ok().filter(|value| value.is_finite()).map(Value::from),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_written_as_python_writes_them() {
        let value = json!(["it's", "a\"b", "two\nlines", 1.0, 2, true, null, {"a": []}]);
        assert_eq!(repr(&value), r#"["it's", 'a"b', 'two\nlines', 1.0, 2, True, None, {'a': []}]"#);
        assert_eq!(text(&json!("plain")), "plain");
    }

    #[test]
    fn literals_are_read_back() {
        let value = json!(["it's", "a\"b'", "two\nlines", 1.5, -2, true, null, {"a": [1]}]);
        assert_eq!(literal(&repr(&value)), Some(value));
        assert_eq!(literal("('a', \"b\" 'c',)"), Some(json!(["a", "bc"])));
        for broken in ["[a]", "['a'", "['a' 1]", "", "[1] x", &"[".repeat(500)] {
            assert_eq!(literal(broken), None, "{broken}");
        }
    }
}
