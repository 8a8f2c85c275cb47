use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How the next token is chosen from the model's logits. The rules apply in this order: repetition penalty, frequency and
/// presence penalty, temperature, top-k, top-p, min-p, each to what the one before left. Names, ranges and formulas are those of
/// transformers and, for the frequency and presence penalty, of the OpenAI interface that vLLM and llama.cpp follow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SamplingSettings {
    /// Softmax temperature. 0 is greedy decoding; 1 samples from the model's own distribution;
    /// above 1 flattens it.
    pub temperature: f64,
    /// Top-k sampling: keep only the k most likely tokens; 0 keeps all.
    pub top_k: usize,
    /// Top-p (nucleus) sampling: keep the smallest set of most likely tokens whose total
    /// probability reaches this value, above 0 up to 1; 1 keeps all.
    pub top_p: f64,
    /// Min-p sampling: keep tokens whose probability is at least this share of the most likely
    /// token's, 0 to 1; 0 keeps all.
    pub min_p: f64,
    /// Logits of tokens that already occurred are divided by this (multiplied if negative). Above 1
    /// discourages repetition, 1 changes nothing, below 1 encourages it; must be above 0.
    pub repetition_penalty: f64,
    /// Subtracted from a token's logit for every time the token was generated: `logit - penalty *
    /// count`. -2 to 2; 0 changes nothing. Counts generated tokens only, not the prompt.
    pub frequency_penalty: f64,
    /// Subtracted once from the logit of every token that was generated. -2 to 2; 0 changes
    /// nothing. Counts generated tokens only, not the prompt.
    pub presence_penalty: f64,
}

impl Default for SamplingSettings {
    fn default() -> Self {
        Self {
            temperature: 0.8,
            top_k: 0,
            top_p: 0.95,
            min_p: 0.0,
            repetition_penalty: 1.0,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
        }
    }
}

impl SamplingSettings {
    /// Always the likeliest token.
    pub fn greedy() -> Self {
        Self { temperature: 0.0, ..Self::default() }
    }

    /// Refuses what no token can be chosen with.
    ///
    /// # Errors
    /// When a setting is out of its range; the message names it.
    pub fn check(&self) -> Result<()> {
        let within = |penalty: f64| (-2.0..=2.0).contains(&penalty);
        let penalty = "expected a number from -2 to 2";
        let checks = [
            ("temperature", self.temperature, self.temperature >= 0.0, "expected 0 or more"),
            ("top_p", self.top_p, self.top_p > 0.0 && self.top_p <= 1.0, "expected more than 0, at most 1"),
            ("min_p", self.min_p, (0.0..=1.0).contains(&self.min_p), "expected a number from 0 to 1"),
            (
                "repetition_penalty",
                self.repetition_penalty,
                self.repetition_penalty > 0.0,
                "expected a number above 0",
            ),
            ("frequency_penalty", self.frequency_penalty, within(self.frequency_penalty), penalty),
            ("presence_penalty", self.presence_penalty, within(self.presence_penalty), penalty),
        ];
        for (name, value, holds, expected) in checks {
            if !(holds && value.is_finite()) {
                return Err(Error::Setting { name, value: value.to_string(), expected });
            }
        }
        Ok(())
    }
}

/// How a text is continued.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GenerateSettings {
    /// The most tokens to write. When the model's context is full, it goes on from the last half of it.
    pub max_tokens: usize,
    /// Writing ends before the first of these strings; none of them is part of the text.
    pub stop: Vec<String>,
    /// Where the random choices come from: the same seed, prompt and settings give the same text.
    pub seed: u64,
    /// How each token is chosen.
    pub sampling: SamplingSettings,
}

impl Default for GenerateSettings {
    fn default() -> Self {
        Self { max_tokens: 200, stop: Vec::new(), seed: 0, sampling: SamplingSettings::default() }
    }
}

impl GenerateSettings {
    /// Refuses what no text can be written with.
    ///
    /// # Errors
    /// When a setting makes no sense; the message names it.
    pub fn check(&self) -> Result<()> {
        if self.stop.iter().any(String::is_empty) {
            let expected = "expected strings of at least one character: an empty one occurs everywhere";
            return Err(Error::Setting { name: "stop", value: format!("{:?}", self.stop), expected });
        }
        self.sampling.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senseless_values_are_refused_by_name() {
        let broken = [
            ("temperature", SamplingSettings { temperature: -0.1, ..Default::default() }),
            ("temperature", SamplingSettings { temperature: f64::NAN, ..Default::default() }),
            ("temperature", SamplingSettings { temperature: f64::INFINITY, ..Default::default() }),
            ("top_p", SamplingSettings { top_p: 0.0, ..Default::default() }),
            ("top_p", SamplingSettings { top_p: 1.5, ..Default::default() }),
            ("min_p", SamplingSettings { min_p: -1.0, ..Default::default() }),
            ("repetition_penalty", SamplingSettings { repetition_penalty: 0.0, ..Default::default() }),
            ("frequency_penalty", SamplingSettings { frequency_penalty: 2.5, ..Default::default() }),
            ("presence_penalty", SamplingSettings { presence_penalty: f64::NAN, ..Default::default() }),
        ];
        for (name, settings) in broken {
            let message = settings.check().unwrap_err().to_string();
            assert!(message.starts_with(name), "{message}");
        }
        assert!(SamplingSettings::default().check().is_ok());
        assert!(SamplingSettings::greedy().check().is_ok());
    }

    #[test]
    fn an_empty_stop_string_is_refused() {
        let settings = GenerateSettings { stop: vec!["a".into(), String::new()], ..Default::default() };
        assert!(settings.check().is_err());
    }
}
