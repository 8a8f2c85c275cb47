//! A dialogue as token ids, with the mark of which are trained on.
//!
//! The text is what the chat template writes. What belongs to an answer is found by rendering beginnings of the dialogue:
//! the answer of turn `i` is what `render(turns up to and with i)` adds to `render(turns before i, answer opened)`. It
//! ends with the token that ends the turn, so that the model learns to stop. Text is turned into ids example by example,
//! cut where answers begin and end: just as in use, where the model goes on from the ids of the opened answer.

use nuwa_tokenizer::{ChatText, Message, Tokenizer};
use serde_json::Value;

use crate::data::Dialogue;
use crate::{Error, Result};

/// A dialogue in ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rendered {
    /// All ids.
    pub ids: Vec<u32>,
    /// Whether the model learns to give this id.
    pub trained: Vec<bool>,
    /// Where each turn begins in `ids`.
    pub turns: Vec<usize>,
}

/// Renders `dialogue`; its answers from turn `first_trained` on are trained on, but for those that the dialogue
/// says are not.
///
/// # Errors
/// When the template fails, or changes the beginning of a dialogue when turns are added.
pub fn render(tokenizer: &Tokenizer, dialogue: &Dialogue, first_trained: usize) -> Result<Rendered> {
    let spans = Spans::find(tokenizer, dialogue, first_trained)?;
    let mut rendered = Rendered::default();
    let mut at = 0;
    for (place, mark) in spans.cuts {
        rendered.push(tokenizer, &spans.text.part(at..place), false)?;
        at = place;
        match mark {
            Mark::Turn => rendered.turns.push(rendered.ids.len()),
            Mark::Answer(end) => {
                rendered.push(tokenizer, &spans.text.part(place..end), true)?;
                at = end;
            }
        }
    }
    rendered.push(tokenizer, &spans.text.part(at..spans.text.text().len()), false)?;
    rendered.end(tokenizer);
    Ok(rendered)
}

impl Rendered {
    fn push(&mut self, tokenizer: &Tokenizer, text: &ChatText, trained: bool) -> Result<()> {
        if !text.text().is_empty() {
            self.ids.extend(tokenizer.encode_chat(text)?);
            self.trained.resize(self.ids.len(), trained);
        }
        Ok(())
    }

    /// Without what stands after the last answer; a template that does not end its turns gets the end of a text.
    fn end(&mut self, tokenizer: &Tokenizer) {
        let Some(last) = self.trained.iter().rposition(|&trained| trained) else { return };
        self.ids.truncate(last + 1);
        self.trained.truncate(last + 1);
        if let Some(end) = tokenizer.eos().filter(|_| !tokenizer.is_special(self.ids[last])) {
            self.ids.push(end);
            self.trained.push(true);
        }
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Turn,
    /// An answer up to here.
    Answer(usize),
}

/// The text of a dialogue, and what begins where.
struct Spans {
    text: ChatText,
    cuts: Vec<(usize, Mark)>,
}

impl Spans {
    fn find(tokenizer: &Tokenizer, dialogue: &Dialogue, first_trained: usize) -> Result<Self> {
        let Dialogue { messages, untrained, tools, place } = dialogue;
        let tools = tools.as_ref();
        let text = tokenizer.chat(messages, tools, false)?;
        let mut spans = Self { text, cuts: Vec::new() };
        // Beginnings that a template cannot render (it wants a question first) are no place to cut.
        for (index, message) in messages.iter().enumerate() {
            if let Some(start) = spans.prefix(tokenizer, &messages[..index], tools, false) {
                spans.cuts.push((start, Mark::Turn));
            }
            if message.role != "assistant" || index < first_trained || untrained.contains(&index) {
                continue;
            }
            let opened = spans.prefix(tokenizer, &messages[..index], tools, true);
            let closed = spans.prefix(tokenizer, &messages[..=index], tools, false);
            let (Some(start), Some(end)) = (opened, closed) else {
                return Err(Error::Template { place: place.clone() });
            };
            let end = start + spans.text.text()[start..end].trim_end().len();
            spans.cuts.push((start, Mark::Answer(end)));
        }
        Ok(spans)
    }

    /// How much of the text these turns are; none where it does not begin with them.
    fn prefix(
        &self,
        tokenizer: &Tokenizer,
        turns: &[Message],
        tools: Option<&Value>,
        opened: bool,
    ) -> Option<usize> {
        if turns.is_empty() && !opened {
            return Some(0);
        }
        let chat = tokenizer.chat(turns, tools, opened).ok()?;
        self.text.text().starts_with(chat.text()).then_some(chat.text().len())
    }
}
