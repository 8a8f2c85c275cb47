//! Conversations as `/save` keeps them and `/load` reads them.

use std::path::Path;

use nuwa_infer::Conversation;
use nuwa_report::numbers::counted;
use nuwa_tokenizer::Message;
use serde::{Deserialize, Serialize};

use crate::console::message;
use crate::failure::Problem;

/// What is kept; what holds more than that is another kind of file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    messages: Vec<Message>,
}

impl Kept {
    /// Reads a file; a device or a pipe might never end.
    fn read(path: &Path) -> anyhow::Result<Self> {
        const LARGEST: u64 = 16 << 20;
        if path.exists() && !path.is_file() {
            let problem = Problem::new(format!("{} is no file", path.display()));
            return Err(problem.hint("name a file that /save wrote").into());
        }
        Ok(nuwa_files::read_json_at_most(path, LARGEST)?)
    }
}

/// Writes a conversation to a file; one that is there already is replaced if it is a conversation.
pub fn save(conversation: &Conversation, path: &Path) -> anyhow::Result<()> {
    let system = conversation.system.iter().map(|text| Message::new("system", text.as_str()));
    let messages = system.chain(conversation.turns.iter().cloned()).collect();
    if path.exists() && Kept::read(path).is_err() {
        return Err(Problem::new(format!("{} exists and is no conversation", path.display()))
            .hint("name another file: this one would be lost")
            .into());
    }
    nuwa_files::write_json(path, &Kept { messages })?;
    message(&format!("kept in {}", path.display()));
    Ok(())
}

/// Reads a conversation that ends in an answer.
pub fn load(path: &Path) -> anyhow::Result<Conversation> {
    let Kept { mut messages } = Kept::read(path)?;
    if messages.last().is_some_and(|turn| turn.role != "assistant") {
        return Err(Problem::new(format!("{} does not end in an answer", path.display()))
            .hint("the last of its messages must have the role `assistant`")
            .into());
    }
    let has_system = messages.first().is_some_and(|turn| turn.role == "system");
    let system = has_system.then(|| messages.remove(0).content);
    message(&format!("{} loaded", counted(messages.len() as u64, "turn")));
    Ok(Conversation { system, turns: messages })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_conversation_is_read_or_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let told = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Kept::read(&path).map(|kept| kept.messages.len()).map_err(|error| error.to_string())
        };
        assert_eq!(told(r#"{"messages": [{"role": "user", "content": "a"}]}"#), Ok(1));
        assert!(told(r#"{"model": "m", "messages": []}"#).unwrap_err().contains("unknown field `model`"));
        assert!(told(&" ".repeat(17 << 20)).unwrap_err().contains("is too large"));
        assert!(Kept::read(folder.path()).err().unwrap().to_string().ends_with("is no file"));
        #[cfg(unix)]
        assert!(Kept::read(Path::new("/dev/zero")).err().unwrap().to_string().ends_with("is no file"));
    }
}
