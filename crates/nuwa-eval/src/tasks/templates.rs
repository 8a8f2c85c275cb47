//! Jinja over the fields of items, with the few filters that benchmarks need.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind};
use nuwa_tokenizer::template;

/// As the harness sets Jinja up, with filters for what it does in Python.
pub fn environment<'source>() -> Environment<'source> {
    let mut environment = Environment::new();
    if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
        environment.set_syntax(syntax);
    }
    template::limit(&mut environment, 0);
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    environment.add_filter("index_of", index_of);
    environment.add_filter("values", values);
    environment.add_filter("has", has);
    environment.add_filter("before", before);
    environment.add_filter("after", after);
    environment.add_filter("capitalize_first", capitalised);
    environment.add_filter("plain_captions", plain_captions);
    environment
}

/// Where a value stands in a list.
fn index_of(list: Value, value: Value) -> Result<usize, Error> {
    place(&list, &value)?.ok_or_else(|| {
        let told = format!("found {value:?}, expected one of {list}");
        Error::new(ErrorKind::InvalidOperation, told)
    })
}

/// Whether a value stands in a list, as a number or as text.
fn has(list: Value, value: Value) -> Result<bool, Error> {
    Ok(place(&list, &value)?.is_some())
}

fn place(list: &Value, value: &Value) -> Result<Option<usize>, Error> {
    Ok(list.try_iter()?.position(|item| item == *value || item.to_string() == value.to_string()))
}

fn before(text: &str, mark: &str) -> Result<String, Error> {
    Ok(split(text, mark)?.0.to_string())
}

fn after(text: &str, mark: &str) -> Result<String, Error> {
    Ok(split(text, mark)?.1.to_string())
}

/// What stands before a mark and after it.
fn split<'a>(text: &'a str, mark: &str) -> Result<(&'a str, &'a str), Error> {
    text.split_once(mark).ok_or_else(|| {
        let told = format!("there is no {mark:?} in {text:?}, expected one");
        Error::new(ErrorKind::InvalidOperation, told)
    })
}

/// The values of an object, in the order of its keys.
fn values(object: Value) -> Result<Vec<Value>, Error> {
    if object.kind() != ValueKind::Map {
        return Err(Error::new(ErrorKind::InvalidOperation, format!("{object} is no object")));
    }
    object.try_iter()?.map(|key| object.get_item(&key)).collect()
}

/// Python's `str.capitalize`: the first letter large, all others small.
fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().collect::<String>() + &characters.as_str().to_lowercase(),
        None => String::new(),
    }
}

/// WikiHow's captions without their marks: `[title]` ends a sentence, other brackets go, double blanks are halved once.
fn plain_captions(text: &str) -> String {
    let text = text.trim().replace(" [title]", ". ");
    let mut plain = String::new();
    let mut rest = text.as_str();
    while let Some(open) = rest.find('[') {
        let Some(length) = rest[open..].find(']') else { break };
        plain += &rest[..open];
        rest = &rest[open + length + 1..];
    }
    (plain + rest).replace("  ", " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captions_lose_their_marks() {
        assert_eq!(plain_captions(" Cook [title] Boil  water [step] now "), "Cook. Boil water now");
        assert_eq!(capitalised("he Runs"), "He runs");
    }
}
