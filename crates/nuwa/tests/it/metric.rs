//! `nuwa metric`: figures from files, and what it says about wrong input.

use insta::assert_snapshot;
use serde_json::Value;

use crate::support::Place;

const HYPOTHESES: &str =
    "The cat sat on the mat.\nIt's 3,000.50 dollars -- isn't it?\nthe the the\n“猫”在垫子上——坐着。\n";
const REFERENCES: &str =
    "The cat is sitting on the mat.\nIt is 3,000.5 dollars, isn't it?\nthe cat\n“猫”坐在垫子上——。\n";

fn texts() -> Place {
    let place = Place::new();
    place.write("hyps.txt", HYPOTHESES).write("refs.txt", REFERENCES);
    place
}

fn json(place: &Place, arguments: &str) -> Value {
    serde_json::from_str(&place.succeed(arguments).out).unwrap()
}

#[test]
fn texts_come_from_standard_input_or_a_file() {
    let place = texts();
    let from_file = place.succeed("metric bleu hyps.txt --references refs.txt --bootstrap 0").out;
    let piped =
        place.nuwa_with_input("metric bleu --references refs.txt --bootstrap 0", HYPOTHESES.as_bytes());
    assert_eq!(piped.out, from_file);
    let signature = format!("|nuwa:{}", env!("CARGO_PKG_VERSION"));
    assert_snapshot!(from_file.replace(&signature, ""), @"");
    let figures = json(&place, "metric bleu hyps.txt --references refs.txt --tokenize zh --json");
    let bleu = &figures["figures"]["BLEU"];
    assert!((bleu["value"].as_f64().unwrap() - 43.363_811_429_253_05).abs() < 1e-9, "{figures}");
    let [low, high] = [0, 1].map(|bound| bleu["interval"][bound].as_f64().unwrap());
    assert!(low < 43.0 && 44.0 < high, "{figures}");
    let chrf = json(&place, "metric chrf++ hyps.txt --references refs.txt --json");
    assert!(
        (chrf["figures"]["chrF2++"]["value"].as_f64().unwrap() - 52.453_651_184_664_15).abs() < 1e-9,
        "{chrf}"
    );
}

#[test]
fn texts_of_a_table_have_lines_and_several_references() {
    let place = Place::new();
    let record = r#"{"answer": "a cat\nsat", "right": ["a dog", "a cat\nsat"]}"#;
    place.write("answers.jsonl", format!("{record}\n"));
    let rouge = json(&place, "metric rouge answers.jsonl --columns answer,right --json --each");
    assert_eq!(rouge["each"][0]["rougeLsum"], 1.0);
    let squad = json(&place, "metric squad answers.jsonl --columns answer,right --json");
    assert_eq!(squad["figures"]["exact_match"]["value"], 1.0);
}

#[test]
fn classes_are_told_with_their_matrix() {
    let place = Place::new();
    let rows = ["yes,yes,0.9", "yes,no,0.4", "no,no,0.2", "no,no,0.1", "no,yes,0.7"];
    place.write("answers.csv", format!("label,predicted,score\n{}\n", rows.join("\n")));
    let command =
        "metric classification answers.csv --truth label --prediction predicted --score score --bootstrap 0";
    let told = place.succeed(&format!("{command} --out page.html")).out;
    assert_snapshot!(told.replace(env!("CARGO_PKG_VERSION"), "V"), @"");
    assert!(place.read("page.html").contains("answers.csv"));
    let figures = json(&place, &format!("{command} --json"));
    assert_eq!(figures["confusion"], serde_json::json!([[2, 1], [1, 1]]));
}

#[test]
fn numbers_are_told_with_their_errors() {
    let place = Place::new();
    place.write("n.tsv", "y\tp\n3\t2.5\n-0.5\t0.0\n2\t2\n7\t8\n");
    let figures = json(&place, "metric regression n.tsv --truth y --prediction p --json");
    assert_eq!(figures["figures"]["mae"]["value"], 0.5);
}

#[test]
fn wrong_texts_are_named() {
    let place = texts();
    place.write("short.txt", "a\nb\n").write("holes.txt", "a\n\nc\nd\n").write("empty.txt", "");
    place
        .write("latin.txt", b"caf\xe9\n")
        .write("records.jsonl", "{\"answer\": \"a\", \"expected\": \"b\"}\n");
    let failure = |arguments: &str| place.failure(arguments);
    assert_snapshot!(failure("metric bleu hyps.txt --references short.txt"), @"");
    assert_snapshot!(failure("metric chrf hyps.txt --references holes.txt"), @"");
    assert_snapshot!(failure("metric bleu hyps.txt --references empty.txt"), @"");
    assert_snapshot!(failure("metric bleu empty.txt --references refs.txt"), @"");
    assert_snapshot!(failure("metric bleu hyps.txt --references latin.txt"), @"");
    assert_snapshot!(failure("metric bleu hyps.txt --references records.jsonl"), @"");
    assert_snapshot!(failure("metric bleu hyps.txt --references nowhere.txt"), @"");
    assert_snapshot!(failure("metric rouge records.jsonl --columns answer,expcted"), @"");
    assert_snapshot!(failure("metric rouge records.jsonl --columns answer"), @"");
    assert_snapshot!(failure("metric bleu hyps.txt --references refs.txt --smooth-value 2"), @"");
    assert_snapshot!(failure("metric bleu hyps.txt"), @"");
}

#[test]
fn wrong_tables_are_named() {
    let place = Place::new();
    place.write("t.csv", "label,predicted,score\ncat,cat,0.5\ndog,dgo,0.7\ncat,dog,high\n");
    place
        .write("holes.jsonl", "{\"y\": 1, \"p\": 2}\n{\"y\": 3}\n")
        .write("empty.csv", "")
        .write("text.txt", "just words\n");
    place.write("good.csv", "label,predicted,score\ncat,cat,0.5\ndog,cat,0.7\n");
    let failure = |arguments: &str| place.failure(arguments);
    assert_snapshot!(failure("metric classification t.csv --truth labl --prediction predicted"), @"");
    assert_snapshot!(failure("metric classification t.csv --truth label --prediction predicted"), @"");
    assert_snapshot!(failure("metric classification t.csv --truth label --prediction predicted --classes cat,dog,dgo --score score"), @"");
    assert_snapshot!(failure("metric classification good.csv --truth label --prediction predicted --score score --positive Cat"), @"");
    assert_snapshot!(failure("metric classification good.csv --truth label --prediction predicted --score cat=score"), @"");
    assert_snapshot!(failure("metric regression t.csv --truth score --prediction score"), @"");
    assert_snapshot!(failure("metric regression holes.jsonl --truth y --prediction p"), @"");
    assert_snapshot!(failure("metric regression empty.csv --truth y --prediction p"), @"");
    assert_snapshot!(failure("metric regression text.txt --truth y --prediction p"), @"");
}
