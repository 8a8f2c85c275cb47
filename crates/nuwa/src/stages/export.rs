//! The final model folder, `RUN/model`.

use std::path::Path;

use nuwa_report::records::PROVENANCE;

use super::stage::{Build, Stage};
use crate::console::Display;
use crate::run::{About, Dependencies};
use crate::taught::Taught;

pub static ABOUT: About = About { format: None, places: &["model"], ..About::new("export", "导出") };

/// Hands on the last model.
pub struct ExportStage;

impl Stage for ExportStage {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn dependencies(&self, build: &Build, on: Dependencies) -> anyhow::Result<Dependencies> {
        Ok(build.after(on, &build.models()))
    }

    fn run(&self, build: &Build, _out: &Path, _display: &mut Display) -> anyhow::Result<String> {
        let model = build.folder.join("model");
        // The card and the provenance of an older model are not this one's; they are written anew.
        for beside in ["README.md", PROVENANCE] {
            let _ = std::fs::remove_file(model.join(beside));
        }
        let last = build.models().pop().expect("a model is trained before it is exported");
        let trained = build.place(last).join("model");
        match build.taught {
            Taught::Labels => nuwa_format::export_labelled(&trained, &model)?,
            // Under another family's name it would not be known to answer sources.
            Taught::Pairs => nuwa_format::import(&trained, &model)?,
            Taught::Dialogues | Taught::Nothing => nuwa_format::export(&trained, &model)?,
        };
        Ok(format!("{}", model.display()))
    }
}
