//! Files and folders become documents; what is not on this disk is brought into the run's folder first.

use std::path::Path;

use nuwa_collect::{CollectSummary, Oddity, collect};
use nuwa_report::numbers::{bytes, counted};

use super::stage::{Build, Stage};
use super::world;
use crate::console::Display;
use crate::interrupt::{self, Work};
use crate::online;
use crate::run::{About, Dependencies, HandsOn};

pub static ABOUT: About = About {
    hands_on: HandsOn::Files(&["documents-"]),
    kept: Some("what is done in whole parts (256 MiB of text)"),
    ..About::new("collect", "收集")
};

/// Reads text into documents.
pub struct CollectStage;

impl Stage for CollectStage {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn prepare(&self, build: &mut Build) -> anyhow::Result<()> {
        let texts = build.source.texts(&build.recipe, &build.folder);
        let is_fetched = texts.iter().any(|text| online::is_online(text));
        interrupt::begin(if is_fetched { Work::downloads(true) } else { ABOUT.work(true) })?;
        let mut display = build.display(&ABOUT);
        let (folder, settings) = (build.folder.join("downloads"), &build.recipe.collect);
        build.texts = online::fetched(&texts, &folder, settings, online::Again::No, &mut display)?;
        Ok(())
    }

    fn dependencies(&self, build: &Build, on: Dependencies) -> anyhow::Result<Dependencies> {
        let settings = &build.recipe.collect;
        let on = build.after(on.settings(settings)?, &[&world::ABOUT]);
        // What a stage has written is known by what it hands on.
        let mut own = build.texts.iter().filter(|_| !build.source.is_written());
        own.try_fold(on, |on, text| on.reads(text, &settings.extra_text_extensions))
    }

    fn run(&self, build: &Build, out: &Path, display: &mut Display) -> anyhow::Result<String> {
        let mut observe = |progress| display.show(progress);
        Ok(text(&collect(&build.texts, out, &build.recipe.collect, &mut observe)?))
    }
}

/// The figures in a sentence or two.
pub fn text(summary: &CollectSummary) -> String {
    let CollectSummary { documents, files, skipped_files, skipped_lines, .. } = summary;
    let (documents, files) = (counted(*documents, "document"), counted(*files, "file"));
    let of = format!("{documents} of {files}, {}", bytes(summary.bytes));
    let reasons: Vec<String> =
        summary.skipped_reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    let files = match skipped_files {
        0 => String::new(),
        count => format!("; passed over {} ({})", counted(*count, "file"), reasons.join(", ")),
    };
    let lines = match skipped_lines {
        0 => String::new(),
        count => format!("; left out {}", counted(*count, "line")),
    };
    let reasons: Vec<String> =
        summary.skipped_records.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    let records =
        if reasons.is_empty() { String::new() } else { format!("; no text in {}", reasons.join(", ")) };
    of + &files + &lines + &records + &odd(summary)
}

const ODDITIES_SHOWN: usize = 8;

/// A line for each odd input.
fn odd(summary: &CollectSummary) -> String {
    let line = |oddity: &Oddity| {
        let first = oddity.first.map(|first| format!(", first at {first}")).unwrap_or_default();
        format!("\n  {}: {} ({}{first})", oddity.path.display(), oddity.what, times(oddity.count))
    };
    let shown: String = summary.oddities.iter().take(ODDITIES_SHOWN).map(line).collect();
    match summary.oddities.len() > ODDITIES_SHOWN {
        true => shown + "\n  more are in collect.json, under \"oddities\"",
        false => shown,
    }
}

fn times(count: u64) -> String {
    if count == 1 { "once".into() } else { format!("{count} times") }
}
