//! The embedded world, as files of the run.

use std::path::Path;

use nuwa_report::numbers;
use nuwa_world::{Audit, Caught, Noise, WorldSummary, write};

use super::stage::{Build, Stage};
use crate::console::Display;
use crate::run::{About, Dependencies};

pub static ABOUT: About = About::new("world", "内置世界");

/// Writes the embedded world where no source is named.
pub struct WorldStage;

impl Stage for WorldStage {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn applies(&self, build: &Build) -> bool {
        build.source.is_written()
    }

    fn dependencies(&self, build: &Build, on: Dependencies) -> anyhow::Result<Dependencies> {
        on.settings(&build.recipe.world)
    }

    fn run(&self, build: &Build, out: &Path, display: &mut Display) -> anyhow::Result<String> {
        Ok(text(&write(&build.recipe.world, out, &mut |progress| display.show(progress))?))
    }
}

/// The figures in a few lines.
pub fn text(summary: &WorldSummary) -> String {
    let grouped = |number: usize| numbers::grouped(number as u64);
    format!(
        "{} facts of {} kinds about {} names; {} documents, {} of them with planted noise ({})\n\
         {} dialogues, {} preference pairs, {} rated answers, {} prompts, {} held-out items",
        grouped(summary.facts),
        summary.kinds,
        summary.entities,
        grouped(summary.documents + summary.planted),
        grouped(summary.planted),
        numbers::bytes(summary.bytes),
        grouped(summary.dialogues),
        grouped(summary.preferences),
        grouped(summary.ratings),
        grouped(summary.prompts),
        grouped(summary.items)
    )
}

/// What cleaning caught of the planted noise, in a line.
pub fn audit_text(audit: &Audit) -> String {
    let one = |(kind, caught): (&Noise, &Caught)| {
        format!("{} {}/{}", kind.name().replace('_', " "), caught.rejected + caught.repaired, caught.planted)
    };
    let all: Vec<String> = audit.noise.iter().map(one).collect();
    format!(
        "  caught of what was planted: {}; clean documents lost: {}/{}",
        all.join(", "),
        audit.lost,
        audit.clean
    )
}
