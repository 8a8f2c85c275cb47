use std::fs;

use nuwa_tokenizer::Tokenizer;

use crate::trained;

#[test]
fn what_was_loaded_is_saved_unchanged() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    trained(300).save(first.path()).unwrap();
    let loaded = Tokenizer::load(first.path()).unwrap();
    loaded.save(second.path()).unwrap();
    for name in ["tokenizer.json", "tokenizer_config.json"] {
        assert_eq!(fs::read(first.path().join(name)).unwrap(), fs::read(second.path().join(name)).unwrap());
    }
    assert_eq!(loaded.chat_template(), Some(nuwa_tokenizer::CHAT_TEMPLATE));
    assert_eq!(loaded.eos(), Some(0));
}

#[test]
fn a_file_and_its_folder_are_the_same() {
    let folder = tempfile::tempdir().unwrap();
    trained(300).save(folder.path()).unwrap();
    let (whole, file) = (
        Tokenizer::load(folder.path()).unwrap(),
        Tokenizer::load(&folder.path().join("tokenizer.json")).unwrap(),
    );
    assert_eq!(whole.encode("the river").unwrap(), file.encode("the river").unwrap());
}

#[test]
fn a_template_in_a_file_of_its_own_wins_and_end_tokens_may_be_objects() {
    let folder = tempfile::tempdir().unwrap();
    trained(300).save(folder.path()).unwrap();
    fs::write(folder.path().join("chat_template.jinja"), "{{ eos_token }}").unwrap();
    fs::write(
        folder.path().join("tokenizer_config.json"),
        r#"{"eos_token": {"content": "<|im_end|>", "lstrip": false}}"#,
    )
    .unwrap();
    let tokenizer = Tokenizer::load(folder.path()).unwrap();
    assert_eq!(tokenizer.eos(), Some(2));
    assert_eq!(tokenizer.bos(), None);
    assert_eq!(tokenizer.apply_chat_template(&[], false).unwrap(), "<|im_end|>");
}

#[test]
fn an_added_token_of_plain_text_is_recognised_and_numbered_as_in_transformers() {
    // The number in the file is right, too high, and the highest there is.
    [300, 305, u32::MAX].into_iter().for_each(check_added_token);
}

fn check_added_token(id: u32) {
    let folder = tempfile::tempdir().unwrap();
    trained(300).save(folder.path()).unwrap();
    let path = folder.path().join("tokenizer.json");
    let mut value: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let added = serde_json::json!({"id": id, "content": "<think>", "single_word": false, "lstrip": false,
        "rstrip": false, "normalized": false, "special": false});
    value["added_tokens"].as_array_mut().unwrap().push(added);
    fs::write(&path, value.to_string()).unwrap();
    let tokenizer = Tokenizer::load(folder.path()).unwrap();
    assert_eq!(tokenizer.encode("<think>").unwrap(), [300]);
    assert_eq!(tokenizer.vocab_size(), 301);
    assert_eq!(
        tokenizer.encode("a<|im_end|>").unwrap(),
        tokenizer.encode_by_library("a<|im_end|>", false).unwrap()
    );
}
