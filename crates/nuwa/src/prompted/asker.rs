//! A model that is asked one thing at a time, or many things together.

use std::path::Path;
use std::sync::Arc;

use nuwa_infer::{
    Conversation, Engine, GenerateSettings, Generation, JsonSchema, Prompt, Request, SLOTS, Scheduler,
};

use crate::base;
use crate::failure::Problem;

/// Tokens that the joints of a prompt and a text may take beyond those that each has by itself.
const JOINTS: usize = 8;

/// How much of the context an answer gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserve {
    /// As much as the text.
    AsMuch,
    /// At most so many tokens, and at most half of what there is.
    Tokens(usize),
}

/// A model that does what it is asked.
pub struct Asker {
    scheduler: Scheduler,
    system: Option<String>,
    settings: GenerateSettings,
    ends: Vec<u32>,
}

impl Asker {
    /// The model in `folder`, which must have been taught to answer.
    pub fn new(
        engine: Engine,
        folder: &Path,
        system: Option<&str>,
        settings: GenerateSettings,
    ) -> anyhow::Result<Self> {
        if !base::answers(folder, &engine)? {
            let told = format!(
                "{} is a base model: it continues text, and does not do what it is asked",
                folder.display()
            );
            return Err(Problem::new(told).hint("teach it to answer first: nuwa sft --help").into());
        }
        let tokenizer = engine.tokenizer();
        let ends = tokenizer.end_of_turn().into_iter().chain(tokenizer.eos()).collect();
        Ok(Self { scheduler: engine.scheduler(SLOTS)?, system: system.map(str::to_string), settings, ends })
    }

    /// The model and its tokenizer.
    pub fn engine(&self) -> &Engine {
        self.scheduler.engine()
    }

    /// How many tokens a text has by itself.
    pub fn count(&self, text: &str) -> anyhow::Result<usize> {
        Ok(self.engine().tokenizer().encode(text)?.len())
    }

    /// The ids of a question, up to the opened answer. One that leaves no room for an answer is refused.
    pub fn prompt(&self, question: &str) -> anyhow::Result<Vec<u32>> {
        let conversation = Conversation { system: self.system.clone(), ..Conversation::of(question) };
        Ok(conversation.prompt(self.engine(), 1)?.ids)
    }

    /// How many tokens a text may have within a prompt that is this without it.
    pub fn room(&self, around: &str, reserve: Reserve) -> anyhow::Result<usize> {
        let used = self.prompt(around)?.len() + JOINTS;
        let left = self.engine().model().context().saturating_sub(used);
        Ok(match reserve {
            Reserve::AsMuch => left / 2,
            Reserve::Tokens(most) => left - most.min(left / 2),
        })
    }

    /// Whether a question leaves this much of the context to its answer.
    pub fn fits(&self, question: &str, reserve: Reserve) -> anyhow::Result<bool> {
        let context = self.engine().model().context();
        let conversation = Conversation { system: self.system.clone(), ..Conversation::of(question) };
        match conversation.prompt(self.engine(), 1) {
            Ok(prompt) => Ok(match reserve {
                Reserve::AsMuch => prompt.ids.len() <= context / 2,
                Reserve::Tokens(most) => prompt.ids.len() + most.min(context / 2) <= context,
            }),
            Err(nuwa_infer::Error::QuestionTooLong { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The most tokens of an answer, by the settings.
    pub fn most_tokens(&self) -> usize {
        self.settings.max_tokens
    }

    /// Answers to prompts, all of them at the same time, each under its own seed; held to `schema` where there is one.
    pub fn write_all(
        &mut self,
        prompts: Vec<Vec<u32>>,
        schema: Option<&Arc<JsonSchema>>,
    ) -> anyhow::Result<Vec<Generation>> {
        self.write_at_most(prompts, self.settings.max_tokens, schema)
    }

    /// As [`Asker::write_all`], with at most so many tokens each.
    pub fn write_at_most(
        &mut self,
        prompts: Vec<Vec<u32>>,
        most_tokens: usize,
        schema: Option<&Arc<JsonSchema>>,
    ) -> anyhow::Result<Vec<Generation>> {
        let mut requests = Vec::with_capacity(prompts.len());
        for (number, ids) in (0..).zip(prompts) {
            // What does not fit the context any more would be written without sight of the question.
            let room = self.engine().model().context().saturating_sub(ids.len());
            let settings = GenerateSettings {
                max_tokens: most_tokens.min(room),
                seed: self.settings.seed.wrapping_add(number),
                ..self.settings.clone()
            };
            let schema = schema.cloned();
            let request = Request::new(Prompt::of(ids), &settings, &self.ends);
            requests.push(Request { schema, within_context: true, ..request });
        }
        let written = self.scheduler.write_all(requests)?.into_iter();
        Ok(written.collect::<nuwa_infer::Result<_>>()?)
    }
}
