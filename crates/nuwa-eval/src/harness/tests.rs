//! Task files against lm-evaluation-harness itself, document by document: `fixtures/eval/tasks.json`.

use std::path::{Path, PathBuf};

use nuwa_infer::Engine;
use serde_json::{Map, Value};

use super::config::{DataSource, TaskConfig, Template};
use super::run::HarnessOptions;
use super::twins::Twin;
use super::{HarnessTask, HarnessTasks};
use crate::tasks::Items;
use crate::{Metric, TaskResult};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/eval")
}

fn twin(function: &str) -> Twin {
    match function {
        "process_docs" => Twin::HellaSwag,
        "doc_to_text" => Twin::WinoGrandeText,
        "doc_to_target" => Twin::WinoGrandeTarget,
        "doc_to_choice" => Twin::WinoGrandeChoice,
        "process_results_mc2" => Twin::TruthfulMass,
        "wikitext_detokenizer" => Twin::WikiTextPage,
        "process_results" => Twin::WikiTextResults,
        other => panic!("no twin of {other}"),
    }
}

/// The task of a golden entry, the functions of its file put in by name.
fn task(golden: &Value) -> HarnessTask {
    let mut keys: Map<String, Value> = golden["keys"].as_object().unwrap().clone();
    for key in ["doc_to_text", "doc_to_target"] {
        keys.entry(key).or_insert("".into());
    }
    let mut config = TaskConfig::new(keys, Path::new("tasks.json")).unwrap();
    for (key, function) in golden["functions"].as_object().unwrap() {
        let twin = twin(function.as_str().unwrap());
        let template = Template::Twin(twin);
        match key.as_str() {
            "process_docs" => (config.process, config.fewshot.process) = (Some(twin), Some(twin)),
            "process_results" => config.results = Some(twin),
            "doc_to_text" => (config.form.text, config.fewshot.form.text) = (template.clone(), template),
            "doc_to_target" => {
                (config.form.target, config.fewshot.form.target) = (template.clone(), template)
            }
            "doc_to_choice" => {
                (config.form.choice, config.fewshot.form.choice) = (Some(template.clone()), Some(template));
            }
            other => panic!("no place for {other}"),
        }
    }
    HarnessTask { config }
}

fn items(rows: &[Value]) -> Items {
    let fields = rows.iter().map(|row| row.as_object().unwrap().clone());
    Items { path: "tasks.json".into(), all: fields.zip(1..).collect() }
}

/// The task of some rows of its asked split, with all of its others.
fn run(engine: &Engine, golden: &Value, limit: Option<usize>) -> TaskResult {
    let mut splits = |_: &DataSource, split: &str| Ok(items(golden["splits"][split].as_array().unwrap()));
    let options = HarnessOptions { limit, ..HarnessOptions::default() };
    task(golden).evaluate(engine, &mut splits, options, &mut |_| {}).unwrap()
}

/// A figure of the harness by our name for it.
fn figure<'a>(result: &'a TaskResult, key: &str) -> Option<&'a Metric> {
    let bare = key.strip_suffix(",none").unwrap_or(key);
    result.metrics.get(bare)
}

#[test]
fn figures_and_scores_are_the_harness_own() {
    let engine = Engine::load(&fixtures().join("model")).unwrap();
    let golden: Value =
        serde_json::from_slice(&std::fs::read(fixtures().join("tasks.json")).unwrap()).unwrap();
    let (mut figures, mut scores) = (0, 0);
    for (name, golden) in golden.as_object().unwrap() {
        let result = run(&engine, golden, None);
        for (key, expected) in golden["figures"].as_object().unwrap() {
            let found =
                figure(&result, key).unwrap_or_else(|| panic!("{name} has no {key}: {:?}", result.metrics));
            let (found, expected) = (found.value, expected.as_f64().unwrap());
            assert!(
                (found - expected).abs() <= 1e-4 * expected.abs().max(1.0),
                "{name} {key}: {found} {expected}"
            );
            figures += 1;
        }
        for (shown, sample) in result.shown.iter().zip(golden["samples"].as_array().unwrap()) {
            let responses = sample["responses"].as_array().unwrap();
            let expected: Vec<f64> =
                responses.iter().filter_map(|one| one[0].as_f64().or(one.as_f64())).collect();
            assert_eq!(shown.log_likelihoods.len(), expected.len(), "{name}");
            for (found, expected) in shown.log_likelihoods.iter().zip(expected) {
                assert!(
                    (found - expected).abs() < 1e-3 * expected.abs().max(1.0),
                    "{name}: {found} {expected}"
                );
                scores += 1;
            }
            if golden["keys"]["filter_list"].is_null() && !shown.prompt.is_empty() {
                assert_eq!(shown.prompt, sample["prompts"][0][0].as_str().unwrap(), "{name}");
            }
        }
    }
    assert!(figures >= 16 && scores >= 60, "{figures} {scores}");
}

/// What is said about a file, without the folder.
fn told(text: &str) -> (String, Option<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.yaml");
    std::fs::write(&path, text).unwrap();
    let error = HarnessTasks::read(&path).unwrap_err();
    let within = format!("{}/", folder.path().display());
    (error.to_string().replace(&within, ""), error.hint())
}

#[test]
fn what_cannot_be_run_is_refused_by_name() {
    const TASK: &str =
        "task: own\ndataset_path: json\ntest_split: test\ndoc_to_text: '{{q}}'\ndoc_to_target: '{{a}}'\n";
    for (more, expected) in [
        (
            "process_docs: !function utils.process_docs\n",
            "own.yaml: process_docs needs the function utils.process_docs of utils.py, and no Python runs here",
        ),
        (
            "metric_list: [{metric: bleurt}]\n",
            "own.yaml: the metric \"bleurt\" is unknown for this output_type; known are exact_match, bleu, chrf and bypass",
        ),
        (
            "metric_list: [{metric: !function metrics.own}]\n",
            "own.yaml: metric needs the function metrics.own of metrics.py, and no Python runs here",
        ),
        ("include: base.yaml\n", "own.yaml: it includes base.yaml, and there is no base.yaml"),
        ("include: own.yaml\n", "own.yaml: it includes itself"),
        (
            "output_type: chat\n",
            "own.yaml: output_type is \"chat\", expected multiple_choice, generate_until, loglikelihood or loglikelihood_rolling",
        ),
        ("doc_to_txt: a\n", "own.yaml: unknown key doc_to_txt"),
        ("num_fewshot: some\n", "own.yaml: num_fewshot is \"some\", expected a whole number"),
    ] {
        assert_eq!(told(&format!("{TASK}{more}")).0, expected);
    }
    let (said, hint) = told(&format!("{TASK}process_docs: !function utils.process_docs\n"));
    assert!(
        said.contains("utils.py") && hint.unwrap().starts_with("built in are the functions of HellaSwag")
    );
    assert_eq!(
        told("group: all\ntask: [gone]\n").0,
        "own.yaml: the group names gone, which no file around it defines"
    );
    assert_eq!(told("- a\n").0, "own.yaml: it holds no keys, expected `task: NAME` and others");
}

#[test]
fn groups_tags_and_what_they_say_over_tasks_are_followed() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "base",
        "dataset_path: json\ntest_split: test\noutput_type: multiple_choice\ndoc_to_text: q\ndoc_to_target: a\ndoc_to_choice: c\n",
    );
    write("one.yaml", "include: base\ntask: one\ntag: few\n");
    write("two.yaml", "include: base\ntask: two\ntag: [few, others]\nnum_fewshot: 1\n");
    write(
        "all.yaml",
        "group: all\ntask:\n  - few\n  - task: one\n    num_fewshot: 3\naggregate_metric_list:\n  - metric: acc\n    weight_by_size: true\n",
    );
    let tasks = HarnessTasks::read(&folder.path().join("all.yaml")).unwrap();
    let found: Vec<(&str, usize)> = tasks.tasks.iter().map(|task| (task.name(), task.config.shots)).collect();
    assert_eq!(found, [("one", 0), ("two", 1), ("one", 3)]);
    let result = |value: f64, stderr: f64, n: u64| TaskResult {
        n,
        metrics: [("acc".to_string(), Metric { value, stderr: Some(stderr) })].into(),
        ..TaskResult::default()
    };
    let results = [result(0.5, 0.1, 10), result(0.2, 0.05, 30), result(0.4, 0.1, 10)];
    let (name, group) = tasks.group(&results).unwrap();
    assert_eq!((name.as_str(), group.n), ("all", 50));
    assert!((group.metrics["acc"].value - (5.0 + 6.0 + 4.0) / 50.0).abs() < 1e-12);
    // lm-evaluation-harness: pooled_sample_stderr([.1, .05, .1], [10, 30, 10])
    let squares = 9.0 * 0.01 * 10.0 + 29.0 * 0.0025 * 30.0 + 9.0 * 0.01 * 10.0;
    assert!((group.metrics["acc"].stderr.unwrap() - (squares / 47.0 / 50.0_f64).sqrt()).abs() < 1e-12);
}
