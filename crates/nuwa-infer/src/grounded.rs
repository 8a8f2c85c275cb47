//! Answers that are looked up (Thoppilan et al., "LaMDA", 2022, section 6.2).
//!
//! The model speaks either to the user or to a tool set: a turn that begins with `TS, ` is a query. What the tool set finds becomes a
//! turn of the role `tool`, and the model speaks again, at most [`MOST_ROUNDS`] times.

use nuwa_tokenizer::{Message, TO_TOOLS};

use crate::{Answer, Conversation, Finish, Flow, GenerateSettings, Result, Scheduler};

/// Queries that one answer may take.
pub const MOST_ROUNDS: usize = 4;

/// What the tool set answers where it finds nothing.
pub const NOTHING: &str = "Nothing was found.";

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// What it says.
    pub text: String,
    /// Where it stands: a document, or the name of a tool.
    pub source: String,
}

/// A query, and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// What the model asked for.
    pub query: String,
    /// What was found, if anything.
    pub snippet: Option<Snippet>,
}

/// An answer, and what was looked up for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroundedAnswer {
    /// What is said to the user; none where the model went on asking the tool set.
    pub answer: Option<Answer>,
    /// What was looked up before.
    pub rounds: Vec<Round>,
    /// Whether the listener had enough.
    pub interrupted: bool,
}

impl Conversation {
    /// Answers the last turn with the help of `tools`, which looks up a query. No turn is added.
    ///
    /// # Errors
    /// As [`Conversation::answer`].
    pub fn grounded(
        &self,
        scheduler: &mut Scheduler,
        settings: &GenerateSettings,
        tools: &mut dyn FnMut(&str) -> Option<Snippet>,
        goes_on: &mut dyn FnMut() -> Flow,
    ) -> Result<GroundedAnswer> {
        in_rounds(self, &mut |talk| talk.answer(scheduler, settings, goes_on, &mut |_| {}), tools)
    }
}

/// Lets `write` speak until it speaks to the user, and `tools` answer it before that.
fn in_rounds(
    conversation: &Conversation,
    write: &mut dyn FnMut(&Conversation) -> Result<Answer>,
    tools: &mut dyn FnMut(&str) -> Option<Snippet>,
) -> Result<GroundedAnswer> {
    let (mut talk, mut rounds) = (conversation.clone(), Vec::new());
    loop {
        let answer = write(&talk)?;
        let interrupted = answer.finish == Finish::Interrupted;
        let Some(query) = query(&answer.text).filter(|_| !interrupted) else {
            return Ok(GroundedAnswer { answer: Some(answer), rounds, interrupted });
        };
        if rounds.len() == MOST_ROUNDS {
            return Ok(GroundedAnswer { answer: None, rounds, interrupted });
        }
        let round = Round { snippet: tools(&query), query };
        let found = round.snippet.as_ref().map_or(NOTHING, |snippet| snippet.text.as_str());
        talk.turns.push(Message::new("assistant", format!("{TO_TOOLS}{}", round.query)));
        talk.turns.push(Message::new("tool", found));
        rounds.push(round);
    }
}

/// What a turn asks of the tool set, if it is said to it.
pub fn query(turn: &str) -> Option<String> {
    let query = turn.trim_start().strip_prefix(TO_TOOLS.trim_end())?.trim();
    (!query.is_empty()).then(|| query.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of a model that says these one after the other; each of its queries is put before it as it was asked.
    fn told(said: &[&str]) -> (GroundedAnswer, Vec<String>) {
        let (mut said, mut seen) = (said.iter(), Vec::new());
        let mut write = |talk: &Conversation| {
            seen = talk.turns.iter().map(|turn| format!("{}: {}", turn.role, turn.content)).collect();
            let mut answer = Answer::new(&GenerateSettings::default());
            answer.text = said.next().unwrap().to_string();
            answer.finish = Finish::EndOfText;
            Ok(answer)
        };
        let mut tools = |query: &str| match query {
            "Dorn" => Some(Snippet { text: "Dorn is a town.".into(), source: "en-1".into() }),
            _ => None,
        };
        (in_rounds(&Conversation::of("What is Dorn?"), &mut write, &mut tools).unwrap(), seen)
    }

    #[test]
    fn what_is_found_is_read_before_the_answer() {
        let (grounded, seen) = told(&["TS, Zabo", " TS, Dorn ", "It is a town."]);
        assert_eq!(grounded.answer.unwrap().text, "It is a town.");
        let sources: Vec<_> =
            grounded.rounds.iter().map(|round| round.snippet.as_ref().map(|own| &*own.source)).collect();
        assert_eq!(sources, [None, Some("en-1")]);
        assert_eq!(
            seen,
            [
                "user: What is Dorn?",
                "assistant: TS, Zabo",
                "tool: Nothing was found.",
                "assistant: TS, Dorn",
                "tool: Dorn is a town."
            ]
        );
    }

    #[test]
    fn four_queries_are_the_most() {
        let (grounded, _) = told(&["TS, Dorn"; MOST_ROUNDS + 1]);
        assert!(grounded.answer.is_none() && grounded.rounds.len() == MOST_ROUNDS);
        let (grounded, _) = told(&["It is a town."]);
        assert!(grounded.answer.is_some() && grounded.rounds.is_empty());
    }

    #[test]
    fn a_turn_to_the_tool_set_is_a_query() {
        assert_eq!(query("TS, 3 + 4").as_deref(), Some("3 + 4"));
        for answer in ["TSUNAMI", "The TS, so to speak", "TS,", ""] {
            assert_eq!(query(answer), None, "{answer}");
        }
    }
}
