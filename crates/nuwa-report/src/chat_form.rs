//! How a model is talked to, for its card: its chat template as an example, its special tokens.

use nuwa_tokenizer::{Message, Tokenizer};
use serde::Serialize;

use crate::facts::{self, Fact};
use crate::run::Run;
use crate::words::Text;
use crate::words::card::Words;

const WORDS: Words = Words::ALL;

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
    let mut outcomes = run.fine_tuned.iter().filter_map(|stage| stage.outcome.as_ref());
    let own = outcomes.find_map(|outcome| outcome.question.as_deref());
    let asked = || facts::first_prompt(&run.eval.as_ref()?.tasks, |name| name.contains("/world_answer"));
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
        (WORDS.ends_turn, tokenizer.end_of_turn().and_then(named)),
        (WORDS.ends_text, tokenizer.eos().and_then(named)),
        (WORDS.begins_text, tokenizer.bos().and_then(named)),
        (WORDS.special, Some(all.join(", ")).filter(|all| !all.is_empty())),
    ];
    rows.into_iter().filter_map(|(name, value)| Some(Fact::new(name, Text::same(value?)))).collect()
}
