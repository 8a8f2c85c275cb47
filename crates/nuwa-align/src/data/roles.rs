//! Who speaks, by the names that files use.

/// The usual name of a role.
pub fn role(name: &str) -> Option<&'static str> {
    let name = name.trim().to_lowercase().replace([' ', '-'], "_");
    Some(match name.as_str() {
        "system" | "developer" | "context" | "系统" => "system",
        "user" | "human" | "prompter" | "customer" | "client" | "person" | "player" | "question"
        | "query" | "instruction" | "prompt" | "用户" | "人类" | "问" => "user",
        "assistant" | "ai" | "ai_assistant" | "agent" | "bot" | "chatbot" | "bard" | "bing" | "model"
        | "llm" | "answer" | "response" | "output" | "completion" | "function_call" | "tool_call"
        | "助手" | "答" => "assistant",
        "tool" | "observation" | "function" | "function_response" | "tool_response" | "ipython" => "tool",
        _ if is_model(&name) => "assistant",
        _ => return None,
    })
}

/// The name of a model that answered, such as `chatgpt` or `gpt-4`.
fn is_model(name: &str) -> bool {
    ["gpt", "chatgpt", "claude", "gemini", "llama", "mistral", "qwen", "deepseek", "palm", "vicuna"]
        .iter()
        .any(|model| name.starts_with(model))
}

#[cfg(test)]
mod tests {
    use super::role;

    #[test]
    fn usual_names_are_known_and_others_are_not() {
        for (name, expected) in [
            ("Human", Some("user")),
            ("chatgpt", Some("assistant")),
            ("gpt-4", Some("assistant")),
            (" AI Assistant", Some("assistant")),
            ("developer", Some("system")),
            ("ipython", Some("tool")),
            ("robot", None),
            ("", None),
        ] {
            assert_eq!(role(name), expected, "{name}");
        }
    }
}
