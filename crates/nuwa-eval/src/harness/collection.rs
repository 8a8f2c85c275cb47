//! What a task file stands for: a task, or a group of tasks that lie in files around it.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::config::TaskConfig;
use super::files::{self, Index};
use crate::{Error, Metric, Result, TaskResult};

/// Groups within groups, and so on, go no deeper.
const DEEPEST: usize = 10;

/// A task of a file.
#[derive(Debug, Clone)]
pub struct HarnessTask {
    pub(super) config: TaskConfig,
}

/// What a file stands for.
#[derive(Debug, Clone, Default)]
pub struct HarnessTasks {
    /// The group's name and what it says of its figures, where the file describes one.
    group: Option<(String, Vec<Aggregate>)>,
    /// Its tasks.
    pub tasks: Vec<HarnessTask>,
}

/// An entry of `aggregate_metric_list`.
#[derive(Debug, Clone)]
struct Aggregate {
    metric: String,
    filters: Option<Vec<String>>,
    by_size: bool,
}

impl HarnessTask {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.config.name
    }
}

impl HarnessTasks {
    /// What `path` describes. The tasks of a group are looked for by name below the folder of the file, then below the one around it.
    ///
    /// # Errors
    /// When a file is missing or wrong, needs Python, or a group names what is nowhere.
    pub fn read(path: &Path) -> Result<Self> {
        let keys = files::read(path)?;
        let mut finder = Finder { path, indices: Vec::new() };
        let group = group_of(&keys, path)?;
        let tasks = finder.tasks(keys, path, &Map::new(), 0)?;
        Ok(Self { group, tasks })
    }

    /// The figures of the group under its name, from those of its tasks in their order; none where the file describes one task, or
    /// says of no figure how it is put together.
    pub fn group(&self, results: &[TaskResult]) -> Option<(String, TaskResult)> {
        let (name, aggregates) = self.group.as_ref()?;
        let mut result =
            TaskResult { n: results.iter().map(|result| result.n).sum(), ..TaskResult::default() };
        for aggregate in aggregates {
            for figure in aggregate.figures(results) {
                let found: Option<Vec<(Metric, f64)>> = results
                    .iter()
                    .map(|result| Some((*result.metrics.get(&figure)?, result.n as f64)))
                    .collect();
                if let Some(found) = found.filter(|found| !found.is_empty()) {
                    result.metrics.insert(figure, combined(&found, aggregate.by_size));
                }
            }
        }
        (!result.metrics.is_empty()).then(|| (name.clone(), result))
    }
}

impl Aggregate {
    /// The names of its figures: of the filters it names, or of all.
    fn figures(&self, results: &[TaskResult]) -> Vec<String> {
        let named = |filter: &String| match filter.as_str() {
            "none" => self.metric.clone(),
            filter => format!("{},{filter}", self.metric),
        };
        let all = || {
            let first = results.first().into_iter().flat_map(|result| result.metrics.keys());
            first.filter(|name| name.split(',').next() == Some(&self.metric)).cloned().collect()
        };
        self.filters.as_ref().map_or_else(all, |filters| filters.iter().map(named).collect())
    }
}

/// The mean of figures with their counts; weighted by those, its standard error is pooled, otherwise it is that of a mean of
/// independent figures.
fn combined(found: &[(Metric, f64)], by_size: bool) -> Metric {
    let tasks = found.len() as f64;
    let all: f64 = found.iter().map(|(_, n)| n).sum();
    let errors: Option<Vec<(f64, f64)>> =
        found.iter().map(|(metric, n)| Some((metric.stderr?, *n))).collect();
    if by_size {
        let value = found.iter().map(|(metric, n)| metric.value * n).sum::<f64>() / all;
        let pooled = errors.filter(|_| all > tasks).map(|errors| {
            let squares: f64 = errors.iter().map(|(error, n)| (n - 1.0) * error * error * n).sum();
            (squares / (all - tasks) / all).sqrt()
        });
        return Metric { value, stderr: pooled };
    }
    let value = found.iter().map(|(metric, _)| metric.value).sum::<f64>() / tasks;
    let squares = errors.map(|errors| errors.iter().map(|(error, _)| error * error).sum::<f64>());
    Metric { value, stderr: squares.map(|squares| squares.sqrt() / tasks) }
}

/// The group that a file describes.
fn group_of(keys: &Map<String, Value>, path: &Path) -> Result<Option<(String, Vec<Aggregate>)>> {
    let Some(name) = keys.get("group").and_then(Value::as_str).filter(|_| is_group(keys)) else {
        return Ok(None);
    };
    let wrong = |reason: String| Error::TaskFile { path: path.to_path_buf(), reason };
    let list = match keys.get("aggregate_metric_list") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) => list.clone(),
        Some(one) => vec![one.clone()],
    };
    let aggregate = |entry: &Value| {
        let aggregation = entry.get("aggregation").and_then(Value::as_str).unwrap_or("mean");
        let metric = entry.get("metric").and_then(Value::as_str).filter(|_| aggregation == "mean");
        let filters = match entry.get("filter_list") {
            Some(Value::Array(filters)) => {
                Some(filters.iter().filter_map(Value::as_str).map(String::from).collect())
            }
            Some(Value::String(filter)) => Some(vec![filter.clone()]),
            _ => None,
        };
        let by_size = entry.get("weight_by_size").and_then(Value::as_bool).unwrap_or(true);
        let metric = metric.ok_or_else(|| {
            wrong(format!("aggregate_metric_list has {entry}, expected a metric and the aggregation mean"))
        })?;
        Ok(Aggregate { metric: metric.into(), filters, by_size })
    };
    Ok(Some((name.to_string(), list.iter().map(aggregate).collect::<Result<_>>()?)))
}

fn is_group(keys: &Map<String, Value>) -> bool {
    keys.contains_key("group") && !keys.get("task").is_some_and(Value::is_string)
        || keys.get("task").is_some_and(Value::is_array)
}

/// Keys of a group that its tasks do not get.
const OF_GROUP: [&str; 5] = ["group", "group_alias", "task", "aggregate_metric_list", "metadata"];

/// Finds the tasks that a group names.
struct Finder<'a> {
    path: &'a Path,
    /// Of the folders around the file, read when they are needed.
    indices: Vec<Index>,
}

impl Finder<'_> {
    fn tasks(
        &mut self,
        keys: Map<String, Value>,
        path: &Path,
        over: &Map<String, Value>,
        depth: usize,
    ) -> Result<Vec<HarnessTask>> {
        if !is_group(&keys) {
            let mut keys = keys;
            keys.extend(over.clone());
            return Ok(vec![HarnessTask { config: TaskConfig::new(keys, path)? }]);
        }
        let wrong = |reason: String| Error::TaskFile { path: path.to_path_buf(), reason };
        if depth > DEEPEST {
            return Err(wrong("groups within more than 10 others".into()));
        }
        let members = match keys.get("task") {
            Some(Value::Array(members)) => members.clone(),
            Some(Value::String(member)) => vec![member.clone().into()],
            other => return Err(wrong(format!("task is {other:?}, expected a list of names"))),
        };
        let mut own: Map<String, Value> =
            keys.into_iter().filter(|(key, _)| !OF_GROUP.contains(&key.as_str())).collect();
        own.extend(over.clone());
        let mut tasks = Vec::new();
        for member in members {
            tasks.extend(self.member(member, path, &own, depth)?);
        }
        Ok(tasks)
    }

    /// A task, a group or a tag that a group names, or describes itself.
    fn member(
        &mut self,
        member: Value,
        path: &Path,
        over: &Map<String, Value>,
        depth: usize,
    ) -> Result<Vec<HarnessTask>> {
        let (name, keys) = match member {
            Value::String(name) => (name, Map::new()),
            Value::Object(keys) => {
                let name = keys.get("group").or(keys.get("task")).and_then(Value::as_str).unwrap_or_default();
                (name.to_string(), keys)
            }
            other => {
                return Err(Error::TaskFile {
                    path: path.into(),
                    reason: format!("task has {other}, expected a name"),
                });
            }
        };
        let own = |(key, _): &(String, Value)| key != "group" && key != "task";
        let mut merged = over.clone();
        if let Some(file) = self.file(&name)? {
            merged.extend(keys.into_iter().filter(own));
            return self.tasks(files::read(&file)?, &file, &merged, depth + 1);
        }
        if keys.contains_key("group") || keys.contains_key("dataset_path") {
            return self.tasks(keys, path, over, depth + 1);
        }
        let Some(tagged) = self.tagged(&name)? else {
            let reason = format!("the group names {name}, which no file around it defines");
            return Err(Error::TaskFile { path: path.into(), reason });
        };
        merged.extend(keys.into_iter().filter(own));
        let mut tasks = Vec::new();
        for name in tagged {
            tasks.extend(self.member(name.into(), path, &merged, depth + 1)?);
        }
        Ok(tasks)
    }

    fn file(&mut self, name: &str) -> Result<Option<PathBuf>> {
        self.found(|index| index.file(name).cloned())
    }

    fn tagged(&mut self, tag: &str) -> Result<Option<Vec<String>>> {
        self.found(|index| index.tagged(tag))
    }

    /// What the nearest folder knows.
    fn found<T>(&mut self, look: impl Fn(&Index) -> Option<T>) -> Result<Option<T>> {
        let whole = self.path.canonicalize().unwrap_or_else(|_| self.path.to_path_buf());
        for (place, folder) in whole.ancestors().skip(1).take(2).enumerate() {
            if place == self.indices.len() {
                self.indices.push(Index::of(folder)?);
            }
            if let Some(found) = look(&self.indices[place]) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}
