//! The built-in tasks against lm-evaluation-harness, item by item: `fixtures/eval`.

use std::path::{Path, PathBuf};

use nuwa_eval::tasks::{Items, Options, Task};
use nuwa_infer::Engine;
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/eval")
}

fn one(item: &Value) -> Items {
    Items { path: "eval.json".into(), all: vec![(item.as_object().unwrap().clone(), 1)] }
}

#[test]
fn log_likelihoods_choices_and_metrics_are_the_harness_own() {
    let engine = Engine::load(&fixtures().join("model")).unwrap();
    let golden: Value =
        serde_json::from_slice(&std::fs::read(fixtures().join("eval.json")).unwrap()).unwrap();
    let mut compared = 0;
    for (name, items) in golden.as_object().unwrap() {
        let task = Task::built_in(name).unwrap();
        let mut worst: f64 = 0.0;
        for golden in items.as_array().unwrap() {
            let result =
                task.evaluate(&engine, &one(&golden["item"]), &Options::default(), &mut |_| {}).unwrap();
            let expected = golden["log_likelihoods"].as_array().unwrap();
            let found = &result.shown[0].log_likelihoods;
            assert_eq!(found.len(), expected.len(), "{name}");
            for (found, expected) in found.iter().zip(expected) {
                worst = worst.max((found - expected.as_f64().unwrap()).abs());
            }
            for metric in ["acc", "acc_norm"] {
                let expected = golden[metric].as_f64();
                let found = result.metrics.get(metric).map(|metric| metric.value);
                assert_eq!(found.is_some(), expected.is_some(), "{name} {metric}");
                if let (Some(found), Some(expected)) = (found, expected) {
                    assert!((found - expected).abs() < 1e-6, "{name} {metric}: {found} {expected}");
                    compared += 1;
                }
            }
        }
        println!("{name}: log-likelihoods differ by {worst:.1e} at most");
        assert!(worst < 1e-3, "{name}: log-likelihoods differ by {worst}");
    }
    assert_eq!(compared, (7 + 3) * 8, "acc of seven tasks, acc_norm of three");
}

#[test]
fn standard_errors_groups_and_confusion_are_computed_over_all_items() {
    let engine = Engine::load(&fixtures().join("model")).unwrap();
    let golden: Value =
        serde_json::from_slice(&std::fs::read(fixtures().join("eval.json")).unwrap()).unwrap();
    let all = golden["mmlu"].as_array().unwrap().iter();
    let all =
        all.zip(1..).map(|(golden, place)| (golden["item"].as_object().unwrap().clone(), place)).collect();
    let items = Items { path: "eval.json".into(), all };
    let result =
        Task::built_in("mmlu").unwrap().evaluate(&engine, &items, &Options::default(), &mut |_| {}).unwrap();
    let share: f64 =
        golden["mmlu"].as_array().unwrap().iter().map(|one| one["acc"].as_f64().unwrap()).sum::<f64>() / 8.0;
    let acc = result.metrics["acc"];
    assert!((acc.value - share).abs() < 1e-9);
    assert!((acc.stderr.unwrap() - (share * (1.0 - share) / 7.0).sqrt()).abs() < 1e-9);
    assert_eq!(result.groups["high_school_painting"]["acc"], acc);
    let limited = Options { limit: Some(2), ..Options::default() };
    let two = Task::built_in("mmlu").unwrap().evaluate(&engine, &items, &limited, &mut |_| {}).unwrap();
    assert_eq!(two.n, 2);
    assert_ne!(two.data_hash, result.data_hash);

    let review = |text: &str, label: &str| {
        serde_json::json!({"text": text, "label": label}).as_object().unwrap().clone()
    };
    let all = vec![(review("It was great.", "positive"), 1), (review("It was awful.", "negative"), 2)];
    let items = Items { path: "reviews.jsonl".into(), all };
    let task = Task::built_in("world_sentiment_en").unwrap();
    let confusion =
        task.evaluate(&engine, &items, &Options::default(), &mut |_| {}).unwrap().confusion.unwrap();
    assert_eq!(confusion.classes.len(), 2);
    assert_eq!(confusion.counts.iter().flatten().sum::<u64>(), 2);
}

#[test]
fn what_is_wrong_with_an_item_is_said_with_its_line() {
    let engine = Engine::load(&fixtures().join("model")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let told = |content: &str, task: &str| {
        let path = folder.path().join("items.jsonl");
        std::fs::write(&path, content).unwrap();
        let result = Items::read(&path).and_then(|items| {
            Task::built_in(task)?.evaluate(&engine, &items, &Options::default(), &mut |_| {})
        });
        let text = result.unwrap_err().to_string();
        text.rsplit_once("/items").map_or(text.clone(), |(_, rest)| format!("items{rest}"))
    };
    assert_eq!(told("", "piqa"), "items.jsonl:1: it holds no item");
    assert!(told("{\"goal\": \"a\"\n", "piqa").contains("EOF"));
}

#[test]
fn csv_is_read_with_quotes_and_line_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reviews.csv");
    std::fs::write(&path, "label,review\n1,\"good, \"\"really\"\"\nand clean\"\n0,bad\n").unwrap();
    let items = Items::read(&path).unwrap();
    assert_eq!(items.all[0].0["review"], "good, \"really\"\nand clean");
    assert_eq!((items.all.len(), items.all[1].1), (2, 4));
}
