//! How a model is talked to, for its card: its chat template as an example, its special tokens.

use nuwa_tokenizer::{Message, Tokenizer};
use serde::Serialize;

use super::facts::Fact;
use super::run::{Run, text};

/// The most special tokens that are listed.
const LISTED: usize = 24;

/// How a model is talked to.
#[derive(Debug, Serialize)]
pub struct ChatForm {
    /// A question that it was taught to answer.
    pub question: String,
    /// A conversation as the template writes it, with the next answer opened.
    pub example: String,
    /// Which token is what.
    pub special: Vec<Fact>,
}

/// None where the run taught no model to answer, or its tokenizer cannot be read.
pub fn of(run: &Run) -> Option<ChatForm> {
    let tokenizer = Tokenizer::load(&run.folder.join("model")).ok()?;
    let question = question(run);
    let turns = [
        Message::new("user", "Hello!"),
        Message::new("assistant", "Hello! What would you like to know?"),
        Message::new("user", question.as_str()),
    ];
    let example = tokenizer.apply_chat_template(&turns, true).ok()?;
    Some(ChatForm { question, example, special: special(&tokenizer) })
}

/// One of the user's own records, else of the items that it was asked.
fn question(run: &Run) -> String {
    let own = text(&run.sft, &["/question"]).or_else(|| text(&run.dpo, &["/question"]));
    let asked = || {
        let tasks = run.eval["tasks"].as_object()?;
        let is_answer = |name: &str| name.contains("/world_answer");
        tasks
            .iter()
            .filter(|(name, _)| is_answer(name))
            .find_map(|(_, task)| text(task, &["/shown/0/prompt"]))
    };
    own.or_else(asked).unwrap_or("Who are you?").to_string()
}

fn special(tokenizer: &Tokenizer) -> Vec<Fact> {
    let named = |id: u32| tokenizer.id_to_token(id).map(|name| format!("`{name}` ({id})"));
    let all: Vec<String> = (0..tokenizer.vocab_size() as u32)
        .filter(|id| tokenizer.is_special(*id))
        .filter_map(named)
        .take(LISTED)
        .collect();
    let rows = [
        ("Ends a turn", tokenizer.end_of_turn().and_then(named)),
        ("Ends a text", tokenizer.eos().and_then(named)),
        ("Begins a text", tokenizer.bos().and_then(named)),
        ("All special tokens, with their ids", Some(all.join(", ")).filter(|all| !all.is_empty())),
    ];
    rows.into_iter().filter_map(|(name, value)| Some(Fact::new(name, value?))).collect()
}
