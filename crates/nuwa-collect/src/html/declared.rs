//! The article that a page states as data: `articleBody` of schema.org in `application/ld+json`.

use serde_json::Value;

use super::tree::{Kind, Tree};

/// The longest text that the page states, where it states one.
pub(super) fn article_body(tree: &Tree) -> Option<String> {
    let stated = (1..tree.nodes.len()).filter_map(|at| match &tree.nodes[at].kind {
        Kind::Text(text) if tree.element(tree.nodes[at].parent).is_some_and(|e| e.is_linked_data) => {
            body_in(&parse(text)?)
        }
        _ => None,
    });
    stated.max_by_key(String::len)
}

/// Many pages leave line breaks in their strings, which JSON forbids.
fn parse(text: &str) -> Option<Value> {
    let text = text.trim();
    serde_json::from_str(text)
        .or_else(|_| serde_json::from_str(&text.replace(|c: char| c.is_control(), " ")))
        .ok()
}

fn body_in(value: &Value) -> Option<String> {
    match value {
        Value::Array(values) => values.iter().filter_map(body_in).max_by_key(String::len),
        Value::Object(fields) => {
            let own = fields.get("articleBody").and_then(Value::as_str).map(String::from);
            own.into_iter().chain(fields.values().filter_map(body_in)).max_by_key(String::len)
        }
        _ => None,
    }
}
