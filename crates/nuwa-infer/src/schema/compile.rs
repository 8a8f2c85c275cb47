use std::collections::{BTreeMap, BTreeSet};

use super::ordered::OrderedJson;
use super::pattern::{Pattern, of_format};
use crate::{Error, Result};

/// The most schemas within a schema, those that it refers to among them.
const MOST_NODES: usize = 10_000;
/// The most schemas that lie within one another or refer to each other in a row.
const MOST_WITHIN: usize = 200;
/// The deepest that arrays and objects are written within one another.
pub(super) const DEEPEST: usize = 64;

/// A schema (JSON Schema 2020-12) that text can be held to while it is written.
///
/// `type`, `enum`, `const`, `properties`, `required`, `additionalProperties`, `items`, `prefixItems`, `minItems`, `maxItems`,
/// `minLength`, `maxLength`, `pattern`, the usual `format`s, bounds of integers, `anyOf`, `oneOf` of schemas that exclude each other, `allOf` of one, `$ref` within
/// the schema, recursive or not.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonSchema {
    pub(super) nodes: Vec<Node>,
    /// The levels that the flattest value of each node needs.
    pub(super) heights: Vec<usize>,
    pub(super) root: usize,
}

/// What a value may be. Other nodes are named by their place.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// One of these texts.
    Literals(Vec<Box<[u8]>>),
    /// A number, an integer within bounds.
    Number { integer: bool, least: Option<i64>, most: Option<i64> },
    /// A string of so many characters.
    Text { least: usize, most: Option<usize> },
    /// A string that matches an expression.
    Matching(Pattern),
    /// An array: the first items one by one, then any number of another kind.
    List { first: Vec<usize>, rest: Option<usize>, least: usize, most: Option<usize> },
    /// An object: members in order, or any names.
    Object { members: Vec<Member>, others: Option<usize> },
    /// What any of these may be.
    Choice(Vec<usize>),
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member {
    /// The name as it is written, with its quotes.
    pub key: Box<[u8]>,
    pub value: usize,
    pub required: bool,
}

impl JsonSchema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// When it is no JSON, asks for what no text can be held to here, or nothing is valid under it; the message names the place in it.
    pub fn parse(text: &str) -> Result<Self> {
        let value = serde_json::from_str(text).map_err(|error| refused("#", format!("no JSON: {error}")))?;
        Self::of(&value)
    }

    /// As [`JsonSchema::parse`], of a schema that was read.
    ///
    /// # Errors
    /// As there.
    pub fn of(schema: &OrderedJson) -> Result<Self> {
        let mut compiler = Compiler { whole: schema, nodes: Vec::new(), places: BTreeMap::new(), any: None, depth: 0 };
        let root = compiler.at("#")?;
        let nodes = compiler.finished()?;
        let heights = heights(&nodes);
        if heights[root] > DEEPEST {
            return Err(refused("#", "no value that is written to its end is valid under it".into()));
        }
        Ok(Self { nodes, heights, root })
    }

    /// Any object.
    pub fn object() -> Self {
        let schema = OrderedJson::Object(vec![("type".into(), OrderedJson::Text("object".into()))]);
        Self::of(&schema).expect("the schema of any object compiles")
    }

    /// Any one of these.
    ///
    /// # Errors
    /// As [`JsonSchema::parse`]; where none is given, nothing is valid.
    pub fn any_of(schemas: &[OrderedJson]) -> Result<Self> {
        let list = OrderedJson::List(schemas.to_vec());
        Self::of(&OrderedJson::Object(vec![("anyOf".into(), list)]))
    }
}

fn refused(place: &str, problem: String) -> Error {
    Error::Schema { place: place.to_string(), problem }
}

/// What would have to be held to and cannot be.
const UNKNOWN: [&str; 18] = [
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

struct Compiler<'a> {
    whole: &'a OrderedJson,
    nodes: Vec<Option<Node>>,
    /// The nodes of what was compiled, by their place in the schema.
    places: BTreeMap<String, usize>,
    /// The node of any value.
    any: Option<usize>,
    /// Schemas within which the one lies that is being compiled.
    depth: usize,
}

type Members<'a> = &'a [(String, OrderedJson)];

impl<'a> Compiler<'a> {
    /// The node of the schema at a place, which is compiled once.
    fn at(&mut self, place: &str) -> Result<usize> {
        if let Some(&node) = self.places.get(place) {
            return Ok(node);
        }
        let schema = self.find(place)?;
        let node = self.reserve(place)?;
        self.places.insert(place.to_string(), node);
        self.depth += 1;
        if self.depth > MOST_WITHIN {
            return Err(refused(place, format!("more than {MOST_WITHIN} schemas lie within one another")));
        }
        let compiled = self.compile(schema, place)?;
        self.depth -= 1;
        self.nodes[node] = Some(compiled);
        Ok(node)
    }

    /// What stands at a JSON pointer such as `#/$defs/a`.
    fn find(&self, place: &str) -> Result<&'a OrderedJson> {
        let unknown = || refused(place, "there is no such place in the schema".into());
        let steps = place.strip_prefix('#').ok_or_else(|| {
            refused(place, "refers to what is not in the schema; expected a place in it: #/$defs/NAME".into())
        })?;
        let mut at = self.whole;
        for step in steps.split('/').skip(1) {
            let name = step.replace("~1", "/").replace("~0", "~");
            at = match at {
                OrderedJson::List(items) => name.parse::<usize>().ok().and_then(|index| items.get(index)),
                other => other.get(&name),
            }
            .ok_or_else(unknown)?;
        }
        Ok(at)
    }

    fn reserve(&mut self, place: &str) -> Result<usize> {
        if self.nodes.len() >= MOST_NODES {
            return Err(refused(place, format!("the schema has more than {MOST_NODES} parts")));
        }
        self.nodes.push(None);
        Ok(self.nodes.len() - 1)
    }

    fn add(&mut self, node: Node, place: &str) -> Result<usize> {
        let index = self.reserve(place)?;
        self.nodes[index] = Some(node);
        Ok(index)
    }

    fn compile(&mut self, schema: &'a OrderedJson, place: &str) -> Result<Node> {
        let members = match schema {
            OrderedJson::Bool(true) => return Ok(Node::Choice(vec![self.any(place)?])),
            OrderedJson::Bool(false) => return Ok(Node::Choice(Vec::new())),
            OrderedJson::Object(members) => members.as_slice(),
            _ => return Err(refused(place, "expected an object, true or false".into())),
        };
        if let Some((name, _)) = members.iter().find(|(name, _)| UNKNOWN.contains(&name.as_str())) {
            return Err(refused(place, format!("text cannot be held to `{name}` here; leave it out, and check it afterwards")));
        }
        for combining in ["$ref", "anyOf", "oneOf", "allOf"] {
            if let Some(value) = schema.get(combining) {
                alone(members, combining, place)?;
                return self.combined(combining, value, place);
            }
        }
        if let Some(value) = schema.get("const") {
            return self.literals(std::slice::from_ref(value), schema, place);
        }
        if let Some(values) = schema.get("enum") {
            return self.literals(list(values, "enum", place)?, schema, place);
        }
        let kinds = kinds(schema, members, place)?;
        match kinds.as_slice() {
            [] => Ok(Node::Choice(vec![self.any(place)?])),
            [kind] => self.kind(kind, schema, place),
            kinds => {
                let mut choices = Vec::new();
                for kind in kinds {
                    let node = self.kind(kind, schema, place)?;
                    choices.push(self.add(node, place)?);
                }
                Ok(Node::Choice(choices))
            }
        }
    }

    fn combined(&mut self, keyword: &str, value: &'a OrderedJson, place: &str) -> Result<Node> {
        if keyword == "$ref" {
            let target = value.as_str().ok_or_else(|| refused(place, "`$ref`: expected a string".into()))?;
            return Ok(Node::Choice(vec![self.at(target)?]));
        }
        let parts = list(value, keyword, place)?;
        if keyword == "allOf" && parts.len() != 1 {
            return Err(refused(place, "text can be held to `allOf` of one schema only; put them together into one".into()));
        }
        if keyword == "oneOf" && !exclude_each_other(parts) {
            let problem = "the schemas of `oneOf` may be valid together; write `anyOf`, or give each a required member \
                           whose `const` differs";
            return Err(refused(place, problem.into()));
        }
        let nodes = (0..parts.len()).map(|index| self.at(&format!("{place}/{keyword}/{index}")));
        Ok(Node::Choice(nodes.collect::<Result<_>>()?))
    }

    fn literals(&mut self, values: &[OrderedJson], schema: &OrderedJson, place: &str) -> Result<Node> {
        let kinds: Vec<&str> = match schema.get("type") {
            Some(kind) => named_kinds(kind, place)?,
            None => Vec::new(),
        };
        let fits = |value: &&OrderedJson| kinds.is_empty() || kinds.iter().any(|kind| is_of(value, kind));
        let mut texts: Vec<Box<[u8]>> =
            values.iter().filter(fits).map(|value| value.to_text().into_bytes().into()).collect();
        texts.sort();
        texts.dedup();
        Ok(Node::Literals(texts))
    }

    fn kind(&mut self, kind: &str, schema: &'a OrderedJson, place: &str) -> Result<Node> {
        let node = match kind {
            "null" => Node::Literals(vec![b"null".as_slice().into()]),
            "boolean" => Node::Literals(vec![b"false".as_slice().into(), b"true".as_slice().into()]),
            "string" => text(schema, place)?,
            "integer" => {
                let (least, most) = bounds(schema, place)?;
                Node::Number { integer: true, least, most }
            }
            "number" => match BOUNDS.iter().find(|name| schema.get(name).is_some()) {
                Some(name) => {
                    return Err(refused(place, format!("text can be held to `{name}` of integers only; leave it out, or say \"type\": \"integer\"")));
                }
                None => Node::Number { integer: false, least: None, most: None },
            },
            "array" => self.array(schema, place)?,
            "object" => self.object(schema, place)?,
            other => return Err(refused(place, format!("`type`: \"{other}\": expected null, boolean, integer, number, string, array or object"))),
        };
        Ok(node)
    }

    fn array(&mut self, schema: &'a OrderedJson, place: &str) -> Result<Node> {
        if schema.get("uniqueItems") == Some(&OrderedJson::Bool(true)) {
            return Err(refused(place, "text cannot be held to `uniqueItems` here; leave it out".into()));
        }
        let (least, most) = counts(schema, "minItems", "maxItems", place)?;
        let first = match schema.get("prefixItems") {
            Some(items) => {
                let count = list(items, "prefixItems", place)?.len();
                (0..count).map(|index| self.at(&format!("{place}/prefixItems/{index}"))).collect::<Result<_>>()?
            }
            None => Vec::new(),
        };
        let rest = match schema.get("items") {
            Some(OrderedJson::Bool(false)) => None,
            Some(_) => Some(self.at(&format!("{place}/items"))?),
            None => Some(self.any(place)?),
        };
        Ok(Node::List { first, rest, least, most })
    }

    fn object(&mut self, schema: &'a OrderedJson, place: &str) -> Result<Node> {
        let required: BTreeSet<&str> = match schema.get("required") {
            Some(names) => list(names, "required", place)?.iter().filter_map(OrderedJson::as_str).collect(),
            None => BTreeSet::new(),
        };
        let properties: Members<'a> = match schema.get("properties") {
            Some(OrderedJson::Object(properties)) => properties,
            Some(_) => return Err(refused(place, "`properties`: expected an object".into())),
            None => &[],
        };
        let known = |name: &&&str| properties.iter().any(|(own, _)| own == **name);
        if let Some(name) = required.iter().find(|name| !known(name)) {
            return Err(refused(place, format!("`required` names \"{name}\", which `properties` does not have")));
        }
        let mut members = Vec::new();
        for (name, _) in properties {
            let step = name.replace('~', "~0").replace('/', "~1");
            let value = self.at(&format!("{place}/properties/{step}"))?;
            let key = OrderedJson::Text(name.clone()).to_text().into_bytes().into();
            members.push(Member { key, value, required: required.contains(name.as_str()) });
        }
        // Names beyond those that are listed are allowed at most, never asked for: they are left out where some are listed.
        let others = match schema.get("additionalProperties") {
            _ if !members.is_empty() => None,
            Some(OrderedJson::Bool(false)) => None,
            Some(_) => Some(self.at(&format!("{place}/additionalProperties"))?),
            None => Some(self.any(place)?),
        };
        Ok(Node::Object { members, others })
    }

    /// The node of any value.
    fn any(&mut self, place: &str) -> Result<usize> {
        if let Some(any) = self.any {
            return Ok(any);
        }
        let any = self.reserve(place)?;
        self.any = Some(any);
        let words = ["false", "null", "true"].map(|word| word.as_bytes().into()).to_vec();
        let kinds = [
            Node::Literals(words),
            Node::Number { integer: false, least: None, most: None },
            Node::Text { least: 0, most: None },
            Node::List { first: Vec::new(), rest: Some(any), least: 0, most: None },
            Node::Object { members: Vec::new(), others: Some(any) },
        ];
        let kinds = kinds.map(|kind| self.add(kind, place)).into_iter().collect::<Result<_>>()?;
        self.nodes[any] = Some(Node::Choice(kinds));
        Ok(any)
    }

    /// The nodes, none of which leads to itself without anything being written.
    fn finished(self) -> Result<Vec<Node>> {
        let nodes: Vec<Node> = self.nodes.into_iter().map(|node| node.unwrap_or(Node::Choice(Vec::new()))).collect();
        for (place, &node) in &self.places {
            let (mut open, mut seen) = (vec![node], BTreeSet::new());
            while let Some(next) = open.pop() {
                let Node::Choice(choices) = &nodes[next] else { continue };
                if choices.contains(&node) {
                    return Err(refused(place, "it refers to nothing but itself".into()));
                }
                open.extend(choices.iter().filter(|choice| seen.insert(**choice)));
            }
        }
        Ok(nodes)
    }
}

/// An error where something beside `keyword` says which values are valid.
fn alone(members: Members<'_>, keyword: &str, place: &str) -> Result<()> {
    let other = members.iter().find(|(name, _)| name != keyword && LIMITING.contains(&name.as_str()));
    match other {
        Some((other, _)) => Err(refused(place, format!("text cannot be held to `{keyword}` and `{other}` together; put `{other}` into each of its schemas"))),
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

const BOUNDS: [&str; 4] = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"];

fn list<'a>(value: &'a OrderedJson, keyword: &str, place: &str) -> Result<&'a [OrderedJson]> {
    match value {
        OrderedJson::List(items) => Ok(items),
        _ => Err(refused(place, format!("`{keyword}`: expected an array"))),
    }
}

/// The kinds of value that a schema names, or that its keywords are about; none for any.
fn kinds<'a>(schema: &'a OrderedJson, members: Members<'a>, place: &str) -> Result<Vec<&'a str>> {
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

fn named_kinds<'a>(kind: &'a OrderedJson, place: &str) -> Result<Vec<&'a str>> {
    let named = |kind: &'a OrderedJson| {
        kind.as_str().ok_or_else(|| refused(place, "`type`: expected a string, or an array of them".into()))
    };
    match kind {
        OrderedJson::List(kinds) => kinds.iter().map(named).collect(),
        kind => Ok(vec![named(kind)?]),
    }
}

fn is_of(value: &OrderedJson, kind: &str) -> bool {
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
fn counts(schema: &OrderedJson, least: &str, most: &str, place: &str) -> Result<(usize, Option<usize>)> {
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
fn text(schema: &OrderedJson, place: &str) -> Result<Node> {
    let (least, most) = counts(schema, "minLength", "maxLength", place)?;
    let expected = |name: &str| refused(place, format!("`{name}`: expected a string"));
    let named = |name: &str| schema.get(name).map(|value| value.as_str().ok_or_else(|| expected(name))).transpose();
    let (pattern, format) = (named("pattern")?, named("format")?);
    let known = |format: &str| {
        let unknown = || refused(place, format!("text cannot be held to the `format` \"{format}\" here; leave it out, or give a `pattern`"));
        of_format(format).ok_or_else(unknown)
    };
    let expression = match (pattern, format) {
        (None, None) => return Ok(Node::Text { least, most }),
        (Some(pattern), None) => pattern.to_string(),
        (None, Some(format)) => known(format)?,
        (Some(_), Some(_)) => return Err(refused(place, "text cannot be held to `pattern` and `format` together".into())),
    };
    if least > 0 || most.is_some() {
        let told = "text cannot be held to a length beside `pattern` or `format`; write it into the pattern, as in ^.{1,9}$";
        return Err(refused(place, told.into()));
    }
    let compiled = Pattern::new(&expression).map_err(|problem| refused(place, format!("`pattern`: {problem}")))?;
    Ok(Node::Matching(compiled))
}

/// The least and the largest integer.
fn bounds(schema: &OrderedJson, place: &str) -> Result<(Option<i64>, Option<i64>)> {
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
fn exclude_each_other(schemas: &[OrderedJson]) -> bool {
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
        (Some(a), Some(b)) if a != b => ![&a, &b].iter().all(|kind| ["integer", "number"].contains(&kind.as_str())),
        (Some(_), Some(_)) => {
            let others = constants(b);
            constants(a).iter().any(|(name, value)| others.get(name).is_some_and(|other| other != value))
        }
        _ => false,
    };
    (0..schemas.len()).all(|a| (0..a).all(|b| exclude(&schemas[a], &schemas[b])))
}

/// The levels that the flattest value of each node needs; more than [`DEEPEST`] where there is none.
fn heights(nodes: &[Node]) -> Vec<usize> {
    let mut heights = vec![DEEPEST + 1; nodes.len()];
    loop {
        let next: Vec<usize> = nodes.iter().map(|node| height(node, &heights)).collect();
        if next == heights {
            return heights;
        }
        heights = next;
    }
}

fn height(node: &Node, heights: &[usize]) -> usize {
    const NONE: usize = DEEPEST + 1;
    let above = |highest: Option<usize>| highest.map_or(1, |highest| highest.saturating_add(1).min(NONE));
    match node {
        Node::Literals(texts) => if texts.is_empty() { NONE } else { 1 },
        Node::Number { least: Some(least), most: Some(most), .. } if least > most => NONE,
        Node::Text { least, most: Some(most) } if least > most => NONE,
        Node::Number { .. } | Node::Text { .. } | Node::Matching(_) => 1,
        Node::List { least, most: Some(most), .. } if least > most => NONE,
        Node::List { first, rest, least, .. } => {
            if *least > first.len() && rest.is_none() {
                return NONE;
            }
            let items = (0..*least).map(|index| first.get(index).copied().or(*rest));
            above(items.take(first.len() + 1).flatten().map(|item| heights[item]).max())
        }
        Node::Object { members, .. } => {
            above(members.iter().filter(|member| member.required).map(|member| heights[member.value]).max())
        }
        Node::Choice(choices) => choices.iter().map(|choice| heights[*choice]).min().unwrap_or(NONE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(schema: &str) -> String {
        JsonSchema::parse(schema).map_or_else(|error| error.to_string(), |_| "compiled".into())
    }

    #[test]
    fn what_cannot_be_held_to_is_refused_at_its_place() {
        let refused = [
            (r#"{"type": "object", "properties": {"a": {"type": "string", "pattern": "(?=a)"}}}"#, "#/properties/a", "`pattern`"),
            (r#"{"type": "string", "pattern": "a", "maxLength": 3}"#, "#", "a length beside `pattern`"),
            (r#"{"type": "string", "format": "regex"}"#, "#", "\"regex\""),
            (r#"{"type": "integer", "multipleOf": 3}"#, "#", "`multipleOf`"),
            (r#"{"type": "number", "minimum": 1}"#, "#", "`minimum` of integers only"),
            (r#"{"$ref": "http://a.example/b"}"#, "http://a.example/b", "not in the schema"),
            (r##"{"$ref": "#/$defs/a"}"##, "#/$defs/a", "no such place"),
            (r##"{"$ref": "#"}"##, "#", "nothing but itself"),
            (r#"{"oneOf": [{"type": "string"}, {"type": "string"}]}"#, "#", "`anyOf`"),
            (r#"{"allOf": [{}, {}]}"#, "#", "one schema only"),
            (r#"{"anyOf": [{}], "type": "string"}"#, "#", "`anyOf` and `type`"),
            (r#"{"type": "strange"}"#, "#", "\"strange\""),
            (r#"{"type": "object", "required": ["a"]}"#, "#", "\"a\""),
            (r#"{"type": "array", "uniqueItems": true}"#, "#", "`uniqueItems`"),
            (r#"{"type": "string", "minLength": -1}"#, "#", "`minLength`"),
            ("[]", "#", "expected an object"),
            ("{", "#", "no JSON"),
        ];
        for (schema, place, problem) in refused {
            let told = told(schema);
            assert!(told.contains(place) && told.contains(problem), "{schema}: {told}");
        }
    }

    #[test]
    fn where_nothing_is_valid_nothing_is_written() {
        for schema in [
            "false",
            r#"{"enum": []}"#,
            r#"{"type": "integer", "minimum": 3, "maximum": 2}"#,
            r#"{"type": "array", "items": false, "minItems": 1}"#,
            r##"{"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}"##,
        ] {
            assert!(told(schema).contains("no value"), "{schema}: {}", told(schema));
        }
    }

    #[test]
    fn schemas_as_programs_make_them_compile() {
        for schema in [
            "{}",
            r##"{"$defs": {"Tree": {"type": "object", "title": "Tree", "properties": {"kids": {"type": "array",
                "items": {"$ref": "#/$defs/Tree"}}}, "required": ["kids"], "additionalProperties": false}}, "$ref": "#/$defs/Tree"}"##,
            r#"{"oneOf": [{"type": "object", "properties": {"k": {"const": "a"}}, "required": ["k"]},
                {"type": "object", "properties": {"k": {"const": "b"}}, "required": ["k"]}]}"#,
            r#"{"type": ["string", "null"], "maxLength": 3}"#,
        ] {
            assert_eq!(told(schema), "compiled", "{schema}");
        }
    }
}
