//! Rated answers: how they are read, written as tokens, and learnt.

use insta::assert_snapshot;
use nuwa_align::data::{Columns, Lessons};
use nuwa_align::pack::Example;
use nuwa_align::{BadRecords, Sft, packed, ratings};
use nuwa_nn::{Schedule, ScheduleKind};
use nuwa_tokenizer::Attribute;
use nuwa_train::Steps;

use crate::forms::{file, told};
use crate::rendering::tokenizer;
use crate::{sft_settings, tuned};

const RATED: &str = r#"{"context":[{"role":"user","content":"what is it"}],"response":"blue","ratings":{"sensible":1,"safe":0.25}}"#;

fn read(content: &str, bad: BadRecords) -> nuwa_align::Result<Lessons> {
    let (_folder, path) = file(content, "data.jsonl");
    Lessons::read(&[path], &Columns::new(), bad).map(|(lessons, _)| lessons)
}

/// The message, without the folder of the file.
fn refused(record: &str) -> String {
    let told = read(record, BadRecords::Error).unwrap_err().to_string();
    told[told.find("data.jsonl").unwrap()..].to_string()
}

#[test]
fn rated_answers_stand_beside_dialogues() {
    let lessons = read(
        &format!(
            "{RATED}\n{}\n{}\n",
            r#"{"prompt":"hello","completion":"there"}"#,
            r#"{"context":"what","response":"red.","ratings":{"specific":true}}"#
        ),
        BadRecords::Error,
    )
    .unwrap();
    assert_eq!((lessons.dialogues.len(), lessons.rated.len()), (1, 2));
    let [first, second] = &lessons.rated[..] else { panic!("{lessons:?}") };
    assert_eq!(told(&first.dialogue.messages), "user: what is it | assistant: blue");
    assert_eq!(first.ratings, [(Attribute::Sensible, 1.0), (Attribute::Safe, 0.25)].into());
    assert_eq!(told(&second.dialogue.messages), "user: what | assistant: red.");
    assert_eq!(lessons.attributes(), [Attribute::Sensible, Attribute::Specific, Attribute::Safe].into());
}

#[test]
fn a_record_without_a_rating_that_counts_is_refused_with_its_place() {
    let with = |ratings: &str| refused(&format!(r#"{{"context":"what","response":"red"{ratings}}}"#));
    assert_snapshot!(with(""), @r#"data.jsonl:1: it has no ratings: expected an object such as {"sensible": 1, "specific": 0, "interesting": 0, "safe": 1}"#);
    assert_snapshot!(with(r#","ratings":null"#), @r#"data.jsonl:1: it has no ratings: expected an object such as {"sensible": 1, "specific": 0, "interesting": 0, "safe": 1}"#);
    assert_snapshot!(with(r#","ratings":{}"#), @r#"data.jsonl:1: its ratings are empty: expected an object such as {"sensible": 1, "specific": 0, "interesting": 0, "safe": 1}"#);
    assert_snapshot!(with(r#","ratings":{"funny":1}"#), @r#"data.jsonl:1: "funny" is no attribute that answers are rated for: expected sensible, specific, interesting, safe, grounded"#);
    assert_snapshot!(with(r#","ratings":{"safe":2}"#), @"data.jsonl:1: the rating safe is 2, expected a number from 0 to 1");
    assert_snapshot!(with(r#","ratings":{"safe":"yes"}"#), @"data.jsonl:1: the rating safe is text, expected a number from 0 to 1");
    let answered = r#"{"context":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}],"response":"c","ratings":{"safe":1}}"#;
    assert_snapshot!(refused(answered), @"data.jsonl:1: the context does not end with what the response answers to");
    let kept =
        read(&format!("{RATED}\n{}", r#"{"context":"what","response":"red"}"#), BadRecords::Skip).unwrap();
    assert_eq!((kept.rated.len(), kept.dialogues.len()), (1, 0));
}

#[test]
fn the_rating_alone_is_learnt_after_the_end_of_the_answer() {
    let tokenizer = tokenizer();
    let lessons = read(RATED, BadRecords::Error).unwrap();
    let [sensible, safe] = &ratings::examples(&tokenizer, &lessons.rated[0], 100).unwrap()[..] else {
        panic!()
    };
    assert_snapshot!(tokenizer.decode(&sensible.ids).unwrap(), @r"
    <|im_start|>user
     what is it<|im_end|>
    <|im_start|>assistant
     blue<|im_end|>SENSIBLE 1
    ");
    assert!(tokenizer.decode(&safe.ids).unwrap().ends_with("<|im_end|>SAFE 0"));
    for example in [sensible, safe] {
        assert_eq!(example.trained.iter().rposition(|trained| *trained), Some(example.ids.len() - 1));
        assert_eq!(example.trained_tokens(), 1);
    }
    assert_eq!((sensible.other, safe.other), (None, Some((*sensible.ids.last().unwrap(), 0.25))));
    let short = ratings::examples(&tokenizer, &lessons.rated[0], 12).unwrap();
    assert!(short.iter().all(|example| example.positions() == 12 && example.trained_tokens() == 1));
}

#[test]
fn a_share_is_the_loss_of_both_ratings() {
    let of = |last: u32| Example::of(vec![5, 9, 3, last], vec![false, false, false, true]);
    let mixed = Example { other: Some((7, 0.25)), ..of(8) };
    let mut trainer = tuned("llama");
    let mut loss = |example: &Example| f64::from(trainer.pass(&packed([example], 1.0), 0).unwrap().total());
    let (zero, one) = (loss(&of(7)), loss(&of(8)));
    assert!((loss(&mixed) - (0.25 * zero + 0.75 * one)).abs() < 1e-5);
}

#[test]
fn a_model_learns_to_rate_beside_its_dialogues() {
    let of =
        |first: u32, rating: u32| Example::of(vec![first, 9, 3, rating], vec![false, false, false, true]);
    let examples: Vec<Example> = (0..8).map(|at| of(5 + at % 2, 20 + at % 2)).collect();
    let mut trainer = tuned("llama");
    let settings = nuwa_align::SftSettings { epochs: Some(60), batch_tokens: Some(24), ..sft_settings() };
    let mut sft = Sft::of_examples(examples, vec![of(5, 20), of(6, 21)], &settings, 1).unwrap();
    trainer.set_schedule(Schedule { floor: 0.1, warmup: 2, ..Schedule::new(ScheduleKind::Cosine, 1e-2, 60) });
    let before = sft.validate(&mut trainer).unwrap().unwrap().loss;
    for step in 0..60 {
        trainer.step(&mut sft, step).unwrap();
    }
    let after = sft.validate(&mut trainer).unwrap().unwrap().loss;
    assert!(after < 0.3 && after < before, "{before} {after}");
}
