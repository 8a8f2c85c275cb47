use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use nuwa_files::{AtomicFile, compressed};
use serde::{Deserialize, Serialize};

use crate::result::{Shown, Unit};
use crate::{Error, Result, TaskResult};

/// A line of a file of items.
#[derive(Debug, Serialize, Deserialize)]
struct ItemLine {
    /// The task, as its results are called.
    task: String,
    /// Its place among the items of the task.
    item: usize,
    /// What it gives to each figure: `[y, x]`.
    units: BTreeMap<String, [f64; 2]>,
    /// What was asked, where the task shows that.
    #[serde(default, skip_serializing_if = "Option::is_none", flatten)]
    shown: Option<Shown>,
}

/// Writes what each item of all tasks came to, a line of JSON each.
///
/// # Errors
/// When the file cannot be written.
pub fn write_items(path: &Path, tasks: &BTreeMap<String, TaskResult>) -> Result<()> {
    let mut file = AtomicFile::create(path)?;
    for (task, result) in tasks {
        let count = result.units.values().map(Vec::len).max().unwrap_or_default();
        for item in 0..count {
            let unit = |(name, units): (&String, &Vec<Unit>)| {
                Some((name.clone(), units.get(item).map(|unit| [unit.y, unit.x])?))
            };
            let units = result.units.iter().filter_map(unit).collect();
            let line = ItemLine { task: task.clone(), item, units, shown: result.items.get(item).cloned() };
            // Texts and finite numbers: there is JSON of them.
            let text = serde_json::to_string(&line).unwrap_or_default();
            writeln!(file, "{text}").map_err(nuwa_files::Error::write(path))?;
        }
    }
    Ok(file.commit()?)
}

/// Reads what each item came to into the results of the tasks.
///
/// # Errors
/// When the file cannot be read, or a line is none of such a file or not in its place.
pub fn read_items(path: &Path, tasks: &mut BTreeMap<String, TaskResult>) -> Result<()> {
    let text = String::from_utf8_lossy(&compressed::read(path)?).into_owned();
    for (number, line) in (1..).zip(text.lines()) {
        let hint = Some("the file was changed or cut short: run the evaluation again");
        let wrong = |problem: String| Error::Item { path: path.into(), place: number, problem, hint };
        let line: ItemLine = serde_json::from_str(line)
            .map_err(|error| wrong(format!("it is no item of an evaluation: {error}")))?;
        let Some(result) = tasks.get_mut(&line.task) else { continue };
        for (name, [y, x]) in line.units {
            let units = result.units.entry(name).or_default();
            if units.len() != line.item {
                return Err(wrong(format!("item {} of {} is not in its place", line.item, line.task)));
            }
            units.push(Unit { y, x });
        }
        result.items.extend(line.shown);
    }
    Ok(())
}
