use std::path::Path;

/// A stage that a run may have, as far as its pages show it.
#[derive(Debug, Clone, Copy)]
pub struct ReportedStage {
    /// Its name, which is also that of its folder.
    pub name: &'static str,
    /// What it does, in Chinese.
    pub chinese: &'static str,
    /// Its name in earlier versions.
    pub former: Option<&'static str>,
    /// Whether it makes a model, in `NAME/model`, from the one before.
    pub makes_model: bool,
}

impl ReportedStage {
    /// A stage that makes no model.
    pub const fn new(name: &'static str, chinese: &'static str) -> Self {
        Self { name, chinese, former: None, makes_model: false }
    }

    /// A stage that trains one.
    pub const fn training(name: &'static str, chinese: &'static str) -> Self {
        Self { makes_model: true, ..Self::new(name, chinese) }
    }

    /// The name that it has in a run, which an earlier version may have made.
    pub fn name_in(&self, run: &Path) -> &'static str {
        let is_there = |name: &&str| run.join(name).is_dir();
        [Some(self.name), self.former].into_iter().flatten().find(is_there).unwrap_or(self.name)
    }
}
