//! A model of any order from text to written words and filled-in ones, and what is refused with one.

use insta::assert_snapshot;
use serde_json::Value;

use super::support::{Place, story};

const SIZES: &str =
    "--params 20k --tokens 16k --set model.family=xlnet --set model.context=33 --set model.layers=1";

/// What is said where it is to learn from preferences or rewards.
const NO_PREFERENCES: &str = "\
error: the head of xlnet adds a bias to its logits, so it cannot learn from preferences or rewards
hint: take a model without one, such as GPT-2 or LLaMA, or teach this one by answers: nuwa sft";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Trained, asked and refused in one test, since the training takes the time.
#[test]
fn any_order_from_text_to_answer() {
    let place = Place::new();
    place.write("story.txt", story(1500));
    place.succeed("collect story.txt --out documents");
    place.succeed("tokenizer train story.txt --vocab-size 320 --out tokenizer");
    place.succeed("tokenize documents --tokenizer tokenizer --out shards");
    // An odd context is as good as an even one; a memory stands before each text.
    let figures = json(
        &place
            .succeed(&format!(
                "pretrain --data shards --out xlnet {SIZES} --set pretrain.permutation.memory=20 --json"
            ))
            .out,
    );
    assert!(figures["bits_per_byte"].is_null(), "{figures}");
    for name in ["predicted_loss", "predicted_accuracy"] {
        assert!(figures["figures"][name].is_f64(), "{name}: {figures}");
    }
    let metrics = place.read("xlnet/metrics.jsonl");
    let lines: Vec<Value> = metrics.lines().map(json).collect();
    let losses: Vec<f64> = lines.iter().filter_map(|line| line["validation_loss"].as_f64()).collect();
    assert!(losses[losses.len() - 1] < losses[0], "{losses:?}");
    assert!(lines.iter().any(|line| line["sample"]["text"].is_string()), "it writes samples: {metrics}");

    let config = json(&place.read("xlnet/model/config.json"));
    assert_eq!(config["architectures"], serde_json::json!(["XLNetLMHeadModel"]));
    assert_eq!(config["n_positions"], 33);
    assert!(config.get("max_position_embeddings").is_none(), "transformers refuses a limit");
    let tokenizer = json(&place.read("xlnet/model/tokenizer_config.json"));
    assert_eq!((&tokenizer["cls_token"], &tokenizer["sep_token"]), (&"<cls>".into(), &"<sep>".into()));

    let written = place.succeed("generate xlnet --prompt mira --max-tokens 12 --seed 1 --temperature 0").out;
    assert!(!written.trim().is_empty(), "{written}");
    let masks = place.nuwa_with_input("fill xlnet - --top 3 --json", b"mira [MASK] tonel [MASK].\n");
    let masks = json(&masks.out)["masks"].clone();
    assert_eq!(masks.as_array().map(Vec::len), Some(2), "{masks}");
    for mask in masks.as_array().unwrap() {
        let found: Vec<f64> =
            mask.as_array().unwrap().iter().map(|one| one["probability"].as_f64().unwrap()).collect();
        assert!(found.len() == 3 && found.is_sorted_by(|a, b| a >= b) && found[2] > 0.0, "{found:?}");
    }
    assert_snapshot!(place.failure(&format!("pretrain --data shards --out other {SIZES} --set pretrain.permutation.one_in=1")), @r"
    error: pretrain.permutation.one_in = 1: expected a whole number from 2 to 100
    hint: change pretrain.permutation.one_in in the recipe, or with --set pretrain.permutation.one_in=...
    ");
    place.write("pairs.jsonl", "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\"}\n".repeat(20));
    place.write("prompts.txt", "a\nb\n");
    let refused = [
        "dpo xlnet --data pairs.jsonl --out again",
        "reward xlnet --data pairs.jsonl --out again",
        "ppo xlnet --rule length:3-9 --prompts prompts.txt --out again",
        "grpo xlnet --rule length:3-9 --prompts prompts.txt --out again",
    ];
    for refused in refused {
        assert_eq!(place.failure(refused).trim_end(), NO_PREFERENCES, "{refused}");
    }
    place.write("labelled.csv", "text,label\n".to_string() + &"mira,one\ntonel,two\n".repeat(40));
    place.succeed("sft xlnet --data labelled.csv --epochs 20 --learning-rate 3e-3 --out classifier");
    let config = json(&place.read("classifier/model/config.json"));
    assert_eq!(config["architectures"], serde_json::json!(["XLNetForSequenceClassification"]));
    let told = place.succeed("classify classifier/model mira tonel").out;
    let labels: Vec<&str> = told.lines().filter_map(|line| line.split('\t').next()).collect();
    assert_eq!(labels, ["one", "two"]);
    let vectors = place.succeed("embed xlnet prompts.txt").out;
    assert_eq!(vectors.lines().count(), 2);

    let short = SIZES.replace("context=33", "context=7");
    let told = place.failure(&format!("pretrain --data shards --out other {short}"));
    assert!(told.contains("8"), "{told}");
}
