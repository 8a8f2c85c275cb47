//! Records that stand in conversations as long as the context, and long dialogues that use all of it.

use std::path::Path;

use nuwa_align::data::{self, Columns, Dialogue, Preference};
use nuwa_align::{BadRecords, Dpo, DpoSettings, Sft, SftSettings, trainer};
use nuwa_models::{ModelConfig, build};
use nuwa_tokenizer::Message;

use crate::exact;
use crate::rendering::{dialogue, tokenizer};

const CONTEXT: usize = 160;

fn question(index: usize) -> String {
    ["what is it", "hello there", "is the answer red"][index % 3].to_string()
}

fn sft(dialogues: &[Dialogue], joined: f64) -> Sft {
    let settings = SftSettings { joined, ..SftSettings::default() };
    Sft::new(&tokenizer(), dialogues, &settings, CONTEXT, 1).unwrap()
}

#[test]
fn half_of_the_dialogues_fill_the_context_and_no_token_is_lost() {
    let dialogues: Vec<Dialogue> = (0..80)
        .map(|index| dialogue(&[("user", question(index).as_str()), ("assistant", "it is blue.")]))
        .collect();
    let (alone, half) = (sft(&dialogues, 0.0), sft(&dialogues, 0.5));
    let (one, other) = (alone.stats(), half.stats());
    assert_eq!((one.joined, one.pieces, one.longest < 80), (0, one.whole, true), "{one:?}");
    assert!((other.joined as f64 / other.whole as f64 - 0.5).abs() < 0.1, "{other:?}");
    assert!((120..=CONTEXT as u64).contains(&other.longest), "{other:?}");
    assert_eq!((one.whole, one.trained_tokens), (other.whole, other.trained_tokens));
    assert_eq!(alone.held_out(), half.held_out(), "those held out stay alone");
}

#[test]
fn some_pairs_stand_after_others() {
    let config = format!(
        r#"{{"model_type": "llama", "vocab_size": 300, "hidden_size": 16, "intermediate_size": 16,
            "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": {CONTEXT}}}"#
    );
    let model = build(&serde_json::from_str::<ModelConfig>(&config).unwrap(), 1).unwrap();
    let mut trainer = trainer(model, None, &exact(), 0);
    let pair = |index: usize| Preference {
        prompt: vec![Message::new("user", question(index))],
        chosen: vec![Message::new("assistant", "it is blue.")],
        rejected: vec![Message::new("assistant", "it is the red.")],
        margin: 0.0,
        place: "test:1".into(),
    };
    let pairs: Vec<Preference> = (0..40).map(pair).collect();
    let settings = DpoSettings { joined: 0.5, tuning: exact(), ..DpoSettings::default() };
    let dpo = Dpo::new(&tokenizer(), &pairs, &settings, &mut trainer, 1).unwrap();
    let account = dpo.stats();
    assert_eq!((account.pairs, account.too_long, account.shortened), (40, 0, 0));
    // The first of each conversation stands after none.
    assert!((10..20).contains(&account.joined), "{account:?}");
}

#[test]
fn the_answer_to_a_long_question_sees_all_that_the_context_holds() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/field/train/t26_long_user.jsonl");
    if !path.exists() {
        println!("skipped: the_answer_to_a_long_question_sees_all_that_the_context_holds");
        return;
    }
    let (dialogues, _) = data::read(&[path], &Columns::new(), BadRecords::Error, data::dialogue).unwrap();
    let settings = SftSettings { tuning: exact(), ..SftSettings::default() };
    let sft = Sft::new(&tokenizer(), &dialogues, &settings, 128, 1).unwrap();
    // Two where an example ends within the answer.
    assert!(sft.stats().pieces <= 2, "{:?}", sft.stats());
    assert_eq!(sft.stats().longest, 128);
}
