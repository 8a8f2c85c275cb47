use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::machine::{Machine, Rules, State};
use super::schema::{OPEN_DEPTH, compile};
use super::symbol::{Symbol, any_object, any_value, sequence};
use super::{Constraint, TokenMask, Vocabulary};
use crate::{Engine, Error, Result};

/// States whose ids are kept, at most: within a string the same one comes again and again.
const MOST_KEPT: usize = 512;

/// What JSON is to be written.
#[derive(Debug, Clone)]
pub struct JsonShape {
    begin: Symbol,
    rules: Rules,
}

impl JsonShape {
    /// An object of any members.
    pub fn object() -> Self {
        Self { begin: any_object(&any_value(OPEN_DEPTH)), rules: Rules::default() }
    }

    /// What fulfils a JSON schema (draft 2020-12), given as JSON. Members are written in the order in which `properties` names them, and
    /// no others; `oneOf` is read as `anyOf`; `format` says nothing, as the standard has it.
    ///
    /// # Errors
    /// When it is no schema, or a keyword in it is not supported.
    pub fn schema(schema: &str) -> Result<Self> {
        let (begin, rules) = compile(schema)?;
        Ok(Self { begin, rules: rules.into() })
    }
}

/// Lets a model write JSON of a shape, and nothing after it.
#[derive(Debug, Clone)]
pub struct JsonConstraint {
    machine: Machine,
    state: State,
    vocabulary: Arc<Vocabulary>,
    /// What may come next in states that came before, in this text or in one beside it.
    kept: Arc<Mutex<HashMap<State, Arc<TokenMask>>>>,
}

impl JsonConstraint {
    /// JSON of `shape` by the model of `engine`.
    ///
    /// # Errors
    /// When the text of a token depends on those beside it, as with WordPiece.
    pub fn new(shape: &JsonShape, engine: &Engine) -> Result<Self> {
        Ok(Self::of(shape, engine.vocabulary()?))
    }

    fn of(shape: &JsonShape, vocabulary: Arc<Vocabulary>) -> Self {
        let machine = Machine::new(Arc::clone(&shape.rules));
        // Many tokenizers put a blank before the first word.
        let state = machine.begin(sequence([Symbol::Blanks(1), shape.begin.clone()]));
        Self { machine, state, vocabulary, kept: Arc::default() }
    }

    fn allowed(&self) -> TokenMask {
        let mut mask = TokenMask::none(self.vocabulary.size());
        let (plain, longest) = self.vocabulary.plain();
        let takes_plain = self.machine.takes_plain(&self.state, longest);
        if takes_plain {
            mask.insert_all(plain);
        }
        let step = &mut |state: &State, byte| self.machine.step(state, byte);
        self.vocabulary.walk(self.state.clone(), !takes_plain, &mut mask, step);
        mask
    }
}

impl Constraint for JsonConstraint {
    fn allow(&mut self, mask: &mut TokenMask) -> Result<()> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() > MOST_KEPT {
            kept.clear();
        }
        let allowed = kept.entry(self.state.clone()).or_insert_with(|| Arc::new(self.allowed()));
        mask.insert_all(allowed);
        Ok(())
    }

    fn accept(&mut self, id: u32) -> Result<()> {
        let bytes = self.vocabulary.bytes(id).ok_or(Error::NotAllowed { id })?;
        let mut state = self.state.clone();
        for byte in bytes {
            state = self.machine.step(&state, *byte).ok_or(Error::NotAllowed { id })?;
        }
        self.state = state;
        Ok(())
    }

    fn may_end(&self) -> bool {
        self.machine.may_end(&self.state)
    }

    fn fork(&self) -> Box<dyn Constraint> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use nuwa_tensor::Random;
    use serde_json::Value;

    use super::*;

    /// All bytes, and some longer tokens.
    fn vocabulary() -> Arc<Vocabulary> {
        let longer = ["\"name", "\": ", "true", "},", " {", "12", "女娲", "\\u00", "nul", "[]", "  "];
        let bytes = (0..=255_u8).map(|byte| vec![byte]);
        let all = bytes.chain(longer.iter().map(|text| text.as_bytes().to_vec()));
        Arc::new(Vocabulary::of(all.zip(0..).collect(), 300))
    }

    fn constraint(schema: &str) -> JsonConstraint {
        JsonConstraint::of(&JsonShape::schema(schema).unwrap(), vocabulary())
    }

    /// Whether a text is what a schema lets be written, to its end.
    fn writes(schema: &str, text: &str) -> bool {
        let mut own = constraint(schema);
        text.bytes().all(|byte| own.accept(u32::from(byte)).is_ok()) && own.may_end()
    }

    fn told(schema: &str) -> String {
        JsonShape::schema(schema).unwrap_err().to_string()
    }

    #[test]
    fn each_type_is_written_and_nothing_else() {
        let cases = [
            (
                r#"{"type": "string"}"#,
                &["\"\"", "\"a 女娲\"", r#""\n\"\u00e9""#] as &[&str],
                &["a", "\"a", "\"\u{1}\"", r#""\x""#, r#""\ud83d""#] as &[&str],
            ),
            (
                r#"{"type": "string", "minLength": 2, "maxLength": 3}"#,
                &["\"ab\"", "\"女娲氏\"", "\"\\n\\\\\""],
                &["\"a\"", "\"abcd\""],
            ),
            (r#"{"type": "integer"}"#, &["0", "-12", "120"], &["01", "1.5", "1e3", "-", "+1"]),
            (r#"{"type": "integer", "minimum": 1}"#, &["1", "10"], &["0", "-1"]),
            (
                r#"{"type": "integer", "minimum": -1, "maximum": 12}"#,
                &["-1", "0", "12"],
                &["-2", "13", "120"],
            ),
            (r#"{"type": "number"}"#, &["0.5", "-1e-3", "1E2", "10"], &[".5", "1.", "1e", "1e999"]),
            (r#"{"type": ["null", "boolean"]}"#, &["null", "true", "false"], &["nul", "0"]),
            (r#"{"enum": ["red", 3, null]}"#, &["\"red\"", "3", "null"], &["\"reds\"", "4"]),
            (r#"{"type": "string", "enum": ["red", 3]}"#, &["\"red\""], &["3"]),
            (r#"{"const": {"a": [1, "b"]}}"#, &[r#"{"a":[1,"b"]}"#], &[r#"{"a":[1]}"#]),
            (
                r#"{"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2}"#,
                &["[1]", "[ 1, 2 ]"],
                &["[]", "[1,2,3]", "[1,]", "[,1]"],
            ),
            (r#"{"type": "array"}"#, &["[]", r#"[1, "a", [null], {"b": {}}]"#], &["[1 2]"]),
            (
                r#"{"type": "array", "prefixItems": [{"type": "null"}, {"const": 1}]}"#,
                &["[null, 1]"],
                &["[null]", "[null,1,2]"],
            ),
            (r#"{"anyOf": [{"type": "integer"}, {"type": "string"}]}"#, &["5", "\"5\""], &["null"]),
            ("true", &["{}", "[[]]", "-0.5"], &["", "nope"]),
        ];
        for (schema, good, bad) in cases {
            for text in good {
                assert!(writes(schema, text), "{schema}: {text}");
                assert!(serde_json::from_str::<Value>(text).is_ok());
            }
            for text in bad {
                assert!(!writes(schema, text), "{schema}: {text}");
            }
        }
    }

    const PERSON: &str = r#"{"type": "object", "required": ["name", "age"], "additionalProperties": false, "properties": {
        "name": {"type": "string"}, "nick": {"type": "string"}, "age": {"type": "integer"}, "old": {"type": "boolean"}}}"#;

    #[test]
    fn members_come_in_the_order_of_the_schema_and_only_optional_ones_are_left_out() {
        for text in [
            r#"{"name": "Mina", "age": 3}"#,
            r#"{"name":"Mina","nick":"M","age":3,"old":false}"#,
            "{\n  \"name\": \"\",\n  \"age\": 0\n}",
        ] {
            assert!(writes(PERSON, text), "{text}");
        }
        for text in [
            r#"{"age": 3, "name": "Mina"}"#,
            r#"{"name": "Mina"}"#,
            r#"{"name": "M", "age": 3, "b": 1}"#,
            "{}",
        ] {
            assert!(!writes(PERSON, text), "{text}");
        }
        let optional = r#"{"properties": {"a": {"const": 1}, "b": {"const": 2}}}"#;
        for (text, right) in [
            ("{}", true),
            (r#"{"a":1}"#, true),
            (r#"{"b":2}"#, true),
            (r#"{"a":1,"b":2}"#, true),
            (r#"{,"b":2}"#, false),
            (r#"{"a":1,}"#, false),
        ] {
            assert_eq!(writes(optional, text), right, "{text}");
        }
        let free = r#"{"type": "object", "additionalProperties": {"type": "integer"}}"#;
        assert!(
            writes(free, r#"{"x": 1, "y z": 2}"#) && writes(free, "{ }") && !writes(free, r#"{"x": "1"}"#)
        );
    }

    #[test]
    fn definitions_may_hold_themselves() {
        let tree = r##"{"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "required": ["value"], "properties": {
            "value": {"type": "integer"}, "children": {"type": "array", "items": {"$ref": "#/$defs/node"}}}}}}"##;
        assert!(writes(tree, r#"{"value": 1, "children": [{"value": 2}, {"value": 3, "children": []}]}"#));
        assert!(!writes(tree, r#"{"value": 1, "children": [2]}"#));
        let itself = r##"{"properties": {"next": {"$ref": "#"}}, "type": "object"}"##;
        assert!(writes(itself, r#"{"next": {"next": {}}}"#));
        for endless in [r##"{"$ref": "#"}"##, r##"{"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}"##] {
            assert!(
                told(endless).ends_with("a definition is itself, with nothing around it"),
                "{}",
                told(endless)
            );
        }
    }

    #[test]
    fn what_cannot_be_kept_is_refused_by_its_place() {
        let cases = [
            ("{", "the schema cannot be used, at #: no JSON: EOF while parsing an object at line 1 column 1"),
            ("3", "the schema cannot be used, at #: a schema is an object, not integer"),
            ("false", "the schema cannot be used, at #: nothing fulfils the schema `false`"),
            (r#"{"type": "thing"}"#, "the schema cannot be used, at #: there is no type \"thing\""),
            (
                r#"{"properties": {"a": {"pattern": "x"}}}"#,
                "the schema cannot be used, at #/properties/a: pattern is not supported",
            ),
            (r#"{"items": {"not": {}}}"#, "the schema cannot be used, at #/items: not is not supported"),
            (
                r#"{"$ref": "https://example.org/a"}"#,
                "the schema cannot be used, at #: $ref \"https://example.org/a\" is not in this schema: it begins with no #",
            ),
            (
                r##"{"$ref": "#/$defs/a"}"##,
                "the schema cannot be used, at #: $ref \"#/$defs/a\": there is nothing of that name",
            ),
            (
                r#"{"anyOf": [], "type": "object"}"#,
                "the schema cannot be used, at #: anyOf of 0 schemas is not supported",
            ),
            (
                r#"{"type": "string", "minLength": 3, "maxLength": 2}"#,
                "the schema cannot be used, at #: at least 3 and at most 2 cannot be",
            ),
            (
                r#"{"required": ["a"], "additionalProperties": false}"#,
                "the schema cannot be used, at #: \"a\" is required, and neither named in properties nor allowed beside them",
            ),
            (
                r#"{"type": "integer", "minimum": 5}"#,
                "the schema cannot be used, at #: these bounds are not supported: a minimum of 0 or 1 is, or at most 256 whole numbers between minimum and maximum",
            ),
            (
                r#"{"type": "string", "enum": [1]}"#,
                "the schema cannot be used, at #: none of its values is of its type",
            ),
            (
                r#"{"items": {}, "uniqueItems": true}"#,
                "the schema cannot be used, at #: uniqueItems is not supported",
            ),
        ];
        for (schema, expected) in cases {
            assert_eq!(told(schema), expected);
        }
    }

    #[test]
    fn a_schema_that_means_ill_takes_neither_time_nor_the_stack() {
        let defs: Vec<String> = (0..50)
            .map(|n| {
                format!(
                    r##""d{n}": {{"anyOf": [{{"$ref": "#/$defs/d{}"}}, {{"$ref": "#/$defs/d{}"}}]}}"##,
                    n + 1,
                    n + 1
                )
            })
            .collect();
        let wide = format!(
            r##"{{"$ref": "#/$defs/d0", "$defs": {{{}, "d50": {{"type": "integer"}}}}}}"##,
            defs.join(",")
        );
        let mut own = constraint(&wide);
        let mut mask = TokenMask::none(300);
        own.allow(&mut mask).unwrap();
        assert!(!own.may_end());
        let deep = "[".repeat(4000);
        let mut own = constraint(r##"{"type": "array", "items": {"$ref": "#"}}"##);
        let opened = deep.bytes().take_while(|byte| own.accept(u32::from(*byte)).is_ok()).count();
        assert!(opened > 100 && opened < 400, "{opened}");
        assert!(told(&"[".repeat(500)).contains("recursion limit"));
    }

    /// What is allowed is what can be accepted, for every token in every state that a text goes through.
    #[test]
    fn the_mask_holds_just_the_tokens_that_are_accepted() {
        let text = r#"{"name": "a\u0041 女娲", "age": 12, "old": true}"#;
        let mut own = constraint(PERSON);
        for byte in text.bytes() {
            let mut mask = TokenMask::none(300);
            own.allow(&mut mask).unwrap();
            for id in 0..300 {
                assert_eq!(mask.contains(id), own.clone().accept(id).is_ok(), "{id} before {}", byte as char);
            }
            own.accept(u32::from(byte)).unwrap();
        }
        let mut mask = TokenMask::none(300);
        own.allow(&mut mask).unwrap();
        assert!(own.may_end() && mask.is_empty());
    }

    #[test]
    fn whatever_is_drawn_is_json_of_the_schema() {
        let schema = r#"{"type": "object", "required": ["a", "b"], "properties": {
            "a": {"type": "array", "items": {"enum": ["x", "y", 7]}, "maxItems": 3}, "b": {"type": ["string", "null"], "maxLength": 5}}}"#;
        for seed in 0..40 {
            let (mut own, random) = (constraint(schema), Random::new(seed));
            let (mut bytes, mut draws) = (Vec::new(), 0);
            loop {
                let mut mask = TokenMask::none(300);
                own.allow(&mut mask).unwrap();
                let allowed: Vec<u32> = (0..300).filter(|id| mask.contains(*id)).collect();
                if allowed.is_empty() {
                    break;
                }
                let id = allowed[(random.uniform(draws) * allowed.len() as f64) as usize];
                draws += 1;
                bytes.extend(own.vocabulary.bytes(id).unwrap());
                own.accept(id).unwrap();
                assert!(draws < 2000);
            }
            assert!(own.may_end());
            let value: Value =
                serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{error}: {bytes:?}"));
            let items = value["a"].as_array().unwrap();
            assert!(
                items.len() <= 3
                    && items.iter().all(|item| ["x", "y"].contains(&item.as_str().unwrap_or("x")))
            );
            assert!(value["b"].is_null() || value["b"].as_str().unwrap().chars().count() <= 5);
        }
    }
}
