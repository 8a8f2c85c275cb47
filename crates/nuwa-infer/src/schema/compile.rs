use std::collections::{BTreeMap, BTreeSet};

use super::keywords::{
    BOUNDS, Members, UNKNOWN, alone, bounds, counts, exclude_each_other, is_of, kinds, list, named_kinds,
    refused, text,
};
use super::node::{DEEPEST, JsonSchema, Member, Node, heights};
use super::number::Numbers;
use super::ordered::OrderedJson;
use crate::Result;

/// The most schemas within a schema, those that it refers to among them.
const MOST_NODES: usize = 10_000;
/// The most schemas that lie within one another or refer to each other in a row.
const MOST_WITHIN: usize = 200;
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
        let mut compiler =
            Compiler { whole: schema, nodes: Vec::new(), places: BTreeMap::new(), any: None, depth: 0 };
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
            return Err(refused(
                place,
                format!("text cannot be held to `{name}` here; leave it out, and check it afterwards"),
            ));
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
            return Err(refused(
                place,
                "text can be held to `allOf` of one schema only; put them together into one".into(),
            ));
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
                Node::Number(Numbers { integer: true, least, most })
            }
            "number" => match BOUNDS.iter().find(|name| schema.get(name).is_some()) {
                Some(name) => {
                    return Err(refused(
                        place,
                        format!(
                            "text can be held to `{name}` of integers only; leave it out, or say \"type\": \"integer\""
                        ),
                    ));
                }
                None => Node::Number(Numbers::ANY),
            },
            "array" => self.array(schema, place)?,
            "object" => self.object(schema, place)?,
            other => {
                return Err(refused(
                    place,
                    format!(
                        "`type`: \"{other}\": expected null, boolean, integer, number, string, array or object"
                    ),
                ));
            }
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
                (0..count)
                    .map(|index| self.at(&format!("{place}/prefixItems/{index}")))
                    .collect::<Result<_>>()?
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
            return Err(refused(
                place,
                format!("`required` names \"{name}\", which `properties` does not have"),
            ));
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
            Node::Number(Numbers::ANY),
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
        let nodes: Vec<Node> =
            self.nodes.into_iter().map(|node| node.unwrap_or(Node::Choice(Vec::new()))).collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn told(schema: &str) -> String {
        JsonSchema::parse(schema).map_or_else(|error| error.to_string(), |_| "compiled".into())
    }

    #[test]
    fn what_cannot_be_held_to_is_refused_at_its_place() {
        let refused = [
            (
                r#"{"type": "object", "properties": {"a": {"type": "string", "pattern": "(?=a)"}}}"#,
                "#/properties/a",
                "`pattern`",
            ),
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
