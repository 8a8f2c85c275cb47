//! Prompts whose answers a person judges.

use std::collections::BTreeSet;
use std::path::Path;

use nuwa_align::BadRecords;
use nuwa_align::data::{self, Columns};
use nuwa_align::feedback::prompt_key;
use nuwa_infer::Conversation;
use nuwa_tokenizer::Message;

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

impl PromptToJudge {
    /// The prompt as a chat that waits for an answer.
    pub fn conversation(&self) -> Conversation {
        match self.turns.split_first() {
            Some((first, rest)) if first.role == "system" => {
                Conversation { system: Some(first.content.clone()), turns: rest.to_vec() }
            }
            _ => Conversation { system: None, turns: self.turns.clone() },
        }
    }
}

/// The prompts of a file, each once; those that have no system prompt get `system`.
pub fn read(path: &Path, system: Option<&str>) -> anyhow::Result<Vec<PromptToJudge>> {
    let mut seen = BTreeSet::new();
    let mut prompts = Vec::new();
    let (all, _) = data::prompts(&[path.to_path_buf()], &Columns::new(), BadRecords::Error)?;
    for data::Prompt { messages: mut turns, place, .. } in all {
        if let Some(text) = system.filter(|_| turns[0].role != "system") {
            turns.insert(0, Message::new("system", text));
        }
        let key = prompt_key(&turns);
        if seen.insert(key.clone()) {
            prompts.push(PromptToJudge { key, turns, place });
        }
    }
    Ok(prompts)
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
        assert!(prompts("a.txt", " \n").unwrap_err().contains("a.txt holds nothing"));
        let wrong = prompts("a.jsonl", "{\"prompt\": \"a\"}\n{\"text\": \"b\"}\n").unwrap_err();
        assert!(wrong.contains("a.jsonl:2"), "{wrong}");
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
