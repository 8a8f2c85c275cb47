//! What records say about answers, in every form: pairs, single answers, scored ones.

use std::path::Path;

use nuwa_align::data::{self, Columns, JudgedAnswer, Opinions, preference};
use nuwa_align::{BadRecords, DpoSettings, PreferenceLoss, Result, TuningSettings};

use crate::forms::{file, told};

fn of(loss: PreferenceLoss) -> DpoSettings {
    DpoSettings { loss, ..DpoSettings::default() }
}

fn judged(record: &str, threshold: Option<f64>) -> Result<Vec<JudgedAnswer>> {
    let (_folder, path) = file(record, "data.jsonl");
    let settings = DpoSettings { score_threshold: threshold, ..of(PreferenceLoss::Kto) };
    Opinions::read(&[path], &Columns::new(), &settings).map(|(opinions, _)| match opinions {
        Opinions::Answers(answers) => answers,
        Opinions::Pairs(pairs) => panic!("pairs: {pairs:?}"),
    })
}

fn told_of(judged: &[JudgedAnswer]) -> String {
    let one = |one: &JudgedAnswer| {
        format!(
            "{} / {} / {}",
            told(&one.prompt),
            told(&one.answer),
            if one.is_good { "good" } else { "bad" }
        )
    };
    judged.iter().map(one).collect::<Vec<_>>().join("\n")
}

#[test]
fn single_answers_are_recognised_in_each_form() {
    for record in [
        r#"{"prompt":"a","completion":"b","label":true}"#,
        r#"{"prompt":"a","completion":"b","label":1}"#,
        r#"{"prompt":"a","completion":"b","label":"true"}"#,
        r#"{"prompt":"a","response":"b","label":"👍"}"#,
        r#"{"instruction":"a","input":"","output":"b","kto_tag":"good"}"#,
        r#"{"prompt":[{"role":"user","content":"a"}],"completion":[{"role":"assistant","content":"b"}],"label":true}"#,
        r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}],"label":true}"#,
        r#"{"conversations":[{"from":"human","value":"a"},{"from":"gpt","value":"b"}],"label":true}"#,
    ] {
        assert_eq!(told_of(&judged(record, None).unwrap()), "user: a / assistant: b / good", "{record}");
    }
    let bad = r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"},{"role":"assistant","content":"d"}],"label":false}"#;
    let expected = "user: a | assistant: b | user: c / assistant: d / bad";
    assert_eq!(told_of(&judged(bad, None).unwrap()), expected);
}

#[test]
fn a_pair_is_a_good_and_a_bad_answer() {
    let record = r#"{"prompt":"a","chosen":"b","rejected":"c"}"#;
    let expected = "user: a / assistant: b / good\nuser: a / assistant: c / bad";
    assert_eq!(told_of(&judged(record, None).unwrap()), expected);
}

#[test]
fn scored_answers_are_judged_by_a_threshold_or_their_mean() {
    let record = r#"{"prompt":"a","completions":["b","c","d"],"scores":[3,1,2]}"#;
    let by_mean = "user: a / assistant: b / good\nuser: a / assistant: c / bad";
    assert_eq!(told_of(&judged(record, None).unwrap()), by_mean);
    let kinds: Vec<bool> = judged(record, Some(2.0)).unwrap().iter().map(|one| one.is_good).collect();
    assert_eq!(kinds, [true, false, true]);
    let told =
        judged(r#"{"prompt":"a","completions":["b","c"],"scores":[2,2]}"#, None).unwrap_err().to_string();
    assert!(told.contains("its answers all have the same score"), "{told}");
}

#[test]
fn of_scored_answers_the_best_is_chosen_over_the_worst() {
    let record = r#"{"instruction":"a","responses":[{"role":"assistant","content":"b"},"c","d"],"rewards":[0.1,-2,0.7]}"#;
    let (_folder, path) = file(record, "data.jsonl");
    let (read, _) = data::read(&[path], &Columns::new(), BadRecords::Error, preference).unwrap();
    let found = [&read[0].prompt, &read[0].chosen, &read[0].rejected].map(|turns| told(turns));
    assert_eq!(found, ["user: a", "assistant: d", "assistant: c"]);
}

#[test]
fn what_is_wrong_with_an_opinion_is_said() {
    let mut said = Vec::new();
    for record in [
        r#"{"prompt":"a","completion":"b","label":"maybe"}"#,
        r#"{"prompt":"a","completion":"b","label":0.5}"#,
        r#"{"prompt":"a","completion":"b","label":[1]}"#,
        r#"{"prompt":"a","label":true}"#,
        r#"{"prompt":"a","completion":"b"}"#,
        r#"{"prompt":"a","completions":["b","c"],"scores":[1]}"#,
        r#"{"prompt":"a","completions":["b",""],"scores":[1,2]}"#,
        r#"{"prompt":"a","completions":["b","c"],"scores":[1,"high"]}"#,
        r#"{"prompt":"a","completions":"b","scores":[1]}"#,
        r#"{"completions":["b","c"],"scores":[1,2]}"#,
    ] {
        let error = judged(record, None).unwrap_err();
        let text = error.to_string();
        let text = text.rsplit_once("/data").map_or(text.clone(), |(_, rest)| format!("data{rest}"));
        said.push(format!("{text}\n  {}", error.hint().unwrap_or_default()));
    }
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn real_opinions_are_read() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/pref");
    if !data.is_dir() {
        println!("skipped: real_opinions_are_read");
        return;
    }
    let tuning = TuningSettings { bad_records: BadRecords::Skip, ..TuningSettings::default() };
    let settings = |loss| DpoSettings { tuning: tuning.clone(), ..of(loss) };
    for (name, least) in [
        ("kto_en_demo.json", 298),
        ("dpo_en_demo.json", 590),
        ("dpo_zh_demo.json", 590),
        ("hh_harmless_1800.jsonl.gz", 3400),
    ] {
        let (opinions, reading) =
            Opinions::read(&[data.join(name)], &Columns::new(), &settings(PreferenceLoss::Kto)).unwrap();
        let Opinions::Answers(answers) = opinions else { panic!("{name}: pairs") };
        let good = answers.iter().filter(|answer| answer.is_good).count();
        println!(
            "{name}: {} answers, {good} good, {:?} {:?}",
            answers.len(),
            reading.skipped,
            reading.mended
        );
        assert!(
            answers.len() >= least && good > least / 3 && good < answers.len(),
            "{name}: {}",
            answers.len()
        );
    }
    let unpaired =
        Opinions::read(&[data.join("kto_en_demo.json")], &Columns::new(), &of(PreferenceLoss::Ipo));
    let told = unpaired.unwrap_err().hint().unwrap();
    assert!(told.contains("dpo.loss = \"kto\""), "{told}");
}
