use std::collections::BTreeSet;
use std::path::Path;

use nuwa_align::data::{Columns, Record, records};
use nuwa_align::feedback::prompt_key;
use nuwa_tokenizer::Message;
use serde_json::Value;

use crate::failure::Problem;
use crate::input;

/// A prompt whose answers are to be judged.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptToJudge {
    /// What names it in the file of decisions.
    pub key: String,
    /// The turns, of which the last is the user's.
    pub turns: Vec<Message>,
    /// File, and line or item.
    pub place: String,
}

/// The prompts of a file, each once; those that have no system prompt get `system`.
pub fn read(path: &Path, system: Option<&str>) -> anyhow::Result<Vec<PromptToJudge>> {
    let mut seen = BTreeSet::new();
    let mut prompts = Vec::new();
    for (mut turns, place) in turns_in(path)? {
        if let Some(text) = system.filter(|_| turns[0].role != "system") {
            turns.insert(0, Message::new("system", text));
        }
        let key = prompt_key(&turns);
        if seen.insert(key.clone()) {
            prompts.push(PromptToJudge { key, turns, place });
        }
    }
    if prompts.is_empty() {
        let problem = Problem::new(format!("{} holds no prompt", path.display()));
        return Err(problem.hint("write a prompt on each line").into());
    }
    Ok(prompts)
}

/// The turns of each prompt with its place: plain lines, or records.
fn turns_in(path: &Path) -> anyhow::Result<Vec<(Vec<Message>, String)>> {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    if ["txt", "text", "md", ""].contains(&ending) {
        let text = input::file(path)?;
        let text = text.trim_start_matches('\u{feff}');
        let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
        let place = |number: usize| format!("{}:{number}", path.display());
        let asked = |line: &str| vec![Message::new("user", line.trim())];
        return Ok(lines.map(|(number, line)| (asked(line), place(number))).collect());
    }
    records(path, &Columns::new())?.into_iter().map(turns_of).collect()
}

fn turns_of(record: Record) -> anyhow::Result<(Vec<Message>, String)> {
    let found = ["prompt", "messages", "conversations"].into_iter().find_map(|name| record.get(name));
    let mut turns: Vec<Message> = match found {
        Some(Value::String(text)) => vec![Message::new("user", text.trim())],
        Some(Value::Array(turns)) => turns.iter().filter_map(turn).collect(),
        _ => Vec::new(),
    };
    let asked = turns.iter().rposition(|turn| turn.role == "user").map_or(0, |last| last + 1);
    turns.truncate(asked);
    match turns.last() {
        Some(last) if !last.content.is_empty() => Ok((turns, record.place)),
        _ => Err(Problem::new(format!("{}: no prompt is found here", record.place))
            .hint(r#"a record holds a text, {"prompt": "Where is the sea?"}, or turns up to one of the user"#)
            .into()),
    }
}

fn turn(value: &Value) -> Option<Message> {
    let text = |names: [&str; 2]| names.into_iter().find_map(|name| value[name].as_str());
    let role = match text(["role", "from"])? {
        "human" => "user",
        "gpt" => "assistant",
        role => role,
    };
    Some(Message::new(role, text(["content", "value"])?.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompts(name: &str, text: &str) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let told = |prompt: PromptToJudge| {
            let turns = prompt.turns.iter().map(|turn| format!("{}: {}", turn.role, turn.content));
            turns.collect::<Vec<_>>().join(" | ")
        };
        let read = read(&path, None);
        read.map(|prompts| prompts.into_iter().map(told).collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn prompts_are_lines_texts_and_turns_up_to_a_question() {
        assert_eq!(prompts("a.txt", "\u{feff}one\n\n 女娲 \none\n").unwrap(), ["user: one", "user: 女娲"]);
        let records = r#"{"prompt": "one"}
{"prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "two"}]}
{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}, {"from": "human", "value": "c"}]}"#;
        assert_eq!(
            prompts("a.jsonl", records).unwrap(),
            ["user: one", "system: s | user: two", "user: a", "user: a | assistant: b | user: c"]
        );
    }

    #[test]
    fn what_holds_no_prompt_is_named() {
        assert!(prompts("a.txt", " \n").unwrap_err().ends_with("a.txt holds no prompt"));
        let wrong = prompts("a.jsonl", "{\"prompt\": \"a\"}\n{\"text\": \"b\"}\n").unwrap_err();
        assert!(wrong.ends_with("a.jsonl:2: no prompt is found here"), "{wrong}");
    }

    #[test]
    fn a_system_prompt_is_put_before_those_that_have_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        std::fs::write(&path, "one").unwrap();
        let read = read(&path, Some("Be brief.")).unwrap();
        assert_eq!((read[0].turns.len(), read[0].turns[0].role.as_str()), (2, "system"));
    }
}
