use nuwa_tokenizer::{END_OF_TEXT, MESSAGE_END, MESSAGE_START, TrainSettings, train};

use crate::{corpus, trained};

#[test]
fn the_same_texts_give_the_same_tokenizer() {
    let save = || {
        let folder = tempfile::tempdir().unwrap();
        trained(500).save(folder.path()).unwrap();
        ["tokenizer.json", "tokenizer_config.json"]
            .map(|name| std::fs::read_to_string(folder.path().join(name)).unwrap())
    };
    assert_eq!(save(), save());
}

#[test]
fn the_vocabulary_has_the_size_and_the_special_tokens() {
    let tokenizer = trained(400);
    assert_eq!(tokenizer.vocab_size(), 400);
    assert_eq!(
        [END_OF_TEXT, MESSAGE_START, MESSAGE_END].map(|token| tokenizer.token_to_id(token)),
        [Some(0), Some(1), Some(2)]
    );
    assert_eq!((tokenizer.eos(), tokenizer.bos()), (Some(0), Some(0)));
    assert!(!tokenizer.adds_bos());
    assert_eq!(tokenizer.id_to_token(0).as_deref(), Some(END_OF_TEXT));
    assert!(tokenizer.is_special(2) && !tokenizer.is_special(3));
}

#[test]
fn special_tokens_are_text_unless_asked_for() {
    let tokenizer = trained(400);
    let text = "a<|im_end|>b<|endoftext|>";
    let plain = tokenizer.encode(text).unwrap();
    assert!(plain.iter().all(|&id| !tokenizer.is_special(id)));
    let marked = tokenizer.encode_with_special_tokens(text).unwrap();
    assert_eq!((marked.len(), marked[1], marked[3]), (4, 2, 0));
    assert_eq!(tokenizer.decode(&marked).unwrap(), text);
    assert_eq!(tokenizer.decode_skipping_special_tokens(&marked).unwrap(), "ab");
}

#[test]
fn memory_is_bounded_by_forgetting_rare_words() {
    let settings = TrainSettings { vocab_size: 280, max_words: 1000, ..TrainSettings::default() };
    let words = (0..20_000)
        .map(|n| format!("w{} often", (b'a' + (n % 26) as u8) as char).repeat(3) + &format!(" x{n}x"));
    assert_eq!(train(words, &settings, &mut |_| {}).unwrap().vocab_size(), 280);
}

#[test]
fn tokens_stay_under_their_longest() {
    let settings = TrainSettings { vocab_size: 330, max_token_bytes: 6, ..TrainSettings::default() };
    let tokenizer = train(corpus().into_iter(), &settings, &mut |_| {}).unwrap();
    assert!((3..330).all(|id| tokenizer.id_to_token(id).unwrap().chars().count() <= 6));
}

#[test]
fn progress_is_told() {
    let mut tasks = Vec::new();
    let settings = TrainSettings { vocab_size: 300, ..TrainSettings::default() };
    train(corpus().into_iter(), &settings, &mut |progress| tasks.push(progress.task)).unwrap();
    tasks.dedup();
    assert_eq!(tasks, ["counting words", "learning merges"]);
}

#[test]
fn one_long_word_is_learnt_from_in_pieces() {
    // One word of four letters at random: a genome. Quadratic time would take minutes for it.
    let mut state = 1_u32;
    let mut letter = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b"acgt"[(state >> 30) as usize] as char
    };
    let genome: String = (0..300_000).map(|_| letter()).collect();
    let settings = TrainSettings { vocab_size: 600, ..TrainSettings::default() };
    let tokenizer = train([genome.clone()].into_iter(), &settings, &mut |_| {}).unwrap();
    let ids = tokenizer.encode(&genome).unwrap();
    assert!(ids.len() < 100_000, "{} tokens", ids.len());
    assert_eq!(tokenizer.decode(&ids).unwrap(), genome);
}
