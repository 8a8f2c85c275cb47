//! An encoder from text to filled-in masks, and what is refused with one.

use insta::assert_snapshot;
use serde_json::Value;

use super::support::{Place, story};

const SIZES: &str =
    "--params 20k --tokens 16k --set model.family=bert --set model.context=32 --set model.layers=1";

/// Shards of a story, in `shards`.
fn shards() -> Place {
    let place = Place::new();
    place.write("story.txt", story(1500));
    place.succeed("collect story.txt --out documents");
    place.succeed("tokenizer train story.txt --vocab-size 320 --out tokenizer");
    place.succeed("tokenize documents --tokenizer tokenizer --out shards");
    place
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Trained, asked and refused in one test, since the training takes the time.
#[test]
fn masked_words_from_text_to_answer() {
    let place = shards();
    let figures = json(&place.succeed(&format!("pretrain --data shards --out bert {SIZES} --json")).out);
    assert!(figures["bits_per_byte"].is_null(), "{figures}");
    for name in ["masked_loss", "masked_accuracy", "next_sentence_loss", "next_sentence_accuracy"] {
        assert!(figures["figures"][name].is_f64(), "{name}: {figures}");
    }
    let metrics = place.read("bert/metrics.jsonl");
    let lines: Vec<Value> = metrics.lines().map(json).collect();
    assert!(lines.iter().all(|line| line["masked_accuracy"].is_f64()), "{metrics}");
    let losses: Vec<f64> = lines.iter().filter_map(|line| line["validation_loss"].as_f64()).collect();
    assert!(losses[losses.len() - 1] < losses[0], "{losses:?}");

    let config = json(&place.read("bert/model/config.json"));
    assert_eq!(config["architectures"], serde_json::json!(["BertForPreTraining"]));
    let tokenizer = json(&place.read("bert/model/tokenizer_config.json"));
    assert_eq!(tokenizer["mask_token"], "[MASK]");
    let of_shards = json(&place.read("shards/tokenize.json"))["vocab_size"].as_u64().unwrap();
    assert_eq!(config["vocab_size"].as_u64(), Some(of_shards + 3), "[CLS], [SEP] and [MASK] are appended");
    assert_eq!(tokenizer["pad_token"], "<|endoftext|>", "it had one");

    let masks = place.nuwa_with_input("fill bert - --top 3 --json", b"mira [MASK] tonel [MASK].\n");
    let masks = json(&masks.out);
    let probabilities = |mask: usize| {
        let candidates = masks["masks"][mask].as_array().unwrap().iter();
        candidates.map(|candidate| candidate["probability"].as_f64().unwrap()).collect::<Vec<f64>>()
    };
    assert_eq!(masks["masks"].as_array().unwrap().len(), 2);
    for mask in [0, 1] {
        let found = probabilities(mask);
        assert!(found.len() == 3 && found.is_sorted_by(|a, b| a >= b), "{found:?}");
        assert!(found.iter().sum::<f64>() <= 1.0 && found[2] > 0.0, "{found:?}");
    }

    place.write("records.jsonl", "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\"}\n".repeat(20));
    assert_snapshot!(place.failure("generate bert --prompt a"), @r"
    error: the model predicts masked words from those on both sides, and cannot write or score a text
    hint: it is an encoder: let it fill in the masks of a text, or take a model that writes, such as GPT-2 or LLaMA
    ");
    for refused in ["chat bert --prompt a", "dpo bert --data records.jsonl --out preferred"] {
        let told = place.failure(refused);
        assert!(told.contains("predicts masked words"), "{refused}: {told}");
    }
    assert_snapshot!(place.failure("fill bert nothing"), @r#"
    error: there is no [MASK] in "nothing"
    hint: write [MASK] in the place of each word to fill in
    "#);
    let further = place.succeed("pretrain --data shards --init bert --out further --tokens 2k --json").out;
    assert!(json(&further)["figures"]["masked_loss"].is_f64());
}

#[test]
fn a_build_of_an_encoder_ends_with_a_report() {
    let place = Place::new();
    place.write("story.txt", story(1500));
    place.succeed(&format!("build --from story.txt {SIZES}"));
    let report = place.read("runs/story/report.html");
    assert!(report.contains("bert"), "the family is named");
    assert!(place.path("runs/story/model/model.safetensors").exists());
    assert!(!place.path("runs/story/sft").exists());
}
