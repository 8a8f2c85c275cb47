//! Text from random models: the cache, the context's end, streaming, stop strings, errors.

use nuwa_infer::{Engine, Finish, GenerateSettings, SamplingSettings, Sequence};
use proptest::prelude::*;

use crate::support::{CONTEXT, argmax, engine, greedy, logits_without_cache, model, sampled, tokenizer};

#[test]
fn greedy_equals_a_loop_without_a_cache() {
    let engine = engine(1);
    let mut ids = engine.prompt_ids("Nuwa").unwrap();
    let prompt = ids.len();
    let written = engine.generate("Nuwa", &greedy(CONTEXT - prompt), &mut |_| ()).unwrap();
    for &token in &written.tokens {
        let mut logits = logits_without_cache(engine.model(), &ids);
        logits.truncate(engine.tokenizer().vocab_size());
        assert_eq!(token, argmax(&logits), "after {ids:?}");
        ids.push(token);
    }
    assert_eq!(written.tokens.len(), CONTEXT - prompt, "{written:?}");
}

#[test]
fn beyond_the_context_the_last_half_is_what_the_model_sees() {
    let model = model(2);
    let mut sequence = Sequence::new(model.as_ref(), &[5, 6, 7], 100).unwrap();
    let mut first_seen = 0;
    for step in 0..60 {
        let length = sequence.ids().len();
        if length - first_seen > CONTEXT {
            first_seen = length - CONTEXT / 2;
        }
        let expected = logits_without_cache(model.as_ref(), &sequence.ids()[first_seen..]);
        let got = sequence.next_logits().unwrap();
        for (got, expected) in got.to_host().iter().zip(&expected) {
            assert!((got - expected).abs() < 2e-4, "step {step}: {got}, expected {expected}");
        }
        sequence.push(argmax(&expected));
    }
    assert_eq!(sequence.ids().len(), 63);
}

#[test]
fn asking_twice_gives_the_same_scores() {
    let model = model(2);
    let mut sequence = Sequence::new(model.as_ref(), &[5, 6, 7], 10).unwrap();
    let once = sequence.next_logits().unwrap();
    let twice = sequence.next_logits().unwrap();
    assert!(once.to_host().iter().zip(twice.to_host()).all(|(a, b)| (a - b).abs() < 1e-4));
}

#[test]
fn the_seed_decides_the_text() {
    let engine = engine(3);
    let text = |seed| engine.generate("clay", &sampled(12, seed), &mut |_| ()).unwrap();
    assert_eq!(text(1), text(1));
    assert_ne!(text(1).tokens, text(2).tokens);
    let longer = engine.generate("clay", &sampled(18, 1), &mut |_| ()).unwrap();
    assert!(longer.tokens.starts_with(&text(1).tokens), "the length changes no choice");
}

#[test]
fn an_empty_prompt_begins_after_the_end_of_a_text() {
    let engine = engine(4);
    assert_eq!(engine.prompt_ids("").unwrap(), [engine.tokenizer().eos().unwrap()]);
    assert_eq!(engine.generate("", &greedy(5), &mut |_| ()).unwrap().tokens.len(), 5);
}

#[test]
fn the_end_of_text_ends_the_text() {
    let engine = engine(5);
    let end = engine.tokenizer().eos().unwrap();
    // Hot enough that every id comes up within some thousand choices.
    let settings = GenerateSettings {
        sampling: SamplingSettings { temperature: 3.0, ..Default::default() },
        ..sampled(4000, 0)
    };
    let written = engine.generate("sky", &settings, &mut |_| ()).unwrap();
    assert_eq!(written.finish, Finish::EndOfText);
    assert!(!written.tokens.contains(&end) && !written.text.contains("endoftext"));
}

#[test]
fn no_tokens_are_written_where_none_are_asked_for() {
    let written = engine(6).generate("sky", &greedy(0), &mut |_| ()).unwrap();
    assert_eq!((written.text.as_str(), written.finish), ("", Finish::Length));
}

#[test]
fn a_prompt_longer_than_the_context_is_refused_with_numbers() {
    let error = engine(7).generate_from_ids(&[1; CONTEXT + 3], &greedy(1), &mut |_| ()).unwrap_err();
    assert_eq!(error.to_string(), "the prompt has 27 tokens, but the model's context holds 24");
    assert_eq!(error.hint().unwrap(), "shorten the prompt by 3 tokens, or use a model with a longer context");
}

#[test]
fn a_prompt_that_fills_the_context_is_continued() {
    let written = engine(7).generate_from_ids(&[40; CONTEXT], &greedy(3), &mut |_| ()).unwrap();
    assert_eq!(written.tokens.len(), 3);
}

#[test]
fn unknown_ids_are_an_error() {
    assert!(engine(7).generate_from_ids(&[100_000], &greedy(1), &mut |_| ()).is_err());
}

#[test]
fn a_tokenizer_with_more_ids_than_the_model_is_refused() {
    let json = r#"{"model_type": "gpt2", "vocab_size": 31, "n_positions": 8, "n_embd": 12, "n_layer": 1, "n_head": 3}"#;
    let small = nuwa_models::build(&serde_json::from_str(json).unwrap(), 0).unwrap();
    let tokenizer = tokenizer();
    let size = tokenizer.vocab_size();
    let error = Engine::new(small, tokenizer).err().unwrap();
    assert_eq!(error.to_string(), format!("the tokenizer has {size} ids, but the model knows 31"));
}

#[test]
fn weights_that_are_no_numbers_are_an_error() {
    let engine = engine(8);
    engine.model().parameters().set(|values| values.fill(f32::NAN));
    let error = engine.generate("sky", &greedy(3), &mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("the logit NaN for token 0"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn streamed_pieces_make_the_text(seed in 0_u64..1000, tokens in 0_usize..40) {
        let engine = engine(9);
        let mut streamed = String::new();
        let written = engine.generate("Nuwa 女", &sampled(tokens, seed), &mut |piece| {
            assert!(!piece.is_empty());
            streamed.push_str(piece);
        }).unwrap();
        prop_assert_eq!(&streamed, &written.text);
        let decoded = engine.tokenizer().decode_skipping_special_tokens(&written.tokens).unwrap();
        prop_assert_eq!(written.text.trim_end_matches('\u{fffd}'), decoded.trim_end_matches('\u{fffd}'));
    }

    #[test]
    fn a_stop_string_is_never_written(seed in 0_u64..1000, start in 0_usize..30, length in 1_usize..6) {
        let engine = engine(10);
        let free = engine.generate("Nuwa", &sampled(30, seed), &mut |_| ()).unwrap();
        let stop: String = free.text.chars().skip(start).take(length).collect();
        prop_assume!(!stop.is_empty());
        let mut streamed = String::new();
        let settings = GenerateSettings { stop: vec![stop.clone()], ..sampled(30, seed) };
        let written = engine.generate("Nuwa", &settings, &mut |piece| streamed.push_str(piece)).unwrap();
        prop_assert_eq!(written.finish, Finish::Stop);
        prop_assert_eq!(&written.text, free.text.split(&stop).next().unwrap());
        prop_assert_eq!(streamed, written.text);
    }
}
