//! A model of one's own from settings to text, to other programs, and what is refused with it.

use insta::assert_snapshot;
use serde_json::Value;

use super::support::{Place, story};

const SIZES: &str = "--params 20k --tokens 8k --family custom --set model.context=32 --set model.width=32";
const HYBRID: &str = "--set model.layers=3 --set model.custom.blocks=[\"lstm\",\"banded\",\"rg-lru\"] \
    --set model.custom.feed_forward=[\"dense\",\"experts\",\"none\"] --set model.custom.experts=3";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Trained, written with, exported and refused in one test, since the training takes the time.
#[test]
fn a_model_of_ones_own_from_settings_to_text() {
    let place = Place::new();
    place.write("story.txt", story(1500));
    place.succeed("collect story.txt --out documents");
    place.succeed("tokenizer train story.txt --vocab-size 320 --out tokenizer");
    place.succeed("tokenize documents --tokenizer tokenizer --out shards");
    let figures =
        json(&place.succeed(&format!("pretrain --data shards --out hybrid {SIZES} {HYBRID} --json")).out);
    assert!(figures["bits_per_byte"].as_f64().is_some_and(|bits| bits < 8.0), "{figures}");
    let config = json(&place.read("hybrid/model/config.json"));
    assert_eq!(config["custom"]["blocks"], serde_json::json!(["lstm", "banded", "rg-lru"]));
    let write = "generate hybrid --prompt mira --max-tokens 12 --seed 1 --temperature 0";
    let written = place.succeed(write).out;
    assert!(!written.trim().is_empty() && written == place.succeed(write).out, "{written}");
    assert_snapshot!(place.failure("export hybrid --format gguf --out out"), @r"
    error: out/hybrid-Q8_0.gguf is not written: CustomForCausalLM has no architecture there that is written
    hint: export it as a model folder instead: --format safetensors
    ");

    let plain = format!("{SIZES} --set model.layers=1 --set model.custom.activation=gelu");
    place.succeed(&format!("pretrain --data shards --out plain {plain}"));
    place.succeed("export plain --out there");
    assert_eq!(json(&place.read("there/config.json"))["model_type"], "llama");
    let text = |model: &str| place.succeed(&write.replace("hybrid", model)).out;
    assert_eq!(text("plain"), text("there"));

    assert_snapshot!(place.failure(&format!("pretrain --data shards --out other {SIZES} --set model.custom.window=5")), @r"
    error: model.custom.window = 5: expected nothing: no block is banded
    hint: change model.custom.window in the recipe, or with --set model.custom.window=...
    ");
    assert_snapshot!(place.failure("pretrain --data shards --out other --params 20k --tokens 8k --set model.custom.gated=false"), @r"
    error: model.family = llama: expected custom, the family that has settings below model.custom
    hint: change model.family in the recipe, or with --set model.family=...
    ");
    assert_snapshot!(place.failure(&format!("pretrain --data shards --out other {SIZES} --set model.custom.blocks=[\"mamba\"]")), @r#"
    error: --set model.custom.blocks=["mamba"] cannot be used
    cause: `model.custom.blocks` = "mamba": expected one of "attention", "banded", "lstm", "gru", "rg-lru"
    hint: `nuwa init` writes a recipe with every key and what it means
    "#);
    assert_snapshot!(place.failure(&format!("pretrain --data shards --out other {SIZES} --set model.custom.gate=false")), @r"
    error: --set model.custom.gate=false cannot be used
    cause: unknown key `model.custom.gate`
    hint: did you mean `model.custom.gated`?
    ");
}

/// Its running statistics are written with it, and read again.
#[test]
fn a_model_with_batch_norm_from_settings_to_text() {
    let place = Place::new();
    place.write("story.txt", story(1500));
    place.succeed("collect story.txt --out documents");
    place.succeed("tokenizer train story.txt --vocab-size 320 --out tokenizer");
    place.succeed("tokenize documents --tokenizer tokenizer --out shards");
    let batch = format!("{SIZES} --set model.layers=2 --set model.custom.norm=batch");
    let figures = json(&place.succeed(&format!("pretrain --data shards --out batch {batch} --json")).out);
    assert!(figures["bits_per_byte"].as_f64().is_some_and(|bits| bits < 8.0), "{figures}");
    assert_eq!(json(&place.read("batch/model/config.json"))["custom"]["norm"], "batch");
    place.succeed("export batch --out there");
    assert_eq!(json(&place.read("there/config.json"))["model_type"], "custom");
    let text = |model: &str| {
        place.succeed(&format!("generate {model} --prompt mira --max-tokens 12 --seed 1 --temperature 0")).out
    };
    assert!(!text("batch").trim().is_empty());
    assert_eq!(text("batch"), text("there"));
    assert_snapshot!(place.failure("export batch --format gguf --out out"), @r"
    error: out/batch-Q8_0.gguf is not written: CustomForCausalLM has no architecture there that is written
    hint: export it as a model folder instead: --format safetensors
    ");
    assert_snapshot!(place.failure(&format!("pretrain --data shards --out other {SIZES} --set model.custom.norm=group")), @r#"
    error: --set model.custom.norm=group cannot be used
    cause: `model.custom.norm` = "group": expected one of "layer", "rms", "batch"
    hint: `nuwa init` writes a recipe with every key and what it means
    "#);
    let drawn = place.succeed(&format!("plan story.txt {batch}")).out;
    for expected in ["norm (batch)", "note      batch norm: in pretraining positions see the statistics"] {
        assert!(drawn.contains(expected), "{expected} is not in\n{drawn}");
    }
}

/// What `nuwa plan` draws.
#[test]
fn a_plan_draws_the_model() {
    let place = Place::new();
    place.write("story.txt", story(1500));
    let drawn = place.succeed(&format!("plan story.txt {SIZES} {HYBRID}")).out;
    for expected in [
        "n tokens, up to 32",
        "─ layer 1 ─",
        "recurrent (lstm)",
        "input 128 × 32, hidden 128 × 32, output 32 × 32",
        "attention (1 head, window 16)",
        "experts.gate_up 3 of 128 × 32",
        "recurrent (rg-lru)",
        "head (the embedding)",
        "n × 320 logits",
        "operations a token",
    ] {
        assert!(drawn.contains(expected), "{expected} is not in\n{drawn}");
    }
}
