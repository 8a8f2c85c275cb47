//! `metrics.jsonl`: what training wrote down, line by line.

use std::collections::BTreeMap;

use serde_json::Value;

/// The lines of a run's metrics, each kind by its step.
///
/// A run that was killed and resumed has written some steps twice; the later line is the one that counts.
#[derive(Debug, Default)]
pub struct Metrics {
    /// A line for each optimizer step (or every few).
    pub steps: BTreeMap<u64, Step>,
    /// The validations.
    pub validations: BTreeMap<u64, Validation>,
    /// Text written during the run: for each step and prompt, its text.
    pub samples: BTreeMap<(u64, String), String>,
    /// Lines that are not JSON, such as the last one of a killed run.
    pub unreadable: usize,
}

/// An optimizer step.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Tokens seen since the start.
    pub tokens: f64,
    /// Mean loss of the step's tokens, in nats.
    pub loss: Option<f64>,
    /// The learning rate of the step.
    pub learning_rate: Option<f64>,
    /// The gradient's norm before clipping.
    pub gradient_norm: Option<f64>,
    /// Speed.
    pub tokens_per_second: Option<f64>,
}

/// A validation.
#[derive(Debug, Clone, Copy)]
pub struct Validation {
    /// Tokens seen since the start.
    pub tokens: f64,
    /// Mean loss over the validation tokens, in nats.
    pub loss: Option<f64>,
    /// The same per byte of text, in bits.
    pub bits_per_byte: Option<f64>,
}

impl Metrics {
    /// Reads the lines of `metrics.jsonl`.
    pub fn parse(text: &str) -> Self {
        let mut metrics = Self::default();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            match serde_json::from_str::<Value>(line) {
                Ok(line) => metrics.push(&line),
                Err(_) => metrics.unreadable += 1,
            }
        }
        metrics
    }

    fn push(&mut self, line: &Value) {
        let number = |key: &str| line[key].as_f64().filter(|value| value.is_finite());
        let Some(step) = line["step"].as_u64() else {
            self.unreadable += 1;
            return;
        };
        let tokens = number("tokens").unwrap_or_else(|| self.tokens_at(step));
        if line["sample"].is_object() {
            let field = |key: &str| line["sample"][key].as_str().unwrap_or_default().to_string();
            self.samples.insert((step, field("prompt")), field("text"));
        } else if line.get("validation_loss").is_some() || line.get("bits_per_byte").is_some() {
            let (loss, bits_per_byte) = (number("validation_loss"), number("bits_per_byte"));
            self.validations.insert(step, Validation { tokens, loss, bits_per_byte });
        } else {
            let record = Step {
                tokens,
                loss: number("loss"),
                learning_rate: number("learning_rate").or_else(|| number("lr")),
                gradient_norm: number("gradient_norm"),
                tokens_per_second: number("tokens_per_second"),
            };
            self.steps.insert(step, record);
        }
    }

    /// Tokens seen at `step`, as far as the step lines say; else the step itself, so that curves keep their order.
    fn tokens_at(&self, step: u64) -> f64 {
        self.steps.range(..=step).next_back().map_or(step as f64, |(_, record)| record.tokens)
    }

    /// The last bits per byte.
    pub fn last_bits_per_byte(&self) -> Option<f64> {
        self.validations.values().rev().find_map(|validation| validation.bits_per_byte)
    }

    /// The last validation at or before `step`.
    pub fn validation_at(&self, step: u64) -> Option<Validation> {
        self.validations.range(..=step).next_back().map(|(_, validation)| *validation)
    }

    /// The middle speed of all steps, in tokens per second.
    pub fn median_speed(&self) -> Option<f64> {
        let mut speeds: Vec<f64> = self.steps.values().filter_map(|step| step.tokens_per_second).collect();
        speeds.sort_by(f64::total_cmp);
        speeds.get(speeds.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumed_run_counts_each_step_once_and_half_a_line_is_no_crash() {
        let metrics = Metrics::parse(concat!(
            "{\"step\":1,\"loss\":9.0,\"tokens\":10}\n",
            "{\"step\":2,\"loss\":8.0,\"tokens\":20}\n",
            "{\"step\":2,\"loss\":7.5,\"tokens\":20}\n",
            "{\"step\":2,\"validation_loss\":7.6,\"bits_per_byte\":3.1}\n",
            "{\"step\":2,\"sample\":{\"prompt\":\"a\",\"text\":\"b\"}}\n",
            "{\"step\":3,\"loss\":null}\n",
            "{\"step\":4,\"lo",
        ));
        assert_eq!(metrics.steps.len(), 3);
        assert_eq!(metrics.steps[&2].loss, Some(7.5));
        assert_eq!(metrics.steps[&3].loss, None);
        assert_eq!(metrics.validations[&2].tokens, 20.0);
        assert_eq!(metrics.last_bits_per_byte(), Some(3.1));
        assert_eq!(metrics.samples[&(2, "a".into())], "b");
        assert_eq!(metrics.unreadable, 1);
    }
}
