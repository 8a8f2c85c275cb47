//! `nuwa generate --beam`: the likeliest continuation, found by a search, in place of a sampled one.

use std::io::{self, IsTerminal};

use anyhow::Context;
use clap::Args;
use nuwa_guard::Side;
use nuwa_infer::{BeamSettings, Engine, Hypothesis};

use super::generate::{Written, print_json, print_stopped};
use super::in_flags::in_flags;
use crate::console::print;
use crate::guarding::{self, CONTENT_FILTER, Watch};

/// Prompts that are continued before anything of them is printed.
const TOGETHER: usize = 64;

/// Flags that say how a token is drawn, of which a search draws none.
const DRAWN: [&str; 9] = [
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "repetition_penalty",
    "frequency_penalty",
    "presence_penalty",
    "stop",
    "seed",
];

/// How a continuation is searched.
#[derive(Debug, Args)]
pub struct BeamArguments {
    /// Search the likeliest continuation with a beam of this width instead of sampling; 1 is greedy
    /// decoding
    #[arg(long, alias = "beams", value_name = "N", conflicts_with_all = DRAWN)]
    beam: Option<usize>,
    /// Length penalty a of the search: hypotheses rank by log-probability / ((5 + tokens) / 6)^a. 0
    /// ranks by probability alone; larger values favour longer texts [default: 0.6]
    #[arg(long, value_name = "A", allow_negative_numbers = true, requires = "beam")]
    length_penalty: Option<f64>,
}

impl BeamArguments {
    /// The settings of the search, where one was asked for.
    pub fn settings(&self) -> anyhow::Result<Option<BeamSettings>> {
        let usual = BeamSettings::default();
        let length_penalty = self.length_penalty.unwrap_or(usual.length_penalty);
        let settings = self.beam.map(|beams| BeamSettings { beams, length_penalty, ..usual });
        settings.as_ref().map(BeamSettings::check).transpose().map_err(in_flags)?;
        Ok(settings)
    }
}

/// How continuations are searched.
pub struct BySearch<'a> {
    pub engine: &'a Engine,
    pub settings: BeamSettings,
    pub max_tokens: usize,
    pub watch: Option<Watch>,
}

impl BySearch<'_> {
    /// Goes on with each of `prompts`, or answers it; prints JSON or text.
    pub fn all(&self, prompts: &[String], as_json: bool) -> anyhow::Result<()> {
        for prompts in prompts.chunks(TOGETHER) {
            let mut asked = Vec::with_capacity(prompts.len());
            for prompt in prompts {
                let refused =
                    self.watch.as_ref().map(|watch| watch.check(prompt, Side::Prompt)).transpose()?;
                asked.push(match refused.flatten() {
                    Some(blocked) => Err(blocked),
                    None => Ok(self.ids(prompt)?),
                });
            }
            let ids: Vec<Vec<u32>> = asked.iter().filter_map(|ids| ids.as_ref().ok()).cloned().collect();
            let mut found = self.found(&ids)?.into_iter();
            for (prompt, ids) in prompts.iter().zip(asked) {
                match ids {
                    Err(_) if as_json => print_stopped(prompt)?,
                    Err(blocked) => guarding::tell(&blocked),
                    Ok(ids) => {
                        let hypothesis = found.next().context("a search gives something for each prompt")?;
                        self.print(prompt, &ids, &hypothesis, as_json)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn is_answer(&self) -> bool {
        self.engine.model().config().is_encoder_decoder()
    }

    fn ids(&self, prompt: &str) -> anyhow::Result<Vec<u32>> {
        Ok(match self.is_answer() {
            true => self.engine.source_ids(prompt)?,
            false => self.engine.prompt_ids(prompt)?,
        })
    }

    /// The best of each prompt.
    fn found(&self, ids: &[Vec<u32>]) -> anyhow::Result<Vec<Hypothesis>> {
        let found = match self.is_answer() {
            true => self.engine.answers(ids, &self.settings, Some(self.max_tokens))?,
            false => self.engine.beams(ids, &self.settings, self.max_tokens)?,
        };
        Ok(found.into_iter().filter_map(|hypotheses| hypotheses.into_iter().next()).collect())
    }

    fn print(&self, prompt: &str, ids: &[u32], found: &Hypothesis, as_json: bool) -> anyhow::Result<()> {
        let before = if self.is_answer() { &[] } else { ids };
        let text = self.engine.text_behind(before, &found.tokens)?;
        let (text, blocked) = match &self.watch {
            Some(watch) => watch.cut(&text)?,
            None => (text, None),
        };
        if as_json {
            let finish = match (&blocked, found.ended) {
                (Some(_), _) => CONTENT_FILTER,
                (None, true) => "end",
                (None, false) => "length",
            };
            return print_json(&Written { prompt, text, tokens: found.tokens.len(), finish });
        }
        print(&text)?;
        if io::stdout().is_terminal() {
            print("\n")?;
        }
        blocked.iter().for_each(guarding::tell);
        Ok(())
    }
}
