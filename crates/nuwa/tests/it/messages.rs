use std::fmt::Write;

use insta::assert_snapshot;

use crate::support::{Place, story};

#[test]
fn a_missing_path() {
    assert_snapshot!(Place::new().failure("build --from nowhere.txt"), @"");
    assert_snapshot!(Place::new().failure("collect nowhere.txt --out out"), @"");
}

#[test]
fn nothing_to_learn_from() {
    assert_snapshot!(Place::new().failure("build"), @"");
}

#[test]
fn an_empty_folder() {
    let place = Place::new();
    std::fs::create_dir(place.path("empty")).unwrap();
    assert_snapshot!(place.failure("build --from empty"), @"");
    place.write("pictures/a.png", "x").write("pictures/b.png", "y");
    assert_snapshot!(place.failure("build --from pictures"), @"");
}

#[test]
fn an_empty_file() {
    let place = Place::new();
    place.write("empty.txt", "");
    assert_snapshot!(place.failure("build --from empty.txt"), @"");
}

#[test]
fn a_binary_file_with_the_name_of_a_text() {
    let place = Place::new();
    place.write("picture.txt", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01");
    assert_snapshot!(place.failure("build --from picture.txt"), @"");
}

#[test]
fn invalid_json_in_line_17() {
    let mut lines = String::new();
    for line in 1..=20 {
        let text = if line == 17 { "{\"text\": \"half".to_string() } else { format!("{{\"text\": \"line {line}\"}}") };
        writeln!(lines, "{text}").unwrap();
    }
    let place = Place::new();
    place.write("data.jsonl", lines);
    assert_snapshot!(place.failure("build --from data.jsonl"), @"");
}

#[test]
fn json_lines_without_text() {
    let place = Place::new();
    place.write("data.jsonl", "{\"body\": \"a\", \"title\": \"b\"}\n");
    assert_snapshot!(place.failure("collect data.jsonl --out out"), @"");
}

#[test]
fn text_in_another_encoding_is_decoded() {
    let place = Place::new();
    place.write("latin1.txt", b"Caf\xe9 cr\xe8me, d\xe9j\xe0 vu, na\xefve fa\xe7ade, \xe9t\xe9 apr\xe8s la pluie.");
    assert_snapshot!(place.succeed("collect latin1.txt --out out").out, @"");
}

#[test]
fn standard_input_that_is_not_utf8() {
    let place = Place::new();
    place.write("story.txt", story(300));
    place.succeed("tokenizer train story.txt --vocab-size 300 --out tokenizer");
    let answer = place.nuwa_with_input("tokenizer encode tokenizer", b"caf\xe9");
    assert_snapshot!(answer.failure(), @"");
}

#[test]
fn ids_that_are_none() {
    let place = Place::new();
    place.write("story.txt", story(300));
    place.succeed("tokenizer train story.txt --vocab-size 300 --out tokenizer");
    assert_snapshot!(place.nuwa_with_input("tokenizer decode tokenizer", b"5 x").failure(), @"");
    assert_snapshot!(place.nuwa_with_input("tokenizer decode tokenizer", b"5 70000").failure(), @"");
}

#[test]
fn text_survives_encoding_and_decoding() {
    let place = Place::new();
    place.write("story.txt", story(300));
    place.succeed("tokenizer train story.txt --vocab-size 300 --out tokenizer");
    let text = "Mira found a torn map,\n女娲 \u{1f600}\n";
    let ids = place.nuwa_with_input("tokenizer encode tokenizer", text.as_bytes()).out;
    assert_eq!(place.nuwa_with_input("tokenizer decode tokenizer", ids.as_bytes()).out, text);
}

#[test]
fn an_unknown_key_of_a_recipe() {
    let place = Place::new();
    place.write("recipe.toml", "seed = 1\n\n[clean.length]\nmin_leters = 5\n");
    assert_snapshot!(place.failure("build recipe.toml"), @"");
}

#[test]
fn a_recipe_that_is_not_toml() {
    let place = Place::new();
    place.write("recipe.toml", "seed = 1\nfrom = [\"a\"\n[clean]\n");
    assert_snapshot!(place.failure("build recipe.toml"), @"");
}

#[test]
fn a_wrong_set() {
    let place = Place::new();
    place.write("story.txt", story(300));
    assert_snapshot!(place.failure("build --from story.txt --set tokenizer.vocab_size"), @"");
    assert_snapshot!(place.failure("build --from story.txt --set tokenizer.vocab_size=big"), @"");
    assert_snapshot!(place.failure("build --from story.txt --set vocab_sise=5"), @"");
    assert_snapshot!(place.failure("build --from story.txt --set collect.bad_lines=skpi"), @"");
}

#[test]
fn a_vocabulary_larger_than_the_text_allows() {
    let place = Place::new();
    place.write("story.txt", story(300));
    assert_snapshot!(place.failure("build --from story.txt --set tokenizer.vocab_size=50000"), @"");
    assert_snapshot!(place.failure("tokenizer train story.txt --vocab-size 50000 --out t"), @"");
}

#[test]
fn a_recipe_is_not_replaced_unasked() {
    let place = Place::new();
    place.succeed("init recipe.toml");
    assert_snapshot!(place.failure("init recipe.toml"), @"");
    place.succeed("init recipe.toml --force");
}

#[test]
fn wrong_usage_has_exit_code_2() {
    let place = Place::new();
    for wrong in ["", "bulid", "build --budget", "build --budget 10 --from x", "tokenizer train x", "build --params 1M"] {
        let answer = place.nuwa(wrong);
        assert_eq!((answer.code, answer.out.as_str()), (Some(2), ""), "{wrong}: {}", answer.err);
    }
    assert_snapshot!(place.nuwa("build --from x --budget ten").err, @"");
    assert_snapshot!(place.nuwa("build --from x --budget 5m --params 1M").err, @"");
}

#[test]
fn help_goes_to_standard_output() {
    let answer = Place::new().succeed("--help");
    assert_snapshot!(answer.out, @"");
}

#[test]
fn the_doctor_answers() {
    let place = Place::new();
    assert!(place.succeed("doctor").out.contains("GFLOP/s"));
    let figures: serde_json::Value = serde_json::from_str(&place.succeed("doctor --json").out).unwrap();
    assert!(figures["product_gflops_f32"].as_f64().unwrap() > 0.0);
}
