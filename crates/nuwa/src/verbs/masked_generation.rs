//! `nuwa generate` on a model that fills in one mask after the other.

use std::io::{self, IsTerminal};

use nuwa_guard::Side;
use nuwa_infer::{Flow, GenerateSettings, Generation, MaskedWriter};

use super::generate::{Written, print_json, print_stopped, reason};
use crate::console::print;
use crate::guarding::{self, CONTENT_FILTER, Watch, guarded};

/// How continuations are written.
pub struct ByMasks<'a> {
    pub writer: &'a MaskedWriter,
    pub settings: GenerateSettings,
    pub watch: Option<Watch>,
}

impl ByMasks<'_> {
    /// Goes on with each of `prompts`, as JSON or as it comes.
    pub fn all(&self, prompts: &[String], as_json: bool) -> anyhow::Result<()> {
        for prompt in prompts {
            let refused = self.watch.as_ref().map(|watch| watch.check(prompt, Side::Prompt)).transpose()?;
            match (refused.flatten(), as_json) {
                (Some(_), true) => print_stopped(prompt)?,
                (Some(blocked), false) => guarding::tell(&blocked),
                (None, true) => self.print_json(prompt)?,
                (None, false) => self.stream(prompt)?,
            }
        }
        Ok(())
    }

    fn print_json(&self, prompt: &str) -> anyhow::Result<()> {
        let beginning = self.writer.beginning(prompt)?;
        let mut goes_on = || Flow::Continue(());
        let written = self.writer.write(&beginning, &self.settings, &mut goes_on, &mut |_| {})?;
        let Generation { text, tokens, finish, .. } = written;
        let (text, blocked) = match &self.watch {
            Some(watch) => watch.cut(&text)?,
            None => (text, None),
        };
        let finish = if blocked.is_some() { CONTENT_FILTER } else { reason(finish) };
        print_json(&Written { prompt, text, tokens: tokens.len(), finish })
    }

    fn stream(&self, prompt: &str) -> anyhow::Result<()> {
        let beginning = self.writer.beginning(prompt)?;
        let mut printed = Ok(());
        let mut on_text = |text: &str| {
            if printed.is_ok() {
                printed = print(text);
            }
        };
        let mut goes_on = || Flow::Continue(());
        let write = |goes_on: &mut dyn FnMut() -> Flow, on_text: &mut dyn FnMut(&str)| {
            self.writer.write(&beginning, &self.settings, goes_on, on_text)
        };
        let (_, blocked) = guarded(self.watch.as_ref(), &mut goes_on, &mut on_text, write)?;
        printed?;
        if io::stdout().is_terminal() {
            print("\n")?;
        }
        blocked.iter().for_each(guarding::tell);
        Ok(())
    }
}
