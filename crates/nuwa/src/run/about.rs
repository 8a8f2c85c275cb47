//! What is fixed about a stage: its name and what follows from what it is, for whoever runs, lists, keeps or shows stages.

use std::path::Path;

use nuwa_report::ReportedStage;

use crate::interrupt::Work;

/// What is fixed about a stage.
#[derive(Debug)]
pub struct About {
    /// Its name, which is also that of its folder and of its verb.
    pub name: &'static str,
    /// What it does, in Chinese, for pages that speak it.
    pub chinese: &'static str,
    /// Its name in earlier versions.
    pub former: Option<&'static str>,
    /// The number of the form in which it writes its result: raised only where an older result would be wrong, since it is made
    /// anew then. None of the stages at the end, which take seconds and show what a new version of the program knows.
    pub format: Option<u32>,
    /// What the stages that follow read of it.
    pub hands_on: HandsOn,
    /// Whether it makes a model, in `NAME/model`, from the one before.
    pub makes_model: bool,
    /// What is kept when it is interrupted; nothing where it begins again.
    pub kept: Option<&'static str>,
    /// Places in the run folder, beside its own, that it writes to.
    pub places: &'static [&'static str],
}

/// What the stages that follow read of a stage. Times and accounts are not among it: another speed of the machine makes no other
/// model.
#[derive(Debug, Clone, Copy)]
pub enum HandsOn {
    /// All its files.
    All,
    /// The files in its folder whose names begin so.
    Files(&'static [&'static str]),
    /// What a hash of its folder says; all its files where there is none.
    Hash(fn(&Path) -> Option<String>),
}

impl About {
    /// A stage that hands on all its files, to be refined.
    pub const fn new(name: &'static str, chinese: &'static str) -> Self {
        Self {
            name,
            chinese,
            former: None,
            format: Some(1),
            hands_on: HandsOn::All,
            makes_model: false,
            kept: None,
            places: &[],
        }
    }

    /// A stage that trains, from a checkpoint where it was interrupted.
    pub const fn training(name: &'static str, chinese: &'static str) -> Self {
        Self {
            hands_on: HandsOn::Files(&["model/", "adapter/"]),
            makes_model: true,
            kept: Some("the last checkpoint"),
            ..Self::new(name, chinese)
        }
    }

    /// The stage as work that may be interrupted: part of a build, or a verb by itself.
    pub fn work(&self, in_build: bool) -> Work {
        Work { name: self.name, kept: self.kept, in_build }
    }

    /// The file with its figures, in its folder.
    pub fn summary_file(&self) -> String {
        format!("{}.json", self.name)
    }

    /// The name that it has in a run, which an earlier version may have made.
    pub fn name_in(&self, run: &Path) -> &'static str {
        self.reported().name_in(run)
    }

    /// What the report shows of it.
    pub fn reported(&self) -> ReportedStage {
        let Self { name, chinese, former, makes_model, .. } = *self;
        ReportedStage { name, chinese, former, makes_model }
    }
}
