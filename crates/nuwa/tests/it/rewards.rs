//! Learning from rewards through the program: what is wrong is said before anything is trained, and nothing is lost.

use insta::assert_snapshot;
use serde_json::Value;

use super::feedback::place;
use super::support::Place;

/// Short rounds, for a program that is not optimised.
const SHORT: &str = "--rounds 2 --max-tokens 4 --set STAGE.rollouts.answers=16 --set STAGE.rollouts.epochs=1";

fn short(stage: &str) -> String {
    SHORT.replace("STAGE", stage)
}

#[test]
fn a_reward_model_a_policy_and_what_is_wrong() {
    let place = place();
    place.succeed("reward tuned --data world/preferences.jsonl --out rewarder --epochs 1");
    scores(&place);
    place
        .succeed(&format!("ppo tuned --reward rewarder --prompts prompts.txt --out better {}", short("ppo")));
    let outcome: Value = serde_json::from_str(&place.read("better/ppo.json")).unwrap();
    assert_eq!(outcome["reinforcement"]["rewards"][0], "model");
    place.succeed(&format!(
        "grpo tuned --rule length:3-9 --prompts prompts.txt --out longer {}",
        short("grpo")
    ));
    assert!(place.path("longer/model/model.safetensors").is_file());
    rewards_that_are_none(&place);
    rules_that_are_none(&place);
    a_rule_that_never_fires(&place);
}

fn scores(place: &Place) {
    let told = place.succeed("score rewarder --data world/preferences.jsonl --json");
    let lines: Vec<Value> = told.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4);
    let scored = lines.iter().filter(|line| line["chosen"].is_f64() && line["rejected"].is_f64()).count();
    assert_eq!(scored, 3, "one answer is longer than the context: {lines:?}");
    assert!(
        told.err.contains("3 pairs, ") && told.err.contains("context of 128 tokens: 1 record"),
        "{}",
        told.err
    );
    assert_snapshot!(place.failure("score tuned --data world/preferences.jsonl"), @"
    error: tuned/model holds no reward model: its weights have no score.weight
    hint: give one that was trained on preferences to score answers
    ");
    assert_snapshot!(place.failure("score rewarder --data prompts.txt"), @"
    error: prompts.txt:1: not valid JSON: expected value at line 1 column 1
    hint: a file of records is a JSON list of objects, one object a line, or a table (.csv, .tsv)
    ");
}

fn rewards_that_are_none(place: &Place) {
    assert_snapshot!(place.failure("ppo tuned --prompts prompts.txt --out none"), @"
    error: nothing says what a good answer is
    hint: name a reward model (--reward RM), or a rule: --rule exact
    ");
    assert_snapshot!(place.failure("ppo tuned --reward tuned --prompts prompts.txt --out none"), @"
    error: tuned/model holds no reward model: its weights have no score.weight
    hint: give one that was trained on preferences to score answers
    ");
    place.write("empty.jsonl", r#"{"prompt": "a", "chosen": "", "rejected": "b"}"#);
    assert_snapshot!(place.failure("reward tuned --data empty.jsonl --out none"), @"
    error: empty.jsonl:1: chosen is empty: expected an answer
    hint: correct the record, or leave such records out: --set reward.tuning.bad_records=skip
    ");
    place.write("long.txt", "word ".repeat(400));
    assert_snapshot!(place.failure("ppo tuned --reward rewarder --prompts long.txt --out none"), @"
    error: none of the 1 prompts leaves room for an answer of 64 tokens in the context of 128 tokens
    hint: ask for shorter answers (rollouts.max_tokens), or give shorter prompts
    ");
    place.succeed("tokenizer train documents --vocab-size 300 --out other");
    let files = ["tokenizer.json", "tokenizer_config.json"];
    let own = files.map(|name| place.read(&format!("rewarder/model/{name}")));
    for name in files {
        place.write(&format!("rewarder/model/{name}"), place.read(&format!("other/{name}")));
    }
    let told = place.failure("ppo tuned --reward rewarder --prompts prompts.txt --out none");
    assert!(told.starts_with("error: ") && told.contains("token") && told.contains("hint: "), "{told}");
    for (name, own) in files.iter().zip(own) {
        place.write(&format!("rewarder/model/{name}"), own);
    }
    assert!(!place.path("none").join("model").exists());
}

fn rules_that_are_none(place: &Place) {
    let told =
        |rule: &str| place.failure(&format!("grpo tuned --prompts prompts.txt --out none --rule {rule}"));
    assert_snapshot!(told("exact"), @r#"
    error: rule "exact": it needs reference answers, and none of the 4 prompts has one
    hint: give prompts with a field answer, answers, reference or solution, or use a rule that needs none: length, ended, language, json, no-repetition, program
    "#);
    assert_snapshot!(told("world"), @r#"
    error: rule "world": it knows the answer to none of the 4 prompts
    hint: it is for prompts of the embedded world: world/prompts.jsonl of a run, or what nuwa world wrote
    "#);
    assert_snapshot!(told("length:9-2"), @r#"
    error: rule "length:9-2": its range is "9-2", expected two whole numbers such as 5-20
    hint: it is written length:MIN-MAX: 1 from MIN to MAX words (of Chinese: characters), falling towards 0 outside; either may be left out
    "#);
    let never = told("regex:zzzzzz");
    assert!(never.contains("nothing can be learnt") && never.contains("hint: take a rule that"), "{never}");
}

/// PPO tries nothing before its first step, so it says it after some.
fn a_rule_that_never_fires(place: &Place) {
    let rule = "--rule regex:zzzzzz --prompts prompts.txt --out never";
    let told =
        place.succeed(&format!("ppo tuned {rule} {} --rounds 8", short("ppo").replace("--rounds 2", "")));
    assert!(told.err.contains("are worth the same (0.000), so nothing is learnt from them"), "{}", told.err);
}
