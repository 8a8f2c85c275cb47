//! Templates as lm-evaluation-harness fills them: Jinja with `StrictUndefined`, Python's methods, and the filter `regex_replace`.

use fancy_regex::Regex;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value as Filled, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior};
use nuwa_tokenizer::template;
use serde_json::{Map, Value};

use super::python;

/// Templates over the fields of one document.
pub struct Templates {
    environment: Environment<'static>,
}

impl Templates {
    pub fn new() -> Self {
        let mut environment = Environment::new();
        if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
            environment.set_syntax(syntax);
        }
        template::limit(&mut environment, 0);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_unknown_method_callback(method);
        environment.set_formatter(|out, _, value| Ok(out.write_str(&written(value))?));
        environment.add_filter("regex_replace", regex_replace);
        environment.add_filter("string", |value: Filled| written(&value));
        Self { environment }
    }

    /// The template, filled with the fields of a document.
    ///
    /// # Errors
    /// In words, when a field is missing or the template is wrong.
    pub fn fill(&self, source: &str, fields: &Map<String, Value>) -> Result<String, String> {
        let prepared = template::prepare(source)?;
        let filled = self.environment.render_str(&prepared.text, Filled::from(Serde(fields)));
        filled.map_err(|error| template::reason(&error))
    }

    /// What a template stands for: the value itself where it is a single `{{ expression }}`, otherwise its text.
    ///
    /// # Errors
    /// In words, when a field is missing or the template is wrong.
    pub fn value(&self, source: &str, fields: &Map<String, Value>) -> Result<Value, String> {
        let Some(expression) = single_expression(source) else {
            return Ok(self.fill(source, fields)?.into());
        };
        template::expression(expression)?;
        let wrong = |error: Error| template::reason(&error);
        let compiled = self.environment.compile_expression(expression).map_err(wrong)?;
        let value = compiled.eval(Filled::from(Serde(fields))).map_err(wrong)?;
        if value.is_undefined() {
            return Err(format!("{expression} is undefined"));
        }
        serde_json::to_value(value).map_err(|error| error.to_string())
    }
}

/// What stands between the braces of a template that has nothing else.
fn single_expression(source: &str) -> Option<&str> {
    let inner = source.strip_prefix("{{")?.strip_suffix("}}")?;
    let is_single = !["{{", "}}", "{%", "{#"].iter().any(|mark| inner.contains(mark));
    is_single.then(|| inner.trim_matches(['-', ' ']))
}

/// The methods of Python's values; of lists also `index`, which fails where Python's does.
fn method(state: &mut State, value: &Filled, name: &str, arguments: &[Filled]) -> Result<Filled, Error> {
    let (ValueKind::Seq, "index", [wanted]) = (value.kind(), name, arguments) else {
        return template::python_method(state, value, name, arguments);
    };
    let place = value.try_iter()?.position(|one| one == *wanted);
    let told = || Error::new(ErrorKind::InvalidOperation, format!("{wanted:?} is not in the list"));
    place.map(Filled::from).ok_or_else(told)
}

/// A value in a text, as Python writes it.
fn written(value: &Filled) -> String {
    match value.as_str() {
        Some(text) => text.to_string(),
        None => python::text(&serde_json::to_value(value).unwrap_or_default()),
    }
}

/// Python's `re.sub`; `count` 0 is all.
fn regex_replace(text: &str, pattern: &str, put: &str, count: Option<usize>) -> Result<String, Error> {
    let wrong = |problem: String| Error::new(ErrorKind::InvalidOperation, problem);
    let regex = Regex::new(pattern).map_err(|error| wrong(format!("{pattern:?}: {error}")))?;
    let put = replacement(put);
    let replaced = regex.try_replacen(text, count.unwrap_or(0), put.as_str());
    Ok(replaced.map_err(|error| wrong(format!("{pattern:?}: {error}")))?.into_owned())
}

/// Python's `\1` and `\g<name>` as this library writes them.
fn replacement(put: &str) -> String {
    let mut written = String::new();
    let mut rest = put.replace('$', "$$");
    while let Some(at) = rest.find('\\') {
        written += &rest[..at];
        let after = rest[at + 1..].to_string();
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let name = after.strip_prefix("g<").and_then(|inner| inner.split_once('>'));
        rest = match (digits, name) {
            (0, Some((name, later))) => {
                written += &format!("${{{name}}}");
                later.to_string()
            }
            (0, None) => {
                let character = after.chars().next();
                written.push(match character {
                    Some('n') => '\n',
                    Some('t') => '\t',
                    other => other.unwrap_or('\\'),
                });
                after[character.map_or(0, char::len_utf8)..].to_string()
            }
            _ => {
                written += &format!("${{{}}}", &after[..digits]);
                after[digits..].to_string()
            }
        };
    }
    written + &rest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields() -> Map<String, Value> {
        let fields =
            json!({"question": " Why? ", "choices": ["a", "b's"], "answer": 1, "is": true, "x": 2.0});
        fields.as_object().unwrap().clone()
    }

    #[test]
    fn templates_are_filled_as_in_python() {
        let templates = Templates::new();
        let filled = |source: &str| templates.fill(source, &fields());
        for (source, expected) in [
            ("{{question.strip()}}\nA. {{choices[0]}}\n", "Why?\nA. a\n"),
            ("{{choices}} {{is}} {{x}} {{choices.index(\"b's\")}}", "['a', \"b's\"] True 2.0 1"),
            ("{{ 'a-b' | regex_replace('(a)-(b)', '\\\\2 \\\\1') }}", "b a"),
            ("{% set t = question.strip() %}{{ t + '!' }}", "Why?!"),
            ("{{ choices | join(', ') }}", "a, b's"),
        ] {
            assert_eq!(filled(source).as_deref(), Ok(expected), "{source}");
        }
        assert!(filled("{{ missing }}").is_err());
    }

    #[test]
    fn single_expressions_stay_values() {
        let templates = Templates::new();
        let value = |source: &str| templates.value(source, &fields()).unwrap();
        assert_eq!(value("{{choices}}"), json!(["a", "b's"]));
        assert_eq!(value("{{[choices[1], 'c']}}"), json!(["b's", "c"]));
        assert_eq!(value("{{answer}} "), json!("1 "));
        assert!(templates.value("{{ missing }}", &fields()).is_err());
    }
}
