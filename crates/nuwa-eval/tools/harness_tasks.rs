//! How many of lm-evaluation-harness's task files run without Python, and why the others do not.
//!
//!     cargo run --release -p nuwa-eval --example harness_tasks -- PATH/lm_eval/tasks

use std::collections::BTreeMap;
use std::path::PathBuf;

use nuwa_eval::Error;
use nuwa_eval::harness::HarnessTasks;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder: PathBuf = std::env::args_os().nth(1).ok_or("name the folder of the tasks")?.into();
    let (mut files, mut run, mut reasons) = (0, 0, BTreeMap::<String, (usize, String)>::new());
    for path in nuwa_files::files_in(&folder)? {
        let is_yaml = path.extension().is_some_and(|ending| ending == "yaml");
        // Files of groups, and those that others include, describe no task.
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let names_task = text.lines().any(|line| {
            let value =
                line.trim_start_matches('"').strip_prefix("task").map(|rest| rest.trim_start_matches('"'));
            value.and_then(|rest| rest.strip_prefix(':')).is_some_and(|name| !name.trim().is_empty())
        });
        if !is_yaml || !names_task {
            continue;
        }
        files += 1;
        match HarnessTasks::read(&path) {
            Ok(_) => run += 1,
            Err(error) => {
                let reason = match &error {
                    Error::NeedsPython { key, .. } => format!("needs Python for {key}"),
                    Error::TaskFile { reason, .. } => reason.chars().take(70).collect(),
                    other => other.to_string(),
                };
                let entry = reasons.entry(reason).or_insert_with(|| (0, path.display().to_string()));
                entry.0 += 1;
            }
        }
    }
    println!("{run} of {files} task files run");
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    for (reason, (count, example)) in reasons {
        println!("{count:>6}  {reason}  ({example})");
    }
    Ok(())
}
