use nuwa_data::Document;
use nuwa_data::split::{Split, SplitSettings, training_texts};
use proptest::prelude::*;

use crate::documents_of;

fn check(texts: &[String], share: f64) -> (usize, usize) {
    let references: Vec<&str> = texts.iter().map(String::as_str).collect();
    let folder = documents_of(&references);
    let settings = SplitSettings { validation_share: share, ..Default::default() };
    let split = Split::plan(folder.path(), &settings).unwrap();
    let documents: Vec<Document> =
        nuwa_data::documents::read(folder.path()).unwrap().map(Result::unwrap).collect();
    let (mut train, mut validation) = (String::new(), 0);
    for document in &documents {
        let parts = split.divide(document);
        assert_eq!(format!("{}{}", parts.train, parts.validation), document.text);
        train.push_str(parts.train);
        validation += parts.validation.len();
    }
    let mut iterator = training_texts(folder.path(), &settings).unwrap();
    assert_eq!(iterator.by_ref().collect::<String>(), train);
    iterator.finish().unwrap();
    (train.len(), validation)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn nothing_in_both_parts_and_nothing_lost(texts in prop::collection::vec("[a-z\n 静以。]{20,200}", 1..60)) {
        check(&texts, 0.1);
    }
}

#[test]
fn the_share_is_met() {
    let many: Vec<String> = (0..500).map(|at| format!("document {at} {}", "x ".repeat(at % 50))).collect();
    let book = vec!["One sentence follows the other.\n\n".repeat(1000)];
    let giant: Vec<String> =
        (0..30).map(|at| format!("{at} {}", "word ".repeat(if at == 3 { 90_000 } else { 9 }))).collect();
    for texts in [many, book, giant] {
        let (train, validation) = check(&texts, 0.1);
        let share = validation as f64 / (train + validation) as f64;
        assert!((0.05..=0.2).contains(&share), "{share}");
    }
}

#[test]
fn no_share_holds_back_nothing() {
    assert_eq!(check(&["some text of no great length".into()], 0.0).1, 0);
}
