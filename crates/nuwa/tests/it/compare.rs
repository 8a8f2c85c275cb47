//! Models side by side, from kept evaluations.

use serde_json::{Value, json};

use super::support::Place;

/// Results of a task with items that are right where the mark is `+`, as `nuwa eval --out` keeps them.
fn keep(place: &Place, name: &str, tasks: &[(&str, &str)]) {
    let (mut results, mut items) = (serde_json::Map::new(), String::new());
    for (task, marks) in tasks {
        let right = marks.chars().filter(|mark| *mark == '+').count() as f64;
        let share = right / marks.len() as f64;
        let stderr = (share * (1.0 - share) / (marks.len() - 1) as f64).sqrt();
        let metrics = json!({"acc": {"value": share, "stderr": stderr}});
        let result = json!({"version": 1, "n": marks.len(), "metrics": metrics, "chance": 0.5, "settings": {}, "data_hash": task});
        results.insert(task.to_string(), result);
        for (item, mark) in marks.chars().enumerate() {
            let is_right = mark == '+';
            let given = if is_right { "yes" } else { "no" };
            items += &json!({"task": task, "item": item, "units": {"acc": [u8::from(is_right), 1]}, "prompt": format!("Is {item} so?"),
                "expected": "yes", "given": given, "is_right": is_right, "log_likelihoods": [-1.0, -2.0]})
            .to_string();
            items.push('\n');
        }
    }
    place.write(&format!("{name}.json"), json!({"model": name, "tasks": results}).to_string());
    place.write(&format!("{name}.items.jsonl"), items);
}

fn place() -> Place {
    let place = Place::new();
    let (both, none) = ("+".repeat(40), "-".repeat(30));
    keep(
        &place,
        "a",
        &[("easy", &format!("+++{}{both}{none}", "-".repeat(12))), ("hard", &"+-".repeat(40)), ("own", "+-")],
    );
    keep(&place, "b", &[("easy", &format!("---{}{both}{none}", "+".repeat(12))), ("hard", &"+-".repeat(40))]);
    place
}

#[test]
fn models_are_tested_on_the_same_items() {
    let place = place();
    let text = place.succeed("compare a.json b.json --samples 1 --out page.html").out;
    for told in [
        "McNemar",
        "+0.106",
        "3 / 12",
        "0.035",
        "0.070",
        "raw mean",
        "easy, item 1: Is 0 so?",
        "a: right: yes",
    ] {
        assert!(text.contains(told), "{told}: {text}");
    }
    let page = place.read("page.html");
    assert!(page.contains("Is 0 so?") && page.contains("校正后低于 0.05"));

    let told: Value = serde_json::from_str(&place.succeed("compare a.json b.json --json").out).unwrap();
    let test = &told["tasks"][0]["figures"][0]["tests"][1];
    assert_eq!((&test["kind"], &test["only_one_right"]), (&json!("mc_nemar"), &json!([3, 12])));
    assert!((test["p"].as_f64().unwrap() - 0.03515625).abs() < 1e-12);
    assert!((test["p_holm"].as_f64().unwrap() - 0.0703125).abs() < 1e-12, "two tests: {test}");
    assert_eq!(told["left_out"], json!(["own"]));
    assert_eq!(told["mean"]["chance"], 0.5);
    assert_eq!(told["samples"].as_array().unwrap().len(), 6);
}

#[test]
fn published_scores_stand_beside() {
    let place = place();
    place.write("scores.csv", "model,task,score,n\ngpt2,easy,43.8,1000\ngpt2,other,50,10\n");
    let told: Value =
        serde_json::from_str(&place.succeed("compare a.json --published scores.csv --json").out).unwrap();
    assert_eq!((&told["models"], &told["measured"]), (&json!(["a", "gpt2"]), &json!(1)));
    let figure = &told["tasks"][0]["figures"][0];
    assert!((figure["values"][1]["value"].as_f64().unwrap() - 0.438).abs() < 1e-12, "{figure}");
    assert_eq!(figure["tests"][1]["kind"], "unpaired");
    assert_eq!(told["tasks"][1]["figures"][0]["values"][1], Value::Null);
}

#[test]
fn what_cannot_be_compared_is_told() {
    let place = place();
    keep(&place, "c", &[("third", "+-+")]);
    insta::assert_snapshot!(place.failure("compare a.json c.json"), @r"
    error: the models have no task in common: a has easy, hard, own; c has third
    hint: name models whose evaluations have a task in common, or run one: nuwa compare A B --task NAME --data FILE
    ");
    insta::assert_snapshot!(place.failure("compare a.json"), @r"
    error: there is 1 model, expected at least 2
    hint: name models whose evaluations have a task in common, or run one: nuwa compare A B --task NAME --data FILE
    ");
    insta::assert_snapshot!(place.failure("compare a.json a.json"), @r"
    error: a.json is named twice: two models are compared, not one with itself
    hint: name each model once; NAME=PATH gives it a name
    ");
    insta::assert_snapshot!(place.failure("compare x=a.json y=./a.json"), @r"
    error: a.json and ./a.json are one and the same
    hint: name each model once
    ");
    insta::assert_snapshot!(place.failure("compare a.json nothing"), @r"
    error: there is no nothing
    hint: name a run, a model folder, or a file that nuwa eval --out wrote
    ");
    std::fs::create_dir(place.path("folder")).unwrap();
    insta::assert_snapshot!(place.failure("compare a.json folder"), @r"
    error: folder has no kept evaluation
    hint: name tasks to run now, --task NAME --data FILE, or keep one: nuwa eval MODEL --out FILE.json
    ");
    place.write("scores.csv", "model,task\ngpt2,easy\n");
    let refused = place.failure("compare a.json --published scores.csv");
    assert!(refused.contains("scores.csv:2") && refused.contains("missing field `score`"), "{refused}");
    place.write("b.items.jsonl", "{\"task\": \"easy\", \"item\": 1, \"units\": {\"acc\": [1, 1]}}\n");
    let refused = place.failure("compare a.json b.json");
    assert!(
        refused.starts_with(
            "error: b.items.jsonl:1: item 1 of easy is not in its place
hint: "
        ),
        "{refused}"
    );
}
