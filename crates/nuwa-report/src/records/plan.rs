use nuwa_train::plan::Plan;
use serde::{Deserialize, Serialize};

/// The content of `plan.json`: the plan, and what follows from it for readers of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanFile {
    /// What is trained and what is expected of it.
    #[serde(flatten)]
    pub plan: Plan,
    /// Tokens a step.
    pub batch_tokens: u64,
    /// What was asked for: another wish is another run.
    pub asked: serde_json::Value,
    /// Whether training goes on with a given model.
    #[serde(default)]
    pub is_given: bool,
}
