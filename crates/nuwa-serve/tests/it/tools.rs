//! Tools, as the template has them.

use serde_json::{Value, json};

use crate::support::usual;

fn tools() -> Value {
    let parameters = json!({"$defs": {"place": {"enum": ["Dorn", "Zabo"]}}, "type": "object",
        "properties": {"place": {"$ref": "#/$defs/place"}}, "required": ["place"]});
    json!([
        {"type": "function", "function": {"name": "weather", "parameters": parameters}},
        {"type": "function", "function": {"name": "time"}},
    ])
}

#[test]
fn a_call_that_is_asked_for_is_made() {
    let place = usual();
    let choice = json!({"type": "function", "function": {"name": "weather"}});
    let fields = json!({"tools": tools(), "tool_choice": choice, "max_tokens": 100});
    let answer = place.chat(fields.clone()).ok().json();
    let own = &answer["choices"][0];
    assert_eq!((&own["finish_reason"], &own["message"]["content"]), (&json!("tool_calls"), &Value::Null));
    let call = &own["message"]["tool_calls"][0];
    assert_eq!((&call["type"], &call["function"]["name"]), (&json!("function"), &json!("weather")));
    let arguments: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
    assert!(["Dorn", "Zabo"].contains(&arguments["place"].as_str().unwrap()));
    let mut streamed = fields;
    streamed["stream"] = json!(true);
    let pieces = place.chat(streamed).ok().pieces();
    let called: Vec<&Value> = pieces.iter().filter_map(|piece| piece["choices"][0]["delta"]["tool_calls"].get(0)).collect();
    assert_eq!((called.len(), &called[0]["function"]["arguments"]), (1, &call["function"]["arguments"]));
    assert_eq!(pieces.last().unwrap()["choices"][0]["finish_reason"], "tool_calls");
}

#[test]
fn tools_reach_the_template_and_what_cannot_be_is_refused() {
    let place = usual();
    let tokens = |fields: Value| place.chat(fields).ok().json()["usage"]["prompt_tokens"].as_u64().unwrap();
    let (with, without) = (tokens(json!({"tools": tools()})), tokens(json!({})));
    assert!(with > without + 20, "{with} {without}");
    assert_eq!(tokens(json!({"tools": tools(), "tool_choice": "none"})), without);
    for (fields, name) in [
        (json!({"tools": tools(), "tool_choice": {"type": "function", "function": {"name": "gone"}}}), "tool_choice"),
        (json!({"tools": [{"type": "function"}]}), "tools[0]"),
        (json!({"tools": tools(), "response_format": {"type": "json_object"}}), "response_format"),
    ] {
        let answer = place.chat(fields);
        assert_eq!((answer.status, answer.json()["error"]["param"].as_str()), (400, Some(name)), "{answer:?}");
    }
}
