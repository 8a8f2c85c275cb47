//! The curves of pretraining.

use nuwa_train::inside::LayerSizes;
use serde::Serialize;

use crate::chart::{Band, Chart, Curve, Horizontal, smoothed};
use crate::headline::{plus_minus, predicted_bits};
use crate::metrics::{Step, Validation};
use crate::run::Run;
use crate::words::report::{self as words, Words};
use crate::words::{Fixed, Text};

const WORDS: Words = Words::ALL;

/// One picture with both divisions of its horizontal axis.
#[derive(Debug, Serialize)]
pub struct CurvePair {
    linear: Chart,
    logarithmic: Option<Chart>,
}

/// Loss and bits per byte over tokens.
pub fn large(run: &Run) -> Vec<CurvePair> {
    let pair = |draw: &dyn Fn(Horizontal) -> Option<Chart>| {
        Some(CurvePair { linear: draw(Horizontal::Linear)?, logarithmic: draw(Horizontal::Logarithmic) })
    };
    [pair(&|division| loss(run, division)), pair(&|division| bits(run, division))]
        .into_iter()
        .flatten()
        .collect()
}

fn loss(run: &Run, division: Horizontal) -> Option<Chart> {
    let train = step_points(run, |step| step.loss);
    let validation = validation_curves(run, |validation| validation.loss);
    let description = match (train.first(), train.last()) {
        (Some(first), Some(last)) => words::loss_range(first.1, last.1),
        _ => WORDS.validation_only.into(),
    };
    let curves = drawn_steps(train, WORDS.training_curve.into()).into_iter().chain(validation).collect();
    Chart::draw(WORDS.loss_title, description, curves, None, division)
}

fn bits(run: &Run, division: Horizontal) -> Option<Chart> {
    let curves = validation_curves(run, |validation| validation.bits_per_byte);
    let description = words::bits_range(run.metrics.last_bits_per_byte()?);
    let band = predicted_bits(run).map(|(middle, error)| {
        let name = words::predicted(&plus_minus((middle, error)));
        Band { name, middle, error }
    });
    Chart::draw(WORDS.bits_title, description, curves, band, division)
}

/// The validations as a curve, and as a dot the model that was kept. Where the last validation looked at more text than those before, as in
/// runs that held out no test part, it is a dot of its own: a line to it would show a change that is none of the model's.
fn validation_curves(run: &Run, figure: fn(&Validation) -> Option<f64>) -> Vec<Curve> {
    let validations = &run.metrics.validations;
    let mut points: Vec<(f64, f64)> =
        validations.values().filter_map(|v| Some((v.tokens, figure(v)?))).collect();
    let last = if last_is_whole(run) && points.len() > 1 { points.pop() } else { None };
    let kept = run.pretrain.as_ref().and_then(|trained| validations.get(&trained.summary.kept_step));
    let kept = kept.and_then(|validation| Some((validation.tokens, figure(validation)?)));
    let dot = |name: Fixed, point: Option<(f64, f64)>| Curve {
        name: name.into(),
        class: "whole",
        points: point.into_iter().collect(),
        marked: true,
    };
    vec![
        Curve { name: WORDS.validation_curve.into(), class: "validation", points, marked: true },
        match last {
            Some(_) => dot(WORDS.whole_held_out, last),
            None => dot(WORDS.kept_model, kept),
        },
    ]
}

fn last_is_whole(run: &Run) -> bool {
    let settings = run.manifest("pretrain").map(|manifest| &manifest.basis.settings);
    let looked_at = settings.and_then(|settings| settings["validation_tokens"].as_u64());
    let parts = run.tokenize.as_ref().map(|parts| (parts.val.tokens, parts.test.tokens));
    let finished = run.metrics.validations.keys().next_back() == run.metrics.steps.keys().next_back();
    let looks_at_part = |(looked_at, (held_out, test))| test == 0 && looked_at < held_out;
    finished && looked_at.zip(parts).is_some_and(looks_at_part)
}

/// The curve of a figure of the steps; of many steps, their mean with the steps themselves faintly behind it.
fn drawn_steps(points: Vec<(f64, f64)>, name: Text) -> Vec<Curve> {
    if points.len() <= 60 {
        return vec![Curve { name, class: "train", points, marked: false }];
    }
    let mean = smoothed(&points);
    let faint = Curve { name: Text::default(), class: "faint", points, marked: false };
    vec![faint, Curve { name, class: "train", points: mean, marked: false }]
}

/// Learning rate, gradient norm and speed.
pub fn small(run: &Run) -> Vec<Chart> {
    let drawn = |title: Fixed, curves: Vec<Curve>| {
        let description = words::over_tokens(&title.into());
        Chart::draw(title, description, curves, None, Horizontal::Linear)
    };
    let noisy = |title: Fixed, figure: fn(&Step) -> Option<f64>| {
        drawn(title, drawn_steps(step_points(run, figure), Text::default()))
    };
    let points = step_points(run, |step| step.learning_rate);
    let exact = vec![Curve { name: Text::default(), class: "train", points, marked: false }];
    let charts = [
        drawn(WORDS.learning_rate, exact),
        noisy(WORDS.gradient_norm, |step| step.gradient_norm),
        noisy(WORDS.speed_title, |step| step.tokens_per_second),
    ];
    charts.into_iter().flatten().collect()
}

/// The sizes of activations and gradients by block, at the first and the last step that tells them.
pub fn inside(run: &Run) -> Vec<Chart> {
    let steps = || run.metrics.inside.iter();
    let mut told: Vec<(&u64, &LayerSizes)> = steps().next().into_iter().chain(steps().next_back()).collect();
    told.dedup_by_key(|(step, _)| **step);
    let drawn = |title: Fixed, sizes: fn(&LayerSizes) -> &[f32]| {
        let classes = ["train", "validation"];
        let curves = told.iter().zip(classes).map(|((step, inside), class)| {
            let points = sizes(inside).iter().enumerate();
            let points = points.map(|(block, size)| ((block + 1) as f64, f64::from(*size))).collect();
            Curve { name: words::at_step(**step), class, points, marked: true }
        });
        let description = words::by_block(&title.into());
        Chart::draw(title, description, curves.collect(), None, Horizontal::Linear)
    };
    let charts = [
        drawn(WORDS.activations_title, |inside| &inside.activations),
        drawn(WORDS.gradients_title, |inside| &inside.gradients),
    ];
    charts.into_iter().flatten().collect()
}

fn step_points(run: &Run, figure: fn(&Step) -> Option<f64>) -> Vec<(f64, f64)> {
    run.metrics.steps.values().filter_map(|step| Some((step.tokens, figure(step)?))).collect()
}
