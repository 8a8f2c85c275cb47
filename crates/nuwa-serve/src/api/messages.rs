use nuwa_tokenizer::Message;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::ApiError;

/// A message as clients send it.
#[derive(Debug, Clone, Deserialize)]
pub struct SentMessage {
    role: String,
    #[serde(default)]
    content: Option<Content>,
    #[serde(flatten)]
    extra: Map<String, Value>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "expected a string, or a list of parts with a type and a text")]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Clone, Deserialize)]
struct Part {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    text: Option<String>,
}

/// The messages as a chat template takes them.
///
/// # Errors
/// When there is none, a role is unknown, or a part is no text.
pub fn messages(sent: &[SentMessage]) -> Result<Vec<Message>, ApiError> {
    if sent.is_empty() {
        return Err(ApiError::field("messages", "there is none; expected at least one"));
    }
    sent.iter().enumerate().map(|(index, message)| read(message, &format!("messages[{index}]"))).collect()
}

fn read(sent: &SentMessage, place: &str) -> Result<Message, ApiError> {
    let role = match sent.role.as_str() {
        // The newer name of the same; templates know the older one.
        "developer" => "system",
        role @ ("system" | "user" | "assistant" | "tool") => role,
        other => {
            let told = format!("{other:?}: expected system, developer, user, assistant or tool");
            return Err(ApiError::field(&format!("{place}.role"), &told));
        }
    };
    let content = match &sent.content {
        None => String::new(),
        Some(Content::Text(text)) => text.clone(),
        Some(Content::Parts(parts)) => texts(parts, place)?,
    };
    let mut extra = sent.extra.clone();
    if let Some(Value::Array(calls)) = extra.get_mut("tool_calls") {
        calls.iter_mut().for_each(open_arguments);
    }
    extra.retain(|_, value| !value.is_null());
    Ok(Message { role: role.into(), content, extra })
}

fn texts(parts: &[Part], place: &str) -> Result<String, ApiError> {
    let mut all = String::new();
    for part in parts {
        let text = part.text.as_ref().filter(|_| part.kind == "text");
        let told = || format!("a part of type {:?}: the model reads text only", part.kind);
        all += text.ok_or_else(|| ApiError::field(&format!("{place}.content"), &told()))?;
    }
    Ok(all)
}

/// Clients send arguments as JSON within a text; templates write them as JSON.
fn open_arguments(call: &mut Value) {
    let Some(arguments) = call.pointer_mut("/function/arguments") else { return };
    if let Some(opened) = arguments.as_str().and_then(|text| serde_json::from_str(text).ok()) {
        *arguments = opened;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(sent: Value) -> Result<Vec<Message>, String> {
        let sent: Vec<SentMessage> = serde_json::from_value(sent).map_err(|error| error.to_string())?;
        messages(&sent).map_err(|error| error.value()["error"]["message"].as_str().unwrap_or_default().to_string())
    }

    #[test]
    fn messages_become_what_templates_read() {
        let read = told(json!([
            {"role": "developer", "content": "Be short."},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "name": null},
            {"role": "assistant", "content": null, "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{\"x\": 1}"}}]},
        ]))
        .unwrap();
        let said: Vec<_> = read.iter().map(|own| (own.role.as_str(), own.content.as_str())).collect();
        assert_eq!(said, [("system", "Be short."), ("user", "ab"), ("assistant", "")]);
        assert!(read[1].extra.is_empty());
        assert_eq!(read[2].extra["tool_calls"][0]["function"]["arguments"], json!({"x": 1}));
    }

    #[test]
    fn what_is_no_text_is_refused_at_its_place() {
        let image = json!([{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]);
        assert_eq!(told(image).unwrap_err(), "messages[0].content: a part of type \"image_url\": the model reads text only");
        assert!(told(json!([{"role": "pope", "content": ""}])).unwrap_err().starts_with("messages[0].role: \"pope\""));
        assert!(told(json!([])).unwrap_err().starts_with("messages: there is none"));
    }
}
