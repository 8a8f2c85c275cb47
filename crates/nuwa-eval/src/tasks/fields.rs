//! What is wrong with an item when a template fails on it, told by the item's fields.

use minijinja::{Environment, Error, ErrorKind};
use serde_json::{Map, Value};

/// What `template` (or an expression) lacks or cannot do with the fields of an item.
pub fn problem(
    environment: &Environment<'_>,
    template: &str,
    item: &Map<String, Value>,
    error: &Error,
) -> String {
    let missing = missing(environment, template, item);
    if error.kind() != ErrorKind::UndefinedError || missing.is_empty() {
        return innermost(error);
    }
    let has: Vec<&str> = item.keys().map(String::as_str).collect();
    let are = if missing.len() == 1 { "is" } else { "are" };
    format!("{} {are} missing or null; it has {}", missing.join(", "), has.join(", "))
}

/// The cause without the place in the template, which says nothing to the owner of the items.
fn innermost(error: &Error) -> String {
    nuwa_tokenizer::template::reason(error)
}

/// The fields that a template names and an item lacks, without those that it asks for first.
fn missing(environment: &Environment<'_>, template: &str, item: &Map<String, Value>) -> Vec<String> {
    let mut missing: Vec<String> = names(environment, template)
        .into_iter()
        .filter(|name| !template.contains(&format!("{name} is defined")) && !holds(item, name))
        .collect();
    missing.sort();
    let parents = missing.clone();
    missing.retain(|name| !parents.iter().any(|parent| name.starts_with(&format!("{parent}."))));
    missing
}

/// The fields of an item that an expression names.
pub fn names(environment: &Environment<'_>, template: &str) -> Vec<String> {
    let of_template = || environment.template_from_str(template).map(|one| one.undeclared_variables(true));
    let found = match template.contains("{{") || template.contains("{%") {
        true => of_template(),
        false => environment.compile_expression(template).map(|one| one.undeclared_variables(true)),
    };
    found.unwrap_or_default().into_iter().collect()
}

fn holds(item: &Map<String, Value>, path: &str) -> bool {
    let mut parts = path.split('.');
    let first = parts.next().and_then(|name| item.get(name));
    parts.fold(first, |value, name| value.and_then(|value| value.get(name))).is_some()
}
