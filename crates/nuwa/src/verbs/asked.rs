//! `translate` and `summarize` by a model that chats: it is asked in words, long texts in pieces.

use std::path::Path;

use nuwa_infer::{Finish, GenerateSettings, Generation};
use nuwa_models::Prediction;
use serde::Serialize;

use super::metric::texts::{Pairs, lines};
use super::prompting::{MOST_TOKENS, told_finish};
use super::sequences::{SequenceArguments, one_line};
use crate::console::{print, print_line};
use crate::failure::Problem;
use crate::input;
use crate::prompted::{Asker, GivenText, given};

/// What came of a text.
#[derive(Debug)]
pub struct Told {
    pub text: String,
    /// In how many pieces the text was read.
    pub pieces: usize,
    /// Tokens that were written for it.
    pub tokens: usize,
    pub finish: Finish,
}

/// An answer as `--json` prints it.
#[derive(Serialize)]
struct Line<'a> {
    source: &'a str,
    text: &'a str,
    pieces: usize,
    tokens: usize,
    /// `end` or `length`.
    finish: &'static str,
}

/// Puts what was written for a text's pieces together.
pub fn together(text: String, written: &[Generation]) -> Told {
    let is_cut = written.iter().any(|written| written.finish == Finish::Length);
    Told {
        text,
        pieces: written.len(),
        tokens: written.iter().map(|written| written.tokens.len()).sum(),
        finish: if is_cut { Finish::Length } else { Finish::EndOfText },
    }
}

/// Whether the model in a folder is asked in words: it continues texts and answers no sources.
pub fn is_asked(folder: &Path) -> anyhow::Result<bool> {
    Ok(nuwa_format::load_config(folder)?.predicts() == Prediction::NextToken)
}

impl SequenceArguments {
    /// Lets a model that chats answer the texts with `work`, and prints the answers, or what `measure` makes of them.
    pub fn run_asked(
        &self,
        folder: &Path,
        work: impl Fn(&mut Asker, &[GivenText]) -> anyhow::Result<Vec<Told>>,
        measure: impl Fn(&Pairs, bool) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.check_asked()?;
        let settings = self.asked_settings();
        settings.check()?;
        let texts = self.asked_texts()?;
        let references =
            self.references.as_deref().map(|path| self.references(path, texts.len())).transpose()?;
        let engine = self.weights.load(folder)?;
        let mut asker = Asker::new(engine, folder, self.prompt.system(), settings)?;
        let told = work(&mut asker, &texts)?;
        if let Some(references) = references {
            let hypotheses = told.iter().map(|told| one_line(&told.text)).collect();
            return measure(&Pairs { hypotheses, references }, self.json);
        }
        texts.iter().zip(&told).try_for_each(|(text, told)| self.print_told(text, told))
    }

    fn print_told(&self, given: &GivenText, told: &Told) -> anyhow::Result<()> {
        let finish = told_finish(told.finish, &given.place);
        if !self.json {
            return match self.lines {
                true => print(&format!("{}\n", one_line(&told.text))),
                false => print_line(&told.text),
            };
        }
        let Told { text, pieces, tokens, .. } = told;
        let line = Line { source: &given.text, text, pieces: *pieces, tokens: *tokens, finish };
        print(&format!("{}\n", serde_json::to_string(&line)?))
    }

    /// Refuses what only an encoder-decoder can do.
    fn check_asked(&self) -> anyhow::Result<()> {
        let given = [
            ("--prefix", !self.prefix.is_empty()),
            ("--early-stopping", self.early_stopping),
            ("--best", self.best > 1),
            ("--truncate", self.truncate),
            ("--align", self.align),
        ];
        match given.into_iter().find(|(_, is_given)| *is_given) {
            None => Ok(()),
            Some((name, _)) => Err(Problem::new(format!(
                "{name} is for encoder-decoders, and this model is asked in words"
            ))
            .hint("leave it out; --prompt-file FILE changes the words, and long texts are read in pieces")
            .into()),
        }
    }

    fn asked_settings(&self) -> GenerateSettings {
        let sampling = self.sampling.settings(self.temperature.unwrap_or(0.0), 0);
        let max_tokens = self.max_tokens.map_or(MOST_TOKENS, |count| count.0 as usize);
        GenerateSettings { max_tokens, seed: self.seed, sampling, ..GenerateSettings::default() }
    }

    fn asked_texts(&self) -> anyhow::Result<Vec<GivenText>> {
        // References are a line a text.
        if self.texts.is_empty() && (self.lines || self.references.is_some()) {
            let (name, text) = match &self.file {
                Some(path) => (path.display().to_string(), input::file(path)?),
                None => ("standard input".into(), input::standard_input()?),
            };
            if text.trim().is_empty() {
                return Err(Problem::new(format!("{name} is empty")).hint("give a text a line").into());
            }
            let of_line =
                |(number, text): (usize, String)| GivenText { text, place: format!("{name}, line {number}") };
            return Ok((1..).zip(lines(&name, &text)?).map(of_line).collect());
        }
        given(&self.texts, self.file.as_slice())
    }
}
