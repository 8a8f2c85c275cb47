//! The first figures of the report: what came out, and whether it was as predicted.

use serde::Serialize;

use crate::facts;
use crate::numbers;
use crate::numbers::{bytes, rounded, seconds};
use crate::run::Run;
use crate::words::report::{self as words, Words};
use crate::words::{COMMA, Fixed, Text};

const WORDS: Words = Words::ALL;

/// A headline figure.
#[derive(Debug, Serialize)]
pub struct Tile {
    label: Text,
    value: String,
    error: String,
    note: Text,
}

/// A figure before and after.
#[derive(Debug, Serialize)]
pub struct Prediction {
    what: Text,
    predicted: String,
    measured: Text,
    difference: Text,
}

/// The headline figures that there are.
pub fn tiles(run: &Run) -> Vec<Tile> {
    let tile = |label: Fixed, value: Option<String>, note: Option<Text>| {
        let note = note.unwrap_or_default();
        Some(Tile { label: label.into(), value: value?, error: String::new(), note })
    };
    let epochs = facts::epochs(run).map(|epochs| match epochs {
        few if few < 0.95 => words::part_of_text(&numbers::percent(few, 1.0)),
        many => words::epochs(&numbers::digits(many, 2)),
    });
    let count = |count: u64| rounded(count as f64);
    let predicted = facts::plan(run).map(|plan| words::predicted(&seconds(plan.predicted.seconds)));
    let tiles = [
        bits_per_byte(run),
        objective(run),
        labels(run).or_else(|| answers(run)),
        tile(WORDS.parameters, facts::parameters(run).map(count), shape(run)),
        tile(WORDS.tokens_seen, facts::tokens(run).map(count), epochs),
        tile(WORDS.training_time, facts::training_seconds(run).map(seconds), predicted),
    ];
    tiles.into_iter().flatten().collect()
}

/// Of the model that is shipped; what was predicted is that of pretraining.
fn bits_per_byte(run: &Run) -> Option<Tile> {
    let (pretrained, shipped) = (facts::pretrained_bits_per_byte(run), facts::final_bits_per_byte(run));
    let label = match (facts::is_fine_tuned(run), shipped) {
        (false, _) => WORDS.bits_tile,
        (true, Some(_)) => WORDS.bits_tile_final,
        (true, None) => WORDS.bits_tile_pretrained,
    };
    let (value, error) = shipped.or(pretrained)?;
    let (value, error) = numbers::with_error(value, error.unwrap_or(0.0));
    let before = shipped.and(pretrained);
    let before = before.map(|(value, error)| numbers::with_error(value, error.unwrap_or(0.0)).0);
    let before = before.map(|value| words::after_pretraining(&value));
    let predicted = predicted_bits(run).map(|predicted| words::predicted(&plus_minus(predicted)));
    let notes: Vec<Text> = before.into_iter().chain(predicted).collect();
    Some(Tile { label: label.into(), value, error, note: Text::joined(&notes, COMMA) })
}

/// Of a model that is not measured in bits per byte, how often it predicts right what it is trained to predict.
fn objective(run: &Run) -> Option<Tile> {
    let figures = &run.pretrain.as_ref()?.summary.figures;
    let named =
        [("masked", WORDS.masked_tile), ("predicted", WORDS.predicted_tile), ("target", WORDS.target_tile)];
    let found = named.into_iter().find_map(|(name, label)| {
        let figure = |kind: &str| figures.get(&format!("{name}_{kind}")).copied();
        Some((label, figure("accuracy")?, figure("loss")?))
    });
    let (label, accuracy, loss) = found?;
    Some(Tile {
        label: label.into(),
        value: numbers::percent(accuracy, 1.0),
        error: String::new(),
        note: words::objective_note(&numbers::digits(loss, 3)),
    })
}

/// Of a model that learnt labels, how many of held-out texts it tells right.
fn labels(run: &Run) -> Option<Tile> {
    let figures = run.outcome("sft")?.labels.as_ref()?.held_out.as_ref()?;
    let (name, value, _) = figures.figures.first()?;
    let is_share = name == "accuracy";
    Some(Tile {
        label: if is_share { WORDS.labels_tile } else { WORDS.numbers_tile }.into(),
        value: if is_share { numbers::percent(*value, 1.0) } else { numbers::digits(*value, 3) },
        error: String::new(),
        note: words::labels_note(figures.texts as u64),
    })
}

/// What fine-tuning is for: the loss of answers that it never saw.
fn answers(run: &Run) -> Option<Tile> {
    let summary = &run.outcome("sft")?.summary;
    let (before, after) = (summary.before.as_ref()?, summary.after.as_ref()?);
    Some(Tile {
        label: WORDS.answers_tile.into(),
        value: numbers::digits(after.validation_loss, 3),
        error: String::new(),
        note: words::answers_note(&numbers::digits(before.validation_loss, 3)),
    })
}

fn shape(run: &Run) -> Option<Text> {
    let config = run.config.as_ref()?;
    Some(words::shape_note(config.layers()?, config.hidden_size?))
}

/// The predicted bits per byte and their error bar.
pub fn predicted_bits(run: &Run) -> Option<(f64, f64)> {
    let predicted = &facts::plan(run)?.predicted;
    Some((predicted.bits_per_byte?, predicted.bits_per_byte_error.unwrap_or(0.0)))
}

/// `2.30 ± 0.10`.
pub fn plus_minus((value, error): (f64, f64)) -> String {
    match numbers::with_error(value, error) {
        (value, error) if error.is_empty() => value,
        (value, error) => format!("{value} ± {error}"),
    }
}

/// Whether the prediction of the loss held.
pub fn verdict(run: &Run) -> Option<Text> {
    let (predicted, error) = predicted_bits(run)?;
    let (measured, _) = facts::pretrained_bits_per_byte(run)?;
    let outcome = match measured - predicted {
        difference if difference.abs() <= error => WORDS.inside.into(),
        difference if difference > 0.0 => words::worse(&numbers::digits(difference - error, 2)),
        difference => words::better(&numbers::digits(-difference - error, 2)),
    };
    let (expected, measured) = (plus_minus((predicted, error)), numbers::digits(measured, 4));
    let verdict = words::verdict(&expected, &measured, facts::is_fine_tuned(run), &outcome);
    let moved = facts::final_bits_per_byte(run);
    let moved = moved.map(|(value, _)| words::moved_to(&numbers::digits(value, 4))).unwrap_or_default();
    Some(Text::new(verdict.en + &moved.en, verdict.zh + &moved.zh))
}

/// What was predicted, beside what was measured.
pub fn predictions(run: &Run) -> Vec<Prediction> {
    let Some(predicted) = facts::plan(run).map(|plan| &plan.predicted) else { return Vec::new() };
    let row = |what: Fixed, predicted: f64, measured: Option<f64>, worded: fn(f64) -> String| Prediction {
        what: what.into(),
        predicted: worded(predicted),
        measured: measured.map_or(WORDS.not_measured.into(), |measured| Text::same(worded(measured))),
        difference: measured.map(|measured| difference(measured, predicted)).unwrap_or_default(),
    };
    let memory = facts::training_memory(run).map(|size| size as f64);
    let mut rows = vec![
        row(WORDS.time_to_train, predicted.seconds, facts::training_seconds(run), seconds),
        row(WORDS.memory, predicted.memory_bytes as f64, memory, |size| bytes(size as u64)),
    ];
    rows.extend(predicted_bits(run).map(|expected| bits_row(run, expected)));
    rows.extend(facts::forecast(run).map(|expected| forecast_row(run, expected)));
    rows
}

fn bits_row(run: &Run, expected: (f64, f64)) -> Prediction {
    let what = if facts::is_fine_tuned(run) { WORDS.bits_tile_pretrained } else { WORDS.bits_tile };
    let measured = facts::pretrained_bits_per_byte(run);
    let worded = |(value, error): (f64, Option<f64>)| plus_minus((value, error.unwrap_or(0.0)));
    Prediction {
        what: what.into(),
        predicted: plus_minus(expected),
        measured: measured.map_or(WORDS.not_measured.into(), |measured| Text::same(worded(measured))),
        difference: measured.map(|(measured, _)| difference(measured, expected.0)).unwrap_or_default(),
    }
}

/// The forecast of a search with small models, with the range that should hold the outcome in nineteen cases of twenty.
fn forecast_row(run: &Run, [low, value, high]: [f64; 3]) -> Prediction {
    let measured = facts::pretrained_bits_per_byte(run).map(|(measured, _)| measured);
    let told = |measured: f64| match (low..=high).contains(&measured) {
        true => Text::joined(&[difference(measured, value), WORDS.inside.into()], COMMA),
        false => difference(measured, value),
    };
    Prediction {
        what: WORDS.forecast.into(),
        predicted: format!("{value:.3} ({low:.3} – {high:.3})"),
        measured: measured.map_or(WORDS.not_measured.into(), |measured| Text::same(format!("{measured:.3}"))),
        difference: measured.map(told).unwrap_or_default(),
    }
}

fn difference(measured: f64, predicted: f64) -> Text {
    match measured / predicted {
        _ if predicted == 0.0 => Text::default(),
        ratio if ratio >= 2.0 => words::times(&numbers::digits(ratio, 2)),
        ratio => Text::same(format!("{:+.1} %", 100.0 * (ratio - 1.0))),
    }
}
