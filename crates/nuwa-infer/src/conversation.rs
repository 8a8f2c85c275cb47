use nuwa_tokenizer::Message;

use crate::{Engine, Error, Flow, GenerateSettings, Generation, Result, continue_until};

/// Turns of a chat with a model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Conversation {
    /// What stands before all turns; never forgotten.
    pub system: Option<String>,
    /// The turns, of which the first may be forgotten.
    pub turns: Vec<Message>,
}

/// What the model is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// Its ids, up to the opened answer.
    pub ids: Vec<u32>,
    /// How many of the oldest turns it leaves out.
    pub forgotten: usize,
}

impl Conversation {
    /// One question.
    pub fn of(question: &str) -> Self {
        Self { system: None, turns: vec![Message::new("user", question)] }
    }

    /// The prompt for the next answer: as many of the latest turns as leave room for `reserve` tokens, whole, from a turn of
    /// the user on.
    ///
    /// # Errors
    /// When the model has no chat template, the template fails, or the last turn alone does not fit.
    pub fn prompt(&self, engine: &Engine, reserve: usize) -> Result<Prompt> {
        let context = engine.model().context();
        let room = context.saturating_sub(reserve);
        let starts = (0..self.turns.len()).filter(|&index| self.turns[index].role == "user");
        let mut shortest = None;
        for forgotten in starts {
            let ids = self.ids_from(engine, forgotten)?;
            if ids.len() <= room {
                return Ok(Prompt { ids, forgotten });
            }
            shortest = Some(ids.len());
        }
        match shortest {
            Some(tokens) => Err(Error::PromptTooLong { tokens, context: room }),
            None => Err(Error::EmptyPrompt),
        }
    }

    fn ids_from(&self, engine: &Engine, first: usize) -> Result<Vec<u32>> {
        let system = self.system.iter().map(|text| Message::new("system", text.as_str()));
        let messages: Vec<Message> = system.chain(self.turns[first..].iter().cloned()).collect();
        let chat = engine.tokenizer().chat(&messages, None, true)?;
        Ok(engine.tokenizer().encode_chat(&chat)?)
    }
}

impl Engine {
    /// Answers the last turn of a conversation; `goes_on` is asked before each token. The answer is not added to it.
    ///
    /// # Errors
    /// As [`Conversation::prompt`], and when a setting makes no sense.
    pub fn answer(
        &self,
        prompt: &Prompt,
        settings: &GenerateSettings,
        goes_on: &mut dyn FnMut() -> Flow,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Generation> {
        let ends: Vec<u32> =
            self.tokenizer().end_of_turn().into_iter().chain(self.tokenizer().end_of_text()).collect();
        // Blanks between the opened turn and its first word are the template's.
        let mut begun = false;
        let mut shown = |text: &str| {
            let text = if begun { text } else { text.trim_start() };
            begun |= !text.is_empty();
            on_text(text);
        };
        let mut answer = self.write_until(prompt, settings, &ends, goes_on, &mut shown)?;
        answer.text.drain(..answer.text.len() - answer.text.trim_start().len());
        Ok(answer)
    }

    /// As [`Engine::answer`], up to any of the ids `ends`.
    ///
    /// # Errors
    /// As there.
    pub fn write_until(
        &self,
        prompt: &Prompt,
        settings: &GenerateSettings,
        ends: &[u32],
        goes_on: &mut dyn FnMut() -> Flow,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Generation> {
        continue_until(self.model(), self.tokenizer(), &prompt.ids, settings, ends, goes_on, on_text)
    }
}
