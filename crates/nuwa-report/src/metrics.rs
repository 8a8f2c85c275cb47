//! The curves of training, from the lines of `metrics.jsonl`.

use std::collections::BTreeMap;

use nuwa_train::inside::{LAYER_FIGURES, LayerSizes};
use nuwa_train::{Figures, Sample};
use serde::Deserialize;

/// The steps, validations and samples of a training run, by step.
#[derive(Debug, Default)]
pub struct Metrics {
    pub steps: BTreeMap<u64, Step>,
    pub validations: BTreeMap<u64, Validation>,
    /// Texts the model wrote, by step and prompt.
    pub samples: BTreeMap<(u64, String), String>,
    /// Sizes of activations, gradients and weights by block, of the steps that tell them.
    pub inside: BTreeMap<u64, LayerSizes>,
    /// How many whole lines could not be read.
    pub unreadable: u64,
}

/// One step; what a line does not hold, or holds as no number, is missing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Step {
    /// Tokens seen so far.
    pub tokens: f64,
    pub loss: Option<f64>,
    pub learning_rate: Option<f64>,
    pub gradient_norm: Option<f64>,
    pub tokens_per_second: Option<f64>,
    /// Of preferences: by how much the chosen answer is rewarded above the rejected one.
    pub margin: Option<f64>,
    /// Of answers that the model sampled.
    pub sampled: Sampled,
}

/// What is told of answers that a model sampled; all missing where it sampled none.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub struct Sampled {
    /// The mean reward.
    pub reward: Option<f64>,
    /// The mean true reward, where that is known.
    pub true_reward: Option<f64>,
    /// The KL divergence of an answer from the reference, in nats.
    pub kl: Option<f64>,
    /// The entropy of a token, in nats.
    pub entropy: Option<f64>,
    /// Tokens of an answer.
    pub length: Option<f64>,
    /// The share of answers that the model ended.
    pub ended: Option<f64>,
}

/// One validation.
#[derive(Debug, Clone, Copy)]
pub struct Validation {
    /// Tokens seen so far.
    pub tokens: f64,
    /// Mean loss over the validation tokens, in nats.
    pub loss: Option<f64>,
    /// The same per byte of text, in bits.
    pub bits_per_byte: Option<f64>,
    pub margin: Option<f64>,
    /// Of answers to held-out prompts.
    pub sampled: Sampled,
}

/// A line: a step, a validation or a sample, which are told apart by what they hold.
#[derive(Debug, Deserialize)]
struct MetricsLine {
    step: u64,
    tokens: Option<f64>,
    loss: Option<f64>,
    #[serde(alias = "lr")]
    learning_rate: Option<f64>,
    gradient_norm: Option<f64>,
    tokens_per_second: Option<f64>,
    margin: Option<f64>,
    validation_loss: Option<f64>,
    bits_per_byte: Option<f64>,
    sample: Option<Sample>,
    #[serde(flatten)]
    sampled: Sampled,
}

impl Metrics {
    /// Reads the lines of `metrics.jsonl`; half a line at the end is that of a run that was killed.
    pub fn parse(text: &str) -> Self {
        let mut metrics = Self::default();
        for line in text.split_inclusive('\n').filter(|line| !line.trim().is_empty()) {
            match serde_json::from_str::<MetricsLine>(line) {
                Ok(parsed) => {
                    metrics.inside.extend(inside(line).map(|sizes| (parsed.step, sizes)));
                    metrics.push(parsed);
                }
                Err(_) => metrics.unreadable += u64::from(line.ends_with('\n')),
            }
        }
        metrics
    }

    fn push(&mut self, line: MetricsLine) {
        let MetricsLine {
            step, loss, learning_rate, gradient_norm, tokens_per_second, margin, sampled, ..
        } = line;
        let tokens = line.tokens.unwrap_or_else(|| self.tokens_at(step));
        if let Some(Sample { prompt, text }) = line.sample {
            self.samples.insert((step, prompt), text);
        } else if line.validation_loss.is_some() || (learning_rate.is_none() && line.bits_per_byte.is_some())
        {
            let (loss, bits_per_byte) = (line.validation_loss, line.bits_per_byte);
            self.validations.insert(step, Validation { tokens, loss, bits_per_byte, margin, sampled });
        } else {
            let record =
                Step { tokens, loss, learning_rate, gradient_norm, tokens_per_second, margin, sampled };
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

    /// The median speed of all steps, in tokens per second.
    pub fn median_speed(&self) -> Option<f64> {
        let mut speeds: Vec<f64> = self.steps.values().filter_map(|step| step.tokens_per_second).collect();
        speeds.sort_by(f64::total_cmp);
        speeds.get(speeds.len() / 2).copied()
    }
}

/// What a line tells of each block; few do.
fn inside(line: &str) -> Option<LayerSizes> {
    if !line.contains(LAYER_FIGURES[0]) {
        return None;
    }
    let all: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).ok()?;
    let figures: Figures =
        all.into_iter().filter_map(|(name, value)| Some((name, value.as_f64()?))).collect();
    LayerSizes::from_figures(&figures)
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
            "{\"loss\":3}\n",
            "{\"step\":4,\"lo",
        ));
        assert_eq!(metrics.steps.len(), 3);
        assert_eq!(metrics.steps[&2].loss, Some(7.5));
        assert_eq!(metrics.steps[&3].loss, None);
        assert_eq!(metrics.validations[&2].tokens, 20.0);
        assert_eq!(metrics.last_bits_per_byte(), Some(3.1));
        assert_eq!(metrics.samples[&(2, "a".into())], "b");
        assert_eq!(metrics.unreadable, 1);
        assert!(metrics.inside.is_empty());
    }

    #[test]
    fn sizes_by_block_are_read() {
        let line = "{\"step\":1,\"loss\":9.0,\"tokens\":10,\"activation.0\":1.5,\"gradient.0\":0.25,\"weight.0\":0.02}\n";
        let metrics = Metrics::parse(line);
        assert_eq!(metrics.inside[&1].activations, [1.5]);
        assert_eq!(metrics.inside[&1].gradients, [0.25]);
        assert_eq!(metrics.steps[&1].loss, Some(9.0));
    }
}
