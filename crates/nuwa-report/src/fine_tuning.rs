//! What fine-tuning did, for the page: its curves, and in plain words what was learnt and what was not.

use nuwa_train::ValidationLine;
use serde::Serialize;

use crate::chart::{Chart, Curve, Horizontal};
use crate::metrics::{Metrics, Sampled, Step, Validation};
use crate::records::FineTuningOutcome;
use crate::run::{FineTuned, Run};
use crate::words::report::{self as words, Words};
use crate::words::{COMMA, Fixed, Text, names};

const WORDS: Words = Words::ALL;

/// The fine-tuning of a run.
#[derive(Debug, Serialize)]
pub struct FineTuning {
    words: Vec<Text>,
    curves: Vec<Chart>,
}

/// None where nothing was fine-tuned.
pub fn of(run: &Run) -> Option<FineTuning> {
    let words: Vec<Text> = run.fine_tuned.iter().filter_map(told).collect();
    let curves: Vec<Chart> = run.fine_tuned.iter().flat_map(curves).collect();
    (!words.is_empty() || !curves.is_empty()).then_some(FineTuning { words, curves })
}

fn told(stage: &FineTuned) -> Option<Text> {
    let outcome = stage.outcome.as_ref()?;
    answers(outcome)
        .or_else(|| sequences(outcome))
        .or_else(|| labels(outcome))
        .or_else(|| ranking(outcome))
        .or_else(|| rewards(stage, outcome))
        .or_else(|| preferences(outcome, &stage.metrics))
        .or_else(|| judgements(outcome))
}

/// Of a reward model.
fn ranking(outcome: &FineTuningOutcome) -> Option<Text> {
    let ranking = outcome.ranking.as_ref()?;
    let [accuracy, error] = ranking.accuracy.map(|share| 100.0 * share);
    Some(words::ranking(ranking.pairs, [accuracy, error], ranking.margin, 100.0 * ranking.calibration_error))
}

/// Of a policy that learnt from rewards.
fn rewards(stage: &FineTuned, outcome: &FineTuningOutcome) -> Option<Text> {
    let own = outcome.reinforcement.as_ref()?;
    let (before, after) = (outcome.summary.before.as_ref(), outcome.summary.after.as_ref());
    let figure = |line: Option<&ValidationLine>, name: &str| line?.figures.get(name).copied();
    let both = |name: &str| figure(before, name).zip(figure(after, name));
    let mut parts = vec![words::rounds(stage.stage, own.rounds, own.prompts)];
    parts.extend(both("reward").map(words::reward_went));
    parts.extend(both("true_reward").map(words::true_reward_went));
    parts.extend(figure(after, "kl").map(words::kl_at_the_end));
    Some(Text::joined(&parts, NOTHING))
}

/// Of a stage that learnt from dialogues.
fn answers(outcome: &FineTuningOutcome) -> Option<Text> {
    let account = outcome.dialogues.as_ref()?;
    let (before, after) = (outcome.summary.before.as_ref()?, outcome.summary.after.as_ref()?);
    let mut parts = vec![words::sft(account.dialogues, before.validation_loss, after.validation_loss)];
    let cut = [(account.split, words::split as fn(u64) -> Text), (account.truncated, words::truncated)];
    let cut = cut.into_iter().filter(|(times, _)| *times > 0).map(|(times, told)| told(times));
    let dropped =
        account.dropped.iter().map(|(reason, times)| words::dropped(*times, &names::reason(reason)));
    let fates: Vec<Text> = cut.chain(dropped).collect();
    if !fates.is_empty() {
        parts.push(words::sft_fates(account.whole, &Text::joined(&fates, COMMA)));
    }
    Some(Text::joined(&parts, NOTHING))
}

/// Of an encoder-decoder that learnt from pairs.
fn sequences(outcome: &FineTuningOutcome) -> Option<Text> {
    let account = outcome.sequences.as_ref()?;
    let (before, after) = (outcome.summary.before.as_ref()?, outcome.summary.after.as_ref()?);
    let accuracy = after.figures.get("accuracy").map(|share| 100.0 * share)?;
    Some(words::sequences(account.pairs, [before.validation_loss, after.validation_loss], accuracy))
}

/// Of a model that learnt labels.
fn labels(outcome: &FineTuningOutcome) -> Option<Text> {
    let own = outcome.labels.as_ref()?;
    let (before, after) = (outcome.summary.before.as_ref()?, outcome.summary.after.as_ref()?);
    let losses = [before.validation_loss, after.validation_loss];
    Some(words::labels(own.texts.texts, own.labels.names.len(), losses))
}

const NOTHING: Fixed = Fixed { en: "", zh: "" };

/// Standard errors by which more than half of the pairs has to be right to be called more than chance.
const CLEARLY: f64 = 2.0;

/// Of a stage that learnt from pairs.
fn preferences(outcome: &FineTuningOutcome, metrics: &Metrics) -> Option<Text> {
    let account = outcome.pairs.as_ref()?;
    let after = outcome.summary.after.as_ref()?;
    let figure = |name: &str| after.figures.get(name).copied();
    let (accuracy, margin) = (figure("accuracy")?, figure("margin")?);
    let held_out = Some(outcome.held_out).filter(|count| *count > 0)?;
    let error = (accuracy * (1.0 - accuracy) / held_out as f64).sqrt();
    let trained = trained_margin(metrics)?;
    let name = outcome.loss.unwrap_or_default().title();
    let margins = [trained, margin];
    let ranked = [accuracy, error].map(|share| 100.0 * share);
    let figures = words::preferences(name, account.pairs, margins, held_out, ranked);
    let learnt = accuracy - CLEARLY * error > 0.5;
    let verdict = if learnt { words::DPO_LEARNT } else { words::DPO_CHANCE };
    Some(Text::joined(&[figures, verdict.into()], NOTHING))
}

/// Of a stage that learnt from single answers that are desirable or not.
fn judgements(outcome: &FineTuningOutcome) -> Option<Text> {
    let account = outcome.answers.as_ref()?;
    let counts = [account.answers, account.desirable, account.undesirable];
    let learnt_from = words::kto(counts, account.weights);
    let after = outcome.summary.after.as_ref()?;
    let figure = |name: &str| after.figures.get(name).copied();
    let ranked = figure("accuracy").zip(figure("desirable_reward").zip(figure("undesirable_reward")));
    let Some((accuracy, (desirable, undesirable))) = ranked else { return Some(learnt_from) };
    // Pairs of both kinds share their answers: what is independent are the answers of a kind, about half of all.
    let error = (accuracy * (1.0 - accuracy) / (outcome.held_out as f64 / 2.0).max(1.0)).sqrt();
    let ranked = [accuracy, error].map(|share| 100.0 * share);
    let kl = figure("kl").unwrap_or(0.0);
    let figures = words::kto_held_out(outcome.held_out, [desirable, undesirable], ranked, kl);
    let learnt = accuracy - CLEARLY * error > 0.5;
    let verdict = if learnt { words::KTO_LEARNT } else { words::KTO_CHANCE };
    Some(Text::joined(&[learnt_from, figures, verdict.into()], NOTHING))
}

/// The mean margin over the last fifth of the steps.
fn trained_margin(metrics: &Metrics) -> Option<f64> {
    let margins: Vec<f64> = metrics.steps.values().filter_map(|step| step.margin).collect();
    let last = &margins[margins.len() - margins.len().div_ceil(5)..];
    (!last.is_empty()).then(|| last.iter().sum::<f64>() / last.len() as f64)
}

/// Loss and, of preferences, the reward margin, over steps.
fn curves(stage: &FineTuned) -> Vec<Chart> {
    let loss = stage.outcome.as_ref().and_then(|outcome| outcome.loss).unwrap_or_default();
    let title = match stage.stage {
        "sft" if stage.outcome.as_ref().is_some_and(|outcome| outcome.labels.is_some()) => {
            WORDS.sft_of_labels.into()
        }
        "sft" => WORDS.sft_curve.into(),
        "dpo" => words::loss_curve(loss.title()),
        other => words::loss_curve(other),
    };
    let losses = chart(title, &stage.metrics, |step| step.loss, |validation| validation.loss);
    let margins = chart(
        words::margin_curve(loss.title()),
        &stage.metrics,
        |step| step.margin,
        |validation| validation.margin,
    );
    match sampled_curves(stage) {
        curves if curves.is_empty() => losses.into_iter().chain(margins).collect(),
        // The loss of a policy says nothing of its progress.
        curves => curves,
    }
}

/// What became of sampled answers over steps, and their rewards over the KL divergence: where the true reward falls while the
/// other rises, the policy has learnt to please the reward model alone.
fn sampled_curves(stage: &FineTuned) -> Vec<Chart> {
    let of_steps = |value: fn(&Sampled) -> Option<f64>| -> Vec<(f64, f64)> {
        let all = stage.metrics.steps.iter();
        all.filter_map(|(step, record)| Some((*step as f64, value(&record.sampled)?))).collect()
    };
    let held_out = |value: fn(&Sampled) -> Option<f64>| -> Vec<(f64, f64)> {
        let all = stage.metrics.validations.iter();
        all.filter_map(|(step, record)| Some((*step as f64, value(&record.sampled)?))).collect()
    };
    let over_kl = |value: fn(&Sampled) -> Option<f64>| -> Vec<(f64, f64)> {
        let all = stage.metrics.validations.values();
        let mut points: Vec<(f64, f64)> =
            all.filter_map(|record| Some((record.sampled.kl?, value(&record.sampled)?))).collect();
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
        points
    };
    let curve = |name: Fixed, class, points, marked| Curve { name: name.into(), class, points, marked };
    let reward: fn(&Sampled) -> Option<f64> = |sampled| sampled.reward;
    let truth: fn(&Sampled) -> Option<f64> = |sampled| sampled.true_reward;
    let draw = |title: Text, description: Text, curves| {
        Chart::draw(title, description, curves, None, Horizontal::Linear)
    };
    let over_steps = |title: Text, value: fn(&Sampled) -> Option<f64>| {
        let curves = vec![
            curve(WORDS.training_curve, "train", of_steps(value), false),
            curve(WORDS.held_out_curve, "validation", held_out(value), true),
        ];
        draw(title.clone(), words::over_steps(&title), curves)
    };
    let name = stage.stage;
    let by_kl = vec![
        curve(WORDS.reward_name, "train", over_kl(reward), true),
        curve(WORDS.true_reward_name, "validation", over_kl(truth), true),
    ];
    let title = words::rewards_over_kl(name);
    let by_kl = draw(title.clone(), title, by_kl);
    let all = [
        over_steps(words::titled(name, WORDS.reward_name), reward),
        over_steps(words::titled(name, WORDS.true_reward_name), truth),
        by_kl,
        over_steps(words::titled(name, WORDS.kl_name), |sampled| sampled.kl),
        over_steps(words::titled(name, WORDS.entropy_name), |sampled| sampled.entropy),
        over_steps(words::titled(name, WORDS.length_name), |sampled| sampled.length),
        over_steps(words::titled(name, WORDS.ended_name), |sampled| sampled.ended),
    ];
    all.into_iter().flatten().collect()
}

fn chart(
    title: Text,
    metrics: &Metrics,
    of_step: fn(&Step) -> Option<f64>,
    of_validation: fn(&Validation) -> Option<f64>,
) -> Option<Chart> {
    let trained = metrics.steps.iter().filter_map(|(step, record)| Some((*step as f64, of_step(record)?)));
    let held_out =
        metrics.validations.iter().filter_map(|(step, record)| Some((*step as f64, of_validation(record)?)));
    let curve = |name: Fixed, class, points, marked| Curve { name: name.into(), class, points, marked };
    let curves = vec![
        curve(WORDS.training_curve, "train", trained.collect(), false),
        curve(WORDS.held_out_curve, "validation", held_out.collect(), true),
    ];
    let description = words::over_steps(&title);
    Chart::draw(title, description, curves, None, Horizontal::Linear)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn metrics() -> Metrics {
        let line = |step: u32| {
            json!({"step": step, "learning_rate": 1e-4, "margin": f64::from(step) / 10.0}).to_string() + "\n"
        };
        Metrics::parse(&(1..=10).map(line).collect::<String>())
    }

    fn after(accuracy: f64) -> FineTuningOutcome {
        let after = json!({"step": 10, "validation_loss": 0.6, "accuracy": accuracy, "margin": 0.03});
        let pairs = json!({"pairs": 1800, "shortened": 0, "too_long": 0});
        outcome(json!({"pairs": pairs, "held_back": 100, "after": after}))
    }

    /// What fine-tuning came to, with `more`.
    fn outcome(more: Value) -> FineTuningOutcome {
        let mut all = json!({"tuned_parameters": 9, "peak_memory_bytes": null, "reading": {"records": 9, "skipped": {}},
            "held_back": 1, "steps": 3, "seconds": 1.0, "before": null, "after": null, "written": "model"});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    #[test]
    fn pairs_are_told_with_their_losses() {
        let line =
            |loss: f64, accuracy: f64| json!({"step": 1, "validation_loss": loss, "accuracy": accuracy});
        let account = json!({"pairs": 1200, "whole": 1199, "cut": 1, "dropped": 0, "source_tokens": 9, "target_tokens": 9});
        let more = json!({"sequences": account, "before": line(3.0, 0.1), "after": line(0.5, 0.875)});
        let told = sequences(&outcome(more)).unwrap();
        let expected = "SFT on 1,200 pairs: the loss per target token on held-out pairs went from 3.00 to 0.50 nats; 87.5 %";
        assert!(told.en.starts_with(expected) && told.zh.contains("1,200 个句对"), "{told:?}");
    }

    #[test]
    fn what_is_no_more_than_chance_is_called_so() {
        let told = preferences(&after(0.58), &metrics()).unwrap();
        assert!(told.en.starts_with("DPO on 1,800 pairs: the reward margin reached 0.95 nats"), "{told:?}");
        let chance = "58 ± 5 % are ranked correctly (chance is 50 %). That is no better than chance";
        assert!(told.en.contains(chance), "{told:?}");
        assert!(told.zh.contains("58 ± 5 % 排序正确（随机水平为 50 %）。这与随机水平无异"), "{told:?}");
        let learnt = preferences(&after(0.9), &metrics()).unwrap();
        assert!(learnt.en.ends_with("pairs the model has not seen."), "{learnt:?}");
    }

    #[test]
    fn the_loss_is_named() {
        let line = json!({"step": 10, "validation_loss": 0.4, "accuracy": 0.7, "margin": 0.3});
        let pairs = json!({"pairs": 200, "shortened": 0, "too_long": 0});
        let outcome = outcome(json!({"loss": "ipo", "pairs": pairs, "held_back": 100, "after": line}));
        let told = preferences(&outcome, &metrics()).unwrap();
        assert!(
            told.en.starts_with("IPO on 200 pairs: ") && told.zh.starts_with("IPO 使用 200 对"),
            "{told:?}"
        );
    }

    #[test]
    fn single_answers_are_told_by_kind() {
        let line = json!({"step": 10, "validation_loss": 0.4, "accuracy": 0.8, "margin": 0.3,
            "desirable_reward": 0.25, "undesirable_reward": -0.05, "kl": 0.126});
        let answers = json!({"answers": 300, "shortened": 0, "too_long": 0, "joined": 0, "desirable": 190,
            "undesirable": 95, "weights": [1.0, 1.5]});
        let told =
            judgements(&outcome(json!({"loss": "kto", "answers": answers, "held_back": 40, "after": line})));
        let told = told.unwrap();
        insta::assert_snapshot!(told.en, @"KTO on 300 answers, of which 190 desirable (weight 1.00) and 95 undesirable ones (weight 1.50) were learnt from. On 40 held-out answers the reward is 0.25 for desirable and -0.05 for undesirable ones, and the KL estimate 0.13 nats; a desirable one is rewarded above an undesirable one in 80 ± 9 % of cases (chance is 50 %). What was learnt generalises to answers the model has not seen.");
        insta::assert_snapshot!(told.zh, @"KTO 使用 300 条回答，其中 190 条为好回答（权重 1.00）、95 条为差回答（权重 1.50）用于学习。在 40 条留出回答上，好回答的奖励为 0.25，差回答为 -0.05，KL 估计为 0.13 nat；好回答的奖励高于差回答的比例为 80 ± 9 %（随机水平为 50 %）。学到的内容可以泛化到未见过的回答。");
    }

    #[test]
    fn fine_tuning_names_the_fate_of_every_dialogue() {
        let dialogues = json!({"dialogues": 12, "whole": 8, "split": 3, "truncated": 0, "dropped": {"no token to train on": 1},
            "empty_pieces": 0, "pieces": 9, "tokens": 99, "trained_tokens": 9});
        let line = |loss: f64| json!({"step": 0, "validation_loss": loss});
        let sft = json!({"dialogues": dialogues, "before": line(6.114), "after": line(4.9)});
        let told = answers(&outcome(sft)).unwrap();
        insta::assert_snapshot!(told.en, @"SFT on 12 dialogues: the loss per answer token on held-out dialogues went from 6.11 to 4.90 nats. 8 were used whole, 3 were split, being longer than the context, 1 dropped (no token to train on).");
        insta::assert_snapshot!(told.zh, @"SFT 使用 12 段对话：留出集回答的每 token 损失由 6.11 变为 4.90 nat。其中 8 段完整使用，3 段因超过上下文长度被切分，1 段丢弃（没有可训练的 token）。");
    }

    #[test]
    fn nothing_is_said_of_what_was_not_done() {
        assert!(of(&Run::default()).is_none());
        assert!(answers(&outcome(json!({}))).is_none());
    }
}
