//! A talk with a model that a server has.

use std::path::Path;

use nuwa_infer::{Conversation, Flow, GenerateSettings};
use nuwa_tokenizer::Message;

use super::answering::printed;
use super::served::Served;
use super::{Said, check_command, keeping, no_command, temperature};
use crate::console::message;

/// What was said to a server's model and by it.
pub struct Remote {
    served: Served,
    conversation: Conversation,
    settings: GenerateSettings,
}

const HELP: &str = "\
/reset           forget all turns
/system TEXT     what the model is told before all turns; without TEXT: nothing
/temperature T   0 is always the likeliest answer, 1 is daring
/save FILE       keep the conversation
/load FILE       go on with a kept one
/quit            end (also Ctrl-D)
//word           asks the model /word";

impl Remote {
    pub fn new(served: Served, system: Option<String>, settings: GenerateSettings) -> Self {
        Self { served, conversation: Conversation { system, turns: Vec::new() }, settings }
    }

    /// A line that was typed.
    pub fn hear(&mut self, line: &str) -> anyhow::Result<Flow> {
        match Said::in_line(line) {
            Said::Nothing => {}
            Said::Command { name: "/quit" | "/exit", rest: "" } => return Ok(Flow::Break(())),
            Said::Command { name, rest } => self.obey(name, rest)?,
            Said::Question(question) => self.ask(question)?,
        }
        Ok(Flow::Continue(()))
    }

    fn obey(&mut self, name: &str, rest: &str) -> anyhow::Result<()> {
        check_command(name, rest)?;
        match name {
            "/help" => message(HELP),
            "/reset" => {
                self.conversation.turns.clear();
                message("all turns are forgotten");
            }
            "/system" => self.conversation.system = (!rest.is_empty()).then(|| rest.to_string()),
            "/temperature" => self.settings.sampling.temperature = temperature(rest)?,
            "/save" => keeping::save(&self.conversation, Path::new(rest))?,
            "/load" => self.conversation = keeping::load(Path::new(rest))?,
            _ => return Err(no_command(name, rest)),
        }
        Ok(())
    }

    /// Lets the server answer a question and keeps both; where there is no whole answer, neither.
    pub fn ask(&mut self, question: &str) -> anyhow::Result<()> {
        let mut settings = self.settings.clone();
        // Each answer draws its own numbers.
        settings.seed = settings.seed.wrapping_add(self.conversation.turns.len() as u64);
        self.conversation.turns.push(Message::new("user", question));
        let answered =
            printed(|goes_on, on_text| self.served.answer(&self.conversation, &settings, goes_on, on_text));
        match answered {
            Ok(answer) => match answer.finish.as_deref() {
                None => {
                    self.conversation.turns.pop();
                    message("(stopped: the question and this answer are not kept)");
                }
                Some(finish) => {
                    self.conversation.turns.push(Message::new("assistant", answer.text));
                    if finish == "length" {
                        message("(cut off: --max-tokens allows more, as far as the context has room)");
                    }
                }
            },
            Err(error) => {
                self.conversation.turns.pop();
                return Err(error);
            }
        }
        Ok(())
    }
}
