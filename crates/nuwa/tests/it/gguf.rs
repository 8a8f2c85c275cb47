//! GGUF files from the command line: written, talked to, quantised, read back, and refused.

use std::path::Path;

use nuwa_files::gguf::{List, NewTensor, TensorType, Value, write};
use nuwa_tokenizer::{TrainSettings, train};

use crate::support::Place;

const CONFIG: &str = r#"{"model_type": "llama", "vocab_size": 280, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64, "tie_word_embeddings": true}"#;

const TEXT: &str = "The potter put clay and water on the wheel. 女娲用黄土造人。\n";

/// A small model folder that was never trained, and a text.
fn place() -> Place {
    let place = Place::new();
    let settings = TrainSettings { vocab_size: 280, ..TrainSettings::default() };
    let tokenizer = train(std::iter::once(TEXT.repeat(30)), &settings, &mut |_| {}).unwrap();
    let model = nuwa_models::build(&serde_json::from_str(CONFIG).unwrap(), 3).unwrap();
    nuwa_format::save_with_tokenizer(model.as_ref(), &tokenizer, &place.path("clay")).unwrap();
    place.write("text.txt", TEXT.repeat(40));
    place
}

#[test]
fn a_model_is_the_same_in_a_file() {
    let place = place();
    place.succeed("export clay --format gguf --type F32 --out out");
    let file = "out/clay-F32.gguf";
    assert!(place.path(file).is_file() && place.path("out/Modelfile").is_file());
    let write = |model: &str| {
        place.succeed(&format!("generate {model} --prompt clay --temperature 0 --max-tokens 20 --json")).out
    };
    assert_eq!(write(file), write("clay"));
    let measured = |model: &str| {
        let told =
            place.succeed(&format!("eval {model} --task language_modelling --data text.txt --json")).out;
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        told["tasks"]["language_modelling"]["metrics"]["bits_per_byte"]["value"].clone()
    };
    assert!(measured(file).as_f64().is_some());
    assert_eq!(measured(file), measured("clay"));
    place.succeed(&format!("import {file} --out again"));
    assert_eq!(write("again"), write("clay"));
}

#[test]
fn quantising_is_measured() {
    let place = place();
    let told = place.succeed("quantize clay --type q8_0 --type Q4_0 --text text.txt --out out --json").out;
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let divergence = |row: usize| told["types"][row]["divergence"].as_f64().unwrap();
    assert!(divergence(0) > 0.0 && divergence(0) < divergence(1), "{told}");
    assert!(told["types"][0]["bytes"].as_u64().unwrap() > told["types"][1]["bytes"].as_u64().unwrap());
    assert!(told["perplexity"].as_f64().unwrap() > 1.0);
    let calibrated = place
        .succeed("quantize clay --type Q4_0 --text text.txt --calibrate text.txt --out other --json")
        .out;
    let calibrated: serde_json::Value = serde_json::from_str(&calibrated).unwrap();
    let own = calibrated["types"][0]["divergence"].as_f64().unwrap();
    assert!(
        own < divergence(1),
        "weighing errors by the same text makes them smaller: {own} against {}",
        divergence(1)
    );
    let table = place.succeed("quantize clay --type Q4_K_M --out third");
    assert!(table.out.contains("KL divergence") && table.out.contains("Q4_K_M"), "{}", table.out);
    assert!(table.err.contains("kept as Q5_0 in place of Q4_K"), "{}", table.err);
}

/// A file that says no more than it has to.
fn file(path: &Path, values: &[(&str, Value)]) {
    let values: Vec<(String, Value)> =
        values.iter().map(|(key, value)| (key.to_string(), value.clone())).collect();
    let kind = TensorType::named("F32").unwrap();
    let tensors = [NewTensor { name: "token_embd.weight".into(), shape: vec![4, 2], kind }];
    let data = |_: usize, out: &mut Vec<u8>| -> nuwa_files::Result<()> {
        out.resize(32, 0);
        Ok(())
    };
    write(path, &values, &tensors, data).unwrap().confirm().unwrap();
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

#[test]
fn what_is_wrong_with_a_file_is_told() {
    let place = place();
    place.succeed("export clay --format gguf --type Q4_0 --out quantised.gguf");
    place.write(
        "talk.jsonl",
        r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}"#,
    );
    file(&place.path("mamba.gguf"), &[("general.architecture", text("mamba"))]);
    file(&place.path("bare.gguf"), &[("general.architecture", text("llama"))]);
    for number in 0..2_u16 {
        let values = [
            ("split.no", Value::U16(number)),
            ("split.count", Value::U16(3)),
            ("general.architecture", text("llama")),
        ];
        file(&place.path(&format!("m-{:05}-of-00003.gguf", number + 1)), &values);
    }
    let words = List::Text(vec!["[UNK]".into(), "clay".into()]);
    let values = [("tokenizer.ggml.model", text("bert")), ("tokenizer.ggml.tokens", Value::List(words))];
    file(&place.path("words.gguf"), &values);
    let whole = std::fs::read(place.path("quantised.gguf")).unwrap();
    std::fs::write(place.path("cut.gguf"), &whole[..whole.len() - 500]).unwrap();
    let cases = [
        (
            "sft quantised.gguf --data talk.jsonl --out tuned",
            ["its weights are quantised (Q", "nuwa import FILE --out DIR"],
        ),
        (
            "generate mamba.gguf --prompt a",
            ["general.architecture is \"mamba\", expected falcon, gpt2, ", "llama.cpp"],
        ),
        ("generate bare.gguf --prompt a", ["the key llama.embedding_length is missing", "hint: "]),
        (
            "generate m-00001-of-00003.gguf --prompt a",
            ["tensor token_embd.weight is in another part too", "hint: "],
        ),
        (
            "generate m-00002-of-00003.gguf --prompt a",
            ["it is part 2 of 3 of a model", "m-00001-of-00003.gguf"],
        ),
        (
            "tokenizer encode words.gguf",
            ["tokenizer.ggml.model is \"bert\"", "gpt2 (byte-level BPE) and llama"],
        ),
        ("generate cut.gguf --prompt a", ["cut short", "hint: "]),
        ("export clay --type Q8_0 --out out", ["--type Q8_0 is for GGUF files", "hint: add --format gguf"]),
    ];
    for (command, expected) in cases {
        let told = place.failure(command);
        assert!(expected.iter().all(|part| told.contains(part)), "{command}: {told}");
    }
    std::fs::remove_file(place.path("m-00002-of-00003.gguf")).unwrap();
    let told = place.failure("generate m-00001-of-00003.gguf --prompt a");
    assert!(told.contains("m-00002-of-00003.gguf is missing, part 2 of the 3 of this model"), "{told}");
}
