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
    assert_snapshot!(from_file.replace(&signature, ""), @r#"
    BLEU      29.08
    precisions 61.1/42.9/27.3/12.5, brevity penalty 0.946, tokens 18 against 19 of the references
    over 4 texts
    nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0
    "#);
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
    assert_snapshot!(told.replace(env!("CARGO_PKG_VERSION"), "V"), @r#"
    accuracy              0.6000
    commonest_class       0.6000
    balanced_accuracy     0.5833
    precision_macro       0.5833
    recall_macro          0.5833
    f1_macro              0.5833
    f1_weighted           0.6000
    f1_micro              0.6000
    matthews              0.1667
    kappa                 0.1667
    auc                   0.8333
    log_loss              0.5108
    brier                 0.1820
    ece                   0.3400

    taken for     no  yes
    is no          2    1
    is yes         1    1

    class  precision  recall      f1   items
    no        0.6667  0.6667  0.6667       3
    yes       0.5000  0.5000  0.5000       2

    confidence    items   said  right
    0.50 to 0.60        1  0.600  0.000
    0.60 to 0.70        1  0.700  0.000
    0.70 to 0.80        1  0.800  1.000
    0.80 to 0.90        2  0.900  1.000

    over 5 items
    classes:2|score:p(yes)|bins:10|nuwa:V
    "#);
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
    assert_snapshot!(failure("metric bleu hyps.txt --references short.txt"), @r#"
    error: short.txt has 2 lines, hyps.txt has 4: expected as many
    hint: line 1 is held against line 1 and so on; no line may be missing, a text without an answer is an empty line
    "#);
    assert_snapshot!(failure("metric chrf hyps.txt --references holes.txt"), @r#"
    error: holes.txt:2: the reference is empty
    hint: correct it, or give --allow-empty: then nothing that stands against it is right
    "#);
    assert_snapshot!(failure("metric bleu hyps.txt --references empty.txt"), @r#"
    error: empty.txt is empty, expected a text a line
    hint: nothing can be measured on it
    "#);
    assert_snapshot!(failure("metric bleu empty.txt --references refs.txt"), @r#"
    error: empty.txt is empty, expected a text a line
    hint: nothing can be measured on it
    "#);
    assert_snapshot!(failure("metric bleu hyps.txt --references latin.txt"), @r#"
    error: latin.txt: byte 3 is not UTF-8, expected a text a line
    hint: save it as text in UTF-8; of other files take out the text first
    "#);
    assert_snapshot!(failure("metric bleu hyps.txt --references records.jsonl"), @r#"
    error: records.jsonl is a table, expected a text a line
    hint: name its columns: nuwa metric NAME FILE --columns HYPOTHESIS,REFERENCE
    "#);
    assert_snapshot!(failure("metric bleu hyps.txt --references nowhere.txt"), @r#"
    error: nowhere.txt does not exist
    hint: check the spelling; a relative path starts at the current folder
    "#);
    assert_snapshot!(failure("metric rouge records.jsonl --columns answer,expcted"), @r#"
    error: records.jsonl has no column "expcted"
    hint: did you mean expected? its columns are: answer, expected
    "#);
    assert_snapshot!(failure("metric rouge records.jsonl --columns answer"), @r#"
    error: --columns answer: expected two names, of the hypotheses and of the references
    hint: for example: --columns answer,expected
    "#);
    assert_snapshot!(failure("metric bleu hyps.txt --references refs.txt --smooth-value 2"), @r#"
    error: --smooth-value 2: this smoothing has no value
    hint: leave it out, or choose --smooth floor or --smooth add-k
    "#);
    assert_snapshot!(failure("metric bleu hyps.txt"), @r#"
    error: there is nothing to hold the texts against: no --references, no --columns
    hint: name a file with a reference a line, --references FILE, or the columns of a table
    "#);
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
    assert_snapshot!(failure("metric classification t.csv --truth labl --prediction predicted"), @r#"
    error: t.csv has no column "labl"
    hint: did you mean label? its columns are: label, predicted, score
    "#);
    assert_snapshot!(failure("metric classification t.csv --truth label --prediction predicted"), @r#"
    error: t.csv:3: predicted is "dgo", no class has this label: cat, dog
    hint: did you mean dog? if it is a class of its own, name all of them: --classes cat,dog,dgo
    "#);
    assert_snapshot!(failure("metric classification t.csv --truth label --prediction predicted --classes cat,dog,dgo --score score"), @r#"
    error: t.csv:4: score is "high", expected a number
    hint: numbers have a point before their decimals, such as 0.25, and no unit
    "#);
    assert_snapshot!(failure("metric classification good.csv --truth label --prediction predicted --score score --positive Cat"), @r#"
    error: no class has the label "Cat"
    hint: did you mean cat? the classes are: cat, dog
    "#);
    assert_snapshot!(failure("metric classification good.csv --truth label --prediction predicted --score cat=score"), @r#"
    error: no --score is of the class "dog"
    hint: name a column for each class: cat, dog
    "#);
    assert_snapshot!(failure("metric regression t.csv --truth score --prediction score"), @r#"
    error: t.csv:4: score is "high", expected a number
    hint: numbers have a point before their decimals, such as 0.25, and no unit
    "#);
    assert_snapshot!(failure("metric regression holes.jsonl --truth y --prediction p"), @r#"
    error: holes.jsonl:2: p is missing
    hint: give every row a value, or leave the row out
    "#);
    assert_snapshot!(failure("metric regression empty.csv --truth y --prediction p"), @r#"
    error: empty.csv:1: it holds no item
    hint: a table is CSV or TSV with a header, JSON lines or a JSON list
    "#);
    assert_snapshot!(failure("metric regression text.txt --truth y --prediction p"), @r#"
    error: text.txt:1: expected value (line 1, column 1); expected JSON objects, one a line or in a list; a table's name ends in .csv or .tsv
    hint: a table is CSV or TSV with a header, JSON lines or a JSON list
    "#);
}
