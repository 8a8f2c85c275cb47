use std::sync::Arc;

use nuwa_infer::{Engine, JsonSchema, OrderedJson};
use serde_json::{Value, json};

use super::error::ApiError;

/// Around a call, as the template that tokenizers get here writes it, and those of Hermes and Qwen.
const BEGIN: &str = "<tool_call>";
const END: &str = "</tool_call>";

/// What a request says of tools.
#[derive(Debug)]
pub struct Tools {
    /// As the template takes them.
    pub list: Value,
    names: Vec<String>,
    /// What the answer is held to, where one has to be called.
    pub schema: Option<Arc<JsonSchema>>,
}

impl Tools {
    /// Reads `tools` and `tool_choice`; none where none may be called.
    ///
    /// # Errors
    /// When a tool is none, the choice names none of them, or the model's template cannot write them.
    pub fn read(
        tools: Option<&[OrderedJson]>,
        choice: Option<&OrderedJson>,
        engine: &Engine,
    ) -> Result<Option<Self>, ApiError> {
        let tools = tools.unwrap_or_default();
        let chosen = chosen(choice)?;
        if tools.is_empty() || matches!(chosen, Choice::None) {
            return match chosen {
                Choice::Any | Choice::One(_) => Err(ApiError::field("tool_choice", "there are no tools")),
                _ => Ok(None),
            };
        }
        let template = engine.tokenizer().chat_template().unwrap_or_default();
        if !template.contains("tools") {
            let told = "the chat template of the model does not write tools: it was not taught to call any";
            return Err(ApiError::field("tools", told).with_code("tools_unsupported"));
        }
        let names = tools.iter().enumerate().map(|(index, tool)| name(tool, index)).collect::<Result<Vec<_>, _>>()?;
        let wanted: Vec<usize> = match &chosen {
            Choice::Any => (0..names.len()).collect(),
            Choice::One(one) => names.iter().position(|name| name == one).into_iter().collect(),
            _ => Vec::new(),
        };
        if let (Choice::One(one), []) = (&chosen, wanted.as_slice()) {
            return Err(ApiError::field("tool_choice", &format!("{one:?} is none of the tools")));
        }
        if !wanted.is_empty() && !template.contains(BEGIN) {
            let told = format!("a call can be asked for only of models whose template writes {BEGIN}; leave it at \"auto\"");
            return Err(ApiError::field("tool_choice", &told).with_code("tools_unsupported"));
        }
        let schema = match wanted.is_empty() {
            true => None,
            false => Some(Arc::new(calls_schema(tools, &wanted, &names)?)),
        };
        let list = serde_json::to_value(tools).map_err(|error| ApiError::field("tools", &error.to_string()))?;
        Ok(Some(Self { list, names, schema }))
    }

    /// What stands before the answer, where a call is asked for.
    pub fn opening(&self) -> Option<&'static str> {
        self.schema.is_some().then_some(BEGIN)
    }

    /// What finds the calls of an answer.
    pub fn calls(&self) -> Calls {
        Calls { names: self.names.clone(), is_forced: self.schema.is_some(), held: String::new(), has_text: false }
    }
}

enum Choice {
    None,
    Auto,
    Any,
    One(String),
}

fn chosen(choice: Option<&OrderedJson>) -> Result<Choice, ApiError> {
    let Some(choice) = choice else { return Ok(Choice::Auto) };
    match (choice.as_str(), choice.get("function").and_then(|function| function.get("name"))) {
        (Some("none"), _) => Ok(Choice::None),
        (Some("auto"), _) => Ok(Choice::Auto),
        (Some("required"), _) => Ok(Choice::Any),
        (None, Some(OrderedJson::Text(name))) => Ok(Choice::One(name.clone())),
        _ => {
            let told = "expected \"none\", \"auto\", \"required\" or {\"type\": \"function\", \"function\": {\"name\": NAME}}";
            Err(ApiError::field("tool_choice", told))
        }
    }
}

fn name(tool: &OrderedJson, index: usize) -> Result<String, ApiError> {
    let name = tool.get("function").and_then(|function| function.get("name")).and_then(OrderedJson::as_str);
    let told = "expected {\"type\": \"function\", \"function\": {\"name\": NAME, \"parameters\": SCHEMA}}";
    name.map(String::from).ok_or_else(|| ApiError::field(&format!("tools[{index}]"), told))
}

/// One call of one of the tools.
fn calls_schema(tools: &[OrderedJson], wanted: &[usize], names: &[String]) -> Result<JsonSchema, ApiError> {
    let text = |text: &str| OrderedJson::Text(text.into());
    let object = |members: Vec<(&str, OrderedJson)>| {
        OrderedJson::Object(members.into_iter().map(|(name, value)| (name.to_string(), value)).collect())
    };
    let of_tool = |(place, &index): (usize, &usize)| {
        let parameters = tools[index].get("function").and_then(|function| function.get("parameters"));
        let parameters = parameters.cloned().unwrap_or_else(|| object(vec![("type", text("object"))]));
        let parameters = moved(&parameters, &format!("#/anyOf/{place}/properties/arguments"));
        let properties = vec![("name", object(vec![("const", text(&names[index]))])), ("arguments", parameters)];
        let required = OrderedJson::List(vec![text("name"), text("arguments")]);
        object(vec![("type", text("object")), ("properties", object(properties)), ("required", required)])
    };
    let schemas: Vec<OrderedJson> = wanted.iter().enumerate().map(of_tool).collect();
    JsonSchema::any_of(&schemas).map_err(|error| ApiError::field("tools", &error.to_string()).with_code("invalid_json_schema"))
}

/// A schema that lies at `place` now: what it refers to lies there too.
fn moved(schema: &OrderedJson, place: &str) -> OrderedJson {
    match schema {
        OrderedJson::Object(members) => {
            let member = |(name, value): &(String, OrderedJson)| match value {
                OrderedJson::Text(target) if name == "$ref" && target.starts_with('#') => {
                    (name.clone(), OrderedJson::Text(format!("{place}{}", &target[1..])))
                }
                value => (name.clone(), moved(value, place)),
            };
            OrderedJson::Object(members.iter().map(member).collect())
        }
        OrderedJson::List(items) => OrderedJson::List(items.iter().map(|item| moved(item, place)).collect()),
        other => other.clone(),
    }
}

/// A call that an answer makes.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    name: String,
    /// As JSON.
    arguments: String,
}

impl Call {
    /// As clients read it; `index` is its place among those of the answer.
    pub fn value(&self, index: usize) -> Value {
        let id = format!("call_{}", super::stream::random_id());
        json!({"index": index, "id": id, "type": "function", "function": {"name": self.name, "arguments": self.arguments}})
    }
}

/// Finds the calls of an answer while it is written: what may be one is held back.
#[derive(Debug)]
pub struct Calls {
    names: Vec<String>,
    is_forced: bool,
    held: String,
    /// Whether text was let through.
    has_text: bool,
}

impl Calls {
    /// What can be shown now.
    pub fn push(&mut self, text: &str) -> String {
        self.held += text;
        let is_bare = !self.has_text && self.held.trim_start().starts_with('{');
        if self.is_forced || is_bare {
            return String::new();
        }
        let end = match self.held.find(BEGIN) {
            Some(begin) => begin,
            None => self.held.len() - begun(&self.held),
        };
        let rest = self.held.split_off(end);
        let shown = std::mem::replace(&mut self.held, rest);
        self.has_text |= !shown.trim().is_empty();
        shown
    }

    /// What can be shown at the end, and the calls.
    pub fn finish(&mut self) -> (String, Vec<Call>) {
        let held = std::mem::take(&mut self.held);
        let parts: Vec<&str> = match held.contains(BEGIN) {
            true => held.split(BEGIN).skip(1).map(|part| part.split(END).next().unwrap_or_default()).collect(),
            false => vec![&held],
        };
        let calls: Option<Vec<Call>> = parts.into_iter().map(|part| self.call(part)).collect();
        // What is no call after all is text.
        match calls.filter(|calls| !calls.is_empty()) {
            Some(calls) => (String::new(), calls),
            None => (held, Vec::new()),
        }
    }

    fn call(&self, text: &str) -> Option<Call> {
        let value: OrderedJson = serde_json::from_str(text.trim()).ok()?;
        let name = value.get("name").and_then(OrderedJson::as_str).filter(|name| self.names.iter().any(|own| own == name))?;
        let arguments = value.get("arguments").or_else(|| value.get("parameters"));
        let arguments = arguments.map_or_else(|| "{}".to_string(), OrderedJson::to_text);
        Some(Call { name: name.into(), arguments })
    }
}

/// The length of the longest end of a text that begins [`BEGIN`].
fn begun(text: &str) -> usize {
    (1..BEGIN.len()).rev().find(|&length| text.ends_with(&BEGIN[..length])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls() -> Calls {
        Calls { names: vec!["f".into(), "g".into()], is_forced: false, held: String::new(), has_text: false }
    }

    fn call(name: &str, arguments: &str) -> Call {
        Call { name: name.into(), arguments: arguments.into() }
    }

    #[test]
    fn calls_are_found_however_the_text_is_cut() {
        let text = "I look.<tool_call>\n{\"name\": \"f\", \"arguments\": {\"z\": 1, \"a\": \"b\"}}</tool_call>\n\
                    <tool_call>{\"name\": \"g\"}</tool_call>";
        for size in 1..text.len() {
            let (mut own, mut shown) = (calls(), String::new());
            text.as_bytes().chunks(size).for_each(|piece| shown += &own.push(std::str::from_utf8(piece).unwrap()));
            let (rest, found) = own.finish();
            assert_eq!(shown + &rest, "I look.", "{size}");
            assert_eq!(found, [call("f", r#"{"z":1,"a":"b"}"#), call("g", "{}")], "{size}");
        }
    }

    #[test]
    fn what_is_no_call_is_text() {
        for text in ["a < b and <tool", "{\"name\": \"h\"}", "<tool_call>nothing", "{1}"] {
            let mut own = calls();
            let shown = own.push(text);
            let (rest, found) = own.finish();
            assert_eq!((shown + &rest, found), (text.to_string(), Vec::new()));
        }
        let mut bare = calls();
        assert_eq!(bare.push("{\"name\": \"f\", \"parameters\": {}}"), "");
        assert_eq!(bare.finish(), (String::new(), vec![call("f", "{}")]));
    }

    #[test]
    fn references_move_with_their_schema() {
        let schema: OrderedJson = serde_json::from_str(r##"{"a": [{"$ref": "#/$defs/b"}], "b": {"$ref": "x"}}"##).unwrap();
        let expected = r##"{"a":[{"$ref":"#/c/$defs/b"}],"b":{"$ref":"x"}}"##;
        assert_eq!(moved(&schema, "#/c").to_text(), expected);
    }
}
