//! Rated answers of the world, a model that learns to rate, and answers chosen by its ratings or by a person.

use insta::assert_snapshot;
use serde_json::Value;

use super::support::Place;

const WORLD: &str = "world --out world --size 80 --set world.chinese=0 --set world.dialogues=100 --set world.preferences=20 \
                     --set world.ratings=60 --set world.items=4";
const SIZES: &str = "--params 20k --tokens 16k --set model.context=128 --set model.layers=1";
const TALK: &str = "--max-tokens 8 --least-safe 0";

/// A model that was taught to answer and to rate, in `rater`.
fn rater() -> Place {
    let place = Place::new();
    place.succeed(WORLD);
    place.succeed("collect world/corpus --out documents");
    place.succeed("tokenizer train documents --vocab-size 400 --out tokenizer");
    place.succeed("tokenize documents --tokenizer tokenizer --out shards");
    place.succeed(&format!("pretrain --data shards --out base {SIZES}"));
    place.succeed("sft base --data world/sft.jsonl world/ratings.jsonl --out rater --epochs 1");
    place
}

/// The column of a table of candidates.
fn column(table: &str, name: &str) -> Vec<f64> {
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    let header = lines.iter().position(|line| line.first() == Some(&"rank")).expect("there is a table");
    let place = lines[header].iter().position(|own| *own == name).unwrap();
    let rows = lines[header + 1..].iter().take_while(|line| line[0].parse::<usize>().is_ok());
    rows.map(|line| line[place].parse().unwrap()).collect()
}

/// Trained and asked in one test, since the training takes the time.
#[test]
fn from_rated_answers_to_the_best_of_several() {
    let place = rater();
    let config: Value = serde_json::from_str(&place.read("rater/model/tokenizer_config.json")).unwrap();
    assert_eq!(
        config["rating_attributes"],
        serde_json::json!(["sensible", "specific", "interesting", "safe"])
    );
    let learnt: Value = serde_json::from_str(&place.read("rater/sft.json")).unwrap();
    assert!(learnt["dialogues"]["ratings"].as_u64().unwrap() > 200, "{learnt}");

    let asked = format!("chat rater --candidates 6 {TALK}");
    let answer = place.nuwa_with_input(&asked, b"Where does Mina live?\n/why\nWho are you?\n");
    assert!(answer.code == Some(0) && answer.out.lines().count() >= 2, "{answer:?}");
    let quality = column(&answer.err, "quality");
    assert!(!quality.is_empty() && quality.is_sorted_by(|one, other| one >= other), "{}", answer.err);
    assert!((1.0..=6.0).contains(&column(&answer.err, "drawn").iter().sum::<f64>()));
    for attribute in ["sensible", "specific", "interesting", "safe"] {
        assert!(column(&answer.err, attribute).iter().all(|rating| (0.0..=1.0).contains(rating)));
    }
    let again = place.nuwa_with_input(&asked, b"Where does Mina live?\n/why\nWho are you?\n");
    assert_eq!(answer.out, again.out, "the same seed and questions give the same answers");
    let strict =
        place.nuwa("chat rater --candidates 3 --max-tokens 4 --least-safe 1 --refusal No. --prompt Hello");
    assert_eq!(strict.out, "No.\n");

    chosen_drafts_are_preferences(&place);
    what_cannot_be_chosen_is_refused(&place);
}

fn chosen_drafts_are_preferences(place: &Place) {
    place.write("choices.jsonl", "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\"}\n");
    let asked = format!("chat rater --drafts 3 --feedback choices.jsonl --system Short. {TALK}");
    let answer = place.nuwa_with_input(&asked, b"Where does Mina live?\n/choose 2\nWhy?\n");
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let choices: Vec<Value> =
        place.read("choices.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(choices.len(), 3, "two are added to the one that was there");
    for choice in &choices[1..] {
        let (chosen, rejected) = (choice["chosen"].as_str().unwrap(), choice["rejected"].as_str().unwrap());
        assert!(answer.out.contains(&format!("2) {chosen}")) && answer.out.contains(rejected), "{answer:?}");
        assert_ne!(choice["rejected"], choice["chosen"]);
        let roles: Vec<&str> =
            choice["prompt"].as_array().unwrap().iter().map(|turn| turn["role"].as_str().unwrap()).collect();
        assert_eq!(roles, ["system", "user"]);
    }
    place.succeed("dpo rater --data choices.jsonl --out preferred --epochs 1");
    let config = place.read("preferred/model/tokenizer_config.json");
    assert!(config.contains("rating_attributes"), "what was taught stays known");
}

fn what_cannot_be_chosen_is_refused(place: &Place) {
    assert_snapshot!(place.failure("chat base --candidates 4 --prompt a"), @r"
    error: this is a base model: it continues text, and has no answers to choose among
    hint: teach it to answer first: nuwa sft --help
    ");
    assert_snapshot!(place.failure("chat rater --candidates 4 --least-safe 2 --prompt a"), @r"
    error: least_safe = 2: expected a number from 0 to 1
    hint: `nuwa chat --help` says what is expected
    ");
    let told = place.nuwa_with_input("chat rater", b"/why\n").err;
    assert_snapshot!(told, @r"
    error: line 1: there is no more to tell: the answer is what the model wrote at once
    hint: start with --candidates 16, --drafts 3 or --search
    error: 1 line could not be answered
    hint: each is named above, with the reason
    ");
    let told = place.nuwa_with_input(&format!("chat rater --drafts 3 {TALK}"), b"/choose 2\n").err;
    assert!(told.contains("there are no drafts to choose among"), "{told}");

    let mut config: Value = serde_json::from_str(&place.read("rater/model/tokenizer_config.json")).unwrap();
    config.as_object_mut().unwrap().remove("rating_attributes");
    place.write("rater/model/tokenizer_config.json", config.to_string());
    assert_snapshot!(place.failure("chat rater --candidates 4 --prompt a"), @r"
    error: rater/model was not taught to rate answers
    hint: teach it with rated answers beside dialogues: nuwa sft rater/model --data answers.jsonl ratings.jsonl --out rater (nuwa sft --help says what such a record holds); without ratings, --drafts 3 shows several answers
    ");
    place.write("bad.jsonl", "{\"context\": \"a\", \"response\": \"b\", \"ratings\": {\"kind\": 1}}\n");
    assert_snapshot!(place.failure("sft rater --data bad.jsonl --out other"), @r#"
    error: bad.jsonl:1: "kind" is no attribute that answers are rated for: expected sensible, specific, interesting, safe, grounded
    hint: correct the record, or leave such records out: --set sft.tuning.bad_records=skip
    "#);
}
