//! An encoder-decoder from text and pairs to translations, and what is refused with one.

use insta::assert_snapshot;
use serde_json::Value;

use super::support::{Place, story};

const SIZES: &str = "--params 20k --tokens 16k --set model.context=32 --set model.layers=2";

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

/// Sources of words, each to be written in capitals.
fn pairs(count: usize) -> [String; 2] {
    let words = ["mira", "tonel", "shabo", "kenlu"];
    let source = |index: usize| format!("{} {}", words[index % 4], words[index / 4 % 4]);
    let sources: Vec<String> = (0..count).map(source).collect();
    [sources.join("\n"), sources.join("\n").to_uppercase()]
}

/// Trained, asked and refused in one test, since the training takes the time.
#[test]
fn translations_from_text_and_pairs_to_figures() {
    let place = shards();
    let [source, target] = pairs(400);
    place.write("a.en", &source).write("a.zh", &target);
    let figures = json(
        &place.succeed(&format!("pretrain --data shards --out marian --family marian {SIZES} --json")).out,
    );
    assert!(figures["bits_per_byte"].is_null(), "{figures}");
    for name in ["target_loss", "target_accuracy"] {
        assert!(figures["figures"][name].is_f64(), "{name}: {figures}");
    }
    let losses: Vec<f64> = place
        .read("marian/metrics.jsonl")
        .lines()
        .filter_map(|line| json(line)["validation_loss"].as_f64())
        .collect();
    assert!(losses[losses.len() - 1] < losses[0], "{losses:?}");

    let tuned = "sft marian --data a.en --target a.zh --out tuned --epochs 30 --learning-rate 3e-3 --set sft.batch_tokens=256";
    let figures = json(&place.succeed(&format!("{tuned} --json")).out);
    assert_eq!((&figures["sequences"]["pairs"], &figures["sequences"]["dropped"]), (&380.into(), &0.into()));
    let figure = |when: &str| figures[when]["accuracy"].as_f64().unwrap();
    assert!(figure("after") > figure("before") && figure("after") > 0.9, "{figures}");

    let told = place.succeed("translate tuned/model mira kenlu").out;
    assert_eq!(told.lines().count(), 2);
    assert_eq!(place.succeed("translate tuned --file a.en").out.trim_end(), target, "in order, a line each");
    let one = json(&place.nuwa_with_input("translate tuned --best 3 --json", b"shabo mira\n").out);
    assert_eq!((&one["text"], &one["finish"]), (&"SHABO MIRA".into(), &"end".into()));
    let others = one["others"].as_array().unwrap();
    assert!(others.len() == 2 && others[0]["score"].as_f64() <= one["score"].as_f64(), "{one}");
    let measured = json(&place.succeed("translate tuned --file a.en --references a.zh --json").out);
    assert_eq!(measured["figures"]["exact match"]["value"], 1.0, "{measured}");
    // Texts of two words hold no runs of four, so that BLEU is 0, as sacreBLEU has it.
    assert_eq!(measured["figures"]["chrF2"]["value"], 100.0, "{measured}");
    let measured = place.succeed("summarize tuned --file a.en --references a.zh").out;
    assert!(measured.contains("rouge1") && measured.contains("over 400 texts"), "{measured}");
    let sampled = |seed: u64| {
        place
            .succeed(&format!(
                "translate tuned --file a.en --temperature 3 --top-p 1 --max-tokens 5 --seed {seed}"
            ))
            .out
    };
    assert_eq!(sampled(1), sampled(1));
    assert_ne!(sampled(1), sampled(2));

    refusals(&place);
}

fn refusals(place: &Place) {
    place.write("short.zh", "A\nB\n").write("records.jsonl", "{\"en\": \"a\", \"zh\": \"b\"}\n");
    place.write("empty.txt", " \n").write("long.txt", "mira ".repeat(40));
    assert_snapshot!(place.failure("sft tuned --data a.en --target short.zh --out x"), @r#"
    error: a.en has 400 lines, and short.zh has 2: expected as many, a pair a line
    hint: line 1 belongs to line 1 and so on: look for a line that is missing or broken in two
    "#);
    assert_snapshot!(place.failure("sft tuned --data a.en short.zh --target a.zh --out x"), @r#"
    error: 2 files of sources, and 1 of targets: expected as many
    hint: name a file of targets (--target) for each file of sources (--data), in the same order
    "#);
    assert_snapshot!(place.failure("sft tuned --data records.jsonl --out x"), @r"
    error: records.jsonl:1: its fields are en, zh: expected source and target, instruction and output, messages, or two texts that are named
    hint: call the text that is read source and the other one target, or say which is which; nuwa sft takes --columns source=en,target=zh
    ");
    assert_snapshot!(place.failure("sft tuned --data records.jsonl --target a.zh --out x"), @r#"
    error: records.jsonl is a table or JSON, expected a text a line
    hint: leave --target out: both texts of a pair stand in one record
    "#);
    assert_snapshot!(place.failure("sft tuned --data story.txt --out x"), @r#"
    error: story.txt:1: not valid JSON: expected value at line 1 column 1
    hint: a file of records is a JSON list of objects, one object a line, or a table (.csv, .tsv)
    "#);
    assert_snapshot!(place.failure("sft tuned --data a.en --target a.zh --out x --set sft.label_smoothing=1"), @r#"
    error: sft.label_smoothing = 1: expected 0 to below 1
    hint: change sft.label_smoothing in the recipe, or with --set sft.label_smoothing=...
    "#);
    assert_snapshot!(place.failure("translate tuned --file empty.txt"), @r#"
    error: empty.txt is empty
    hint: give a text a line
    "#);
    let told = place.failure("translate tuned --file long.txt");
    assert!(
        told.starts_with("error: long.txt, line 1 has ") && told.contains("the model reads at most 32"),
        "{told}"
    );
    assert_snapshot!(place.failure("translate tuned --beam 0 mira"), @r#"
    error: --beam 0: expected a whole number from 1 to 1000
    hint: `nuwa translate --help` says what is expected
    "#);
    assert_snapshot!(place.failure("translate tuned --best 9 --json mira"), @r#"
    error: --best 9: expected at least 1, at most the beam width
    hint: `nuwa translate --help` says what is expected
    "#);
    assert_snapshot!(place.failure("translate tuned --file a.en --references short.zh"), @r#"
    error: short.zh has 2 lines for 400 texts: expected as many
    hint: line 1 is the reference of text 1, and so on
    "#);
    assert_snapshot!(place.failure("chat tuned --prompt a"), @r#"
    error: the model writes answers to sources, and cannot write or score a text by itself
    hint: it is an encoder-decoder: give it a text to answer with nuwa translate or nuwa summarize, and teach it with nuwa sft
    "#);
    assert!(!place.succeed("translate tuned --file long.txt --truncate").out.is_empty());
    assert_snapshot!(place.failure("generate tuned --prompt="), @r#"
    error: there is nothing to answer: the model writes answers to sources, and the source is empty
    hint: give the text to be answered: translated, summarised or continued
    "#);
    let searched = [
        "generate tuned --beam 3 --max-tokens 9 --prompt mira",
        "translate tuned --beam 3 --max-tokens 9 mira",
    ]
    .map(|verb| place.succeed(verb).out.trim().to_string());
    assert_eq!(searched[0], searched[1], "the same search");
    assert_snapshot!(place.failure("generate tuned --beam 0 --prompt mira"), @r"
    error: --beam 0: expected a whole number from 1 to 1000
    hint: `nuwa generate --help` says what is expected
    ");

    place.write("labelled.csv", "text,label\n".to_string() + &"mira,one\ntonel,two\n".repeat(40));
    place.succeed("sft marian --data labelled.csv --epochs 20 --learning-rate 3e-3 --out classifier");
    let config = json(&place.read("classifier/model/config.json"));
    assert_eq!(config["architectures"], serde_json::json!(["MarianForSequenceClassification"]));
    let told = place.succeed("classify classifier/model mira tonel").out;
    let labels: Vec<&str> = told.lines().filter_map(|line| line.split('\t').next()).collect();
    assert_eq!(labels, ["one", "two"]);
    assert_eq!(place.succeed("embed marian/model a.en --format jsonl").out.lines().count(), 400);
    assert_snapshot!(place.failure("translate classifier mira"), @r"
    error: classifier/model holds a classifier: it tells the labels of texts and writes none
    hint: let it tell labels: nuwa classify classifier/model TEXT
    ");
}

const TINY: &str =
    "--params 30k --tokens 16k --set tokenizer.vocab_size=320 --set model.context=32 --set model.layers=2";

#[test]
fn an_encoder_decoder_is_built_from_text_and_pairs() {
    let place = Place::new();
    place.write("story.txt", story(1500));
    let record = |index: usize| {
        let word = ["mira", "tonel", "shabo", "kenlu"][index % 4];
        serde_json::json!({"source": word, "target": word.to_uppercase()}).to_string() + "\n"
    };
    place.write("pairs.jsonl", (0..400).map(record).collect::<String>());
    let build =
        format!("build --from story.txt --family t5 --answers pairs.jsonl {TINY} --set sft.epochs=20");
    let built = place.succeed(&format!("{build} --out run"));
    assert!(
        built.out.contains("nuwa translate run") && !built.out.contains("bits per byte"),
        "{}",
        built.out
    );
    let report = place.read("run/report.html");
    for told in ["Target tokens predicted right", "SFT on 380 pairs", "2 layers"] {
        assert!(report.contains(told), "{told}");
    }
    assert!(!report.contains("Bits per byte"), "nothing was measured in bits per byte");
    let architecture = &json(&place.read("run/model/config.json"))["architectures"];
    assert_eq!(*architecture, serde_json::json!(["T5ForConditionalGeneration"]));
    place.succeed("translate run mira");
    let again = place.succeed(&format!("{build} --out run"));
    assert!(again.err.contains("sft        skipped: unchanged"), "{}", again.err);

    place.write("words.jsonl", "{\"words\": \"a\"}\n".repeat(20));
    assert_snapshot!(place.failure(&format!("build --from story.txt --family marian --answers words.jsonl {TINY} --out other")), @r"
    error: words.jsonl:1: its fields are words: expected source and target, instruction and output, messages, or two texts that are named
    hint: give the columns these names; nuwa sft and nuwa dpo also take names of your own, for example --columns source=FIELD,target=FIELD
    ");
    assert!(!place.path("other").join("collect").exists(), "it is refused before anything is read");
}

#[test]
fn t5_and_bart_learn_by_their_objectives() {
    let place = shards();
    let of_shards = json(&place.read("shards/tokenize.json"))["vocab_size"].as_u64().unwrap();
    for (family, more, architecture) in
        [("t5", 100, "T5ForConditionalGeneration"), ("bart", 1, "BartForConditionalGeneration")]
    {
        let told = place
            .succeed(&format!("pretrain --data shards --out {family} --family {family} {SIZES} --json"))
            .out;
        assert!(json(&told)["figures"]["target_loss"].is_f64(), "{told}");
        let config = json(&place.read(&format!("{family}/model/config.json")));
        assert_eq!(config["architectures"], serde_json::json!([architecture]));
        assert_eq!(
            config["vocab_size"].as_u64(),
            Some(of_shards + more),
            "sentinels, or a mask, are appended"
        );
        let further =
            format!("pretrain --data shards --init {family} --out {family}-further --tokens 2k --json");
        assert!(json(&place.succeed(&further).out)["figures"]["target_accuracy"].is_f64());
    }
    let chosen = "--set pretrain.sequence_objective=infilling --set pretrain.spans.share=0.5";
    place.succeed(&format!("pretrain --data shards --out chosen --family marian {chosen} {SIZES}"));
    let wrong =
        format!("pretrain --data shards --out wrong --family t5 --set pretrain.spans.length=0.5 {SIZES}");
    assert_snapshot!(place.failure(&wrong), @r#"
    error: pretrain.spans.length = 0.5: expected a number from 1 to 50
    hint: change pretrain.spans.length in the recipe, or with --set pretrain.spans.length=...
    "#);
}

#[test]
fn a_decoder_is_no_translator() {
    let place = shards();
    place.succeed(&format!("pretrain --data shards --out llama {SIZES}"));
    place.write("a.en", "a\nb").write("a.zh", "c\nd");
    assert_snapshot!(place.failure("translate llama mira"), @r"
    error: this model chats, and is not told which language to translate into
    hint: name it: --to Chinese
    ");
    assert_snapshot!(place.failure("sft llama --data a.en --target a.zh --out x"), @r#"
    error: --target: the model continues text, and has no encoder that reads sources
    hint: take an encoder-decoder (marian, t5, bart) or unilm, or write the pairs as records: {"prompt": ..., "completion": ...}
    "#);
}
