use nuwa_tokenizer::Message;

use crate::{Engine, Error, Finish, Flow, GenerateSettings, Request, Result, Scheduler};

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
    /// How many of the ids, at the end, the model wrote itself.
    pub written: usize,
}

impl Prompt {
    /// A prompt of these ids, none of which the model wrote.
    pub fn of(ids: Vec<u32>) -> Self {
        Self { ids, forgotten: 0, written: 0 }
    }
}

impl Conversation {
    /// One question.
    pub fn of(question: &str) -> Self {
        Self { system: None, turns: vec![Message::new("user", question)] }
    }

    /// Answers the last turn; `goes_on` is asked before each token. The answer is not added to the turns.
    ///
    /// What the scheduler remembers of the turns before is not read again. The model is given as many of the latest turns as leave some room for an answer; where an answer needs more, it goes
    /// on after fewer turns, so that it never loses sight of its question.
    ///
    /// # Errors
    /// As [`Conversation::prompt`], and when a setting makes no sense.
    pub fn answer(
        &self,
        scheduler: &mut Scheduler,
        settings: &GenerateSettings,
        goes_on: &mut dyn FnMut() -> Flow,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Answer> {
        // Blanks between the opened turn and its first word are the template's.
        let mut begun = false;
        let mut shown = |text: &str| {
            let text = if begun { text } else { text.trim_start() };
            begun |= !text.is_empty();
            on_text(text);
        };
        let mut answer = Answer::new(settings);
        while let Some(prompt) = answer.next_prompt(self, scheduler.engine())? {
            answer.go_on(scheduler, prompt, settings, goes_on, &mut shown)?;
        }
        answer.text.drain(..answer.text.len() - answer.text.trim_start().len());
        Ok(answer)
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
                return Ok(Prompt { forgotten, ..Prompt::of(ids) });
            }
            shortest = Some(ids.len());
        }
        match shortest {
            Some(tokens) => Err(Error::QuestionTooLong { tokens, context, reserve }),
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

/// The answer to the last turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its text.
    pub text: String,
    /// Why it ended.
    pub finish: Finish,
    /// How many of the oldest turns the model no longer saw at its end.
    pub forgotten: usize,
    /// Its ids, without the one that ended it.
    pub tokens: Vec<u32>,
    most: usize,
}

/// The share of the context that is kept for an answer before turns are left out, as a divisor. Most answers are far
/// shorter than the conversation before them; the few that need more get it when they do.
const RESERVED: usize = 8;

impl Answer {
    pub(crate) fn new(settings: &GenerateSettings) -> Self {
        Self {
            text: String::new(),
            finish: Finish::Length,
            forgotten: 0,
            tokens: Vec::new(),
            most: settings.max_tokens,
        }
    }

    /// What the answer goes on from; none where it has ended, or where even the last question leaves no room for more of it.
    fn next_prompt(&self, conversation: &Conversation, engine: &Engine) -> Result<Option<Prompt>> {
        let left = self.most - self.tokens.len();
        if self.finish != Finish::Length || left == 0 {
            return Ok(None);
        }
        let reserve = match self.tokens.is_empty() {
            true => left.min((engine.model().context() / RESERVED).max(1)),
            false => 1,
        };
        match conversation.prompt(engine, self.tokens.len() + reserve) {
            Ok(prompt) => Ok(Some(prompt)),
            Err(Error::QuestionTooLong { .. }) if !self.tokens.is_empty() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn go_on(
        &mut self,
        scheduler: &mut Scheduler,
        mut prompt: Prompt,
        settings: &GenerateSettings,
        goes_on: &mut dyn FnMut() -> Flow,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<()> {
        self.forgotten = prompt.forgotten;
        prompt.ids.extend(&self.tokens);
        prompt.written = self.tokens.len();
        let engine = scheduler.engine();
        let ends: Vec<u32> =
            engine.tokenizer().end_of_turn().into_iter().chain(engine.tokenizer().ends()).collect();
        let room = engine.model().context() - prompt.ids.len();
        let mut settings = settings.clone();
        settings.max_tokens = (self.most - self.tokens.len()).min(room);
        // Each part draws its own numbers.
        settings.seed = settings.seed.wrapping_add(self.tokens.len() as u64);
        let part = scheduler.write(Request::new(prompt, &settings, &ends), goes_on, on_text)?;
        self.text += &part.text;
        self.tokens.extend(part.tokens);
        self.finish = part.finish;
        Ok(())
    }
}
