//! What tuning did, for the page: its course, and in plain words what was learnt and what was not.

use serde::Serialize;
use serde_json::Value;

use super::chart::{Chart, Curve, Horizontal};
use super::run::Run;
use crate::numbers::{counted, grouped};

/// The tuning of a run.
#[derive(Debug, Serialize)]
pub struct Tuning {
    words: Vec<String>,
    curves: Vec<Chart>,
}

/// None where nothing was tuned.
pub fn of(run: &Run) -> Option<Tuning> {
    let words: Vec<String> =
        [fine_tuning(&run.sft), preferences(&run.dpo, &run.dpo_metrics)].into_iter().flatten().collect();
    let curves = curves(run);
    (!words.is_empty() || !curves.is_empty()).then_some(Tuning { words, curves })
}

fn fine_tuning(sft: &Value) -> Option<String> {
    let loss = |when: &str| sft[when]["validation_loss"].as_f64();
    let (before, after) = (loss("before")?, loss("after")?);
    let count = |key: &str| sft["dialogues"][key].as_u64().unwrap_or(0);
    let mut words = format!(
        "Fine-tuning on {}: the loss of the tokens of held-back answers went from {before:.2} to {after:.2} nats.",
        counted(count("dialogues"), "dialogue")
    );
    let dropped = sft["dialogues"]["dropped"].as_object().into_iter().flatten();
    let left_out = dropped.map(|(reason, times)| format!("{times} left out ({reason})"));
    let cut = [
        ("split", "were cut into pieces, being longer than the context"),
        ("truncated", "lost their end, being longer than the context"),
    ];
    let cut = cut.into_iter().map(|(key, what)| (count(key), what)).filter(|(times, _)| *times > 0);
    let fates: Vec<String> =
        cut.map(|(times, what)| format!("{} {what}", grouped(times))).chain(left_out).collect();
    if !fates.is_empty() {
        words.push_str(&format!(
            " Of these {} were used whole, {}.",
            grouped(count("whole")),
            fates.join(", ")
        ));
    }
    Some(words)
}

/// Standard errors by which more than half of the pairs has to be right to be called more than chance.
const CLEARLY: f64 = 2.0;

fn preferences(dpo: &Value, lines: &[Value]) -> Option<String> {
    let after = &dpo["after"];
    let (accuracy, margin) = (after["accuracy"].as_f64()?, after["margin"].as_f64()?);
    let held_back = dpo["held_back"].as_u64().filter(|count| *count > 0)?;
    let error = (accuracy * (1.0 - accuracy) / held_back as f64).sqrt();
    let mut words = format!(
        "Preferences from {}: the margin of rewards came to {:.2} nats on the pairs that were trained on, and to {margin:.2} on {held_back} held-back ones, of which {:.0} ± {:.0} % are ranked right (chance is 50 %). ",
        counted(dpo["pairs"]["pairs"].as_u64()?, "pair"),
        trained_margin(lines)?,
        100.0 * accuracy,
        100.0 * error
    );
    words.push_str(if accuracy - CLEARLY * error > 0.5 {
        "So it has learnt which answers are preferred, also in pairs that it never saw."
    } else {
        "That is no better than chance: what it took from its own pairs does not carry over to others. A small model takes in how preferred answers sound, their length and their usual words; where a judgement about what they say decides, as it does in pairs written by people, it would have to understand them."
    });
    Some(words)
}

/// The mean margin over the last fifth of the steps.
fn trained_margin(lines: &[Value]) -> Option<f64> {
    let margins: Vec<f64> = lines.iter().filter(is_step).filter_map(|line| line["margin"].as_f64()).collect();
    let last = &margins[margins.len() - margins.len().div_ceil(5)..];
    (!last.is_empty()).then(|| last.iter().sum::<f64>() / last.len() as f64)
}

fn is_step(line: &&Value) -> bool {
    line["learning_rate"].is_number()
}

/// The course of tuning: loss and, for preferences, the margin, over steps.
fn curves(run: &Run) -> Vec<Chart> {
    let charts = [
        chart("Fine-tuning: loss of answers", &run.sft_metrics, "loss", "validation_loss"),
        chart("Preferences: loss", &run.dpo_metrics, "loss", "validation_loss"),
        chart("Preferences: margin of rewards", &run.dpo_metrics, "margin", "margin"),
    ];
    charts.into_iter().flatten().collect()
}

fn chart(title: &str, lines: &[Value], figure: &str, held_back: &str) -> Option<Chart> {
    let points = |of_steps: bool, figure: &str| -> Vec<(f64, f64)> {
        let own = lines.iter().filter(|line| is_step(line) == of_steps);
        own.filter_map(|line| Some((line["step"].as_f64()?, line[figure].as_f64()?))).collect()
    };
    let curves = vec![
        Curve { name: "training", class: "train", points: points(true, figure), marked: false },
        Curve { name: "held back", class: "validation", points: points(false, held_back), marked: true },
    ];
    Chart::draw(title, format!("{title}, over steps."), curves, None, Horizontal::Linear)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn lines() -> Vec<Value> {
        (1..=10)
            .map(|step| json!({"step": step, "learning_rate": 1e-4, "margin": f64::from(step) / 10.0}))
            .collect()
    }

    fn after(accuracy: f64) -> Value {
        json!({"pairs": {"pairs": 1800}, "held_back": 100, "after": {"accuracy": accuracy, "margin": 0.03}})
    }

    #[test]
    fn what_is_no_more_than_chance_is_called_so() {
        let words = preferences(&after(0.58), &lines()).unwrap();
        assert!(
            words.starts_with("Preferences from 1,800 pairs: the margin of rewards came to 0.95 nats"),
            "{words}"
        );
        assert!(
            words.contains("58 ± 5 % are ranked right (chance is 50 %). That is no better than chance"),
            "{words}"
        );
        assert!(preferences(&after(0.9), &lines()).unwrap().ends_with("in pairs that it never saw."));
    }

    #[test]
    fn fine_tuning_names_the_fate_of_every_dialogue() {
        let dialogues = json!({"dialogues": 12, "whole": 8, "split": 3, "truncated": 0, "dropped": {"no token to train on": 1}});
        let sft = json!({"dialogues": dialogues, "before": {"validation_loss": 6.114}, "after": {"validation_loss": 4.9}});
        insta::assert_snapshot!(fine_tuning(&sft).unwrap(), @"Fine-tuning on 12 dialogues: the loss of the tokens of held-back answers went from 6.11 to 4.90 nats. Of these 8 were used whole, 3 were cut into pieces, being longer than the context, 1 left out (no token to train on).");
    }

    #[test]
    fn nothing_is_said_of_what_was_not_done() {
        assert!(fine_tuning(&Value::Null).is_none() && preferences(&Value::Null, &[]).is_none());
    }
}
