use serde::{Deserialize, Serialize};

use super::model::Measured;

/// An item that one model got right and another did not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DifferingItem {
    /// The task.
    pub task: String,
    /// Its place among the items of the task.
    pub item: usize,
    /// What was asked.
    pub prompt: String,
    /// The right answer.
    pub expected: String,
    /// What each model chose or wrote, and whether that is right.
    pub given: Vec<(String, bool)>,
}

/// The first `count` items of a task that the first model got right and another did not, and as many the other way round, in the
/// order of the task.
pub fn differing(task: &str, models: &[Measured], count: usize) -> Vec<DifferingItem> {
    let Some(results) = models.iter().map(|model| model.tasks.get(task)).collect::<Option<Vec<_>>>() else {
        return Vec::new();
    };
    let items = results.iter().map(|result| result.items.len()).min().unwrap_or_default();
    let mut left = [count; 2];
    let mut found = Vec::new();
    for item in 0..items {
        let shown: Vec<_> = results.iter().map(|result| &result.items[item]).collect();
        let first = shown[0].is_right;
        let side = &mut left[usize::from(first)];
        if *side == 0 || shown.iter().all(|other| other.is_right == first) {
            continue;
        }
        *side -= 1;
        found.push(DifferingItem {
            task: task.to_string(),
            item,
            prompt: shown[0].prompt.clone(),
            expected: shown[0].expected.clone(),
            given: shown.iter().map(|shown| (shown.given.clone(), shown.is_right)).collect(),
        });
    }
    found
}
