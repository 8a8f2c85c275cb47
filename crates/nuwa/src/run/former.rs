//! Runs of earlier versions, in which a stage had another name: its folder, its file of figures and what manifests say of it get
//! today's, so that its result still holds.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use super::about::About;
use super::manifest::{MANIFEST, UNFINISHED};

/// Gives the stages of a run their names of today.
pub fn rename_stages(run: &Path, stages: &[&About]) -> anyhow::Result<()> {
    for stage in stages {
        let Some(former) = stage.former.filter(|former| *former == stage.name_in(run)) else { continue };
        let renamed = |from: &Path, to: &Path| fs::rename(from, to).map_err(nuwa_files::Error::write(to));
        let figures = run.join(former).join(format!("{former}.json"));
        if figures.is_file() {
            renamed(&figures, &run.join(former).join(stage.summary_file()))?;
        }
        for entry in fs::read_dir(run).map_err(nuwa_files::Error::read(run))? {
            let folder = entry.map_err(nuwa_files::Error::read(run))?.path();
            for note in [MANIFEST, UNFINISHED] {
                rename_in(&folder.join(note), former, stage.name)?;
            }
        }
        // Last, so that a program that is killed before it does all of this again.
        renamed(&run.join(former), &run.join(stage.name))?;
    }
    Ok(())
}

/// In a manifest: whose it is, what it was made from, and the files that were written.
fn rename_in(path: &Path, former: &str, name: &str) -> anyhow::Result<()> {
    let Ok(old) = nuwa_files::read_json::<Value>(path) else { return Ok(()) };
    let mut new = old.clone();
    if new["stage"] == former {
        new["stage"] = name.into();
    }
    if let Some(inputs) = new.get_mut("inputs").and_then(Value::as_object_mut)
        && let Some(hash) = inputs.remove(former)
    {
        inputs.insert(name.into(), hash);
    }
    let place = |file: &str| match file.strip_prefix(&format!("{former}/")) {
        Some(file) if file == format!("{former}.json") => format!("{name}/{name}.json"),
        Some(file) => format!("{name}/{file}"),
        None => file.to_string(),
    };
    if let Some(outputs) = new.get_mut("outputs").and_then(Value::as_object_mut) {
        let files = std::mem::take(outputs);
        *outputs = files.into_iter().map(|(file, output)| (place(&file), output)).collect::<Map<_, _>>();
    }
    if new != old {
        nuwa_files::write_json(path, &new)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    static PLAN: About = About { former: Some("tune"), ..About::new("plan", "训练计划") };

    #[test]
    fn a_run_of_an_earlier_version_has_the_names_of_today() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path();
        for stage in ["tune", "pretrain"] {
            fs::create_dir(run.join(stage)).unwrap();
        }
        fs::write(run.join("tune/tune.json"), "{}").unwrap();
        let output = json!({"size": 2, "hash": "a"});
        let tune = json!({"stage": "tune", "inputs": {}, "outputs": {"tune/tune.json": output}});
        let pretrain =
            json!({"stage": "pretrain", "inputs": {"tune": "b"}, "outputs": {"pretrain/a": output}});
        nuwa_files::write_json(&run.join("tune/manifest.json"), &tune).unwrap();
        nuwa_files::write_json(&run.join("pretrain/unfinished.json"), &pretrain).unwrap();
        assert_eq!(PLAN.name_in(run), "tune");
        for _ in 0..2 {
            rename_stages(run, &[&PLAN]).unwrap();
            assert_eq!(PLAN.name_in(run), "plan");
            assert!(run.join("plan/plan.json").is_file() && !run.join("tune").exists());
            let plan: Value = nuwa_files::read_json(&run.join("plan/manifest.json")).unwrap();
            assert_eq!(plan, json!({"stage": "plan", "inputs": {}, "outputs": {"plan/plan.json": output}}));
            let pretrain: Value = nuwa_files::read_json(&run.join("pretrain/unfinished.json")).unwrap();
            assert_eq!(pretrain["inputs"], json!({"plan": "b"}));
        }
    }
}
