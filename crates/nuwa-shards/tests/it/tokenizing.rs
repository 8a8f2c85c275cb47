use nuwa_files::documents;
use nuwa_shards::split::{Split, SplitSettings, training_texts};
use nuwa_shards::tokenize::{TokenizeSettings, tokenize};
use nuwa_shards::{Part, Shards};
use nuwa_tokenizer::{TrainSettings, train};

use crate::documents_of;

#[test]
fn documents_become_shards_and_come_back_as_text() {
    let texts: Vec<String> =
        (0..60).map(|at| format!("Document {at} says: 你好, hello number {}.\n", at * at)).collect();
    let references: Vec<&str> = texts.iter().map(String::as_str).collect();
    let input = documents_of(&references);
    let learnt = training_texts(input.path(), &SplitSettings::default()).unwrap();
    let settings = TrainSettings { vocab_size: 300, min_frequency: 1, ..Default::default() };
    let tokenizer = train(learnt, &settings, &mut |_| {}).unwrap();
    let out = tempfile::tempdir().unwrap();
    let settings = TokenizeSettings { shard_tokens: 500, ..Default::default() };
    let summary = tokenize(input.path(), &tokenizer, out.path(), &settings, &mut |_| {}).unwrap();

    let split = Split::plan(input.path(), &settings.split).unwrap();
    let parts =
        [(Part::Train, &summary.train), (Part::Validation, &summary.val), (Part::Test, &summary.test)];
    for (part, counts) in parts {
        let shards = Shards::open(out.path(), part).unwrap();
        assert_eq!(
            (shards.tokens(), shards.documents(), shards.bytes(), shards.characters()),
            (counts.tokens, counts.documents, counts.bytes, counts.characters)
        );
        let mut ids = vec![0; shards.tokens() as usize];
        shards.read(0, &mut ids).unwrap();
        let mut start = 0;
        let mut decoded = Vec::new();
        for end in shards.ends_in(0, shards.tokens()).unwrap() {
            let document = &ids[start as usize..end as usize];
            assert_eq!(document.last(), Some(&summary.eos));
            decoded.push(tokenizer.decode(&document[..document.len() - 1]).unwrap());
            start = end;
        }
        let expected: Vec<String> = documents::read(input.path())
            .unwrap()
            .map(|document| {
                let document = document.unwrap();
                let parts = split.divide(&document);
                match part {
                    Part::Train => parts.train.to_string(),
                    Part::Validation => parts.validation.to_string(),
                    Part::Test => parts.test.to_string(),
                }
            })
            .filter(|text| !text.is_empty())
            .collect();
        assert_eq!(decoded, expected);
    }
    assert!(summary.val.documents > 0 && summary.test.documents > 0 && summary.bytes_per_token > 1.0);
    assert!(out.path().join("train-00001.bin").exists() && out.path().join("tokenize.json").exists());
}

#[test]
fn a_corpus_without_a_validation_part_is_an_error() {
    let input = documents_of(&["tiny"]);
    let error = Split::plan(input.path(), &SplitSettings::default()).unwrap_err();
    insta::assert_snapshot!(crate::shown(&error, input.path()), @r#"
    DIR is too small to hold out a validation part
    hint: give more text, or set tokenize.split.validation_share = 0
    "#);
}
