use std::collections::BTreeMap;

use super::node::Node;
use super::ordered::OrderedJson;
use super::pattern::{Pattern, of_format};
use crate::{Error, Result};

/// The members of an object in a schema.
pub type Members<'a> = &'a [(String, OrderedJson)];

/// An error at a place in a schema.
pub fn refused(place: &str, problem: String) -> Error {
    Error::Schema { place: place.to_string(), problem }
}

/// What would have to be held to and cannot be.
pub const UNKNOWN: [&str; 18] = [
    "not",
    "if",
    "then",
    "else",
    "dependentRequired",
    "dependentSchemas",
    "dependencies",
    "patternProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
    "contains",
    "multipleOf",
    "$dynamicRef",
    "$recursiveRef",
    "unevaluatedProperties",
    "unevaluatedItems",
    "contentEncoding",
];

/// An error where something beside `keyword` says which values are valid.
pub fn alone(members: Members<'_>, keyword: &str, place: &str) -> Result<()> {
    let other = members.iter().find(|(name, _)| name != keyword && LIMITING.contains(&name.as_str()));
    match other {
        Some((other, _)) => Err(refused(
            place,
            format!(
                "text cannot be held to `{keyword}` and `{other}` together; put `{other}` into each of its schemas"
            ),
        )),
        None => Ok(()),
    }
}

/// All keywords that say which values are valid and are known here.
const LIMITING: [&str; 22] = [
    "type",
    "enum",
    "const",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "prefixItems",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "$ref",
    "anyOf",
    "oneOf",
    "allOf",
];

/// Bounds of numbers.
pub const BOUNDS: [&str; 4] = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"];

/// The items of an array.
pub fn list<'a>(value: &'a OrderedJson, keyword: &str, place: &str) -> Result<&'a [OrderedJson]> {
    match value {
        OrderedJson::List(items) => Ok(items),
        _ => Err(refused(place, format!("`{keyword}`: expected an array"))),
    }
}

/// The kinds of value that a schema names, or that its keywords are about; none for any.
pub fn kinds<'a>(schema: &'a OrderedJson, members: Members<'a>, place: &str) -> Result<Vec<&'a str>> {
    if let Some(kind) = schema.get("type") {
        return named_kinds(kind, place);
    }
    let about = |name: &str| match name {
        "properties" | "required" | "additionalProperties" => Some("object"),
        "items" | "prefixItems" | "minItems" | "maxItems" => Some("array"),
        "minLength" | "maxLength" | "pattern" | "format" => Some("string"),
        name if BOUNDS.contains(&name) => Some("number"),
        _ => None,
    };
    let mut kinds: Vec<&str> = members.iter().filter_map(|(name, _)| about(name)).collect();
    kinds.sort_unstable();
    kinds.dedup();
    Ok(kinds)
}

/// The kinds of value that `type` names.
pub fn named_kinds<'a>(kind: &'a OrderedJson, place: &str) -> Result<Vec<&'a str>> {
    let named = |kind: &'a OrderedJson| {
        kind.as_str().ok_or_else(|| refused(place, "`type`: expected a string, or an array of them".into()))
    };
    match kind {
        OrderedJson::List(kinds) => kinds.iter().map(named).collect(),
        kind => Ok(vec![named(kind)?]),
    }
}

/// Whether a value is of a kind.
pub fn is_of(value: &OrderedJson, kind: &str) -> bool {
    match value {
        OrderedJson::Null => kind == "null",
        OrderedJson::Bool(_) => kind == "boolean",
        OrderedJson::Number(number) => kind == "number" || kind == "integer" && !number.is_f64(),
        OrderedJson::Text(_) => kind == "string",
        OrderedJson::List(_) => kind == "array",
        OrderedJson::Object(_) => kind == "object",
    }
}

/// The fewest and the most of something.
pub fn counts(schema: &OrderedJson, least: &str, most: &str, place: &str) -> Result<(usize, Option<usize>)> {
    let count = |name: &str| match schema.get(name) {
        None => Ok(None),
        Some(OrderedJson::Number(number)) if number.as_u64().is_some_and(|count| count <= 1 << 20) => {
            Ok(number.as_u64().map(|count| count as usize))
        }
        Some(_) => Err(refused(place, format!("`{name}`: expected a whole number from 0 to {}", 1 << 20))),
    };
    let (least, most) = (count(least)?.unwrap_or(0), count(most)?);
    Ok((least, most))
}

/// A string, with what limits it.
pub fn text(schema: &OrderedJson, place: &str) -> Result<Node> {
    let (least, most) = counts(schema, "minLength", "maxLength", place)?;
    let expected = |name: &str| refused(place, format!("`{name}`: expected a string"));
    let named =
        |name: &str| schema.get(name).map(|value| value.as_str().ok_or_else(|| expected(name))).transpose();
    let (pattern, format) = (named("pattern")?, named("format")?);
    let known = |format: &str| {
        let unknown = || {
            refused(
                place,
                format!(
                    "text cannot be held to the `format` \"{format}\" here; leave it out, or give a `pattern`"
                ),
            )
        };
        of_format(format).ok_or_else(unknown)
    };
    let expression = match (pattern, format) {
        (None, None) => return Ok(Node::Text { least, most }),
        (Some(pattern), None) => pattern.to_string(),
        (None, Some(format)) => known(format)?,
        (Some(_), Some(_)) => {
            return Err(refused(place, "text cannot be held to `pattern` and `format` together".into()));
        }
    };
    if least > 0 || most.is_some() {
        let told = "text cannot be held to a length beside `pattern` or `format`; write it into the pattern, as in ^.{1,9}$";
        return Err(refused(place, told.into()));
    }
    let compiled =
        Pattern::new(&expression).map_err(|problem| refused(place, format!("`pattern`: {problem}")))?;
    Ok(Node::Matching(compiled))
}

/// The least and the largest integer.
pub fn bounds(schema: &OrderedJson, place: &str) -> Result<(Option<i64>, Option<i64>)> {
    let number = |name: &str| match schema.get(name) {
        None => Ok(None),
        Some(OrderedJson::Number(number)) => match number.as_f64() {
            Some(value) if value.abs() <= 1e15 => Ok(Some(value)),
            _ => Err(refused(place, format!("`{name}`: expected a number from -1e15 to 1e15"))),
        },
        Some(_) => Err(refused(place, format!("`{name}`: expected a number"))),
    };
    let [minimum, maximum, above, below] = BOUNDS.map(number);
    let least = [minimum?.map(f64::ceil), above?.map(|above| above.floor() + 1.0)];
    let most = [maximum?.map(f64::floor), below?.map(|below| below.ceil() - 1.0)];
    let least = least.into_iter().flatten().map(|value| value as i64).max();
    let most = most.into_iter().flatten().map(|value| value as i64).min();
    Ok((least, most))
}

/// Whether no value is valid under two of these schemas: their kinds differ, or a required member has another constant in each.
pub fn exclude_each_other(schemas: &[OrderedJson]) -> bool {
    let kind = |schema: &OrderedJson| schema.get("type").and_then(OrderedJson::as_str).map(String::from);
    let constants = |schema: &OrderedJson| -> BTreeMap<String, String> {
        let required = match schema.get("required") {
            Some(OrderedJson::List(names)) => names.iter().filter_map(OrderedJson::as_str).collect(),
            _ => Vec::new(),
        };
        let constant = |name: &&str| {
            let value = schema.get("properties")?.get(name)?.get("const")?;
            Some((name.to_string(), value.to_text()))
        };
        required.iter().filter_map(constant).collect()
    };
    let exclude = |a: &OrderedJson, b: &OrderedJson| match (kind(a), kind(b)) {
        (Some(a), Some(b)) if a != b => {
            ![&a, &b].iter().all(|kind| ["integer", "number"].contains(&kind.as_str()))
        }
        (Some(_), Some(_)) => {
            let others = constants(b);
            constants(a).iter().any(|(name, value)| others.get(name).is_some_and(|other| other != value))
        }
        _ => false,
    };
    (0..schemas.len()).all(|a| (0..a).all(|b| exclude(&schemas[a], &schemas[b])))
}
