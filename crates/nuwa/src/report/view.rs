//! A run as the page shows it: everything is counted, rounded and worded here; the template only places it.

use std::collections::{BTreeMap, BTreeSet};

use nuwa_clean::CleanSummary;
use nuwa_files::{quoted, quoted_path};
use serde::Serialize;
use serde_json::Value;

use super::chart::{Band, Chart, Curve, Horizontal, smoothed};
use super::cleaning::{self, Caught, Funnel};
use super::facts::{self, Fact, Score, scalar, spaced};
use super::metrics::{Step, Validation};
use super::numbers;
use super::run::{Run, number};
use super::tuning::{self, Tuning};
use super::worth;
use crate::numbers::{bytes, grouped, rounded, seconds};
use crate::repetition;
use crate::text::{clipped, printable};

/// What `templates/report.html` is given.
#[derive(Debug, Serialize)]
pub struct Page {
    name: String,
    subtitle: String,
    tiles: Vec<Tile>,
    verdict: Option<String>,
    warnings: Vec<String>,
    predictions: Vec<Prediction>,
    curves: Vec<CurvePair>,
    small_curves: Vec<Chart>,
    validations: Vec<ValidationRow>,
    samples: Vec<Samples>,
    cleaning: Option<Cleaning>,
    /// Whether there is a page about the documents.
    inspection: bool,
    skipped: Vec<Fact>,
    data: Vec<Fact>,
    shape: Vec<Fact>,
    training: Vec<Fact>,
    worth: Option<worth::Worth>,
    caught: Option<Caught>,
    tuning: Option<Tuning>,
    scores: Vec<Score>,
    remarks: Vec<String>,
    stages: Vec<StageRow>,
    total_time: Option<String>,
    recipe: Option<String>,
    machine: Vec<Fact>,
    commands: Vec<String>,
    notes: Vec<String>,
}

/// A headline figure.
#[derive(Debug, Serialize)]
struct Tile {
    label: &'static str,
    value: String,
    error: String,
    note: String,
}

/// A figure before and after.
#[derive(Debug, Serialize)]
struct Prediction {
    what: &'static str,
    predicted: String,
    measured: String,
    difference: String,
}

/// One picture with both divisions of its horizontal axis.
#[derive(Debug, Serialize)]
struct CurvePair {
    linear: Chart,
    logarithmic: Option<Chart>,
}

#[derive(Debug, Serialize)]
struct ValidationRow {
    step: String,
    tokens: String,
    loss: String,
    bits_per_byte: String,
}

/// What the model wrote after one prompt as training went on.
#[derive(Debug, Serialize)]
struct Samples {
    prompt: String,
    last: Sample,
    earlier: Vec<Sample>,
    left_out: usize,
}

#[derive(Debug, Serialize)]
struct Sample {
    when: String,
    text: String,
}

#[derive(Debug, Serialize)]
struct Cleaning {
    funnel: Funnel,
    /// One for each step that rejected any, and all others.
    rejected: Vec<Example>,
    more_rejected: Vec<Example>,
    others: Vec<Example>,
}

/// A document as an example.
#[derive(Debug, Serialize)]
struct Example {
    outcome: String,
    why: String,
    id: String,
    text: String,
}

#[derive(Debug, Serialize)]
struct StageRow {
    name: &'static str,
    time: String,
    share: f64,
}

impl Page {
    /// Words and rounds the figures of `run`.
    pub fn of(run: &Run) -> Self {
        let (stages, total_time) = stages(run);
        Self {
            name: run.name.clone(),
            subtitle: subtitle(run),
            tiles: tiles(run),
            verdict: verdict(run),
            warnings: facts::epochs(run)
                .and_then(repetition::warning)
                .map(|told| first_up(&told))
                .into_iter()
                .collect(),
            predictions: predictions(run),
            curves: curves(run),
            small_curves: small_curves(run),
            validations: validations(run),
            samples: samples(run),
            cleaning: cleaning(&run.clean),
            inspection: run.folder.join("inspect.html").is_file(),
            skipped: skipped(run),
            data: facts::data(run),
            shape: facts::shape(run),
            training: facts::training(run),
            worth: worth::of(run),
            caught: caught(run),
            tuning: tuning::of(run),
            scores: facts::scores(run),
            remarks: facts::remarks(run),
            stages,
            total_time,
            recipe: run.recipe.clone(),
            machine: facts::machine(run),
            commands: commands(run),
            notes: run.notes.clone(),
        }
    }
}

fn subtitle(run: &Run) -> String {
    let size = facts::parameters(run).map(|count| format!("{} parameters", rounded(count)));
    let family = facts::family(run).map(|family| format!("{family} family"));
    let text = number(&run.collect, &["/bytes"]).or_else(|| number(&run.clean, &["/bytes_in"]));
    let text = text.map(|size| format!("from {} of text", bytes(size as u64)));
    let time = facts::training_seconds(run).map(|time| format!("trained in {}", seconds(time)));
    let parts: Vec<String> = [size, family, text, time].into_iter().flatten().collect();
    parts.join(" · ")
}

fn tiles(run: &Run) -> Vec<Tile> {
    let tile = |label, value: Option<String>, note: Option<String>| {
        Some(Tile { label, value: value?, error: String::new(), note: note.unwrap_or_default() })
    };
    let rounds = facts::epochs(run).map(|rounds| match rounds {
        few if few < 0.95 => format!("{} of the training text", numbers::percent(few, 1.0)),
        many => format!("{} times through the text", numbers::digits(many, 2)),
    });
    let tiles = [
        bits_per_byte_tile(run),
        answers_tile(run),
        tile("Parameters", facts::parameters(run).map(rounded), shape_note(run)),
        tile("Tokens seen", facts::tokens(run).map(rounded), rounds),
        tile(
            "Training time",
            facts::training_seconds(run).map(seconds),
            facts::predicted(run, "seconds").map(|time| format!("predicted {}", seconds(time))),
        ),
    ];
    tiles.into_iter().flatten().collect()
}

/// Of the model that is shipped; what was predicted is that of pretraining.
fn bits_per_byte_tile(run: &Run) -> Option<Tile> {
    let pretrained = facts::pretrained_bits_per_byte(run);
    let shipped = facts::final_bits_per_byte(run);
    let is_tuned = facts::is_fine_tuned(run);
    let label = match (is_tuned, shipped) {
        (false, _) => "Bits per byte",
        (true, Some(_)) => "Bits per byte, final model",
        (true, None) => "Bits per byte, pretrained",
    };
    let (value, error) = shipped.or(pretrained)?;
    let (value, error) = numbers::with_error(value, error.unwrap_or(0.0));
    let before = shipped.and(pretrained).map(|(value, error)| {
        format!("{} after pretraining", numbers::with_error(value, error.unwrap_or(0.0)).0)
    });
    let predicted = predicted_bits(run).map(|(predicted, error)| {
        let (predicted, error) = numbers::with_error(predicted, error);
        format!("predicted {}", plus_minus(predicted, error))
    });
    let note = before.into_iter().chain(predicted).collect::<Vec<_>>().join(", ");
    Some(Tile { label, value, error, note })
}

/// What fine-tuning is for: the loss of answers that it never saw.
fn answers_tile(run: &Run) -> Option<Tile> {
    let loss = |when: &str| number(&run.sft, &[&format!("/{when}/validation_loss")]);
    let (before, after) = (loss("before")?, loss("after")?);
    Some(Tile {
        label: "Loss of held-back answers",
        value: numbers::digits(after, 3),
        error: String::new(),
        note: format!("nats a token after sft, {} before", numbers::digits(before, 3)),
    })
}

fn first_up(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or(String::new(), |first| first.to_uppercase().chain(characters).collect())
}

fn shape_note(run: &Run) -> Option<String> {
    let layers = number(&run.config, &["/num_hidden_layers", "/n_layer"])?;
    let width = number(&run.config, &["/hidden_size", "/n_embd"])?;
    Some(format!("{layers} layers, {width} wide"))
}

fn predicted_bits(run: &Run) -> Option<(f64, f64)> {
    let error = facts::predicted(run, "bits_per_byte_error").unwrap_or(0.0);
    Some((facts::predicted(run, "bits_per_byte")?, error))
}

/// Whether the prediction of the loss held.
fn verdict(run: &Run) -> Option<String> {
    let (predicted, error) = predicted_bits(run)?;
    let (measured, _) = facts::pretrained_bits_per_byte(run)?;
    let outcome = match measured - predicted {
        difference if difference.abs() <= error => String::from("inside the error bar"),
        difference if difference > 0.0 => {
            format!("{} worse than the error bar allows", numbers::digits(difference - error, 2))
        }
        difference => format!("{} better than the error bar allows", numbers::digits(-difference - error, 2)),
    };
    let (predicted, error) = numbers::with_error(predicted, error);
    let when = if facts::is_fine_tuned(run) { "after pretraining " } else { "" };
    let tuned = facts::final_bits_per_byte(run)
        .map(|(value, _)| format!(" Fine-tuning took them to {}.", numbers::digits(value, 4)));
    Some(format!(
        "Before the start, {} bits per byte were predicted; {when}{} were measured, {outcome}.{}",
        plus_minus(predicted, error),
        numbers::digits(measured, 4),
        tuned.unwrap_or_default()
    ))
}

fn plus_minus(value: String, error: String) -> String {
    if error.is_empty() { value } else { format!("{value} ± {error}") }
}

fn predictions(run: &Run) -> Vec<Prediction> {
    let predicted = |key: &str| facts::predicted(run, key);
    let row = |what, predicted: Option<f64>, measured: Option<f64>, worded: fn(f64) -> String| {
        let predicted = predicted?;
        Some(Prediction {
            what,
            predicted: worded(predicted),
            measured: measured.map(worded).unwrap_or_else(|| String::from("not measured")),
            difference: measured.map(|measured| difference(measured, predicted)).unwrap_or_default(),
        })
    };
    let mut rows = vec![
        row("Time to train", predicted("seconds"), facts::training_seconds(run), seconds),
        row("Memory", predicted("memory_bytes"), facts::training_memory(run), |size| bytes(size as u64)),
    ];
    rows.push(predicted_bits(run).map(|(predicted, error)| {
        let measured = facts::pretrained_bits_per_byte(run);
        let (text, error) = numbers::with_error(predicted, error);
        let worded = |(value, error): (f64, Option<f64>)| {
            let (value, error) = numbers::with_error(value, error.unwrap_or(0.0));
            plus_minus(value, error)
        };
        Prediction {
            what: if facts::is_fine_tuned(run) { "Bits per byte, pretrained" } else { "Bits per byte" },
            predicted: plus_minus(text, error),
            measured: measured.map(worded).unwrap_or_else(|| String::from("not measured")),
            difference: measured.map(|(measured, _)| difference(measured, predicted)).unwrap_or_default(),
        }
    }));
    rows.into_iter().flatten().collect()
}

fn difference(measured: f64, predicted: f64) -> String {
    if predicted == 0.0 {
        return String::new();
    }
    match measured / predicted {
        ratio if ratio >= 2.0 => format!("{} times", numbers::digits(ratio, 2)),
        ratio => format!("{:+.1} %", 100.0 * (ratio - 1.0)),
    }
}

fn curves(run: &Run) -> Vec<CurvePair> {
    let pair = |draw: &dyn Fn(Horizontal) -> Option<Chart>| {
        Some(CurvePair { linear: draw(Horizontal::Linear)?, logarithmic: draw(Horizontal::Logarithmic) })
    };
    [pair(&|division| loss_chart(run, division)), pair(&|division| bits_chart(run, division))]
        .into_iter()
        .flatten()
        .collect()
}

fn loss_chart(run: &Run, division: Horizontal) -> Option<Chart> {
    let train = step_points(run, |step| step.loss);
    let validation = validation_curves(run, |validation| validation.loss);
    let description = match (train.first(), train.last()) {
        (Some(first), Some(last)) => format!("Training loss went from {:.3} to {:.3}.", first.1, last.1),
        _ => String::from("Validation loss over tokens."),
    };
    let curves = drawn_steps(train, "training").into_iter().chain(validation).collect();
    Chart::draw("Loss, in nats per token", description, curves, None, division)
}

fn bits_chart(run: &Run, division: Horizontal) -> Option<Chart> {
    let curves = validation_curves(run, |validation| validation.bits_per_byte);
    let description = format!(
        "Bits per byte of the validation text; the last is {:.3}.",
        run.metrics.last_bits_per_byte()?
    );
    let band = predicted_bits(run).map(|(middle, error)| {
        let (value, written) = numbers::with_error(middle, error);
        Band { name: format!("predicted {}", plus_minus(value, written)), middle, error }
    });
    Chart::draw("Bits per byte of text it never trained on", description, curves, band, division)
}

/// The validations as a curve, and as a dot the model that was kept. Where the last validation looked at more text than those before, as in
/// runs that held back no test part, it is a dot of its own: a line to it would show a change that is none of the model's.
fn validation_curves(run: &Run, figure: fn(&Validation) -> Option<f64>) -> Vec<Curve> {
    let validations = &run.metrics.validations;
    let mut points: Vec<(f64, f64)> =
        validations.values().filter_map(|v| Some((v.tokens, figure(v)?))).collect();
    let last = if last_is_whole(run) && points.len() > 1 { points.pop() } else { None };
    let kept = number(&run.pretrain, &["/kept_step"]).and_then(|step| validations.get(&(step as u64)));
    let kept = kept.and_then(|validation| Some((validation.tokens, figure(validation)?)));
    let dot = |name, point: Option<(f64, f64)>| Curve {
        name,
        class: "whole",
        points: point.into_iter().collect(),
        marked: true,
    };
    vec![
        Curve { name: "validation", class: "validation", points, marked: true },
        match last {
            Some(_) => dot("all held-back text, at the end", last),
            None => dot("the model that was kept", kept),
        },
    ]
}

fn last_is_whole(run: &Run) -> bool {
    let looked_at = number(run.manifest("pretrain"), &["/settings/validation_tokens"]);
    let held_back = number(&run.tokenize, &["/val/tokens"]);
    let has_test = number(&run.tokenize, &["/test/tokens"]).is_some();
    let finished = run.metrics.validations.keys().next_back() == run.metrics.steps.keys().next_back();
    finished && !has_test && looked_at.zip(held_back).is_some_and(|(part, whole)| part < whole)
}

/// The curve of a figure of the steps; of many steps, their mean with the steps themselves faintly behind it.
fn drawn_steps(points: Vec<(f64, f64)>, name: &'static str) -> Vec<Curve> {
    if points.len() <= 60 {
        return vec![Curve { name, class: "train", points, marked: false }];
    }
    let mean = smoothed(&points);
    let faint = Curve { name: "", class: "faint", points, marked: false };
    vec![faint, Curve { name, class: "train", points: mean, marked: false }]
}

fn small_curves(run: &Run) -> Vec<Chart> {
    let small = |title: &str, figure: fn(&Step) -> Option<f64>| {
        let curves = drawn_steps(step_points(run, figure), "");
        Chart::draw(title, format!("{title} over tokens."), curves, None, Horizontal::Linear)
    };
    let points = step_points(run, |step| step.learning_rate);
    let curves = vec![Curve { name: "", class: "train", points, marked: false }];
    let description = String::from("Learning rate over tokens.");
    let learning_rate = Chart::draw("Learning rate", description, curves, None, Horizontal::Linear);
    let charts = [
        learning_rate,
        small("Gradient norm", |step| step.gradient_norm),
        small("Tokens a second", |step| step.tokens_per_second),
    ];
    charts.into_iter().flatten().collect()
}

fn step_points(run: &Run, figure: fn(&Step) -> Option<f64>) -> Vec<(f64, f64)> {
    run.metrics.steps.values().filter_map(|step| Some((step.tokens, figure(step)?))).collect()
}

fn validations(run: &Run) -> Vec<ValidationRow> {
    let figure = |value: Option<f64>| value.map(|value| format!("{value:.4}")).unwrap_or_default();
    let rows = run.metrics.validations.iter().map(|(step, validation)| ValidationRow {
        step: grouped(*step),
        tokens: grouped(validation.tokens as u64),
        loss: figure(validation.loss),
        bits_per_byte: figure(validation.bits_per_byte),
    });
    rows.collect()
}

/// The most earlier samples that are shown for a prompt.
const EARLIER_SAMPLES: usize = 5;
/// The most characters of a text that are shown.
const LONGEST_TEXT: usize = 1200;

fn samples(run: &Run) -> Vec<Samples> {
    let mut by_prompt: BTreeMap<&str, Vec<(u64, &str)>> = BTreeMap::new();
    for ((step, prompt), text) in &run.metrics.samples {
        by_prompt.entry(prompt).or_default().push((*step, text));
    }
    let worded = |prompt: &str, (step, text): (u64, &str)| Sample {
        when: when(run, step),
        text: clipped(text.strip_prefix(prompt).unwrap_or(text), LONGEST_TEXT),
    };
    let group = |(prompt, mut texts): (&str, Vec<(u64, &str)>)| {
        let last = texts.pop()?;
        let chosen = spread(texts.len(), EARLIER_SAMPLES);
        Some(Samples {
            prompt: printable(prompt),
            last: worded(prompt, last),
            left_out: texts.len() - chosen.len(),
            earlier: chosen.into_iter().map(|index| worded(prompt, texts[index])).collect(),
        })
    };
    by_prompt.into_iter().filter_map(group).collect()
}

/// `wanted` of `count` indices, closer together at the start, where most happens.
fn spread(count: usize, wanted: usize) -> Vec<usize> {
    if count <= wanted {
        return (0..count).collect();
    }
    let ratio = |position: usize| (position as f64 / (wanted - 1) as f64).powf(1.6);
    let mut chosen: Vec<usize> =
        (0..wanted).map(|position| (ratio(position) * (count - 1) as f64).round() as usize).collect();
    chosen.dedup();
    chosen
}

fn when(run: &Run, step: u64) -> String {
    let tokens = run.metrics.steps.range(..=step).next_back().map(|(_, step)| step.tokens);
    let tokens = tokens.map(|tokens| format!("{} tokens", rounded(tokens)));
    let bits = run.metrics.validation_at(step).and_then(|validation| validation.bits_per_byte);
    let bits = bits.map(|bits| format!("{bits:.2} bits per byte"));
    let parts = [Some(format!("step {}", grouped(step))), tokens, bits];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

fn cleaning(clean: &Value) -> Option<Cleaning> {
    let summary: CleanSummary = serde_json::from_value(clean.clone()).ok()?;
    let samples = summary.samples.iter().map(example);
    let (rejected, others): (Vec<Example>, _) = samples.partition(|example| example.outcome == "rejected");
    let (rejected, more_rejected) = one_for_each_step(rejected);
    Some(Cleaning { funnel: cleaning::funnel(&summary), rejected, more_rejected, others })
}

/// The first example of each step, and the rest.
fn one_for_each_step(examples: Vec<Example>) -> (Vec<Example>, Vec<Example>) {
    let mut seen = BTreeSet::new();
    examples.into_iter().partition(|example| seen.insert(example.why.split(':').next().map(str::to_string)))
}

/// What was caught of planted noise; none where nothing was planted.
fn caught(run: &Run) -> Option<Caught> {
    Some(cleaning::caught(&serde_json::from_value(run.audit.clone()).ok()?))
}

fn skipped(run: &Run) -> Vec<Fact> {
    let reasons = serde_json::from_value(run.collect["skipped_reasons"].clone()).unwrap_or_default();
    cleaning::counts(&reasons)
}

fn example(sample: &nuwa_clean::Sample) -> Example {
    let why: Vec<String> = sample.step.iter().map(|step| spaced(step)).chain(sample.reason.clone()).collect();
    Example {
        outcome: sample.outcome.clone(),
        why: why.join(": "),
        id: printable(&sample.id),
        text: clipped(&sample.text, LONGEST_TEXT / 2),
    }
}

fn stages(run: &Run) -> (Vec<StageRow>, Option<String>) {
    let time_of = |stage: &Value| number(stage, &["/seconds"]);
    let total: f64 = run.stages.iter().filter_map(|stage| time_of(&stage.manifest)).sum();
    let rows = run.stages.iter().map(|stage| {
        let time = time_of(&stage.manifest);
        StageRow {
            name: stage.about.name,
            time: time.map(seconds).unwrap_or_default(),
            share: time.map_or(0.0, |time| 100.0 * time / total.max(1e-9)),
        }
    });
    (rows.collect(), (total > 0.0).then(|| seconds(total)))
}

/// The command that was given, and the one that does the same from the resolved recipe.
fn commands(run: &Run) -> Vec<String> {
    let given = match &run.command {
        Value::String(line) => Some(line.clone()),
        Value::Array(words) => {
            Some(words.iter().filter_map(scalar).map(|word| quoted(&word)).collect::<Vec<_>>().join(" "))
        }
        _ => None,
    };
    let again = run.recipe.as_ref().map(|_| {
        let folder = run.folder.display().to_string();
        let another = format!("{}-again", folder.trim_end_matches('/'));
        let recipe = run.folder.join("recipe.toml");
        format!("nuwa build {} --out {}", quoted_path(recipe), quoted_path(another))
    });
    given.into_iter().chain(again).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_samples_lie_closer() {
        assert_eq!(spread(3, 5), [0, 1, 2]);
        assert_eq!(spread(20, 5), [0, 2, 6, 12, 19]);
    }
}
