//! YAML as PyYAML reads it: version 1.1, in which `yes`, `no`, `on` and `off` are true and false, and with the tag `!function`.

use std::collections::HashMap;
use std::path::Path;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};
use serde_json::{Map, Number, Value};

use crate::{Error, Result};

/// The key of an object that stands for `!function NAME`; its value is the name. [`FILE`] says where it was named.
pub const FUNCTION: &str = "!function";
/// The key of the file that names a function.
pub const FILE: &str = "file";

/// Lists within lists, and so on, go no deeper.
const DEEPEST: usize = 100;
/// What stands behind names (`&a`, `*a`) may grow to so many values.
const MOST_VALUES: usize = 1_000_000;

/// The value of a file's only document.
///
/// # Errors
/// When it is not YAML, or holds a tag other than `!function`.
pub fn parse(text: &str, path: &Path) -> Result<Value> {
    let mut reader = Reader { parser: Parser::new_from_str(text), path, anchors: HashMap::new(), values: 0 };
    loop {
        match reader.next()? {
            (Event::DocumentStart(_), _) => break,
            (Event::StreamEnd, _) => return Ok(Value::Null),
            _ => {}
        }
    }
    let event = reader.next()?;
    reader.value(event, 0)
}

struct Reader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    path: &'a Path,
    anchors: HashMap<usize, (Value, usize)>,
    values: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span)> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(self.wrong(error.marker().line(), error.info())),
            None => Err(self.wrong(1, "it ends too early")),
        }
    }

    fn wrong(&self, line: usize, problem: &str) -> Error {
        Error::TaskFile { path: self.path.to_path_buf(), reason: format!("line {line}: {problem}") }
    }

    fn value(&mut self, (event, span): (Event<'a>, Span), depth: usize) -> Result<Value> {
        let line = span.start.line();
        if depth > DEEPEST {
            return Err(self.wrong(line, "lists and objects within more than 100 others"));
        }
        let before = self.values;
        self.values += 1;
        let (value, anchor) = match event {
            Event::Alias(anchor) => {
                let (value, size) = self.anchors.get(&anchor).cloned().unwrap_or_default();
                self.values += size;
                (value, 0)
            }
            Event::Scalar(text, style, anchor, tag) => {
                (self.scalar(&text, style, tag.as_deref(), line)?, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), line)?;
                (self.list(depth)?, anchor)
            }
            Event::MappingStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), line)?;
                (self.object(depth)?, anchor)
            }
            _ => return Err(self.wrong(line, "a value is missing")),
        };
        if self.values > MOST_VALUES {
            return Err(self.wrong(line, "what its names stand for has more than 1,000,000 values"));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, (value.clone(), self.values - before));
        }
        Ok(value)
    }

    fn check_tag(&self, tag: Option<&Tag>, line: usize) -> Result<()> {
        match tag {
            Some(tag) if !tag.is_yaml_core_schema() => Err(self.unknown_tag(tag, line)),
            _ => Ok(()),
        }
    }

    fn unknown_tag(&self, tag: &Tag, line: usize) -> Error {
        let told = format!("the tag {}{} is unknown; !function is known", tag.handle, tag.suffix);
        self.wrong(line, &told)
    }

    fn scalar(&self, text: &str, style: ScalarStyle, tag: Option<&Tag>, line: usize) -> Result<Value> {
        match tag {
            Some(tag) if tag.handle == "!" && tag.suffix == "function" => {
                let file = self.path.to_string_lossy().into_owned();
                let pairs = [(FUNCTION, Value::from(text)), (FILE, Value::from(file))];
                Ok(pairs
                    .into_iter()
                    .map(|(name, value)| (name.to_string(), value))
                    .collect::<Map<_, _>>()
                    .into())
            }
            Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => Ok(text.into()),
            Some(tag) if !tag.is_yaml_core_schema() => Err(self.unknown_tag(tag, line)),
            _ if style == ScalarStyle::Plain => Ok(plain(text)),
            _ => Ok(text.into()),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value> {
        let mut list = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(list.into()),
                event => list.push(self.value(event, depth + 1)?),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value> {
        let mut object = Map::new();
        let mut merged = Vec::new();
        loop {
            let event = match self.next()? {
                (Event::MappingEnd, _) => break,
                event => event,
            };
            let line = event.1.start.line();
            let key = match self.value(event, depth + 1)? {
                Value::String(key) => key,
                Value::Array(_) | Value::Object(_) => return Err(self.wrong(line, "a key that is no text")),
                other => other.to_string(),
            };
            let event = self.next()?;
            let value = self.value(event, depth + 1)?;
            match (key.as_str(), value) {
                ("<<", Value::Object(other)) => merged.push(other),
                ("<<", Value::Array(others)) => {
                    merged.extend(others.into_iter().filter_map(|other| match other {
                        Value::Object(other) => Some(other),
                        _ => None,
                    }));
                }
                (_, value) => {
                    object.insert(key, value);
                }
            }
        }
        for (key, value) in merged.into_iter().flatten() {
            object.entry(key).or_insert(value);
        }
        Ok(object.into())
    }
}

/// A scalar without quotes.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => true.into(),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => false.into(),
        _ => number(text).map_or_else(|| text.into(), Value::Number),
    }
}

/// A number as YAML 1.1 writes one; a fraction needs its point, and an exponent its sign.
fn number(text: &str) -> Option<Number> {
    let bare = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !bare.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let digits = text.replace('_', "");
    let digits = digits.strip_prefix('+').unwrap_or(&digits);
    if bare.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_') {
        let is_octal = bare.len() > 1 && bare.starts_with('0');
        return match is_octal {
            true => i64::from_str_radix(digits, 8).ok().map(Number::from),
            false => digits.parse::<i64>().ok().map(Number::from),
        };
    }
    let (base, exponent) =
        bare.split_once(['e', 'E']).map_or((bare, None), |(base, rest)| (base, Some(rest)));
    let is_base =
        base.contains('.') && base.bytes().all(|byte| byte.is_ascii_digit() || b"._".contains(&byte));
    let is_exponent = |rest: &str| {
        rest.strip_prefix(['+', '-']).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let is_float = is_base && base != "." && exponent.is_none_or(is_exponent);
    is_float.then(|| digits.parse::<f64>().ok().and_then(Number::from_f64)).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Value {
        parse(text, Path::new("own.yaml")).unwrap()
    }

    #[test]
    fn scalars_are_those_of_yaml_1_1() {
        let found = read(
            "a: no\nb: 'no'\nc: 1.0\nd: 010\ne: 1e5\nf: ~\ng: 0.5\nh: \"a\\n\"\ni: -1\nj: 1_000\nk: 1.e+2\n",
        );
        let expected = json!({"a": false, "b": "no", "c": 1.0, "d": 8, "e": "1e5", "f": null, "g": 0.5, "h": "a\n",
            "i": -1, "j": 1000, "k": 100.0});
        assert_eq!(found, expected);
    }

    #[test]
    fn functions_names_and_merges_are_read() {
        let found =
            read("base: &b {x: 1, y: 2}\nown:\n  <<: *b\n  y: 3\nf: !function utils.process\nl: [*b]\n");
        let expected = json!({"base": {"x": 1, "y": 2}, "own": {"y": 3, "x": 1}, "l": [{"x": 1, "y": 2}],
            "f": {FUNCTION: "utils.process", FILE: "own.yaml"}});
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let told = |text: &str| parse(text, Path::new("own.yaml")).unwrap_err().to_string();
        assert_eq!(
            told("a: 1\nb: !python x\n"),
            "own.yaml: line 2: the tag !python is unknown; !function is known"
        );
        assert!(told("a: [1, 2\n").starts_with("own.yaml: line "));
        let deep = "[".repeat(200) + &"]".repeat(200);
        assert!(told(&deep).contains("more than 100"));
    }
}
