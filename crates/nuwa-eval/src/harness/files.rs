//! Task files with what they include.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::yaml;
use crate::{Error, Result};

/// The content of a file: its own keys over those of the files it includes.
///
/// # Errors
/// When a file is missing, is not YAML, holds no keys, or includes itself.
pub fn read(path: &Path) -> Result<Map<String, Value>> {
    included(path, &mut Vec::new())
}

fn included(path: &Path, within: &mut Vec<PathBuf>) -> Result<Map<String, Value>> {
    let wrong = |reason: String| Error::TaskFile { path: path.to_path_buf(), reason };
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    if within.contains(&whole) {
        return Err(wrong("it includes itself".into()));
    }
    within.push(whole);
    let Value::Object(mut own) = yaml::parse(&nuwa_files::read_to_string(path)?, path)? else {
        return Err(wrong("it holds no keys, expected `task: NAME` and others".into()));
    };
    let names = match own.remove("include") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(names)) => names,
        Some(name) => vec![name],
    };
    let mut merged = Map::new();
    for name in names {
        let name = name.as_str().ok_or_else(|| wrong(format!("include is {name}, expected a file")))?;
        let other = path.parent().unwrap_or(Path::new("")).join(name);
        if !other.is_file() {
            return Err(wrong(format!("it includes {name}, and there is no {}", other.display())));
        }
        let mut keys = included(&other, within)?;
        // A list of tasks is that file's own.
        keys.remove("task_list");
        merged.extend(keys);
    }
    merged.extend(own);
    Ok(merged)
}

/// What the files of a folder define, by name.
#[derive(Debug, Default)]
pub struct Index {
    files: BTreeMap<String, PathBuf>,
    tags: BTreeMap<String, Vec<String>>,
}

impl Index {
    /// Of all files below `folder`; those that cannot be read define nothing.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn of(folder: &Path) -> Result<Self> {
        let mut index = Self::default();
        let is_yaml =
            |path: &PathBuf| path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
        for path in nuwa_files::files_in(folder)?.into_iter().filter(is_yaml) {
            let Ok(keys) = nuwa_files::read_to_string(&path).map(|text| yaml::parse(&text, &path)) else {
                continue;
            };
            if let Ok(Value::Object(keys)) = keys {
                index.add(&keys, &path);
            }
        }
        Ok(index)
    }

    fn add(&mut self, keys: &Map<String, Value>, path: &Path) {
        let is_group = keys.get("task").is_some_and(Value::is_array);
        let name = keys.get(if is_group { "group" } else { "task" }).and_then(Value::as_str);
        let Some(name) = name else { return };
        self.files.insert(name.to_string(), path.to_path_buf());
        let tags = match keys.get("tag") {
            Some(Value::Array(tags)) => tags.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(tag)) => vec![tag.as_str()],
            _ => Vec::new(),
        };
        for tag in tags {
            self.tags.entry(tag.to_string()).or_default().push(name.to_string());
        }
    }

    /// The file that defines a task or a group.
    pub fn file(&self, name: &str) -> Option<&PathBuf> {
        self.files.get(name)
    }

    /// The tasks with a tag, by name; only those whose own file says so.
    pub fn tagged(&self, tag: &str) -> Option<Vec<String>> {
        let mut names = self.tags.get(tag)?.clone();
        names.sort();
        Some(names)
    }
}
