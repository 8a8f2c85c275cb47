//! Documents are repaired, filtered and deduplicated.

use std::collections::BTreeMap;
use std::path::Path;

use nuwa_clean::{CleanSummary, Portion, StepSummary, clean};
use nuwa_report::numbers::{bytes, grouped};
use nuwa_report::shares_text;

use super::stage::{Build, Stage};
use super::{collect, world};
use crate::console::Display;
use crate::run::{About, Dependencies, HandsOn};

pub static ABOUT: About = About {
    hands_on: HandsOn::Files(&["documents-"]),
    kept: Some("what is done in whole parts (256 MiB of text)"),
    ..About::new("clean", "清洗")
};

/// Cleans what was collected.
pub struct CleanStage;

impl Stage for CleanStage {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn dependencies(&self, build: &Build, on: Dependencies) -> anyhow::Result<Dependencies> {
        let settings = &build.recipe.clean;
        let on = build.after(on.settings(settings)?, &[&world::ABOUT, &collect::ABOUT]);
        settings.decontaminate.items.iter().try_fold(on, |on, items| on.reads(items, &[]))
    }

    fn run(&self, build: &Build, out: &Path, display: &mut Display) -> anyhow::Result<String> {
        let mut settings = build.recipe.clean.clone();
        settings.decontaminate.items.extend(build.source.held_out_items(&build.folder));
        let inputs = [build.place(&collect::ABOUT)];
        let summary = clean(&inputs, out, &settings, &mut |progress| display.show(progress))?;
        let audit = build.source.is_written().then(|| audit(build, out)).transpose()?;
        Ok(text(&summary) + &audit.unwrap_or_default())
    }
}

/// Holds what was cleaned against what is known to be planted.
fn audit(build: &Build, out: &Path) -> anyhow::Result<String> {
    let audit = nuwa_world::audit(&build.place(&world::ABOUT), out)?;
    nuwa_files::write_json(&out.join("audit.json"), &audit)?;
    Ok(format!("\n{}", world::audit_text(&audit)))
}

/// The figures: a line in all, and a line for each step that did something.
pub fn text(summary: &CleanSummary) -> String {
    let (kept, all) = (grouped(summary.documents_out), grouped(summary.documents_in));
    let size = format!("{} of {}", bytes(summary.bytes_out), bytes(summary.bytes_in));
    let did_something = |step: &&StepSummary| {
        step.changed + step.rejected > 0 || !step.labels.is_empty() || !step.totals.is_empty()
    };
    let steps = summary.steps.iter().filter(did_something).map(step_text);
    format!("kept {kept} of {all} documents, {size}{}", steps.collect::<String>())
}

fn step_text(step: &StepSummary) -> String {
    let reasons: Vec<String> =
        step.reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
    let (name, changed, rejected) = (&step.name, grouped(step.changed), grouped(step.rejected));
    format!(
        "\n  {name}: {changed} changed, {rejected} rejected{reasons}{}{}{}",
        listed("found", &step.labels),
        totals(&step.totals),
        portions(&step.portions)
    )
}

/// Shares of the text, each on a line of its own.
fn portions(portions: &[Portion]) -> String {
    portions.iter().map(|portion| format!("\n    {}: {}", portion.name, shares_text(portion))).collect()
}

/// What a step worked with: "960 items looked for".
fn totals(counts: &BTreeMap<String, u64>) -> String {
    counts.iter().map(|(name, count)| format!("; {} {name}", grouped(*count))).collect()
}

/// Counts by name, the largest first.
fn listed(what: &str, counts: &BTreeMap<String, u64>) -> String {
    let mut counts: Vec<(&String, &u64)> = counts.iter().collect();
    counts.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), *name));
    let counts: Vec<String> =
        counts.into_iter().map(|(name, count)| format!("{name} {}", grouped(*count))).collect();
    if counts.is_empty() { String::new() } else { format!("; {what} {}", counts.join(", ")) }
}
