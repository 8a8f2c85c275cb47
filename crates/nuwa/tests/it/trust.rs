//! What a stranger can check of a model: its provenance, its cards, the guard, and measures of bias and safety.

use insta::assert_snapshot;

use crate::building::TINY;
use crate::support::{Place, story};

const GUARD: &str = "exceptions = [\"mira ton\"]\nlog = \"log.jsonl\"\nmessage = \"Not here.\"\n\n[[rules]]\ncategory = \"names\"\n\
    words = [\"mira\", \"炸弹\"]\non = [\"prompt\"]\n\n[[rules]]\ncategory = \"vowels\"\npatterns = ['[aeiou]']\non = [\"answer\"]\n";

#[test]
fn a_run_can_be_checked_guarded_and_measured() {
    let place = Place::new();
    place.write("story.txt", story(1500)).write("guard.toml", GUARD);
    place.succeed(&format!("build --from story.txt {TINY} --set card.licence=cc-by-4.0"));
    provenance(&place);
    cards(&place);
    guarded(&place);
    measured(&place);
    what_differs_is_named(&place);
}

fn provenance(place: &Place) {
    let verified = place.succeed("verify runs/story");
    assert!(verified.out.contains(": all as provenance.json says\nmodel sha256 "), "{}", verified.out);
    assert_eq!(verified.err, "");
    let model = place.succeed("verify runs/story/model --json");
    let model: serde_json::Value = serde_json::from_str(&model.out).unwrap();
    assert!(verified.out.contains(model["model"].as_str().unwrap()));
    let told: serde_json::Value = serde_json::from_str(&place.read("runs/story/provenance.json")).unwrap();
    assert_eq!(told["sources"][0]["name"], "story.txt");
    assert!(!told.to_string().contains(&place.path("").display().to_string()), "no path of this machine");
    let list = place.read("runs/story/sources.sha256");
    assert!(list.ends_with("  story.txt\n") && list.len() == 64 + 12, "{list}");
    place.succeed("export runs/story --out exported");
    place.succeed("verify exported");
    let exported: serde_json::Value = serde_json::from_str(&place.read("exported/provenance.json")).unwrap();
    assert_eq!(exported["stages"], told["stages"]);
}

fn cards(place: &Place) {
    let model = place.read("runs/story/model/README.md");
    assert!(
        model.contains("license: \"cc-by-4.0\"\n") && model.contains("model-index:\n- name: \"story\"\n"),
        "{model}"
    );
    assert!(model.contains("    - type: \"bits_per_byte\"\n      value: "), "{model}");
    let data = place.read("runs/story/data-card.md");
    assert!(data.contains("## Motivation\n\n*Not answered.*\n"), "{data}");
    assert!(
        data.contains("## 动机\n\n*未回答。*\n") && data.contains("| exact duplicates | 1 | 0 | 0 |"),
        "{data}"
    );
}

fn guarded(place: &Place) {
    let generate = |prompt: &str, more: &str| {
        let mut command = place.command(&format!("generate runs/story --guard guard.toml --seed 3 {more}"));
        let output = command.args(["--prompt", prompt]).output().unwrap();
        assert!(output.status.success());
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap())
    };
    assert_eq!(generate("ＭＩＲＡ", ""), ["", "Not here. (names)\n"]);
    let [json, _] = generate("mira", "--json");
    assert_eq!(json, "{\"prompt\":\"mira\",\"text\":\"\",\"tokens\":0,\"finish\":\"content_filter\"}\n");
    let [shown, told] = generate("mira ton", "");
    assert!(
        !shown.contains(['a', 'e', 'i', 'o', 'u']) && told == "Not here. (vowels)\n",
        "{shown:?} {told:?}"
    );
    let [json, _] = generate("mira ton", "--json");
    assert!(json.contains("\"finish\":\"content_filter\""), "{json}");
    let log = place.read("log.jsonl");
    assert_eq!(log.lines().count(), 4);
    assert!(
        log.contains(r#""side":"prompt","category":"names","by":"word"}"#) && !log.contains("mira"),
        "{log}"
    );
    let chat = place.nuwa_with_input("chat runs/story --guard guard.toml", b"mira\n");
    assert!(chat.out.is_empty() && chat.err.contains("Not here. (names)"), "{chat:?}");
    place.write("labelled.jsonl", "{\"text\": \"mira\", \"blocked\": true}\n{\"text\": \"mi ra\", \"blocked\": true}\n{\"text\": \"Mira ton\", \"blocked\": false}\n");
    let measured = place.succeed("guard guard.toml --data labelled.jsonl").out;
    let lines: Vec<&str> = measured.lines().take(4).collect();
    assert_snapshot!(lines.join("\n"), @r"
    guard.toml: names, vowels
    misses        50.0 % [9.5, 90.5], 1 of 2: labelled.jsonl:2
    false alarms  0.0 % [0.0, 79.3], 0 of 1
    stopped       names 1
    ");
}

fn measured(place: &Place) {
    let pairs = "sent_more,sent_less,bias_type\nmira ton,mira el,a\nsha bo,sha ken,b\n";
    place.write("pairs.csv", pairs).write("asked.csv", "goal,target\nmira,ton\n");
    let out = place.succeed("eval runs/story --task crows_pairs --data pairs.csv").out;
    assert!(out.contains("pct_stereotype") && out.contains("95 % intervals: a/pct_stereotype"), "{out}");
    let out =
        place.succeed("eval runs/story --task over_refusals --task refusals --data asked.csv --limit 1").out;
    assert!(out.contains("over_refusals, version 2, 1 item") && out.contains("nonsense"), "{out}");
    place.write("pro_stereotyped_type1.txt.test", "1 [The baker] saw the cook because [he] was near.\n");
    assert_snapshot!(place.failure("eval runs/story --task winobias --data pro_stereotyped_type1.txt.test"), @r"
    error: pro_stereotyped_type1.txt.test:1: anti_stereotyped_type1.txt.test is not beside it: both are needed
    hint: the folder of pro_stereotyped_type1.txt.test, anti_stereotyped_type1.txt.test and so on
    ");
    assert_snapshot!(place.failure("eval runs/story --task crows_pairs --data asked.csv"), @r"
    error: asked.csv:2: no field `sent_more`; here: goal, target
    hint: crows_pairs_anonymized.csv, or rows with sent_more, sent_less and bias_type
    ");
    assert_snapshot!(place.failure("eval runs/story --task bbq"), @r"
    error: the task bbq needs its data
    hint: name it with --data: a file of BBQ such as Religion.jsonl, or the folder of them
    ");
    assert_snapshot!(place.failure("eval runs/story --task toxicity --data asked.csv"), @r"
    error: the task toxicity needs a classifier that judges the continuations
    hint: name it with --classifier FILE; nuwa classifier trains one
    ");
}

fn what_differs_is_named(place: &Place) {
    place.write("story.txt", story(1501)).write("runs/story/model/extra.bin", "x");
    let config = place.read("runs/story/clean/clean.json");
    place.write("runs/story/clean/clean.json", config + " ");
    let refused = place.failure("verify runs/story");
    assert!(refused.contains("clean/clean.json was changed: its SHA-256 is "), "{refused}");
    assert!(refused.contains("the source story.txt is not what was read: story.txt\n"), "{refused}");
    let noted = place.succeed("verify runs/story/model").err;
    assert!(noted.contains("note: extra.bin is no part of the model as it was made\n"), "{noted}");
    std::fs::remove_file(place.path("runs/story/model/tokenizer.json")).unwrap();
    assert_snapshot!(place.failure("verify runs/story/model").lines().next().unwrap(), @"error: runs/story/model is not as its provenance.json says: tokenizer.json is absent");
}

#[test]
fn what_is_no_run_cannot_be_checked() {
    let place = Place::new();
    place.write("folder/a.txt", "a");
    assert_snapshot!(place.failure("verify folder"), @r"
    error: folder holds no provenance.json, so there is nothing to check it against
    hint: name a run folder, or a model folder that nuwa build or nuwa export wrote
    ");
    assert_snapshot!(place.failure("verify nowhere"), @r"
    error: nowhere is no folder
    hint: name a run folder or a model folder
    ");
}

#[test]
fn guards_that_are_none_are_refused_by_line() {
    let place = Place::new();
    place.write("a.toml", "[[rules]]\ncategory = \"a\"\npatterns = [\n  '(b',\n]\n");
    assert_snapshot!(place.failure("guard a.toml"), @r#"
    error: a.toml, line 4: the pattern "(b": unclosed group
    hint: correct the line; docs/guard.md shows what a guard holds
    "#);
    place.write("b.toml", "[[classifiers]]\ncategory = \"a\"\nfile = \"absent.classifier\"\n");
    assert_snapshot!(place.failure("guard b.toml"), @r"
    error: b.toml, line 3: the classifier: absent.classifier does not exist
    hint: correct the line; docs/guard.md shows what a guard holds
    ");
    place
        .write("c.toml", "[[rules]]\ncategory = \"a\"\nwords = [\"x\"]\n")
        .write("d.jsonl", "{\"text\": \"x\"}\n");
    assert_snapshot!(place.failure("guard c.toml --data d.jsonl"), @r"
    error: d.jsonl:1: no field `blocked`, expected true or false
    hint: give texts without a label with --harmful FILE and --harmless FILE
    ");
}
