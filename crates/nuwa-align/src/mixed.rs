//! Text of the pretraining mixed into tuning, so that what was learnt there is kept.
//!
//! Beside its records, each step sees windows of that text. With `t` the targets in them and `w` the weight:
//! `loss = loss of the records + w * sum over t of nll / |t|`. Ouyang et al., "Training language models to follow instructions
//! with human feedback" (2022), call it PPO-ptx there; in continual learning it is rehearsal.
//!
//! Which windows a step sees follows from the seed and the step's number alone. They come from the part that was trained on,
//! in the pretraining's own way: each document sees itself alone.

use std::path::{Path, PathBuf};

use nuwa_shards::{Part, Shards};
use nuwa_train::{Loader, Measured, Steps, Trainer};
use serde::{Deserialize, Serialize};

use crate::pack::{Example, groups};
use crate::tune::{RecordSteps, packed};
use crate::{PretrainingText, Result};

/// Where the text is, and how it is read.
#[derive(Debug, Clone)]
pub struct TextSource<'a> {
    /// The folder of token shards.
    pub shards: &'a Path,
    /// The token that ends documents.
    pub eos: Option<u32>,
    /// Most positions of a window: the model's context.
    pub context: usize,
    /// Most tokens that go through the model at one time.
    pub micro_batch: usize,
    /// Decides which windows a step sees.
    pub seed: u64,
}

/// How much text was mixed in.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TextStats {
    /// The folder of token shards.
    pub shards: PathBuf,
    /// Tokens of that text, over all steps.
    pub tokens: u64,
    /// Their share of all tokens that went through the model.
    pub share: f64,
    /// The weight of their mean negative log-likelihood in the loss.
    pub weight: f32,
}

/// An objective beside which text of the pretraining is learnt on, or that objective alone.
#[derive(Debug)]
pub struct Mixed<O> {
    objective: O,
    text: Option<Text>,
}

#[derive(Debug)]
struct Text {
    loader: Loader,
    eos: Option<u32>,
    micro_batch: usize,
    weight: f32,
    steps: Vec<Reading>,
    stats: TextStats,
    identity: serde_json::Value,
}

/// What of the text a step reads.
#[derive(Debug, Clone, Copy)]
struct Reading {
    first_window: u64,
    tokens: usize,
}

/// Passes of the text have numbers from here on, so that they drop other activations than those of records.
const FIRST_PASS: u64 = 1 << 15;

impl<O: RecordSteps> Mixed<O> {
    /// `objective` alone.
    pub fn alone(objective: O) -> Self {
        Self { objective, text: None }
    }

    /// `objective` with the share of text that `settings` ask for.
    ///
    /// # Errors
    /// When the shards cannot be read or hold no text.
    pub fn new(objective: O, settings: &PretrainingText, source: &TextSource<'_>) -> Result<Self> {
        if settings.share == 0.0 || settings.weight == 0.0 {
            return Ok(Self::alone(objective));
        }
        let text = Text::new(&objective, settings, source)?;
        Ok(Self { objective, text: Some(text) })
    }

    /// The objective beside the text.
    pub fn objective(&self) -> &O {
        &self.objective
    }

    /// How much text there is beside it.
    pub fn text(&self) -> Option<&TextStats> {
        self.text.as_ref().map(|text| &text.stats)
    }
}

impl Text {
    fn new(
        objective: &impl RecordSteps,
        settings: &PretrainingText,
        source: &TextSource<'_>,
    ) -> Result<Self> {
        let shards = Shards::open(source.shards, Part::Train)?;
        let length = source.context.min(shards.tokens().saturating_sub(1) as usize).max(1);
        let of_records: Vec<u64> = (0..objective.count()).map(|step| objective.tokens(step)).collect();
        let steps = readings(&of_records, settings.share, length);
        let tokens: u64 = steps.iter().map(|reading| reading.tokens as u64).sum();
        let sizes = [shards.tokens(), shards.documents(), shards.bytes(), shards.characters()];
        let loader = Loader::new(shards, length, source.seed)?;
        let mut first = vec![0; length + 1];
        loader.read(0, &mut first)?;
        Ok(Self {
            loader,
            eos: source.eos,
            micro_batch: source.micro_batch,
            weight: settings.weight,
            stats: TextStats {
                shards: source.shards.into(),
                tokens,
                share: tokens as f64 / (tokens + of_records.iter().sum::<u64>()).max(1) as f64,
                weight: settings.weight,
            },
            steps,
            identity: serde_json::json!([settings, sizes, first, source.seed]),
        })
    }

    /// The documents, or parts of them, that `step` reads.
    fn examples(&self, step: u64) -> nuwa_train::Result<Vec<Example>> {
        let Reading { first_window, tokens } = self.steps[step as usize];
        let mut window = vec![0; self.loader.context() + 1];
        let (mut examples, mut left, mut number) = (Vec::new(), tokens, first_window);
        while left > 0 {
            self.loader.read(number, &mut window)?;
            let length = left.min(self.loader.context());
            cut(&window[..=length], self.eos, &mut examples);
            left -= length;
            number += 1;
        }
        Ok(examples)
    }

    /// Adds the gradient of the text's loss, and gives its mean and its tokens.
    fn step(&self, trainer: &mut Trainer, step: u64) -> nuwa_train::Result<(f64, u64)> {
        let examples = self.examples(step)?;
        let sizes: Vec<usize> = examples.iter().map(Example::positions).collect();
        let tokens: usize = sizes.iter().sum();
        let share = self.weight / tokens as f32;
        let mut loss = 0.0;
        for (group, pass) in groups(0..examples.len(), &sizes, self.micro_batch).into_iter().zip(FIRST_PASS..)
        {
            let packed = packed(group.into_iter().map(|index| &examples[index]), share);
            loss += f64::from(trainer.pass(&packed, (step << 16) | pass)?.total());
        }
        Ok((loss / f64::from(self.weight), tokens as u64))
    }
}

/// Tokens of text that a step has at least, where a window holds so many: fewer say too little beside few records.
const FEWEST: usize = 512;

/// What each step reads, so that of all its tokens a `share` is text, or more where that is less than a window.
fn readings(of_records: &[u64], share: f64, length: usize) -> Vec<Reading> {
    let mut next = 0;
    let reading = |&records: &u64| {
        let wanted = (records as f64 * share / (1.0 - share)).round() as usize;
        let tokens = wanted.max(length.min(FEWEST));
        let first_window = next;
        next += tokens.div_ceil(length) as u64;
        Reading { first_window, tokens }
    };
    of_records.iter().map(reading).collect()
}

/// A window in examples: the token that ends a document is the last target of it and the first input of what follows.
fn cut(window: &[u32], eos: Option<u32>, examples: &mut Vec<Example>) {
    let last = window.len() - 1;
    let mut start = 0;
    for place in 1..=last {
        if place == last || Some(window[place]) == eos {
            let ids = window[start..=place].to_vec();
            let trained = (0..ids.len()).map(|at| at > 0).collect();
            examples.push(Example::of(ids, trained));
            start = place;
        }
    }
}

impl<O: RecordSteps> RecordSteps for Mixed<O> {
    fn count(&self) -> u64 {
        self.objective.count()
    }
}

impl<O: RecordSteps> Steps for Mixed<O> {
    fn tokens(&self, step: u64) -> u64 {
        let of_text = self.text.as_ref().map_or(0, |text| text.steps[step as usize].tokens as u64);
        self.objective.tokens(step) + of_text
    }

    fn step(&mut self, trainer: &mut Trainer, step: u64) -> nuwa_train::Result<Measured> {
        let mut measured = self.objective.step(trainer, step)?;
        if let Some(text) = &self.text {
            let (loss, tokens) = text.step(trainer, step)?;
            measured.figures.insert("text_loss".into(), loss);
            measured.tokens += tokens;
        }
        Ok(measured)
    }

    fn validate(&mut self, trainer: &mut Trainer) -> nuwa_train::Result<Option<Measured>> {
        self.objective.validate(trainer)
    }

    fn resumes_at(&self, step: u64) -> bool {
        self.objective.resumes_at(step)
    }

    fn companions(&self) -> Vec<&Trainer> {
        self.objective.companions()
    }

    fn companions_mut(&mut self) -> Vec<&mut Trainer> {
        self.objective.companions_mut()
    }

    fn state(&self) -> serde_json::Value {
        self.objective.state()
    }

    fn restore(&mut self, state: &serde_json::Value) {
        self.objective.restore(state);
    }

    fn fingerprint(&self) -> String {
        let own = self.objective.fingerprint();
        match &self.text {
            Some(text) => serde_json::json!([own, "pretraining text", text.identity]).to_string(),
            None => own,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_cut_where_documents_end() {
        let mut examples = Vec::new();
        cut(&[5, 6, 0, 7, 8, 0], Some(0), &mut examples);
        let ids: Vec<&[u32]> = examples.iter().map(|example| example.ids.as_slice()).collect();
        assert_eq!(ids, [&[5, 6, 0][..], &[0, 7, 8, 0]]);
        assert!(examples.iter().all(|example| example.trained_tokens() == example.positions()));
        examples.clear();
        cut(&[5, 0, 6], None, &mut examples);
        assert_eq!(examples[0].ids, [5, 0, 6]);
    }

    #[test]
    fn a_share_of_all_tokens_is_text() {
        let readings = readings(&[300, 100, 3], 0.25, 64);
        let tokens: Vec<usize> = readings.iter().map(|reading| reading.tokens).collect();
        let windows: Vec<u64> = readings.iter().map(|reading| reading.first_window).collect();
        assert_eq!((tokens, windows), (vec![100, 64, 64], vec![0, 2, 3]));
    }
}
