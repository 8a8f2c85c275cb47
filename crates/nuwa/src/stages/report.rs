//! The run as pages for people: its report, its documents and the model's card.

use std::path::Path;

use nuwa_report::{ReportedStage, inspection};

use super::stage::{Build, Stage};
use crate::console::Display;
use crate::run::{About, Dependencies};

pub static ABOUT: About = About {
    format: None,
    places: &["inspect.html", "report.html", "data-card.md", "model/README.md"],
    ..About::new("report", "报告")
};

/// Writes the pages.
pub struct ReportStage;

impl Stage for ReportStage {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn dependencies(&self, build: &Build, on: Dependencies) -> anyhow::Result<Dependencies> {
        Ok(build.shows(on.settings(&build.recipe.card)?))
    }

    fn run(&self, build: &Build, _out: &Path, display: &mut Display) -> anyhow::Result<String> {
        let command: Vec<String> = std::env::args().collect();
        nuwa_files::write_json(&build.folder.join("command.json"), &command)?;
        let samples = inspection::SAMPLES;
        let mut observe = |progress| display.show(progress);
        inspection::Cleaned::read(&build.folder, samples, &mut observe)?.write_page()?;
        let stages: Vec<ReportedStage> = build.stages.iter().map(|stage| stage.about().reported()).collect();
        let page = nuwa_report::write(&build.folder, &stages)?;
        nuwa_report::model_card(&build.folder, &stages, &build.recipe.card)?;
        nuwa_report::data_card(&build.folder, &stages, &build.recipe.card)?;
        Ok(format!("{}", page.display()))
    }
}
