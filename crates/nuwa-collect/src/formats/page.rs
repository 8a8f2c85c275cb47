//! What an HTML page says of itself: its language, its licence, when it was published and changed.
//!
//! The language goes into `meta.declared_language` and not into `lang`: too many pages keep the one of their template.

use nuwa_files::Document;
use serde_json::Map;

use crate::html::unescape;

/// Tags longer than this are passed over, in bytes.
const LONGEST_TAG: usize = 2000;

/// Puts what the page says into `meta`: `declared_language`, `license` (an address, or words), `published`, `modified`.
///
/// Of a fact that is said twice, the first counts.
pub(super) fn describe(document: &mut Document) {
    let mut found = Map::new();
    for (name, attributes) in tags_of(&document.text, b"almth") {
        let Some((fact, value)) = said(&name, attributes) else { continue };
        let value = unescape(value.trim()).into_owned();
        if !value.is_empty() && !found.contains_key(fact) {
            found.insert(fact.to_string(), value.into());
        }
    }
    document.meta.extend(found);
}

/// The fact that a tag states, and its value as it is written.
fn said<'a>(tag: &str, attributes: &'a str) -> Option<(&'static str, &'a str)> {
    let fact = match tag {
        "html" => return attribute(attributes, "lang").map(|language| ("declared_language", language)),
        "a" | "link" if is_one_of(attribute(attributes, "rel"), "license") => "license",
        "a" | "link" | "meta" | "time" => fact_named(attributes)?,
        _ => return None,
    };
    let holder = match tag {
        "meta" => "content",
        "time" => "datetime",
        _ => "href",
    };
    attribute(attributes, holder).map(|value| (fact, value))
}

/// The facts by the names that they have in Open Graph, schema.org and Dublin Core.
const FACT_NAMES: [(&str, &str, &str); 12] = [
    ("property", "article:published_time", "published"),
    ("property", "article:modified_time", "modified"),
    ("itemprop", "datePublished", "published"),
    ("itemprop", "dateModified", "modified"),
    ("itemprop", "license", "license"),
    ("name", "date", "published"),
    ("name", "dcterms.issued", "published"),
    ("name", "dc.date.issued", "published"),
    ("name", "dcterms.modified", "modified"),
    ("name", "last-modified", "modified"),
    ("name", "dcterms.license", "license"),
    ("name", "dc.rights.license", "license"),
];

fn fact_named(attributes: &str) -> Option<&'static str> {
    ["property", "itemprop", "name"].into_iter().find_map(|holder| {
        let said = attribute(attributes, holder)?.trim();
        // Only `itemprop` is a list of names.
        let is = |name: &str| match holder {
            "itemprop" => is_one_of(Some(said), name),
            _ => said.eq_ignore_ascii_case(name),
        };
        FACT_NAMES.iter().find(|(place, name, _)| *place == holder && is(name)).map(|(_, _, fact)| *fact)
    })
}

/// The names, in lower case, and the attributes of tags whose name begins with one of these letters.
pub(crate) fn tags_of<'a>(page: &'a str, initials: &'static [u8]) -> impl Iterator<Item = (String, &'a str)> {
    let tags = memchr::memchr_iter(b'<', page.as_bytes()).filter_map(|at| {
        let rest = &page.as_bytes()[at + 1..];
        if !rest.first().is_some_and(|first| initials.contains(&first.to_ascii_lowercase())) {
            return None;
        }
        let end = memchr::memchr(b'>', &rest[..rest.len().min(LONGEST_TAG)])?;
        page.get(at + 1..at + 1 + end)
    });
    tags.map(|tag| {
        let end = tag.find(|end: char| !end.is_ascii_alphanumeric()).unwrap_or(tag.len());
        let (name, attributes) = tag.split_at(end);
        (name.to_ascii_lowercase(), attributes)
    })
}

/// Whether one of the words of an attribute is the wanted one.
pub(crate) fn is_one_of(values: Option<&str>, wanted: &str) -> bool {
    values
        .is_some_and(|values| values.split_ascii_whitespace().any(|value| value.eq_ignore_ascii_case(wanted)))
}

/// The value of an attribute, as it is written.
pub(crate) fn attribute<'a>(attributes: &'a str, wanted: &str) -> Option<&'a str> {
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

    #[test]
    fn facts_have_many_names() {
        let page = "<html><meta name='date seen' content=1900><meta name=Last-Modified content=2024-06-02><meta name=DCTERMS.license content='CC BY 4.0'>\
            <time datetime=2020-01-01>then</time><time itemprop=\"datePublished dateCreated\" datetime=2024-05-01>now</time>\
            <meta property='article:modified_time' content=2025-01-01><link itemprop=license href=https://cc.org/by>\
            <meta name=date content=''><template><table>";
        let meta = serde_json::to_string(&described(page).meta).unwrap();
        assert_eq!(meta, r#"{"license":"CC BY 4.0","modified":"2024-06-02","published":"2024-05-01"}"#);
    }

    #[test]
    fn a_page_knows_better_than_who_sent_it() {
        let mut document = Document { text: "<html lang=fr>".into(), ..Default::default() };
        document.meta.insert("declared_language".into(), "en".into());
        document.meta.insert("license".into(), "cc0".into());
        describe(&mut document);
        assert_eq!(
            (&document.meta["declared_language"], &document.meta["license"]),
            (&"fr".into(), &"cc0".into())
        );
    }

    proptest! {
        #[test]
        fn any_page_is_looked_through(page in "[<>hamlink =\"'/é&;]{0,80}") {
            prop_assert_eq!(described(&page).text, page);
        }
    }
}
