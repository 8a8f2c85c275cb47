//! Families that carry a state along: many sequences at one time, a cut at an earlier place, texts of any length.

use nuwa_models::{Cache, Input, Model, ModelConfig, NewRows, Text, build};
use nuwa_nn::Context;
use nuwa_tensor::{DType, Tape};

use crate::{built, decoders, ids};

/// Those of the families whose caches hold a state.
fn carrying() -> Vec<Box<dyn Model>> {
    let mut all = decoders();
    all.retain(|model| model.new_cache(1, DType::F32).carries_states());
    assert_eq!(all.len(), 9);
    all
}

fn next(model: &dyn Model, new: Vec<NewRows<'_>>) -> Vec<Vec<f32>> {
    let tape = Tape::inference().batch_invariant();
    let rows = model.hidden(&Context::new(&tape), Input::Next(new)).unwrap().hidden;
    (0..rows.rows()).map(|row| rows.row_to_host(row)).collect()
}

/// The rows of new ids of one sequence.
fn one(model: &dyn Model, cache: &mut Cache, ids: &[u32]) -> Vec<Vec<f32>> {
    next(model, vec![NewRows { cache, ids }])
}

#[test]
fn sequences_beside_each_other_have_the_bits_that_they_have_alone() {
    for model in carrying() {
        let texts: Vec<Vec<u32>> = [9, 3, 12, 1, 7, 10].iter().map(|length| ids(*length)).collect();
        let alone: Vec<Vec<Vec<f32>>> = texts
            .iter()
            .map(|text| {
                let mut cache = model.new_cache(12, DType::F32);
                text.chunks(1).flat_map(|id| one(&*model, &mut cache, id)).collect()
            })
            .collect();
        let mut caches: Vec<Cache> = texts.iter().map(|_| model.new_cache(12, DType::F32)).collect();
        // In pieces of unlike lengths, of which some texts have none left.
        let mut done = 0;
        for count in [2, 5, 1, 4] {
            let piece = |text: &'_ Vec<u32>| done.min(text.len())..(done + count).min(text.len());
            let pieces: Vec<&[u32]> = texts.iter().map(|text| &text[piece(text)]).collect();
            let new = caches.iter_mut().zip(&pieces).map(|(cache, ids)| NewRows { cache, ids });
            let mut rows = next(&*model, new.filter(|new| !new.ids.is_empty()).collect()).into_iter();
            for (expected, piece) in alone.iter().zip(&pieces) {
                for at in 0..piece.len() {
                    assert!(rows.next().as_ref() == Some(&expected[done + at]), "another row beside others");
                }
            }
            done += count;
        }
    }
}

#[test]
fn there_is_no_way_back_but_to_a_snapshot() {
    for model in carrying() {
        let text = ids(10);
        let mut cache = model.new_cache(16, DType::F32);
        one(&*model, &mut cache, &text[..4]);
        cache.snapshot();
        let rest = one(&*model, &mut cache, &text[4..]);
        assert_eq!((cache.length(), cache.nearest(9), cache.nearest(3)), (10, 4, 0));
        assert!(!cache.truncate(7) && cache.length() == 10, "nothing has changed");
        assert!(cache.prefix(7).is_none());
        let mut copy = cache.prefix(4).unwrap();
        assert!(cache.truncate(4));
        for cache in [&mut copy, &mut cache] {
            assert_eq!((cache.length(), cache.nearest(16)), (4, 4));
            assert_eq!(one(&*model, cache, &text[4..]), rest);
        }
        assert!(cache.truncate(0));
        assert_eq!(one(&*model, &mut cache, &text)[4..], rest);
    }
}

#[test]
fn a_pass_that_fails_changes_no_state() {
    for model in carrying() {
        let text = ids(6);
        let mut cache = model.new_cache(16, DType::F32);
        one(&*model, &mut cache, &text[..3]);
        let unknown = vec![NewRows { cache: &mut cache, ids: &[1, 99] }];
        let tape = Tape::inference().batch_invariant();
        assert!(model.hidden(&Context::new(&tape), Input::Next(unknown)).is_err());
        let mut other = model.new_cache(16, DType::F32);
        one(&*model, &mut other, &text[..3]);
        assert_eq!(one(&*model, &mut cache, &text[3..]), one(&*model, &mut other, &text[3..]));
    }
}

const WIDER: &str = r#"{"model_type": "lstm", "vocab_size": 31, "hidden_size": 20, "num_hidden_layers": 2, "n_positions": 16}"#;

#[test]
fn the_state_of_another_model_is_refused() {
    let (wider, all) = (built(&[WIDER]).remove(0), carrying());
    let narrow = &all[0];
    let mut cache = narrow.new_cache(16, DType::F32);
    one(&**narrow, &mut cache, &ids(3));
    let tape = Tape::inference();
    let new = vec![NewRows { cache: &mut cache, ids: &[1] }];
    let refused = wider.hidden(&Context::new(&tape), Input::Next(new)).unwrap_err().to_string();
    assert_eq!(
        refused,
        "recurrent state: the state is that of another model: part 0 has 24 numbers, expected 40"
    );
}

/// Recurrent layers alone need no more memory after a thousand tokens, and read a text that is longer than a training window.
#[test]
fn a_state_does_not_grow() {
    let model = built(&[WIDER]).remove(0);
    let text = ids(1000);
    let mut cache = model.new_cache(usize::MAX, DType::F32);
    let mut rows = one(&*model, &mut cache, &text[..10]);
    let bytes = cache.bytes();
    rows.extend(one(&*model, &mut cache, &text[10..]));
    assert_eq!((bytes, cache.bytes(), cache.length()), (2 * 2 * 20 * 4, bytes, 1000));
    let tape = Tape::inference();
    let whole = model.hidden(&Context::new(&tape), Input::Text(&Text::causal(text, 1))).unwrap().hidden;
    for (a, b) in rows[999].iter().zip(whole.row_to_host(999)) {
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
}

#[test]
fn configurations_that_make_no_sense_are_named() {
    let gemma = |fields: &str| {
        format!(
            r#"{{"model_type": "recurrent_gemma", "vocab_size": 31, "hidden_size": 16, "intermediate_size": 48,
                "num_hidden_layers": 2, "num_attention_heads": 2, {fields}}}"#
        )
    };
    let parsed = |json: &str| serde_json::from_str::<ModelConfig>(json);
    let told = |json: &str| build(&parsed(json).unwrap(), 0).err().unwrap().to_string();
    let found = [
        told(r#"{"model_type": "lstm", "vocab_size": 31, "hidden_size": 12, "num_hidden_layers": 0}"#),
        told(
            r#"{"model_type": "gru", "vocab_size": 31, "embedding_dim": 8, "hidden_size": 12, "num_hidden_layers": 1,
                "tie_word_embeddings": true}"#,
        ),
        told(&gemma(r#""block_types": []"#)),
        told(&gemma(r#""lru_width": 15"#)),
        told(&gemma(r#""num_key_value_heads": 3"#)),
        told(&gemma(r#""partial_rotary_factor": 0.4"#)),
        told(&gemma(r#""logits_soft_cap": 0.0"#)),
        told(&gemma(r#""attention_window_size": 0"#)),
        parsed(&gemma(r#""block_types": ["recurrent", "mamba"]"#)).unwrap_err().to_string(),
    ];
    let expected = [
        "num_hidden_layers = 0: expected a whole number of at least 1",
        "embedding_dim = 8: expected hidden_size = 12, or a head of its own",
        "block_types = []: expected recurrent and attention in any order, at least one of them",
        "lru_width = 15: expected a multiple of num_attention_heads = 2",
        "num_key_value_heads = 3: expected a divisor of num_attention_heads = 2",
        "partial_rotary_factor = 0.4: expected a share of up to 1 that leaves an even number of the 8 features of a head",
        "logits_soft_cap = 0: expected a number above 0",
        "attention_window_size = 0: expected a whole number of at least 1",
        "unknown variant `mamba`, expected `recurrent` or `attention`",
    ];
    assert_eq!(found, expected);
}

/// The decay begins where it forgets little: `a^(1/8)` of an open gate within [0.9, 0.999]; the forget gate begins open.
#[test]
fn first_weights_remember() {
    let all = carrying();
    let decay = all[3].parameters().get("layers.0.recurrent.decay").unwrap().to_host();
    let shares: Vec<f64> = decay.iter().map(|&x| (-f64::from(x).exp().ln_1p()).exp()).collect();
    assert!(shares.iter().all(|share| (0.8999..=0.9991).contains(share)), "{shares:?}");
    let bias = all[0].parameters().get("layers.0.input.bias").unwrap().to_host();
    assert!(
        bias.iter().enumerate().all(|(at, &b)| b == if (12..24).contains(&at) { 1.0 } else { 0.0 }),
        "{bias:?}"
    );
}
