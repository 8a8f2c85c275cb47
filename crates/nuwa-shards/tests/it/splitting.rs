use nuwa_files::Document;
use nuwa_shards::split::{Split, SplitSettings, training_texts};
use proptest::prelude::*;

use crate::documents_of;

/// Bytes of the three parts.
fn check(texts: &[String], share: f64) -> [usize; 3] {
    let references: Vec<&str> = texts.iter().map(String::as_str).collect();
    let folder = documents_of(&references);
    let settings = SplitSettings { validation_share: share, ..Default::default() };
    let split = Split::plan(folder.path(), &settings).unwrap();
    let documents: Vec<Document> =
        nuwa_files::documents::read(folder.path()).unwrap().map(Result::unwrap).collect();
    let (mut train, mut validation, mut test) = (String::new(), 0, 0);
    for document in &documents {
        let parts = split.divide(document);
        assert_eq!(format!("{}{}{}", parts.train, parts.validation, parts.test), document.text);
        train.push_str(parts.train);
        validation += parts.validation.len();
        test += parts.test.len();
    }
    let mut iterator = training_texts(folder.path(), &settings).unwrap();
    assert_eq!(iterator.by_ref().collect::<String>(), train);
    iterator.finish().unwrap();
    [train.len(), validation, test]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn nothing_in_two_parts_and_nothing_lost(texts in prop::collection::vec("[a-z\n 静以。]{20,200}", 1..60)) {
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
        let parts = check(&texts, 0.1);
        let share = |part: usize| part as f64 / parts.iter().sum::<usize>() as f64;
        assert!((0.025..=0.1).contains(&share(parts[1])), "{parts:?}");
        assert!((0.025..=0.1).contains(&share(parts[2])), "{parts:?}");
    }
}

#[test]
fn no_share_holds_back_nothing() {
    assert_eq!(check(&["some text of no great length".into()], 0.0)[1..], [0, 0]);
}

#[test]
fn a_short_end_is_all_for_test() {
    let [_, validation, test] = check(&["a hundred letters or so, ".repeat(4)], 0.1);
    assert!(validation == 0 && test > 0, "{validation} {test}");
}
