//! The family of one's own: it is other families where its settings are theirs, and refuses what makes no model.

use nuwa_models::custom::CustomSettings;
use std::sync::Arc;

use nuwa_models::{Input, Model, ModelConfig, Outline, Text, backward, build};
use nuwa_nn::Context;
use nuwa_tensor::ops::batch_norm::MOMENTUM;
use nuwa_tensor::{BatchStatistics, Precision, Random, Tape};

use crate::{batch, built, families, gradients, ids};

/// Norms after branches, learned positions, a band in every second block.
pub const AFTER: &str = r#"{"model_type": "custom", "vocab_size": 31, "hidden_size": 12, "num_hidden_layers": 3,
    "num_attention_heads": 3, "num_key_value_heads": 3, "max_position_embeddings": 16, "tie_word_embeddings": true,
    "custom": {"blocks": ["attention", "banded"], "window": 3, "positions": "learned", "norm": "layer",
        "norm_place": "after", "activation": "relu", "gated": false, "biases": true}}"#;

/// Recurrent layers between attention, some without a feed-forward layer.
pub const CELLS: &str = r#"{"model_type": "custom", "vocab_size": 31, "hidden_size": 16, "num_hidden_layers": 4,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 16,
    "custom": {"blocks": ["lstm", "attention", "gru"], "feed_forward": ["dense", "none"], "positions": "relative",
        "buckets": 6, "max_distance": 8, "recurrent_width": 10, "inner": 20, "inner_dropout": true}}"#;

/// A linear recurrence and a band in turn, with experts.
pub const LINEAR: &str = r#"{"model_type": "custom", "vocab_size": 31, "hidden_size": 16, "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 16, "tie_word_embeddings": true,
    "custom": {"blocks": ["rg-lru", "banded"], "feed_forward": ["experts"], "positions": "alibi", "head_dim": 6,
        "window": 4, "experts": 3, "inner": 10, "norm": "layer", "activation": "gelu"}}"#;

/// Sinusoids on embeddings that are as large, RMS norms after branches.
pub const SINUSOIDS: &str = r#"{"model_type": "custom", "vocab_size": 31, "hidden_size": 16, "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 16,
    "custom": {"blocks": ["attention", "gru"], "feed_forward": ["experts", "dense"], "positions": "sinusoidal",
        "scale_embedding": true, "norm_place": "after", "experts": 3, "activation": "tanh"}}"#;

/// Batch norms before a cell, attention and experts.
pub const BATCH: &str = r#"{"model_type": "custom", "vocab_size": 31, "hidden_size": 16, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 16,
    "custom": {"blocks": ["attention", "gru"], "feed_forward": ["dense", "experts"], "experts": 3, "norm": "batch"}}"#;

/// As wide as models whose rounding averages out.
pub const WIDE_AFTER: &str = r#"{"model_type": "custom", "vocab_size": 301, "hidden_size": 96, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 80,
    "custom": {"blocks": ["attention", "banded"], "window": 20, "norm_place": "after", "positions": "learned"}}"#;
pub const WIDE_CELLS: &str = r#"{"model_type": "custom", "vocab_size": 301, "hidden_size": 96, "num_hidden_layers": 4,
    "num_attention_heads": 4, "num_key_value_heads": 4, "max_position_embeddings": 80,
    "custom": {"blocks": ["lstm", "attention", "gru", "rg-lru"], "feed_forward": ["dense", "none"], "gated": false,
        "activation": "gelu-tanh"}}"#;

pub const WIDE_BATCH: &str = r#"{"model_type": "custom", "vocab_size": 301, "hidden_size": 96, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 80,
    "custom": {"blocks": ["attention", "banded"], "window": 20, "norm": "batch", "norm_place": "after"}}"#;

/// A family's model, and the same as one of one's own.
const PAIRS: [[&str; 2]; 6] = [
    [
        r#"{"model_type": "gpt2", "vocab_size": 31, "n_positions": 16, "n_embd": 12, "n_layer": 2, "n_head": 3}"#,
        r#"{"model_type": "custom", "vocab_size": 31, "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3,
            "num_key_value_heads": 3, "max_position_embeddings": 16, "tie_word_embeddings": true,
            "custom": {"positions": "learned", "norm": "layer", "activation": "gelu-tanh", "gated": false, "biases": true}}"#,
    ],
    [
        r#"{"model_type": "llama", "vocab_size": 31, "hidden_size": 16, "intermediate_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 16, "rms_norm_eps": 1e-5}"#,
        r#"{"model_type": "custom", "vocab_size": 31, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4,
            "num_key_value_heads": 2, "max_position_embeddings": 16, "custom": {}}"#,
    ],
    [
        r#"{"model_type": "llama", "vocab_size": 31, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1,
            "num_attention_heads": 2, "head_dim": 6, "tie_word_embeddings": true, "attention_bias": true, "mlp_bias": true,
            "hidden_act": "gelu", "rope_theta": 500.0, "max_position_embeddings": 16}"#,
        r#"{"model_type": "custom", "vocab_size": 31, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
            "num_key_value_heads": 2, "tie_word_embeddings": true, "max_position_embeddings": 16,
            "custom": {"head_dim": 6, "biases": true, "inner": 24, "activation": "gelu", "theta": 500.0, "epsilon": 1e-6}}"#,
    ],
    [
        r#"{"model_type": "mistral", "vocab_size": 31, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 16, "sliding_window": 3}"#,
        r#"{"model_type": "custom", "vocab_size": 31, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4,
            "num_key_value_heads": 2, "max_position_embeddings": 16,
            "custom": {"blocks": ["banded"], "window": 3, "inner": 24, "epsilon": 1e-6}}"#,
    ],
    [
        r#"{"model_type": "mixtral", "vocab_size": 31, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 16, "num_local_experts": 4}"#,
        r#"{"model_type": "custom", "vocab_size": 31, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4,
            "num_key_value_heads": 2, "max_position_embeddings": 16,
            "custom": {"feed_forward": ["experts"], "experts": 4, "inner": 24, "epsilon": 1e-6}}"#,
    ],
    [
        r#"{"model_type": "lamda", "vocab_size": 31, "d_model": 12, "d_kv": 5, "d_ff": 24, "num_layers": 2, "num_heads": 3,
            "relative_attention_num_buckets": 6, "relative_attention_max_distance": 8, "n_positions": 16}"#,
        r#"{"model_type": "custom", "vocab_size": 31, "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3,
            "num_key_value_heads": 3, "max_position_embeddings": 16,
            "custom": {"positions": "relative", "buckets": 6, "max_distance": 8, "head_dim": 5, "inner": 24,
                "activation": "gelu-tanh", "epsilon": 1e-6}}"#,
    ],
];

fn logits(model: &dyn Model) -> Vec<f32> {
    let (tape, text) = (Tape::inference(), Text::causal(ids(12), 1));
    let rows = model.hidden(&Context::new(&tape), Input::Text(&text)).unwrap().hidden;
    model.head().logits(&tape, &rows).unwrap().to_host()
}

/// Paths, shapes and values of all parameters.
fn parameters(model: &dyn Model) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let mut all: Vec<_> = model
        .parameters()
        .iter()
        .map(|p| (p.entry().path().to_string(), p.shape().axes().to_vec(), p.to_host()))
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

/// Under one seed they begin with the same weights, which give the same logits.
#[test]
fn with_the_settings_of_a_family_it_is_that_family() {
    for pair in PAIRS {
        let [theirs, own] = <[Box<dyn Model>; 2]>::try_from(built(&pair)).ok().unwrap();
        assert_eq!(parameters(&*theirs), parameters(&*own), "{}", pair[0]);
        assert_eq!(logits(&*theirs), logits(&*own), "{}", pair[0]);
        let [idle, of_own] = [&theirs, &own].map(|model| model.config().size().idle);
        assert_eq!(idle, of_own, "{}", pair[0]);
    }
}

/// The first three pairs are GPT-2 and LLaMA; no others are either.
#[test]
fn what_is_a_gpt2_or_a_llama_is_exported_as_one() {
    for [theirs, own] in &PAIRS[..3] {
        let [theirs, own] = <[Box<dyn Model>; 2]>::try_from(built(&[*theirs, *own])).ok().unwrap();
        let same = own.in_common_family().unwrap();
        assert_eq!(same.config().family(), theirs.config().family());
        assert_eq!(logits(&*same), logits(&*own));
    }
    let others = PAIRS[3..].iter().map(|[_, own]| *own).chain([AFTER, CELLS, LINEAR, SINUSOIDS, BATCH]);
    for other in others {
        assert!(built(&[other])[0].in_common_family().is_none(), "{other}");
    }
}

/// The parts of a picture hold all weights, of every family.
#[test]
fn outlines_count_every_parameter() {
    for model in families() {
        let (config, outline) = (model.config(), Outline::of(&model.config()));
        assert_eq!(outline.parameters(), model.parameters().count(), "{config:?}");
        let layers: usize = outline.stacks.iter().map(|stack| stack.layers).sum();
        assert_eq!(layers, config.layers(), "{config:?}");
        // Two operations a weight that a token meets, but for embeddings and what is no product; and scores.
        assert!(outline.operations() > config.size().active() as f64, "{config:?}");
    }
}

#[test]
fn an_outline_follows_the_pattern_and_tells_what_is_in_a_block() {
    let outline = Outline::of(&built(&[CELLS])[0].config());
    let [stack] = &outline.stacks[..] else { panic!("one stack") };
    assert_eq!((stack.layers, stack.pattern.len(), stack.blocks.len()), (4, 4, 4));
    let pieces = |block: usize| -> Vec<String> {
        stack.blocks[block].pieces.iter().map(|piece| format!("{} {}", piece.name, piece.about)).collect()
    };
    assert_eq!(pieces(0), ["recurrent_norm ", "recurrent lstm", "feed_forward_norm ", "feed_forward "]);
    assert_eq!(pieces(1), ["attention_norm ", "attention 4 heads, 2 kv"]);
    let attention = &stack.blocks[1].pieces[1];
    assert_eq!(attention.matrices[0], ("qkv".to_string(), vec![32, 16], 1));
    // 8 and a half keys on average, for 16 features of queries.
    assert_eq!(attention.operations, (2 * (32 * 16 + 16 * 16)) as f64 + 4.0 * 16.0 * 8.5);
    let after = Outline::of(&built(&[AFTER])[0].config());
    let names: Vec<&str> = after.stacks[0].blocks[1].pieces.iter().map(|piece| piece.name.as_str()).collect();
    assert_eq!(names, ["attention", "attention_norm", "feed_forward", "feed_forward_norm"]);
    assert_eq!(after.stacks[0].pattern, [0, 1]);
    assert_eq!(after.last.last().map(|piece| piece.about.as_str()), Some("the embedding"));
    let batch = Outline::of(&built(&[BATCH])[0].config());
    let norms: Vec<&str> =
        batch.pieces().filter(|(piece, _)| piece.is_norm()).map(|(piece, _)| &*piece.about).collect();
    assert_eq!(norms, ["batch"; 5]);
    let experts = Outline::of(&built(&[LINEAR])[0].config());
    let moe = &experts.stacks[0].blocks[0].pieces[3];
    assert_eq!(moe.matrices[1], ("experts.gate_up".to_string(), vec![20, 16], 3));
    let met = 2.0 * (3 * 16) as f64 + 2.0 * (2 * 3 * 16 * 10) as f64;
    assert!((moe.operations - met).abs() < 1e-6, "{}", moe.operations);
}

#[test]
fn sizes_count_every_parameter() {
    let own = PAIRS.map(|[_, own]| own);
    for model in built(&own)
        .into_iter()
        .chain(built(&[AFTER, CELLS, LINEAR, SINUSOIDS, WIDE_AFTER, WIDE_CELLS, BATCH, WIDE_BATCH]))
    {
        assert_eq!(model.config().size().parameters, model.parameters().count());
    }
}

fn buffers(model: &dyn Model) -> Vec<f32> {
    let own = model.parameters().iter().filter(|parameter| parameter.entry().is_buffer());
    own.flat_map(|buffer| buffer.to_host()).collect()
}

/// What is said of batch norm: while training a row knows the rows of other texts, and later ones; in use it does not. That it does not
/// there is what every test of packed texts and of caches shows, whose models have running statistics of their own.
#[test]
fn positions_see_each_other_by_batch_norm_while_training_alone() {
    let model = &built(&[BATCH])[0];
    let (first, others) = (ids(10), [ids(10), ids(20)[10..].to_vec()]);
    let statistics = Arc::new(BatchStatistics::default());
    for is_training in [true, false] {
        let [one, other] = others.clone().map(|beside| {
            let tape = Tape::training();
            let tape = if is_training { tape.with_batch_statistics(&statistics) } else { tape };
            let text = Text::causal([&first[..], &beside].concat(), 2);
            let rows = model.hidden(&Context::new(&tape), Input::Text(&text)).unwrap().hidden;
            (0..10).flat_map(|row| rows.row_to_host(row)).collect::<Vec<f32>>()
        });
        let difference = one.iter().zip(&other).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max);
        assert!(
            if is_training { difference > 1e-2 } else { difference < 1e-5 },
            "{is_training}: {difference}"
        );
    }
}

/// Statistics of the rows go through every block, computed again or not, to the same bits, and to the running ones once.
#[test]
fn a_step_with_batch_norm_is_the_same_where_blocks_are_computed_again() {
    for (precision, configuration) in
        [(Precision::F32, WIDE_BATCH), (Precision::Bf16, WIDE_BATCH), (Precision::F32, BATCH)]
    {
        let step = |recompute: bool| {
            let model = built(&[configuration]).remove(0);
            let (before, statistics) = (buffers(&*model), Arc::new(BatchStatistics::default()));
            let tape = Tape::training().with_precision(precision).with_batch_statistics(&statistics);
            tape.set_random(Random::new(3));
            let context = Context::new(&tape).with_dropout(0.2).with_recompute(recompute);
            let losses = backward(&*model, &context, &batch(&*model, 16)).unwrap();
            assert_eq!(buffers(&*model), before, "running statistics follow when the step is done");
            statistics.update_running(MOMENTUM);
            let after = buffers(&*model);
            assert!(before.iter().zip(&after).all(|(before, after)| before != after));
            (losses, gradients(&*model), after)
        };
        assert!(step(false) == step(true), "{precision:?}");
    }
}

/// A model of 2 blocks with these settings, and fields beside them.
fn with(custom: &str, fields: &str) -> Result<ModelConfig, serde_json::Error> {
    serde_json::from_str(&format!(
        r#"{{"model_type": "custom", "vocab_size": 31, "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2,
            "num_key_value_heads": 2, "max_position_embeddings": 16, "custom": {{{custom}}}{fields}}}"#
    ))
}

#[test]
fn settings_that_make_no_model_are_named() {
    let told = |custom: &str| match with(custom, "") {
        Ok(config) => build(&config, 0).err().map_or_else(|| format!("{custom} is built"), |e| e.to_string()),
        Err(error) => error.to_string(),
    };
    let found = [
        told(r#""blocks": []"#),
        told(r#""feed_forward": []"#),
        told(r#""blocks": ["attention", "lstm", "gru"]"#),
        told(r#""blocks": ["attention", "mamba"]"#),
        told(r#""block": ["attention"]"#),
        told(r#""epsilon": 0.0"#),
        told(r#""window": 4"#),
        told(r#""blocks": ["banded"], "window": 0"#),
        told(r#""recurrent_width": 4"#),
        told(r#""blocks": ["lstm"], "recurrent_width": 0"#),
        told(r#""blocks": ["rg-lru"], "recurrent_width": 13"#),
        told(r#""blocks": ["rg-lru"], "convolution": 0"#),
        told(r#""blocks": ["lstm"], "head_dim": 4"#),
        told(r#""blocks": ["lstm"], "positions": "rotary""#),
        told(r#""blocks": ["gru"], "positions": "alibi""#),
        told(r#""head_dim": 3"#),
        told(r#""head_dim": 0"#),
        told(r#""inner": 0"#),
        told(r#""theta": 0.0"#),
        told(r#""positions": "relative", "buckets": 1"#),
        told(r#""positions": "relative", "max_distance": 16"#),
        told(r#""feed_forward": ["experts"], "experts_per_token": 9"#),
        told(r#""feed_forward": ["experts"], "gated": false"#),
        told(r#""feed_forward": ["experts"], "biases": true"#),
        told(r#""feed_forward": ["experts"], "balance_loss": -1.0"#),
        told(r#""norm": "group""#),
    ];
    let expected = [
        "custom.blocks = []: expected at least one kind",
        "custom.feed_forward = []: expected at least one kind",
        "custom.blocks = 3 kinds: expected at most one for each of the 2 blocks of the model",
        "unknown variant `mamba`, expected one of `attention`, `banded`, `lstm`, `gru`, `rg-lru`",
        "unknown field `block`, expected one of `blocks`, `feed_forward`, `positions`, `norm`, `norm_place`, `epsilon`, \
         `activation`, `gated`, `biases`, `inner`, `head_dim`, `window`, `recurrent_width`, `convolution`, `experts`, \
         `experts_per_token`, `balance_loss`, `router_z_loss`, `theta`, `buckets`, `max_distance`, `scale_embedding`, \
         `inner_dropout`",
        "custom.epsilon = 0: expected a number above 0",
        "custom.window = 4: expected nothing: no block is banded",
        "custom.window = 0: expected a whole number of at least 1",
        "custom.recurrent_width = 4: expected nothing: no block is lstm, gru or rg-lru",
        "custom.recurrent_width = 0: expected a whole number of at least 1",
        "custom.recurrent_width = 13: expected a multiple of the 2 heads: gates of an rg-lru are of so many groups",
        "custom.convolution = 0: expected a whole number of at least 1",
        "custom.head_dim = 4: expected nothing: no block is attention or banded",
        "custom.positions = rotary: expected learned, sinusoidal or none: no block attends, and these are positions of attention",
        "custom.positions = alibi: expected learned, sinusoidal or none: no block attends, and these are positions of attention",
        "custom.positions = rotary: expected another kind, or heads of an even number of features (here 3): rotary positions turn pairs",
        "custom.head_dim = 0: expected a whole number of at least 1",
        "custom.inner = 0: expected a whole number of at least 1",
        "custom.theta = 0: expected a number above 0",
        "custom.buckets = 1: expected a whole number of at least 2",
        "custom.max_distance = 16: expected a number above 16, half of custom.buckets",
        "custom.experts_per_token = 9: expected a number from 1 to custom.experts = 8",
        "custom.gated = false: expected true: experts are gated",
        "custom.biases = true: expected false: experts have no biases",
        "custom.balance_loss = -1: expected a number of at least 0",
        "unknown variant `group`, expected one of `layer`, `rms`, `batch`",
    ];
    assert_eq!(found, expected);
    let odd = with("", r#", "hidden_size": 13"#);
    assert!(odd.is_err(), "a field that stands there twice");
}

#[test]
fn what_blocks_are_made_of_may_be_left_to_the_family() {
    assert_eq!(with("", "").unwrap(), with(r#""blocks": ["attention"], "norm": "rms""#, "").unwrap());
    let unset: CustomSettings = serde_json::from_str("{}").unwrap();
    assert_eq!(unset, CustomSettings::default());
}
