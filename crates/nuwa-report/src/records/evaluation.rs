use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nuwa_eval::TaskResult;
use nuwa_eval::suites::SuiteResult;
use serde::{Deserialize, Serialize};

use crate::stage_scores::Changes;

/// What tasks found, by their names; where several models were measured, by `STAGE/TASK`.
pub type Tasks = BTreeMap<String, TaskResult>;

/// The content of `eval.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Evaluation {
    /// The model folder.
    pub model: PathBuf,
    /// What each task found.
    pub tasks: Tasks,
    /// What suites of tasks came to, by their names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub suites: BTreeMap<String, SuiteResult>,
    /// Of a run with several models: how the figure of each task changed from the first to the last.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub changes: Changes,
}

impl Evaluation {
    /// That of a run; an empty one where there is none that can be read.
    pub fn of_run(run: &Path) -> Self {
        nuwa_files::read_json(&run.join("eval").join("eval.json")).unwrap_or_default()
    }
}
