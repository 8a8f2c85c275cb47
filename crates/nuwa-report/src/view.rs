//! A run as the page shows it: everything is counted, rounded and worded here; the template only places it.

use std::collections::{BTreeMap, BTreeSet};

use nuwa_clean::CleanSummary;
use nuwa_files::{quoted, quoted_path};
use nuwa_models::Outline;
use nuwa_train::inside::LayerSizes;
use serde::Serialize;

use crate::chart::Chart;
use crate::cleaning::{self, Caught, Funnel, NamedCount};
use crate::curves::{self, CurvePair};
use crate::drawing::Drawing;
use crate::experts;
use crate::facts::{self, Fact, Figure};
use crate::fine_tuning::{self, FineTuning};
use crate::headline::{self, Prediction, Tile};
use crate::numbers::{grouped, seconds};
use crate::repetition;
use crate::run::Run;
use crate::scores::{self, Scores};
use crate::text::{clipped, printable};
use crate::words::report::{self as words, CleaningWords, Words};
use crate::words::{DOT, Text, names};

/// What `templates/report.html` is given.
#[derive(Debug, Serialize)]
pub struct Page {
    words: Words,
    cleaning_words: CleaningWords,
    name: String,
    subtitle: Text,
    tiles: Vec<Tile>,
    verdict: Option<Text>,
    /// Whether there are bits per byte.
    tells_bits: bool,
    warnings: Vec<Text>,
    predictions: Vec<Prediction>,
    curves: Vec<CurvePair>,
    small_curves: Vec<Chart>,
    validations: Option<Validations>,
    samples: Vec<Samples>,
    cleaning: Option<Cleaning>,
    /// Whether there is a page about the documents.
    inspection: bool,
    skipped: Vec<NamedCount>,
    data: Vec<Fact>,
    shape: Vec<Fact>,
    training: Vec<Fact>,
    drawing: Option<Drawing>,
    experts: Option<experts::Shares>,
    stage_scores: Option<Scores>,
    caught: Option<Caught>,
    fine_tuning: Option<FineTuning>,
    scores: Vec<Figure>,
    remarks: Vec<Text>,
    stages: Vec<StageRow>,
    total_time: Option<Text>,
    recipe: Option<String>,
    machine: Vec<Fact>,
    commands: Vec<String>,
    notes: Vec<Text>,
}

#[derive(Debug, Serialize)]
struct Validations {
    title: Text,
    rows: Vec<ValidationRow>,
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
    left_out: Option<Text>,
}

#[derive(Debug, Serialize)]
struct Sample {
    when: Text,
    text: String,
}

#[derive(Debug, Serialize)]
struct Cleaning {
    funnel: Funnel,
    /// One for each step that rejected any, and all others.
    rejected: Vec<Example>,
    more_rejected: Vec<Example>,
    more: Text,
    others: Vec<Example>,
}

/// A document as an example.
#[derive(Debug, Serialize)]
struct Example {
    /// What became of it: a key of the words.
    outcome: String,
    why: Text,
    id: String,
    text: String,
}

#[derive(Debug, Serialize)]
struct StageRow {
    title: Text,
    time: String,
    share: f64,
}

impl Page {
    /// Words and rounds the figures of `run`.
    pub fn of(run: &Run) -> Self {
        let (stages, total_time) = stages(run);
        Self {
            words: Words::ALL,
            cleaning_words: CleaningWords::ALL,
            name: run.name.clone(),
            subtitle: subtitle(run),
            tiles: headline::tiles(run),
            verdict: headline::verdict(run),
            tells_bits: facts::pretrained_bits_per_byte(run).is_some(),
            warnings: warnings(run),
            predictions: headline::predictions(run),
            curves: curves::large(run),
            small_curves: curves::small(run).into_iter().chain(curves::inside(run)).collect(),
            validations: validations(run),
            samples: samples(run),
            cleaning: run.clean.as_ref().map(cleaning),
            inspection: run.folder.join("inspect.html").is_file(),
            skipped: run.collect.iter().flat_map(|all| cleaning::counts(&all.skipped_reasons)).collect(),
            data: facts::data(run),
            shape: facts::shape(run),
            training: facts::training(run),
            drawing: drawing(run),
            experts: experts::of(run),
            stage_scores: scores::of(run),
            caught: run.audit.as_ref().map(cleaning::caught),
            fine_tuning: fine_tuning::of(run),
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

/// More layers than any model here has; a plan that was changed by hand may say anything.
const MOST_LAYERS: usize = 4096;

fn drawing(run: &Run) -> Option<Drawing> {
    let model = &facts::plan(run)?.model;
    let is_one = model.validate().is_ok() && model.layers() <= MOST_LAYERS;
    is_one.then(|| Drawing::of(&Outline::of(model)))
}

fn subtitle(run: &Run) -> Text {
    let collected = run.collect.as_ref().map(|all| all.bytes).filter(|size| *size > 0);
    let text = collected.or_else(|| Some(run.clean.as_ref()?.bytes_in));
    let parts = [
        facts::parameters(run).map(words::parameters),
        facts::family(run).map(words::family),
        text.map(words::from_text),
        facts::training_seconds(run).map(words::trained_in),
    ];
    Text::joined(&parts.into_iter().flatten().collect::<Vec<_>>(), DOT)
}

fn warnings(run: &Run) -> Vec<Text> {
    let times = facts::epochs(run).and_then(repetition::too_often);
    let inside = run.metrics.inside.values().next().map(LayerSizes::warnings).unwrap_or_default();
    times
        .map(|times| words::repeated(&times))
        .into_iter()
        .chain(inside.into_iter().map(words::bad_sign))
        .collect()
}

fn validations(run: &Run) -> Option<Validations> {
    let figure = |value: Option<f64>| value.map(|value| format!("{value:.4}")).unwrap_or_default();
    let all = run.metrics.validations.iter();
    let rows = all.map(|(step, validation)| ValidationRow {
        step: grouped(*step),
        tokens: grouped(validation.tokens as u64),
        loss: figure(validation.loss),
        bits_per_byte: figure(validation.bits_per_byte),
    });
    let rows: Vec<ValidationRow> = rows.collect();
    (!rows.is_empty()).then(|| Validations { title: words::validations(rows.len()), rows })
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
            left_out: Some(texts.len() - chosen.len())
                .filter(|count| *count > 0)
                .map(words::samples_left_out),
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

fn when(run: &Run, step: u64) -> Text {
    let tokens = run.metrics.steps.range(..=step).next_back().map(|(_, step)| step.tokens as u64);
    let bits = run.metrics.validation_at(step).and_then(|validation| validation.bits_per_byte);
    let parts = [Some(words::at_step(step)), tokens.map(words::tokens), bits.map(words::bits)];
    Text::joined(&parts.into_iter().flatten().collect::<Vec<_>>(), DOT)
}

fn cleaning(summary: &CleanSummary) -> Cleaning {
    let samples = summary.samples.iter().map(example);
    let (rejected, others): (Vec<Example>, _) = samples.partition(|example| example.outcome == "rejected");
    let (rejected, more_rejected) = one_for_each_step(rejected);
    let more = words::more(more_rejected.len());
    Cleaning { funnel: cleaning::funnel(summary), rejected, more_rejected, more, others }
}

/// The first example of each step, and the rest.
fn one_for_each_step(examples: Vec<Example>) -> (Vec<Example>, Vec<Example>) {
    let mut seen = BTreeSet::new();
    examples
        .into_iter()
        .partition(|example| seen.insert(example.why.en.split(':').next().map(str::to_string)))
}

fn example(sample: &nuwa_clean::Sample) -> Example {
    let step = sample.step.as_deref().map(names::name).unwrap_or_default();
    let reason = sample.reason.as_deref().map(names::reason).unwrap_or_default();
    Example {
        outcome: sample.outcome.clone(),
        why: Text::joined(&[step, reason], words::COLON),
        id: printable(&sample.id),
        text: clipped(&sample.text, LONGEST_TEXT / 2),
    }
}

fn stages(run: &Run) -> (Vec<StageRow>, Option<Text>) {
    let total: f64 = run.manifests().map(|manifest| manifest.seconds).sum();
    let rows = run.stages.iter().map(|record| {
        let time = record.manifest.as_ref().map(|manifest| manifest.seconds);
        StageRow {
            title: words::stage(record.stage.name, record.stage.chinese),
            time: time.map(seconds).unwrap_or_default(),
            share: time.map_or(0.0, |time| 100.0 * time / total.max(1e-9)),
        }
    });
    (rows.collect(), (total > 0.0).then(|| words::total_time(total)))
}

/// The command that was given, and the one that does the same from the resolved recipe.
fn commands(run: &Run) -> Vec<String> {
    let given =
        (!run.command.is_empty()).then(|| run.command.iter().map(quoted).collect::<Vec<_>>().join(" "));
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
