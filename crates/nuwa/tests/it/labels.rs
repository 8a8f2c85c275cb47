//! Heads for labels from a table to a prediction, vectors of texts, and what is refused.

use insta::assert_snapshot;
use serde_json::Value;

use super::support::{Place, story};

const SIZES: &str = "--params 20k --tokens 8k --set model.context=32 --set model.layers=1";

/// What is said where an encoder is asked to write.
const ENCODER: &str = "\
error: the model predicts masked words from those on both sides, and cannot write or score a text
hint: it is an encoder: let it fill in the masks of a text, or take a model that writes, such as GPT-2 or LLaMA";

/// Shards of a story in `shards`, and a small model of the family in `model`.
fn pretrained(family: &str) -> Place {
    let place = Place::new();
    place.write("story.txt", story(1500));
    place.succeed("collect story.txt --out documents");
    place.succeed("tokenizer train story.txt --vocab-size 320 --out tokenizer");
    place.succeed("tokenize documents --tokenizer tokenizer --out shards");
    place.succeed(&format!("pretrain --data shards --out model {SIZES} --set model.family={family}"));
    place
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Texts whose label follows from their first word.
fn table(rows: usize) -> String {
    let row = |number: usize| {
        let (word, label) = [("mira", "good"), ("tonel", "bad")][number % 2];
        format!("{label},{word} number {number}\n")
    };
    format!("verdict,words\n{}", (0..rows).map(row).collect::<String>())
}

#[test]
fn labels_from_a_table_to_a_prediction() {
    let place = pretrained("bert");
    place.write("data.csv", table(120)).write("test.csv", table(30));
    let told = place.succeed(
        "sft model --data data.csv --label verdict --held-out test.csv --epochs 12 --out tuned --json",
    );
    let figures = json(&told.out);
    assert_eq!(figures["labels"]["labels"]["names"], serde_json::json!(["bad", "good"]));
    assert_eq!(figures["labels"]["held_out"]["figures"][0][0], "accuracy");
    assert_eq!(figures["labels"]["held_out"]["figures"][0][1], 1.0, "{figures}");
    assert!(place.read("tuned/labels.html").contains("good"));
    let config = json(&place.read("tuned/model/config.json"));
    assert_eq!(config["architectures"][0], "BertForSequenceClassification");
    assert_eq!(config["id2label"]["1"], "good");
    assert_eq!(config["problem_type"], "single_label_classification");

    let lines =
        place.nuwa_with_input("classify tuned/model - --json", b"mira number 8\ntonel number 7\n").out;
    let lines: Vec<Value> = lines.lines().map(json).collect();
    assert_eq!([&lines[0]["label"], &lines[1]["label"]], ["good", "bad"]);
    let sum: f64 = lines[0]["probabilities"].as_object().unwrap().values().map(|p| p.as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-9);
    let figures = place.succeed("classify tuned/model --file test.csv --label verdict").out;
    assert!(figures.contains("accuracy 1.000") && figures.contains("is good"), "{figures}");

    assert_snapshot!(place.failure("classify model mira"), @r"
    error: model/model holds a model without a head for labels
    hint: fine-tune it on texts with labels first: nuwa sft MODEL --data labelled.csv --out DIR; or name labels for a model that writes: --labels good,bad
    ");
    assert_snapshot!(place.failure("fill tuned/model [MASK]"), @r"
    error: tuned/model holds a classifier: it tells the labels of texts and writes none
    hint: let it tell labels: nuwa classify tuned/model TEXT
    ");
    assert_snapshot!(place.failure("classify tuned/model"), @r"
    error: there is no text to tell the label of
    hint: give one, or a file with --file
    ");
    place.write("other.csv", "verdict,words\nawful,tonel\ngood,mira\n");
    assert_snapshot!(place.failure("sft model --data data.csv --label verdict --held-out other.csv --out again"), @r#"
    error: the labels "awful" are not among those that are learnt: "bad", "good"
    hint: correct these labels, or give texts with them to train on as well
    "#);
    assert_snapshot!(place.failure("sft model --data data.csv --label nothing --out again"), @r#"
    error: data.csv:2: its columns are verdict, words: expected a column "nothing"
    hint: say which columns hold the texts and their labels: --text COLUMN --label COLUMN (--pair COLUMN for second texts)
    "#);
    place.write("one.csv", "label,text\na,mira\na,tonel\n");
    assert_snapshot!(place.failure("sft model --data one.csv --out again"), @r#"
    error: all 2 texts have the label "a": there is nothing to tell apart
    hint: give texts of at least two labels
    "#);
    place.write("odd.csv", "score,text\n1.5,mira\nmany,tonel\n");
    assert_snapshot!(place.failure("sft model --data odd.csv --kind number --out again"), @r#"
    error: odd.csv:3: the label is "many", expected a number
    hint: correct the record, or leave such records out: --set sft.tuning.bad_records=skip
    "#);
    place.write("empty.csv", "label,text\na,mira\nb,\n");
    assert_snapshot!(place.failure("sft model --data empty.csv --out again"), @r"
    error: empty.csv:3: the text (text) is empty
    hint: correct the record, or leave such records out: --set sft.tuning.bad_records=skip
    ");

    place.write("records.jsonl", "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\"}\n".repeat(20));
    place.write("prompts.txt", "a\nb\n");
    place.write("answers.jsonl", "{\"prompt\": \"a\", \"completion\": \"b\"}\n".repeat(20));
    let of_an_encoder = [
        "chat model --prompt a",
        "sft model --data answers.jsonl --out again",
        "dpo model --data records.jsonl --out again",
        "reward model --data records.jsonl --out again",
        "ppo model --rule length:3-9 --prompts prompts.txt --out again",
    ];
    for refused in of_an_encoder {
        assert_eq!(place.failure(refused).trim_end(), ENCODER, "{refused}");
    }

    let vectors = place.nuwa_with_input("embed model - --normalize", b"mira\ntonel\n").out;
    let vectors: Vec<Value> = vectors.lines().map(json).collect();
    let length = |vector: &Value| {
        vector["vector"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap().powi(2)).sum::<f64>()
    };
    assert_eq!(vectors[1]["text"], "tonel");
    assert!(vectors.iter().all(|vector| (length(vector) - 1.0).abs() < 1e-5));
    place.write("texts.txt", "mira\n\ntonel\nmira tonel\n");
    place.succeed("embed model texts.txt --format npy --out vectors.npy");
    let bytes = std::fs::read(place.path("vectors.npy")).unwrap();
    let width = json(&place.read("model/model/config.json"))["hidden_size"].as_u64().unwrap() as usize;
    assert_eq!(bytes.len(), 128 + 3 * width * 4);
    assert_snapshot!(place.failure("embed model texts.txt --format npy"), @r"
    error: --format npy writes a file of numbers, not text
    hint: name the file: --out vectors.npy
    ");
}

#[test]
fn a_decoder_learns_labels_too() {
    let place = pretrained("llama");
    place.write("data.csv", table(120));
    let told = place.succeed("sft model --data data.csv --label verdict --lora 4 --epochs 12 --out tuned");
    assert!(told.out.contains("one of 2 labels each"), "{}", told.out);
    let line = place.succeed("classify tuned/model mira").out;
    assert!(line.starts_with("good\t"), "{line}");
}

#[test]
fn unilm_fills_in_and_writes() {
    let place = pretrained("unilm");
    let filled = place.nuwa_with_input("fill model - --json", b"mira [MASK] tonel").out;
    assert_eq!(json(&filled)["masks"].as_array().unwrap().len(), 1);
    let written = place.succeed("generate model --prompt mira --max-tokens 5 --json").out;
    assert!(json(&written)["tokens"].as_u64().unwrap() <= 5);
    let told = place.failure("chat model --prompt a");
    assert!(told.contains("predicts masked words"), "{told}");
    assert_snapshot!(place.failure("generate model --prompt mira --beam 3"), @r"
    error: --beam: the model writes by filling in one mask after the other, and is not searched
    hint: leave --beam out; --temperature 0 takes the likeliest token each time
    ");
    place.write("a.en", "mira\ntonel\n".repeat(30)).write("a.zh", "tonel\nmira\n".repeat(30));
    let told = place.succeed("sft model --data a.en --target a.zh --epochs 60 --learning-rate 3e-3 --set sft.batch_tokens=256 --out pairs");
    assert!(told.out.contains("60 of 60 pairs") && told.out.contains("nuwa translate"), "{}", told.out);
    assert_eq!(place.succeed("translate pairs mira tonel").out, "tonel\nmira\n");
    assert_eq!(place.succeed("summarize pairs mira --temperature 0 --max-tokens 9").out, "tonel\n");
    assert_snapshot!(place.failure("translate pairs mira --align"), @r"
    error: --align: the model has no attention from an answer to a source by itself
    hint: take an encoder-decoder (marian, t5, bart), or leave --align out
    ");
    place.succeed("export model --out exported");
    let config = json(&place.read("exported/config.json"));
    assert_eq!((&config["model_type"], &config["type_vocab_size"]), (&"bert".into(), &6.into()));
}

#[test]
fn xlm_is_told_languages() {
    let place = Place::new();
    place.write("story.txt", story(1500));
    place.succeed("tokenizer train story.txt --vocab-size 320 --out tokenizer");
    let line = |number: usize| {
        let (text, lang) = [(story(120), "en"), (story(90), "zh")][number % 2].clone();
        serde_json::json!({"id": number.to_string(), "text": format!("{number} {text}"), "lang": lang})
            .to_string()
            + "\n"
    };
    place.write("documents.jsonl", (0..40).map(line).collect::<String>());
    place.succeed("tokenize documents.jsonl --tokenizer tokenizer --out plain");
    let sizes = format!("{SIZES} --set model.family=xlm");
    assert_snapshot!(place.failure(&format!("pretrain --data plain --out model {sizes}")), @r"
    error: the shards in plain do not say the languages of their documents
    hint: write them again with the languages: nuwa tokenize DOCS --set tokenize.languages=true
    ");
    place
        .succeed("tokenize documents.jsonl --tokenizer tokenizer --out shards --set tokenize.languages=true");
    place.write("pairs.tsv", "mira tonel\ttonel mira\tsomebody\n".repeat(20));
    let parallel = "--set pretrain.languages.parallel=[\"en-zh:pairs.tsv\"]";
    place.succeed(&format!("pretrain --data shards --out model {sizes} {parallel}"));
    let config = json(&place.read("model/model/config.json"));
    assert_eq!((&config["n_langs"], &config["lang2id"]["zh"]), (&2.into(), &1.into()));
    place.succeed("fill model [MASK] --language en");
    let causal = "--set pretrain.languages.objective=causal";
    let told = place.succeed(&format!("pretrain --data shards --out causal {sizes} {causal} --json"));
    assert!(json(&told.out)["bits_per_byte"].is_f64(), "{}", told.out);
    let config = json(&place.read("causal/model/config.json"));
    assert_eq!((&config["causal"], &config["n_langs"]), (&true.into(), &2.into()));
    let [english, chinese] = ["en", "zh"].map(|code| {
        place
            .succeed(&format!(
                "generate causal --language {code} --prompt mira --max-tokens 9 --temperature 0 --json"
            ))
            .out
    });
    assert_eq!(json(&english)["tokens"], 9);
    assert!(json(&chinese)["tokens"].is_u64());
    assert_snapshot!(place.failure("generate causal --prompt mira"), @r"
    error: the model is told the language of a text, and none was named
    hint: name it with --language: en, zh
    ");
    assert_snapshot!(place.failure(&format!("pretrain --data shards --out other {sizes} {causal} {parallel}")), @r"
    error: pretrain.languages.parallel = en-zh:pairs.tsv: expected no translations where pretrain.languages.objective is causal: they are learnt by masked words
    hint: change pretrain.languages.parallel in the recipe, or with --set pretrain.languages.parallel=...
    ");
    assert_snapshot!(place.failure("fill model [MASK]"), @r"
    error: the model is told the language of a text, and none was named
    hint: name it with --language: en, zh
    ");
    assert_snapshot!(place.failure("fill model [MASK] --language fr"), @r"
    error: --language fr: the model does not know it
    hint: the model knows en, zh
    ");
    place.write("one.jsonl", (0..40).map(|n| line(2 * n)).collect::<String>());
    place.succeed("tokenize one.jsonl --tokenizer tokenizer --out one --set tokenize.languages=true");
    assert_snapshot!(place.failure(&format!("pretrain --data one --out other {sizes}")), @r#"
    error: the text in one is in one language alone, "en": xlm learns from several
    hint: give text in more languages, or take bert
    "#);
}

const TINY: &str =
    "--params 30k --tokens 16k --set tokenizer.vocab_size=320 --set model.context=32 --set model.layers=1";

#[test]
fn labels_are_learnt_in_a_build() {
    let place = Place::new();
    place.write("story.txt", story(1500)).write("data.csv", table(400).replace("verdict", "label"));
    let build = format!("build --from story.txt --answers data.csv {TINY} --set sft.epochs=20");
    let built = place.succeed(&format!("{build} --family bert --out run"));
    assert!(built.out.contains("nuwa classify run"), "{}", built.out);
    let eval = json(&place.read("run/eval/eval.json"));
    let figures = &eval["tasks"]["sft/labels"]["metrics"];
    assert!(figures["acc"]["value"].as_f64().unwrap() > 0.9, "{eval}");
    assert!(figures["acc"]["stderr"].is_f64() && figures["f1_macro"]["stderr"].is_f64(), "{eval}");
    let report = place.read("run/report.html");
    for told in
        ["Labels told right", "SFT of a head for labels on 320 texts", "Masked tokens predicted right"]
    {
        assert!(report.contains(told), "{told}");
    }
    assert!(!report.contains("Bits per byte"), "nothing was measured in bits per byte");
    assert!(place.succeed("classify run mira").out.starts_with("good\t"));

    let told = place.succeed(&format!("{build} --family llama --out decoder")).err;
    assert!(told.contains("bits_per_byte") && told.contains("labels"), "{told}");
    place.write("answers.jsonl", "{\"prompt\": \"a\", \"completion\": \"b\"}\n".repeat(20));
    assert_snapshot!(place.failure(&format!("build --from story.txt --answers answers.jsonl {TINY} --family bert --out other")), @r"
    error: answers: bert writes no answers, so it learns from no dialogues and no pairs
    hint: give texts with labels, which it learns to tell apart, or take a family that writes, such as llama
    ");
    place.write(
        "preferences.jsonl",
        "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\"}\n".repeat(20),
    );
    assert_snapshot!(place.failure(&format!("{build} --preferences preferences.jsonl --out other")), @r"
    error: preferences: the answers are texts with labels, and a model that tells labels writes no dialogues, so there is nothing to prefer
    hint: leave preferences out, or take a family that continues text, such as llama
    ");
}
