//! JSON schemas (draft 2020-12) as rules that a model can write by.
//!
//! Every text that is written fulfils the schema; not every text that fulfils it is written: members that `properties` does not name
//! are left out, members stand in the order of `properties`, and `oneOf` is read as `anyOf`. `format`, titles and defaults say nothing
//! about what is valid, as the standard has it. Keywords that could not be kept are refused.

use std::collections::HashMap;

use super::ordered::Ordered;
use super::symbol::{
    RuleId, Symbol, any_object, any_value, blanks, choice, list, literal, member, number, sequence, string,
};
use crate::{Error, Result};

/// Levels of lists and objects where a schema leaves the value open.
pub const OPEN_DEPTH: u8 = 8;

/// The most whole numbers between two bounds: each is an alternative of its own.
const MOST_NUMBERS: i64 = 256;

/// The most values and definitions of a schema: it comes from strangers where a server takes one.
const MOST_PARTS: usize = 4096;

/// Levels of a schema, at most.
const MOST_LEVELS: usize = 64;

/// Keywords that say nothing about what is valid.
const NOTES: [&str; 15] = [
    "title",
    "description",
    "default",
    "examples",
    "$schema",
    "$id",
    "$comment",
    "$anchor",
    "deprecated",
    "readOnly",
    "writeOnly",
    "$defs",
    "definitions",
    "discriminator",
    "format",
];

/// Keywords that are kept, each with the types it is for; of any type where none is named.
const KEPT: [(&str, &[&str]); 18] = [
    ("type", &[]),
    ("enum", &[]),
    ("const", &[]),
    ("anyOf", &[]),
    ("oneOf", &[]),
    ("allOf", &[]),
    ("$ref", &[]),
    ("properties", &["object"]),
    ("required", &["object"]),
    ("additionalProperties", &["object"]),
    ("items", &["array"]),
    ("prefixItems", &["array"]),
    ("minItems", &["array"]),
    ("maxItems", &["array"]),
    ("minLength", &["string"]),
    ("maxLength", &["string"]),
    ("minimum", &["integer", "number"]),
    ("maximum", &["integer", "number"]),
];

/// The types of JSON Schema.
const TYPES: [&str; 7] = ["object", "array", "string", "integer", "number", "boolean", "null"];

/// A schema as what is to be written, and the rules that it names.
pub fn compile(text: &str) -> Result<(Symbol, Vec<Symbol>)> {
    let root: Ordered =
        serde_json::from_str(text).map_err(|error| wrong("#", format!("no JSON: {error}")))?;
    let mut schema = Schema { root: &root, rules: Vec::new(), names: HashMap::new(), parts: 0 };
    let symbol = schema.value(&root, "#", 0)?;
    check_moves_on(&schema.rules)?;
    Ok((symbol, schema.rules))
}

fn wrong(place: &str, problem: impl Into<String>) -> Error {
    Error::Schema { place: place.to_string(), problem: problem.into() }
}

struct Schema<'a> {
    root: &'a Ordered,
    rules: Vec<Symbol>,
    /// The rule of each pointer.
    names: HashMap<&'a str, RuleId>,
    parts: usize,
}

impl<'a> Schema<'a> {
    fn value(&mut self, schema: &'a Ordered, place: &str, level: usize) -> Result<Symbol> {
        self.parts += 1;
        if self.parts > MOST_PARTS || level > MOST_LEVELS {
            return Err(wrong(place, format!("more than {MOST_PARTS} parts or {MOST_LEVELS} levels")));
        }
        let members = match schema {
            Ordered::Bool(true) => return Ok(any_value(OPEN_DEPTH)),
            Ordered::Bool(false) => return Err(wrong(place, "nothing fulfils the schema `false`")),
            Ordered::Object(members) => members,
            other => return Err(wrong(place, format!("a schema is an object, not {}", other.kind()))),
        };
        let kept: Vec<&str> =
            members.iter().map(|(name, _)| name.as_str()).filter(|name| !NOTES.contains(name)).collect();
        check_known(schema, &kept, place)?;
        let alone = |name: &str| match kept.iter().find(|other| **other != name && **other != "type") {
            Some(other) => Err(wrong(place, format!("{other} beside {name} is not supported"))),
            None => Ok(()),
        };
        if let Some(target) = schema.get("$ref") {
            alone("$ref")?;
            return self.reference(target, place, level);
        }
        if let Some(values) = schema.get("const").map(std::slice::from_ref) {
            return literals(schema, values, place);
        }
        if let Some(values) = schema.get("enum") {
            return literals(schema, items(values, "enum", place)?, place);
        }
        for name in ["anyOf", "oneOf", "allOf"] {
            if let Some(all) = schema.get(name) {
                alone(name)?;
                return self.alternatives(items(all, name, place)?, name, place, level);
            }
        }
        let types = types(schema, &kept, place)?;
        if types.is_empty() {
            return Ok(any_value(OPEN_DEPTH));
        }
        let each = types.into_iter().map(|kind| self.of_type(kind, schema, place, level));
        Ok(one_of(each.collect::<Result<_>>()?))
    }

    fn alternatives(&mut self, all: &'a [Ordered], name: &str, place: &str, level: usize) -> Result<Symbol> {
        if all.is_empty() || (name == "allOf" && all.len() > 1) {
            let problem = format!("{name} of {} schemas is not supported", all.len());
            return Err(wrong(place, problem));
        }
        let each = (0..)
            .zip(all)
            .map(|(index, one): (usize, _)| self.value(one, &format!("{place}/{name}/{index}"), level + 1));
        Ok(one_of(each.collect::<Result<_>>()?))
    }

    /// What `$ref` names; a definition that is named again is the same rule, be it within itself.
    fn reference(&mut self, target: &'a Ordered, place: &str, level: usize) -> Result<Symbol> {
        let Ordered::String(name) = target else { return Err(wrong(place, "$ref is no text")) };
        let pointer = name.strip_prefix('#').ok_or_else(|| {
            wrong(place, format!("$ref {name:?} is not in this schema: it begins with no #"))
        })?;
        if let Some(id) = self.names.get(pointer) {
            return Ok(Symbol::Rule(*id));
        }
        let found = self.root.at(pointer).filter(|_| pointer.is_empty() || pointer.starts_with('/'));
        let found = if pointer.is_empty() { Some(self.root) } else { found };
        let found =
            found.ok_or_else(|| wrong(place, format!("$ref {name:?}: there is nothing of that name")))?;
        let id = self.rules.len();
        // Until it is known it is nothing: what needs it before that is found by `check_moves_on`.
        self.rules.push(choice([]));
        self.names.insert(pointer, id);
        self.rules[id] = self.value(found, name, level + 1)?;
        Ok(Symbol::Rule(id))
    }

    fn of_type(&mut self, kind: &str, schema: &'a Ordered, place: &str, level: usize) -> Result<Symbol> {
        Ok(match kind {
            "object" => self.object(schema, place, level)?,
            "array" => self.array(schema, place, level)?,
            "string" => {
                let (least, most) = bounds(schema, "minLength", "maxLength", place)?;
                string(least, most)
            }
            "integer" => whole_number(schema, place)?,
            "number" => any_number(schema, place)?,
            "boolean" => choice([literal("true"), literal("false")]),
            _ => literal("null"),
        })
    }

    fn array(&mut self, schema: &'a Ordered, place: &str, level: usize) -> Result<Symbol> {
        let (least, most) = bounds(schema, "minItems", "maxItems", place)?;
        if let Some(first) = schema.get("prefixItems") {
            let first = items(first, "prefixItems", place)?;
            if first.is_empty() || least > first.len() || most.is_some_and(|most| most < first.len()) {
                return Err(wrong(place, "prefixItems of another number than minItems and maxItems allow"));
            }
            let mut all = vec![literal("["), blanks()];
            for (index, one) in first.iter().enumerate() {
                if index > 0 {
                    all.extend([blanks(), literal(","), blanks()]);
                }
                all.push(self.value(one, &format!("{place}/prefixItems/{index}"), level + 1)?);
            }
            all.extend([blanks(), literal("]")]);
            return Ok(sequence(all));
        }
        let item = match schema.get("items") {
            Some(item) => self.value(item, &format!("{place}/items"), level + 1)?,
            None => any_value(OPEN_DEPTH),
        };
        Ok(list(item, least, most))
    }

    fn object(&mut self, schema: &'a Ordered, place: &str, level: usize) -> Result<Symbol> {
        let required: Vec<&str> = match schema.get("required") {
            Some(names) => texts(names, "required", place)?,
            None => Vec::new(),
        };
        let named = match schema.get("properties") {
            Some(Ordered::Object(members)) => members.as_slice(),
            Some(_) => return Err(wrong(place, "properties is no object")),
            None => &[],
        };
        let more = schema.get("additionalProperties");
        let others = || match more {
            Some(Ordered::Bool(false)) => None,
            Some(more) => Some(more),
            None => Some(&Ordered::Bool(true)),
        };
        let mut members = Vec::new();
        for (name, value) in named {
            let inner = self.value(value, &format!("{place}/properties/{name}"), level + 1)?;
            members.push((name.as_str(), inner, required.contains(&name.as_str())));
        }
        for name in required.iter().filter(|name| !named.iter().any(|(own, _)| own == *name)) {
            let others = others().ok_or_else(|| {
                wrong(
                    place,
                    format!("{name:?} is required, and neither named in properties nor allowed beside them"),
                )
            })?;
            members.push((name, self.value(others, place, level + 1)?, true));
        }
        if members.is_empty() {
            return Ok(match others() {
                Some(others) => any_object(&self.value(others, place, level + 1)?),
                None => sequence([literal("{"), blanks(), literal("}")]),
            });
        }
        Ok(object_of(members))
    }
}

/// An object of these members, in this order; those that are not required may be left out.
fn object_of(members: Vec<(&str, Symbol, bool)>) -> Symbol {
    let end = sequence([blanks(), literal("}")]);
    // What may stand from a member on: where it is the first one, and where one stands before it.
    let (mut first, mut later) = (end.clone(), end);
    for (name, value, is_required) in members.into_iter().rev() {
        let name = literal(&Ordered::String(name.to_string()).to_string());
        let own = member(name, value);
        let as_first = sequence([blanks(), own.clone(), later.clone()]);
        let as_later = sequence([blanks(), literal(","), blanks(), own, later.clone()]);
        (first, later) = match is_required {
            true => (as_first, as_later),
            false => (choice([as_first, first]), choice([as_later, later])),
        };
    }
    sequence([literal("{"), first])
}

fn one_of(mut all: Vec<Symbol>) -> Symbol {
    match all.len() {
        1 => all.remove(0),
        _ => choice(all),
    }
}

fn check_known(schema: &Ordered, kept: &[&str], place: &str) -> Result<()> {
    for name in kept {
        let is_nothing = *name == "uniqueItems" && schema.get(name) == Some(&Ordered::Bool(false));
        if !is_nothing && !KEPT.iter().any(|(known, _)| known == name) {
            return Err(wrong(place, format!("{name} is not supported")));
        }
    }
    Ok(())
}

/// The types of a value: those that are named, or those that its other keywords are for.
fn types<'a>(schema: &'a Ordered, kept: &[&str], place: &str) -> Result<Vec<&'a str>> {
    let named: Vec<&str> = match schema.get("type") {
        Some(Ordered::String(one)) => vec![one],
        Some(all) => texts(all, "type", place)?,
        None => {
            let of = |name: &&str| KEPT.iter().find(|(known, _)| known == name).map(|(_, types)| *types);
            let mut types: Vec<&str> = kept.iter().filter_map(of).flatten().copied().collect();
            types.dedup();
            // A number that may be whole or not is a number.
            types.retain(|kind| *kind != "integer");
            types.dedup();
            return Ok(types);
        }
    };
    match named.iter().find(|kind| !TYPES.contains(kind)) {
        Some(unknown) => Err(wrong(place, format!("there is no type {unknown:?}"))),
        None if named.is_empty() => Err(wrong(place, "type names none")),
        None => Ok(named),
    }
}

fn literals(schema: &Ordered, values: &[Ordered], place: &str) -> Result<Symbol> {
    let types = types(schema, &[], place)?;
    let fits = |value: &&Ordered| {
        let kind = value.kind();
        types.is_empty() || types.contains(&kind) || (kind == "integer" && types.contains(&"number"))
    };
    let fitting: Vec<Symbol> = values.iter().filter(fits).map(|value| literal(&value.to_string())).collect();
    match fitting.is_empty() {
        true => Err(wrong(place, "none of its values is of its type")),
        false => Ok(one_of(fitting)),
    }
}

fn items<'a>(value: &'a Ordered, name: &str, place: &str) -> Result<&'a [Ordered]> {
    match value {
        Ordered::List(items) => Ok(items),
        other => Err(wrong(place, format!("{name} is a list, not {}", other.kind()))),
    }
}

fn texts<'a>(value: &'a Ordered, name: &str, place: &str) -> Result<Vec<&'a str>> {
    let text = |item: &'a Ordered| match item {
        Ordered::String(text) => Ok(text.as_str()),
        other => Err(wrong(place, format!("{name} holds texts, not {}", other.kind()))),
    };
    items(value, name, place)?.iter().map(text).collect()
}

/// At least and at most how many.
fn bounds(schema: &Ordered, least: &str, most: &str, place: &str) -> Result<(usize, Option<usize>)> {
    let bound = |name: &str| match schema.get(name) {
        None => Ok(None),
        Some(Ordered::Number(number)) if number.as_u64().is_some_and(|bound| bound <= 1 << 20) => {
            Ok(number.as_u64().map(|bound| bound as usize))
        }
        Some(other) => Err(wrong(place, format!("{name} is {other}: expected a whole number up to 1048576"))),
    };
    let (least, most) = (bound(least)?.unwrap_or(0), bound(most)?);
    match most.is_some_and(|most| most < least) {
        true => Err(wrong(place, format!("at least {least} and at most {} cannot be", most.unwrap_or(0)))),
        false => Ok((least, most)),
    }
}

fn limit(schema: &Ordered, name: &str, place: &str) -> Result<Option<f64>> {
    match schema.get(name) {
        None => Ok(None),
        Some(Ordered::Number(number)) => Ok(number.as_f64()),
        Some(other) => Err(wrong(place, format!("{name} is {other}: expected a number"))),
    }
}

fn whole_number(schema: &Ordered, place: &str) -> Result<Symbol> {
    let least = limit(schema, "minimum", place)?.map(f64::ceil);
    let most = limit(schema, "maximum", place)?.map(f64::floor);
    match (least, most) {
        (None, None) => Ok(number(true, true, true)),
        (Some(0.0), None) => Ok(number(true, false, true)),
        (Some(1.0), None) => Ok(number(true, false, false)),
        (Some(least), Some(most)) if least <= most && most - least < MOST_NUMBERS as f64 => {
            let all = least as i64..=most as i64;
            Ok(one_of(all.map(|value| literal(&value.to_string())).collect()))
        }
        _ => Err(wrong(
            place,
            format!(
                "these bounds are not supported: a minimum of 0 or 1 is, or at most {MOST_NUMBERS} whole numbers between minimum and maximum"
            ),
        )),
    }
}

fn any_number(schema: &Ordered, place: &str) -> Result<Symbol> {
    match (limit(schema, "minimum", place)?, limit(schema, "maximum", place)?) {
        (None, None) => Ok(number(false, true, true)),
        (Some(0.0), None) => Ok(number(false, false, true)),
        _ => Err(wrong(place, "these bounds are not supported: a minimum of 0 is")),
    }
}

/// Refuses rules that are themselves before anything of them is written: they have no end.
fn check_moves_on(rules: &[Symbol]) -> Result<()> {
    fn opens<'a>(symbol: &'a Symbol, found: &mut Vec<RuleId>) {
        match symbol {
            Symbol::Rule(id) => found.push(*id),
            Symbol::Choice(all) => all.iter().for_each(|one: &'a Symbol| opens(one, found)),
            _ => {}
        }
    }
    for begin in 0..rules.len() {
        let (mut seen, mut open) = (vec![false; rules.len()], vec![begin]);
        while let Some(id) = open.pop() {
            let mut next = Vec::new();
            opens(&rules[id], &mut next);
            if next.contains(&begin) {
                return Err(wrong("#", "a definition is itself, with nothing around it"));
            }
            open.extend(next.into_iter().filter(|id| !std::mem::replace(&mut seen[*id], true)));
        }
    }
    Ok(())
}
