//! What was said and what the chat template wrote, told apart in the text of a conversation.
//!
//! A template writes control tokens by their names. What people say may hold the same names, and is still only text. So
//! the template is run twice: the second time every character of what was said that could begin or end such a name is
//! replaced by a twin, a private character that occurs nowhere in the conversation. Where both texts are the same but
//! for the twins, each character's origin is known, whatever the template does with it (trimming, joining, cutting out).
//! A template that looks into what was said (`'</think>' in message.content`) may write something else the second time;
//! then only the names themselves are broken up, by one private character within each.

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::{Map, Value};

use crate::chat::Message;
use crate::special::{NamesInAnyCase, Specials};
use crate::{Error, Result};

/// A conversation as its chat template writes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChatText {
    text: String,
    /// Where characters of special tokens' names stand that were said, in bytes.
    said: Vec<usize>,
}

impl ChatText {
    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Part of the text; `bytes` have to lie between characters.
    #[must_use]
    pub fn part(&self, bytes: Range<usize>) -> Self {
        let inside = self.said.iter().filter(|place| bytes.contains(place));
        let said = inside.map(|place| place - bytes.start).collect();
        Self { text: self.text[bytes].to_string(), said }
    }

    /// Whether some of these bytes were said.
    pub(crate) fn was_said(&self, bytes: &Range<usize>) -> bool {
        let first = self.said.partition_point(|&place| place < bytes.start);
        self.said.get(first).is_some_and(|&place| place < bytes.end)
    }

    /// How many special tokens the template wrote.
    fn control_tokens(&self, specials: &Specials) -> usize {
        specials.places(&self.text, |bytes| self.was_said(bytes)).len()
    }
}

/// What a template is given.
#[derive(Debug, Clone, PartialEq)]
pub struct Said<'a> {
    pub messages: &'a [Message],
    pub tools: Option<&'a Value>,
}

/// The text that `write` makes of a conversation, with the origin of what looks like a special token.
pub fn write_marked(
    said: &Said<'_>,
    specials: &Specials,
    write: impl Fn(&[Message], Option<&Value>) -> Result<String>,
) -> Result<ChatText> {
    let plain = write(said.messages, said.tools)?;
    if !said.holds(specials.ends()) {
        return Ok(ChatText { text: plain, said: Vec::new() });
    }
    let twins = Twins::unused(specials.ends(), &[&said.all_text(), &plain])?;
    let write_changed = |change: &dyn Fn(&str) -> String| {
        let (messages, tools) = said.changed(change);
        write(&messages, tools.as_ref())
    };
    let twinned = write_changed(&|text| twins.mark(text)).map(|text| twins.unmark(&text));
    if let Ok(twinned) = &twinned
        && twinned.text == plain
    {
        return Ok(twinned.clone());
    }
    let names = NamesInAnyCase::new(specials)?;
    let broken = twins.join(&write_changed(&|text| twins.break_up(text, &names))?);
    // More control tokens than without any name in what was said: the template put one together out of it.
    match twinned {
        Ok(twinned) if broken.control_tokens(specials) > twinned.control_tokens(specials) => Ok(twinned),
        _ => Ok(broken),
    }
}

impl Said<'_> {
    fn all_text(&self) -> String {
        let mut text = String::new();
        for message in self.messages {
            text += &message.content;
            gather(&Value::Object(message.extra.clone()), &mut text);
        }
        self.tools.iter().for_each(|tools| gather(tools, &mut text));
        text
    }

    fn holds(&self, characters: &[char]) -> bool {
        self.all_text().contains(characters)
    }

    /// The same with every text but the roles changed.
    fn changed(&self, change: &dyn Fn(&str) -> String) -> (Vec<Message>, Option<Value>) {
        let message = |message: &Message| Message {
            role: message.role.clone(),
            content: change(&message.content),
            extra: changed_fields(&message.extra, change),
        };
        (self.messages.iter().map(message).collect(), self.tools.map(|tools| changed_value(tools, change)))
    }
}

fn gather(value: &Value, text: &mut String) {
    match value {
        Value::String(own) => text.push_str(own),
        Value::Array(values) => values.iter().for_each(|value| gather(value, text)),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            text.push_str(name);
            gather(value, text);
        }),
        _ => {}
    }
}

fn changed_value(value: &Value, change: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(change(text)),
        Value::Array(values) => values.iter().map(|value| changed_value(value, change)).collect(),
        Value::Object(fields) => Value::Object(changed_fields(fields, change)),
        other => other.clone(),
    }
}

fn changed_fields(fields: &Map<String, Value>, change: &dyn Fn(&str) -> String) -> Map<String, Value> {
    fields.iter().map(|(name, value)| (change(name), changed_value(value, change))).collect()
}

/// Private characters that stand for others.
struct Twins {
    /// A character and its twin.
    pairs: Vec<(char, char)>,
    /// Stands within a name that is broken up.
    breaker: char,
}

impl Twins {
    /// Twins of `characters` that occur in none of `texts`.
    fn unused(characters: &[char], texts: &[&str]) -> Result<Self> {
        const PRIVATE: [Range<u32>; 2] = [0xF_0000..0xF_FFFE, 0x10_0000..0x10_FFFE];
        let is_private =
            |character: &char| PRIVATE.iter().any(|range| range.contains(&u32::from(*character)));
        let used: BTreeSet<char> = texts.iter().flat_map(|text| text.chars()).filter(is_private).collect();
        let mut free =
            PRIVATE.into_iter().flatten().filter_map(char::from_u32).filter(|it| !used.contains(it));
        let breaker = free.next();
        let pairs: Vec<_> = characters.iter().copied().zip(free).collect();
        match breaker {
            Some(breaker) if pairs.len() == characters.len() => Ok(Self { pairs, breaker }),
            _ => Err(Error::NoPrivateCharacter),
        }
    }

    fn mark(&self, text: &str) -> String {
        let twin = |character| {
            let own = self.pairs.iter().find(|(usual, _)| *usual == character);
            own.map_or(character, |(_, twin)| *twin)
        };
        text.chars().map(twin).collect()
    }

    fn unmark(&self, text: &str) -> ChatText {
        let mut plain = ChatText::default();
        for character in text.chars() {
            match self.pairs.iter().find(|(_, twin)| *twin == character) {
                Some((usual, _)) => {
                    plain.said.push(plain.text.len());
                    plain.text.push(*usual);
                }
                None => plain.text.push(character),
            }
        }
        plain
    }

    /// Each special token's name with the breaker after its first character.
    fn break_up(&self, text: &str, names: &NamesInAnyCase) -> String {
        let starts = names.starts(text);
        let mut broken = String::with_capacity(text.len());
        for (place, character) in text.char_indices() {
            broken.push(character);
            if starts.binary_search(&place).is_ok() {
                broken.push(self.breaker);
            }
        }
        broken
    }

    fn join(&self, broken: &str) -> ChatText {
        let mut plain = ChatText::default();
        let mut last = 0;
        for character in broken.chars() {
            if character == self.breaker {
                plain.said.push(last);
            } else {
                last = plain.text.len();
                plain.text.push(character);
            }
        }
        plain
    }
}
