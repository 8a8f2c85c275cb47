use std::fs;
use std::sync::LazyLock;

use nuwa_tokenizer::{SplitRule, Tokenizer, TrainSettings, train};
use proptest::prelude::*;

use crate::{corpus, shared, trained};

static OURS: LazyLock<Tokenizer> = LazyLock::new(|| trained(500));
static BY_RULE: LazyLock<Vec<Tokenizer>> = LazyLock::new(|| {
    let rules = [SplitRule::Llama3, SplitRule::Qwen2, SplitRule::Gpt2];
    let settings = rules.map(|split| TrainSettings { vocab_size: 340, split, ..TrainSettings::default() });
    settings.iter().map(|settings| train(corpus().into_iter(), settings, &mut |_| {}).unwrap()).collect()
});

/// Text of the kinds that trip tokenizers: odd blanks, digits, marks, Chinese, emoji, and anything else.
fn odd_text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "[a-zA-Z]{1,8}",
        "[0-9]{1,7}",
        "[ \t\r\n\u{a0}\u{3000}\u{2028}\u{85}]{1,4}",
        "[一-龥]{1,6}",
        "[ぁ-んァ-ヶ]{1,4}",
        "[!-/:-@。，！？「」]{1,3}",
        "['’](s|t|RE|ll|d)",
        Just("👩‍👩‍👧‍👦🇨🇳e\u{301}\u{200b}\u{feff}".to_string()),
        Just("<|endoftext|><|im_start|>".to_string()),
        "\\PC{0,6}",
        any::<String>(),
    ];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

/// Added tokens of every kind: one within another, one that is a beginning of another, special and plain, normalized or not.
static WITH_ADDED: LazyLock<Tokenizer> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    trained(340).save(folder.path()).unwrap();
    let path = folder.path().join("tokenizer.json");
    let mut value: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let added = [
        ("ab", true, false),
        ("abc", false, false),
        ("<ab>", true, false),
        ("bc", false, true),
        ("c", true, true),
    ];
    for (id, (content, special, normalized)) in (340..).zip(added) {
        value["added_tokens"].as_array_mut().unwrap().push(serde_json::json!({
            "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": normalized, "special": special,
        }));
    }
    fs::write(&path, value.to_string()).unwrap();
    Tokenizer::load(&path).unwrap()
});

#[test]
fn the_ids_of_a_long_text_come_in_parts() {
    let text = "a<ab>\u{4e2d}".repeat(40_000) + &"x".repeat(3 << 20);
    for special in [false, true] {
        let (mut ids, mut parts) = (Vec::new(), 0);
        WITH_ADDED
            .encode_in_parts(&text, special, &mut |part| {
                ids.extend_from_slice(part);
                parts += 1;
            })
            .unwrap();
        let all = match special {
            true => WITH_ADDED.encode_with_special_tokens(&text),
            false => WITH_ADDED.encode(&text),
        };
        assert!(ids == all.unwrap(), "the parts are other ids");
        assert!(parts > 3, "{parts} parts");
    }
}

proptest! {
    #[test]
    fn added_tokens_are_found_as_the_library_finds_them(text in "[abc<> ]{0,24}") {
        for special in [false, true] {
            let ids = match special {
                true => WITH_ADDED.encode_with_special_tokens(&text),
                false => WITH_ADDED.encode(&text),
            };
            prop_assert_eq!(ids.unwrap(), WITH_ADDED.encode_by_library(&text, special).unwrap());
        }
    }

    #[test]
    fn decoding_undoes_encoding(text in odd_text()) {
        let ids = OURS.encode(&text).unwrap();
        prop_assert_eq!(OURS.decode(&ids).unwrap(), text.clone());
        let ids = OURS.encode_with_special_tokens(&text).unwrap();
        prop_assert_eq!(OURS.decode(&ids).unwrap(), text);
    }

    #[test]
    fn the_fast_road_gives_the_librarys_ids(text in odd_text()) {
        for tokenizer in BY_RULE.iter().chain([&*OURS]) {
            prop_assert_eq!(tokenizer.encode(&text).unwrap(), tokenizer.encode_by_library(&text, false).unwrap());
            let special = tokenizer.encode_with_special_tokens(&text).unwrap();
            prop_assert_eq!(special, tokenizer.encode_by_library(&text, true).unwrap());
        }
    }

    #[test]
    fn a_stream_gives_the_same_text_in_whole_characters(ids in prop::collection::vec(0_u32..500, 0..60)) {
        let mut stream = OURS.stream_decoder();
        let mut text = String::new();
        for &id in &ids {
            text.extend(stream.push(id).unwrap());
        }
        text += &stream.finish();
        prop_assert_eq!(text, OURS.decode(&ids).unwrap());
    }

    #[test]
    fn a_stream_never_cuts_a_character(text in odd_text()) {
        let mut stream = OURS.stream_decoder();
        let mut position = 0;
        for id in OURS.encode(&text).unwrap() {
            if let Some(part) = stream.push(id).unwrap() {
                prop_assert!(text[position..].starts_with(&part));
                position += part.len();
            }
        }
        prop_assert_eq!(stream.finish(), "");
        prop_assert_eq!(position, text.len());
    }
}

#[test]
fn long_words_are_merged_as_the_library_does() {
    let words =
        ["ab".repeat(400), "大海河流".repeat(200), "=".repeat(5000), "theriverrunstotheseathe".repeat(50)];
    for tokenizer in BY_RULE.iter().chain([&*OURS]) {
        for word in &words {
            assert_eq!(tokenizer.encode(word).unwrap(), tokenizer.encode_by_library(word, false).unwrap());
        }
    }
}

#[test]
fn real_vocabularies_give_the_librarys_ids_on_every_language() {
    let name = "real_vocabularies_give_the_librarys_ids_on_every_language";
    let Some(data) = shared(name, "") else { return };
    for path in ["tokenizers/gpt2", "tokenizers/cl100k_base.tiktoken"] {
        let tokenizer = Tokenizer::load(&data.join(path)).unwrap();
        for entry in fs::read_dir(data.join("corpus/mars")).unwrap() {
            let text = String::from_utf8_lossy(&fs::read(entry.unwrap().path()).unwrap()).into_owned();
            assert_eq!(tokenizer.encode(&text).unwrap(), tokenizer.encode_by_library(&text, false).unwrap());
        }
    }
}

#[test]
fn wordpieces_stream_as_they_decode() {
    let Some(path) = shared("wordpieces_stream_as_they_decode", "tokenizers/bert") else { return };
    let bert = Tokenizer::load(&path).unwrap();
    let ids = bert.encode("The unbelievable river, isn't it? 大海 running.").unwrap();
    let mut stream = bert.stream_decoder();
    let mut text = String::new();
    for &id in &ids {
        text.extend(stream.push(id).unwrap());
    }
    text += &stream.finish();
    assert_eq!(text, bert.decode(&ids).unwrap());
}
