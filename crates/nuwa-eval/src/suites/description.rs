use std::path::Path;

use serde::Deserialize;

use crate::{Error, Result};

/// Names and texts of the suites that the program carries.
const BUILT_IN: [(&str, &str); 2] = [
    ("open-llm", include_str!("../../suites/open-llm.toml")),
    ("world", include_str!("../../suites/world.toml")),
];

/// Several tasks whose figures stand in one table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// Its name.
    pub name: String,
    /// What it is, in a few words.
    pub about: String,
    /// Its tasks, in the order of the table.
    #[serde(rename = "member")]
    pub members: Vec<Member>,
}

/// A task of a suite.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// The name of a built-in task.
    pub task: String,
    /// How many examples stand before each item.
    #[serde(default)]
    pub shots: usize,
    /// The figure that counts.
    pub metric: String,
    /// Whether the figure is the mean over the task's groups (subjects), and of how many in the whole data.
    #[serde(default)]
    pub mean_of_groups: Option<usize>,
    /// The parts of the data that are asked: the first of these that is there. Empty where files name no part.
    #[serde(default)]
    pub items: Vec<String>,
    /// The parts that examples are taken from: the first that is there, and where there is none, the items themselves.
    #[serde(default)]
    pub examples: Vec<String>,
    /// What file names begin with.
    pub names: Vec<String>,
    /// The data set on the Hub, `owner/name`.
    #[serde(default)]
    pub hub: Option<String>,
    /// What of it.
    #[serde(default)]
    pub hub_path: String,
}

impl Suite {
    /// The names of the suites that the program carries.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// A suite that the program carries.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn built_in(name: &str) -> Result<Self> {
        let found = BUILT_IN.iter().find(|(own, _)| *own == name);
        let (_, text) = found.ok_or_else(|| Error::UnknownSuite {
            name: name.to_string(),
            known: Self::names().collect::<Vec<_>>().join(", "),
        })?;
        toml::from_str(text)
            .map_err(|error| Error::TaskFile { path: Path::new(name).into(), reason: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::Task;

    #[test]
    fn all_suites_that_are_carried_name_tasks_that_are_there() {
        for name in Suite::names() {
            let suite = Suite::built_in(name).unwrap();
            assert_eq!(suite.name, name);
            for member in &suite.members {
                assert_eq!(Task::built_in(&member.task).unwrap().name, member.task);
            }
        }
        let told = Suite::built_in("closed").unwrap_err();
        assert_eq!(told.to_string(), "there is no suite \"closed\"");
        assert_eq!(told.hint().unwrap(), "the suites are: open-llm, world");
    }
}
