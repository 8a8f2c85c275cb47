//! What an HTML page says of itself: its language, its licence, when it was published.
//!
//! The language goes into `meta.declared_language` and not into `lang`: too many pages keep the one of their template.

use crate::Document;
use crate::html::unescape;

/// Tags longer than this are passed over, in bytes.
const LONGEST_TAG: usize = 2000;

/// Puts what the page says into `meta`: `declared_language`, `license` (an address), `published`.
pub(super) fn describe(document: &mut Document) {
    let mut facts: [(&str, Option<String>); 3] =
        [("declared_language", None), ("license", None), ("published", None)];
    for tag in tags(&document.text) {
        let (name, attributes) =
            tag.split_at(tag.find(|end: char| !end.is_ascii_alphanumeric()).unwrap_or(tag.len()));
        let found = match name.to_ascii_lowercase().as_str() {
            "html" => (0, attribute(attributes, "lang")),
            "a" | "link" if is_one_of(attribute(attributes, "rel"), "license") => {
                (1, attribute(attributes, "href"))
            }
            "meta" if is_publication(attributes) => (2, attribute(attributes, "content")),
            _ => continue,
        };
        let fact = &mut facts[found.0].1;
        *fact = fact.take().or(found.1.map(|value| unescape(value.trim()).into_owned()));
    }
    for (name, value) in facts {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            document.meta.insert(name.into(), value.into());
        }
    }
}

/// What stands between `<` and `>`, of the tags that may say something.
fn tags(page: &str) -> impl Iterator<Item = &str> {
    memchr::memchr_iter(b'<', page.as_bytes()).filter_map(|at| {
        let rest = &page.as_bytes()[at + 1..];
        if !matches!(rest.first(), Some(b'h' | b'H' | b'a' | b'A' | b'l' | b'L' | b'm' | b'M')) {
            return None;
        }
        let end = memchr::memchr(b'>', &rest[..rest.len().min(LONGEST_TAG)])?;
        page.get(at + 1..at + 1 + end)
    })
}

fn is_publication(attributes: &str) -> bool {
    let is = |attribute_name, value| {
        attribute(attributes, attribute_name).is_some_and(|said| said.eq_ignore_ascii_case(value))
    };
    is("property", "article:published_time") || is("itemprop", "datePublished") || is("name", "date")
}

fn is_one_of(values: Option<&str>, wanted: &str) -> bool {
    values
        .is_some_and(|values| values.split_ascii_whitespace().any(|value| value.eq_ignore_ascii_case(wanted)))
}

/// The value of an attribute, as it is written.
fn attribute<'a>(attributes: &'a str, wanted: &str) -> Option<&'a str> {
    let mut rest = attributes;
    loop {
        rest = rest.trim_start_matches(|blank: char| blank.is_ascii_whitespace() || blank == '/');
        if rest.is_empty() {
            return None;
        }
        let end = rest.find(|end: char| end.is_ascii_whitespace() || end == '=').unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let (value, after) = match after.trim_start().strip_prefix('=') {
            Some(value) => value_of(value.trim_start()),
            None => ("", after),
        };
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = after;
    }
}

/// A value, quoted or not, and what follows it.
fn value_of(text: &str) -> (&str, &str) {
    let Some(quote @ ('"' | '\'')) = text.chars().next() else {
        return text.split_at(text.find(|end: char| end.is_ascii_whitespace()).unwrap_or(text.len()));
    };
    let inner = &text[1..];
    inner.split_once(quote).unwrap_or((inner, ""))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn described(page: &str) -> Document {
        let mut document = Document { text: page.into(), ..Default::default() };
        describe(&mut document);
        document
    }

    #[test]
    fn a_page_says_what_it_is() {
        let page = "<!DOCTYPE html><HTML dir=ltr LANG='de-AT'><head>\
            <meta content=\"2024-05-01\" property=article:published_time>\
            <body lang=fr><a href=x>y</a><a class=\"z\" rel=\"license noopener\" href=\"https://cc.org/by?a&amp;b\">";
        let meta = serde_json::to_string(&described(page).meta).unwrap();
        let expected =
            r#"{"declared_language":"de-AT","license":"https://cc.org/by?a&b","published":"2024-05-01"}"#;
        assert_eq!(meta, expected);
    }

    proptest! {
        #[test]
        fn any_page_is_looked_through(page in "[<>hamlink =\"'/é&;]{0,80}") {
            prop_assert_eq!(described(&page).text, page);
        }
    }
}
