//! Several models on one command line, each with a short name of its own.

use std::path::{Component, Path, PathBuf};

use anyhow::bail;

use crate::failure::Problem;

/// A path and what it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub name: String,
    pub path: PathBuf,
}

/// The paths of arguments of the form `PATH` or `NAME=PATH`. What has no name is called by the shortest end of its path that tells
/// it from the others; a last `model`, which is what folders of models are called, does not count.
pub fn named(arguments: &[String]) -> anyhow::Result<Vec<Named>> {
    let given: Vec<(Option<&str>, &Path)> = arguments.iter().map(|argument| split(argument)).collect();
    // What has a name of its own is told from the others by that.
    let parts: Vec<Vec<String>> = given
        .iter()
        .map(|(name, path)| name.map_or_else(|| parts(path), |name| vec![name.to_string()]))
        .collect();
    let mut all = Vec::new();
    for (place, (name, path)) in given.iter().enumerate() {
        let name = name.map_or_else(|| shortest(&parts, place), String::from);
        all.push(Named { name, path: path.to_path_buf() });
    }
    for (place, one) in all.iter().enumerate() {
        if let Some(other) = all[place + 1..].iter().find(|other| other.name == one.name) {
            let told = match one.path == other.path {
                true => format!(
                    "{} is named twice: two models are compared, not one with itself",
                    one.path.display()
                ),
                false => format!(
                    "{} and {} are both called {}",
                    one.path.display(),
                    other.path.display(),
                    one.name
                ),
            };
            bail!(Problem::new(told).hint("name each model once; NAME=PATH gives it a name"));
        }
    }
    Ok(all)
}

/// A path that exists is one, whatever it holds.
fn split(argument: &str) -> (Option<&str>, &Path) {
    match argument.split_once('=') {
        Some((name, path)) if !name.is_empty() && !Path::new(argument).exists() => {
            (Some(name), Path::new(path))
        }
        _ => (None, Path::new(argument)),
    }
}

/// The names in a path.
fn parts(path: &Path) -> Vec<String> {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let name = |part: Component<'_>| match part {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    };
    let mut parts: Vec<String> = whole.components().filter_map(name).collect();
    parts.pop_if(|last| last == "model");
    if let Some(last) = parts.last_mut().filter(|_| whole.is_file()) {
        *last = last.trim_end_matches(".jsonl").trim_end_matches(".json").to_string();
    }
    parts
}

fn shortest(all: &[Vec<String>], place: usize) -> String {
    let own = &all[place];
    let end = |parts: &[String], length: usize| parts[parts.len().saturating_sub(length)..].to_vec();
    let is_alone = |length: &usize| {
        let others = all.iter().enumerate().filter(|(other, _)| *other != place);
        others.map(|(_, parts)| end(parts, *length)).all(|other| other != end(own, *length))
    };
    let length = (1..=own.len()).find(is_alone).unwrap_or(own.len());
    end(own, length).join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(arguments: &[&str]) -> Result<Vec<String>, String> {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let named = named(&arguments).map_err(|error| error.to_string())?;
        Ok(named.into_iter().map(|named| named.name).collect())
    }

    #[test]
    fn models_are_called_by_what_tells_them_apart() {
        assert_eq!(names(&["runs/a", "runs/b/model"]).unwrap(), ["a", "b"]);
        assert_eq!(names(&["runs/a/sft", "runs/b/sft/model", "tuned"]).unwrap(), ["a/sft", "b/sft", "tuned"]);
        assert_eq!(names(&["before=runs/a", "after=runs/a/model"]).unwrap(), ["before", "after"]);
        assert_eq!(names(&["runs/a", "other=runs/a"]).unwrap(), ["a", "other"]);
    }

    #[test]
    fn one_model_is_not_compared_with_itself() {
        let told = names(&["runs/a", "runs/a"]).unwrap_err();
        assert_eq!(told, "runs/a is named twice: two models are compared, not one with itself");
        assert!(names(&["x=runs/a", "x=runs/b"]).unwrap_err().ends_with("are both called x"));
    }
}
