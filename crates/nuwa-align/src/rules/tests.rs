use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::data::{Record, prompt};

fn of(fields: Value) -> Prompt {
    prompt(&Record::new((fields.as_object().unwrap().clone(), "prompts.jsonl:1".into()))).unwrap()
}

fn rules(specs: &[&str]) -> Result<Rules> {
    Rules::parse(&specs.iter().map(ToString::to_string).collect::<Vec<_>>())
}

/// What one rule makes of an answer to a question that these answers are right for.
fn score(spec: &str, answers: Value, answer: &str) -> Option<f32> {
    let prompt = of(json!({"prompt": "Where does Mina live?", "answers": answers}));
    let judged = Judged { prompt: &prompt, answer, ended: true };
    rules(&[spec]).unwrap().scores(&[judged]).unwrap()[0].parts[0]
}

fn says(spec: &str, parts: &[&str]) {
    let error = rules(&[spec]).unwrap_err();
    let told = format!("{error}\n{}", error.hint().unwrap());
    assert!(parts.iter().all(|part| told.contains(part)), "{told}");
}

#[test]
fn answers_are_compared_in_normal_form() {
    let town = || json!(["Arlen", "the town of Arlen"]);
    for (spec, answer, expected) in [
        ("exact", " ARLEN. ", 1.0),
        ("exact", "the town of Arlen!", 1.0),
        ("exact", "Mina lives in Arlen.", 0.0),
        ("exact", "", 0.0),
        ("contains", "Mina lives in Arlen.", 1.0),
        ("contains", "Mina lives in Arlenburg.", 0.0),
    ] {
        assert_eq!(score(spec, town(), answer), Some(expected), "{spec} {answer}");
    }
    assert_eq!(score("exact", json!("阿伦镇"), "阿 伦 镇。"), Some(1.0));
    assert_eq!(score("contains", json!("阿伦镇"), "米娜住在阿伦镇。"), Some(1.0));
    assert_eq!(score("contains", json!("阿伦镇"), "米娜住在阿伦。"), Some(0.0));
    assert_eq!(score("exact", json!([]), "Arlen"), None, "nothing to compare with");
    assert_eq!(score("exact", json!("?!"), "!?"), None, "nor in marks alone");
}

#[test]
fn the_last_number_counts() {
    for (spec, reference, answer, expected) in [
        ("numeric", json!(72), "48 + 24 = 72", Some(1.0)),
        ("numeric", json!("so 48 + 24\n#### 72"), "It is 72.0.", Some(1.0)),
        ("numeric", json!(1200), "一共 １，２００ 元。", Some(1.0)),
        ("numeric", json!(-3), "= -3", Some(1.0)),
        ("numeric", json!(3), "= -3", Some(0.0)),
        ("numeric", json!(72), "seventy-two", Some(0.0)),
        ("numeric:0.01", json!(3.1416), "about 3.14", Some(1.0)),
        ("numeric:0.001", json!(3.1416), "about 3.14", Some(0.0)),
        ("numeric", json!("many"), "72", None),
        ("numeric", json!(72), "1e999", Some(0.0)),
    ] {
        assert_eq!(score(spec, reference, answer), expected, "{spec} {answer}");
    }
}

#[test]
fn patterns_match_or_are_compared() {
    assert_eq!(score("regex:^[0-9]+$", json!([]), "42"), Some(1.0));
    assert_eq!(score("regex:^[0-9]+$", json!([]), "42 "), Some(0.0));
    let tagged = "regex:<answer>(?<answer>.*?)</answer>";
    assert_eq!(score(tagged, json!("Arlen"), "Hm. <answer> arlen </answer>"), Some(1.0));
    assert_eq!(score(tagged, json!("Arlen"), "<answer>Corvo</answer> no, <answer>Arlen</answer>"), Some(1.0));
    assert_eq!(score(tagged, json!("Arlen"), "Arlen"), Some(0.0));
    assert_eq!(score(tagged, json!([]), "<answer>Arlen</answer>"), None);
    let bomb = "a".repeat(200_000) + "!";
    assert_eq!(score("regex:^(a+)+$", json!([]), &bomb), Some(0.0));
}

#[test]
fn choices_are_compared_by_their_letters() {
    assert_eq!(score("choice", json!("B"), "The answer is (b)... no, the answer is (B)."), Some(1.0));
    assert_eq!(score("choice", json!("(C) Arlen"), "选C"), Some(1.0));
    assert_eq!(score("choice", json!("C"), "B"), Some(0.0));
    assert_eq!(score("choice", json!("Arlen"), "B"), None);
}

#[test]
fn forms_need_no_references() {
    for (spec, answer, expected) in [
        ("json", r#" {"a": [1, 2]} "#, 1.0),
        ("json", r#"{"a": 1,}"#, 0.0),
        ("json", "", 0.0),
        ("length:3-5", "one two three", 1.0),
        ("length:3-5", "one", 1.0 / 3.0),
        ("length:3-5", "一二三四五六七八九十", 0.5),
        ("length:-2", "", 1.0),
        ("length:2-", "", 0.0),
        ("language:en", "Mina lives in Arlen.", 1.0),
        ("language:en", "米娜住在阿伦镇。", 0.0),
        ("language:zh", "米娜住在 Arlen。", 0.8),
        ("language:zh", "7", 1.0),
        ("language:zh", "", 0.0),
        ("language:en", "Мина живёт", 0.0),
        ("language", "Mina lives in Arlen.", 1.0),
        ("language", "米娜", 0.0),
        ("no-repetition", "one two three four", 0.0),
        ("no-repetition:1", "one two One two", -0.5),
        ("no-repetition:2", "好好好好好", -0.75),
        ("no-repetition", "", 0.0),
        ("ended", "", 1.0),
    ] {
        assert_eq!(score(spec, json!([]), answer), Some(expected), "{spec} {answer}");
    }
    let russian = of(json!({"prompt": "Где живёт Мина?"}));
    let judged = Judged { prompt: &russian, answer: "Arlen", ended: false };
    let scores = rules(&["language", "ended"]).unwrap().scores(&[judged]).unwrap();
    assert_eq!(scores, [RuleScore { total: Some(0.0), parts: vec![None, Some(0.0)] }]);
}

#[test]
fn hostile_answers_are_scored_like_others() {
    let deep = "[".repeat(200_000);
    let long = "word ".repeat(200_000) + "7";
    let marks = "a\u{301}".to_string() + &"\u{301}".repeat(50_000);
    for spec in ["exact", "contains", "numeric", "choice", "json", "length:1-5", "language", "no-repetition"]
    {
        for answer in [&deep, &long, &marks] {
            let score = score(spec, json!(["B", 7]), answer).unwrap();
            assert!((-1.0..=1.0).contains(&score), "{spec} {score}");
        }
    }
}

#[test]
fn scores_add_up_by_their_weights() {
    let prompt = of(json!({"prompt": "Where?", "answer": "Arlen"}));
    let other = of(json!({"prompt": "Who?"}));
    let rules = rules(&["exact*0.5", " ended * -2", "numeric"]).unwrap();
    assert_eq!(rules.names(), ["exact", "ended", "numeric"]);
    let judged = [
        Judged { prompt: &prompt, answer: "Arlen", ended: true },
        Judged { prompt: &prompt, answer: "Corvo", ended: false },
        Judged { prompt: &other, answer: "Arlen", ended: true },
    ];
    let scores = rules.scores(&judged).unwrap();
    assert_eq!(
        scores.iter().map(|score| score.total).collect::<Vec<_>>(),
        [Some(-1.5), Some(0.0), Some(-2.0)]
    );
    assert_eq!(scores[2].parts, [None, Some(1.0), None]);
    let stats = rules.stats(&scores);
    let expected = RuleStats { name: "exact".into(), scored: 2, mean: 0.5, deviation: 0.5_f32.sqrt() };
    assert_eq!(stats[0], expected);
    assert_eq!((stats[2].scored, stats[2].mean, stats[2].deviation), (0, 0.0, 0.0));
    assert_eq!(Rules::default().scores(&judged[..1]).unwrap()[0].total, None);
}

#[test]
fn weights_stand_behind_the_last_star() {
    for (spec, name, weight) in [
        ("exact*0.8", "exact", 0.8),
        ("regex:a*", "regex:a*", 1.0),
        ("regex:a*3", "regex:a", 3.0),
        ("regex:a*3*1", "regex:a*3", 1.0),
        ("length:2-9*1e-1", "length:2-9", 0.1),
        ("regex:a*inf", "regex:a*inf", 1.0),
    ] {
        let rules = rules(&[spec]).unwrap();
        assert_eq!((rules.names()[0].as_str(), rules.parts[0].weight), (name, weight), "{spec}");
    }
}

#[test]
fn a_rule_that_is_written_wrongly_says_how_it_is_written() {
    says("exakt", &["\"exakt\"", "did you mean exact?"]);
    says("language_zh", &["did you mean language?"]);
    says("reward", &["the rules are exact, contains"]);
    says("", &["the rules are"]);
    says("exact*much", &["its weight is \"much\"", "exact*0.5"]);
    says("exact:Arlen", &["it takes no argument"]);
    says("ended@5", &["time limit"]);
    says("numeric:-1", &["\"-1\"", "0 or more"]);
    says("regex", &["a pattern is missing", "regex:PATTERN"]);
    says("regex:(", &["not valid", "regex crate"]);
    says("regex:(?=a)", &["no look-around"]);
    says("length", &["a range is missing", "length:MIN-MAX"]);
    says("length:9-2", &["\"9-2\"", "5-20"]);
    says("length:-", &["5-20"]);
    says("language:fr", &["\"fr\"", "zh or en"]);
    says("no-repetition:0", &["from 1 to 100"]);
    says("program", &["a command is missing"]);
    says("program@soon:judge", &["\"soon\"", "seconds"]);
    says("program:\"judge", &["not closed"]);
    let twice = rules(&["exact", "exact*2"]).unwrap_err().to_string();
    assert!(twice.contains("named twice"), "{twice}");
}

#[test]
fn rules_that_compare_ask_for_references_before_work_begins() {
    let bare = of(json!({"prompt": "Where?"}));
    let named = of(json!({"prompt": "Where?", "answer": "Arlen"}));
    let all = [bare.clone(), named.clone()];
    for spec in ["exact", "contains", "regex:(?<answer>.*)"] {
        assert!(rules(&[spec]).unwrap().check(&all).is_ok(), "{spec}");
        let error = rules(&[spec]).unwrap().check(&all[..1]).unwrap_err();
        assert!(error.to_string().contains("none of the 1 prompts has one"), "{error}");
        assert!(error.hint().unwrap().contains("reference"), "{error}");
    }
    for (spec, what) in [("numeric", "a number"), ("choice", "the letter of a choice")] {
        let error = rules(&[spec]).unwrap().check(&all).unwrap_err().to_string();
        assert!(error.contains(what) && error.contains("\"Arlen\""), "{error}");
    }
    let unconcerned =
        ["ended", "json", "length:1-2", "language", "no-repetition", "regex:a", "program:judge"];
    assert!(rules(&unconcerned).unwrap().check(&all[..1]).is_ok());
}

/// A rule of the program's own that gives what it is told.
#[derive(Debug)]
struct Own(Vec<Option<f32>>);

impl Rule for Own {
    fn name(&self) -> String {
        "world".into()
    }

    fn scores(&self, _: &[Judged<'_>]) -> Result<Vec<Option<f32>>> {
        Ok(self.0.clone())
    }
}

#[test]
fn a_program_brings_rules_of_its_own() {
    let prompt = of(json!({"prompt": "Where?"}));
    let judged = [Judged { prompt: &prompt, answer: "Arlen", ended: true }];
    let with = |scores: Vec<Option<f32>>| -> Vec<Box<dyn Rule>> { vec![Box::new(Own(scores))] };
    let specs = ["world*3".to_string(), "ended".into()];
    let rules = Rules::parse_with(&specs, with(vec![Some(0.5)])).unwrap();
    assert_eq!(rules.scores(&judged).unwrap()[0].total, Some(2.5));
    let near = Rules::parse_with(&["wold".into()], with(Vec::new())).unwrap_err();
    assert_eq!(near.hint().unwrap(), "did you mean world?");
    for (scores, problem) in [
        (vec![Some(f32::NAN)], "NaN"),
        (vec![Some(f32::INFINITY)], "inf"),
        (vec![], "0 scores for 1 answers"),
    ] {
        let error = Rules::parse_with(&specs, with(scores)).unwrap().scores(&judged).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_rule_or_an_error_with_advice(spec in "\\PC{0,30}|(exact|regex|length|numeric|program@?)[:*@0-9a(.-]{0,12}") {
        if let Err(error) = rules(&[&spec]) {
            prop_assert!(error.hint().is_some());
        }
    }

    #[test]
    fn an_answer_equals_itself_and_is_in_what_holds_it(answer in "[a-z0-9一-龥]{1,10}( [a-z0-9一-龥]{1,10}){0,5}", around in "[a-z]{1,5}") {
        prop_assert_eq!(score("exact", json!(answer), &answer.to_uppercase()), Some(1.0));
        prop_assert_eq!(score("contains", json!(answer), &format!("{around}: {answer}.")), Some(1.0));
    }

    #[test]
    fn every_built_in_rule_scores_any_answer(answer in "\\PC{0,60}", reference in "\\PC{0,20}") {
        for spec in ["exact", "contains", "numeric", "choice", "regex:(?<answer>\\w+)", "json", "length:2-4", "language", "no-repetition", "ended"] {
            let score = score(spec, json!(reference), &answer);
            prop_assert!(score.is_none_or(|score| (-1.0..=1.0).contains(&score)));
        }
    }
}
