use std::collections::BTreeMap;
use std::f64::consts::LN_2;

use super::document::{Document, Size};
use super::{Plan, VERSION};
use crate::remark::{ErrorsOver, Warning};
use crate::{Error, Metric, Ratio, Result, Signature, TaskResult, Unit};

/// From so many texts on, standard errors are taken over texts; below, over blocks.
pub const LEAST_TEXTS: u64 = 30;

/// Sums over all that was scored.
#[derive(Debug, Default)]
pub struct TextTally {
    texts_read: u64,
    texts_changed: u64,
    hash: String,
    size: Size,
    scored_tokens: u64,
    by_text: Ratios,
    by_block: Ratios,
    /// Bits and bytes of each text, and of each block.
    bits_of: [Units; 2],
}

/// The loss in nats over each measure of text.
#[derive(Debug, Default)]
struct Ratios {
    tokens: Ratio,
    words: Ratio,
    characters: Ratio,
    bytes: Ratio,
}

impl Ratios {
    fn add(&mut self, loss: f64, size: Size) {
        self.tokens.add(loss, size.tokens as f64);
        self.words.add(loss, size.words as f64);
        self.characters.add(loss, size.characters as f64);
        self.bytes.add(loss, size.bytes as f64);
    }
}

/// So many texts or blocks are kept one by one, 16 bytes each; where there are more, none is.
const MOST_UNITS: usize = 100_000;

#[derive(Debug, Default)]
struct Units(Vec<Unit>);

impl Units {
    fn add(&mut self, loss: f64, size: Size) {
        if self.0.len() <= MOST_UNITS {
            self.0.push(Unit { y: loss / LN_2, x: size.bytes as f64 });
        }
    }
}

impl TextTally {
    /// Takes note of a text that was read.
    pub fn read(&mut self, text: &str) {
        self.texts_read += 1;
        self.hash.push_str(&nuwa_files::hash_bytes(text.as_bytes()));
        self.hash = nuwa_files::hash_bytes(self.hash.as_bytes());
    }

    pub fn add_block(&mut self, loss: f64, size: Size) {
        self.scored_tokens += size.tokens;
        self.by_block.add(loss, size);
        self.bits_of[1].add(loss, size);
    }

    /// Adds a document with its whole loss; one without a token counts for nothing.
    pub fn add_document(&mut self, loss: f64, document: &Document) {
        let size = document.size;
        if size.tokens == 0 {
            return;
        }
        self.by_text.add(loss, size);
        self.bits_of[0].add(loss, size);
        self.texts_changed += u64::from(!document.comes_back);
        self.size.tokens += size.tokens;
        self.size.words += size.words;
        self.size.characters += size.characters;
        self.size.bytes += size.bytes;
    }

    pub fn tokens(&self) -> u64 {
        self.scored_tokens
    }

    pub fn result(self, plan: Plan) -> Result<TaskResult> {
        let texts = self.by_text.tokens.units();
        if texts == 0 {
            return Err(Error::NoText { texts: self.texts_read });
        }
        let named =
            |pairs: &[(&str, u64)]| pairs.iter().map(|&(name, count)| (name.to_string(), count)).collect();
        let mut result = TaskResult {
            version: VERSION,
            n: texts,
            metrics: self.metrics(),
            counts: named(&[
                ("tokens", self.size.tokens),
                ("words", self.size.words),
                ("characters", self.size.characters),
                ("bytes", self.size.bytes),
            ]),
            settings: named(&[("context", plan.context as u64), ("stride", plan.stride as u64)]),
            standard_errors: self.standard_errors(),
            data_hash: self.hash.clone(),
            warnings: self.warnings(),
            units: self.units(),
            ..TaskResult::default()
        };
        let signature = Signature::new(super::NAME, VERSION).with("context", plan.context);
        let signature = signature.with("stride", plan.stride).with("n", texts);
        let hash = self.hash.get(..12).unwrap_or_default();
        let signature = signature.with("data", format_args!("xxh3-{hash}"));
        result.sign(|_| signature.clone());
        Ok(result)
    }

    fn metrics(&self) -> BTreeMap<String, Metric> {
        let (text, block) = (&self.by_text, &self.by_block);
        let bits = |metric: Metric| metric.scaled(1.0 / LN_2);
        let figures = [
            ("bits_per_byte", self.figure(text.bytes, block.bytes).map(bits)),
            ("bits_per_character", self.figure(text.characters, block.characters).map(bits)),
            ("perplexity", self.figure(text.tokens, block.tokens).map(Metric::exponential)),
            ("word_perplexity", self.figure(text.words, block.words).map(Metric::exponential)),
        ];
        let finite =
            figures.into_iter().filter_map(|(name, figure)| Some((name.to_string(), figure?.finite()?)));
        finite.collect()
    }

    fn units(&self) -> BTreeMap<String, Vec<Unit>> {
        let [texts, blocks] = &self.bits_of;
        let units = if self.takes_texts() { texts } else { blocks };
        let all = Some(&units.0).filter(|all| all.len() <= MOST_UNITS);
        all.map(|all| ("bits_per_byte".to_string(), all.clone())).into_iter().collect()
    }

    fn takes_texts(&self) -> bool {
        self.by_text.tokens.units() >= LEAST_TEXTS
    }

    /// The figure over all texts, its standard error over texts or blocks.
    fn figure(&self, by_text: Ratio, by_block: Ratio) -> Option<Metric> {
        let units = if self.takes_texts() { by_text } else { by_block };
        Some(Metric {
            value: by_text.metric()?.value,
            stderr: units.metric().and_then(|metric| metric.stderr),
        })
    }

    fn standard_errors(&self) -> ErrorsOver {
        match self.takes_texts() {
            true => ErrorsOver::Texts(self.by_text.tokens.units()),
            false => ErrorsOver::Blocks { blocks: self.by_block.tokens.units(), fewer_than: LEAST_TEXTS },
        }
    }

    fn warnings(&self) -> Vec<Warning> {
        let (texts, of) = (self.texts_changed, self.by_text.tokens.units());
        if texts > 0 { vec![Warning::Changed { texts, of }] } else { Vec::new() }
    }
}
