//! What every family must do: train all its parameters, name them all, decode as it scores.

use nuwa_models::{Input, LanguageModel, ModelConfig, NewRows, Sequences, build};
use nuwa_tensor::{HeadLoss, Kind, LossRows, Precision, Random, Tape};

fn families() -> Vec<Box<dyn LanguageModel>> {
    [
        r#"{"model_type": "gpt2", "vocab_size": 31, "n_positions": 16, "n_embd": 12, "n_layer": 2, "n_head": 3}"#,
        r#"{"model_type": "llama", "vocab_size": 31, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 16}"#,
        r#"{"model_type": "llama", "vocab_size": 31, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1,
            "num_attention_heads": 2, "head_dim": 6, "tie_word_embeddings": true, "attention_bias": true,
            "mlp_bias": true, "max_position_embeddings": 16}"#,
    ]
    .iter()
    .map(|json| build(&serde_json::from_str::<ModelConfig>(json).unwrap(), 5).unwrap())
    .collect()
}

fn ids(count: usize) -> Vec<u32> {
    (0..count as u32).map(|i| (i * 7 + 3) % 31).collect()
}

#[test]
fn every_parameter_gets_a_gradient() {
    for mut model in families() {
        model.set_dropout(0.1);
        let tape = Tape::training();
        let (ids, sequences) = (ids(20), Sequences::causal(2, 10));
        let hidden = model.hidden(&tape, &ids, Input::Sequences(&sequences)).unwrap();
        let rows = LossRows { targets: &ids, weights: &[0.05; 20] };
        tape.backward_losses(&[HeadLoss::new(&hidden, model.head(), rows)]).unwrap();
        for parameter in model.parameters().iter() {
            let path = parameter.entry().path();
            let gradient = parameter.gradient();
            assert!(gradient.iter().any(|&g| g != 0.0), "{path} got no gradient");
            assert!(gradient.iter().all(|g| g.is_finite()), "{path} got a gradient that is not finite");
        }
    }
}

/// Wide enough that rounding averages out as it does in a real model.
fn wider_families() -> Vec<Box<dyn LanguageModel>> {
    [
        r#"{"model_type": "gpt2", "vocab_size": 301, "n_positions": 80, "n_embd": 96, "n_layer": 2, "n_head": 3}"#,
        r#"{"model_type": "llama", "vocab_size": 301, "hidden_size": 96, "intermediate_size": 256, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 80}"#,
    ]
    .iter()
    .map(|json| build(&serde_json::from_str::<ModelConfig>(json).unwrap(), 5).unwrap())
    .collect()
}

/// The loss and every gradient of one pass.
fn pass(model: &dyn LanguageModel, precision: Precision) -> (f32, Vec<Vec<f32>>) {
    let tape = Tape::training().with_precision(precision);
    let (ids, sequences) = (ids(160), Sequences::causal(2, 80));
    let hidden = model.hidden(&tape, &ids, Input::Sequences(&sequences)).unwrap();
    let targets: Vec<u32> = ids.iter().map(|id| (id * 11 + 5) % 301).collect();
    let rows = LossRows { targets: &targets, weights: &[1.0 / 160.0; 160] };
    let loss = tape.backward_losses(&[HeadLoss::new(&hidden, model.head(), rows)]).unwrap()[0].total;
    let gradients = model.parameters().iter().map(|parameter| parameter.gradient()).collect();
    model.parameters().clear_gradients();
    (loss, gradients)
}

/// f32 itself is held against PyTorch elsewhere.
#[test]
fn bf16_points_where_f32_points() {
    for model in wider_families() {
        let (loss, exact) = pass(&*model, Precision::F32);
        let (narrow_loss, narrow) = pass(&*model, Precision::Bf16);
        assert!((loss - narrow_loss).abs() < 5e-3, "{loss} against {narrow_loss}");
        for ((a, b), parameter) in exact.iter().zip(&narrow).zip(model.parameters().iter()) {
            let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| f64::from(x * y)).sum::<f64>();
            let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
            assert!(cosine > 0.9999, "{}: cosine {cosine}", parameter.entry().path());
        }
    }
}

#[test]
fn bf16_gives_the_same_bits_again() {
    for model in wider_families() {
        assert_eq!(pass(&*model, Precision::Bf16), pass(&*model, Precision::Bf16));
    }
}

/// The loss, every gradient and the most memory in use of one pass with dropout.
fn pass_with_dropout(model: &dyn LanguageModel, precision: Precision) -> (f32, Vec<Vec<f32>>, usize) {
    let tape = Tape::training().with_precision(precision);
    tape.set_random(Random::new(3));
    let (ids, sequences) = (ids(160), Sequences::causal(2, 80));
    let hidden = model.hidden(&tape, &ids, Input::Sequences(&sequences)).unwrap();
    let rows = LossRows { targets: &ids, weights: &[1.0 / 160.0; 160] };
    let loss = tape.backward_losses(&[HeadLoss::new(&hidden, model.head(), rows)]).unwrap()[0].total;
    let gradients = model.parameters().iter().map(|parameter| parameter.gradient()).collect();
    model.parameters().clear_gradients();
    (loss, gradients, tape.peak_bytes())
}

#[test]
fn what_is_computed_again_has_the_same_bits_and_takes_less_memory() {
    for precision in [Precision::F32, Precision::Bf16] {
        for mut model in wider_families() {
            model.set_dropout(0.2);
            let (loss, gradients, memory) = pass_with_dropout(&*model, precision);
            model.set_recompute(true);
            let (again, gradients_again, less) = pass_with_dropout(&*model, precision);
            assert_eq!(loss.to_bits(), again.to_bits());
            assert!(gradients == gradients_again, "gradients differ");
            assert!(gradients.iter().flatten().any(|&g| g != 0.0));
            assert!(less < memory, "{less} bytes instead of {memory}");
        }
    }
}

#[test]
fn weights_learn_though_the_input_of_a_block_is_frozen() {
    for mut model in wider_families() {
        for parameter in model.parameters().iter() {
            parameter.entry().set_trainable(parameter.entry().path().starts_with("layers"));
        }
        let (loss, gradients) = pass(&*model, Precision::F32);
        model.set_recompute(true);
        assert!((loss, gradients) == pass(&*model, Precision::F32));
    }
}

#[test]
fn names_cover_every_parameter_exactly() {
    for model in families() {
        let mut named: Vec<String> = model.names().into_iter().map(|name| name.parameter).collect();
        let mut own: Vec<String> = model.parameters().iter().map(|p| p.entry().path().to_string()).collect();
        named.sort();
        own.sort();
        assert_eq!(named, own);
        for name in model.names() {
            let parameter = model.parameters().get(&name.parameter).unwrap();
            let rows: usize = name.parts.iter().map(|part| part.1).sum();
            assert_eq!(rows, parameter.shape().axes()[0], "{}", name.parameter);
        }
    }
}

#[test]
fn decoding_with_a_cache_equals_scoring_the_whole() {
    for model in families() {
        let tape = Tape::inference();
        let ids = ids(12);
        let whole = model.hidden(&tape, &ids, Input::Sequences(&Sequences::causal(1, 12))).unwrap();
        let mut cache = model.new_cache(12, Kind::F32);
        let mut done = 0;
        for count in [5, 1, 1, 5] {
            let new = vec![NewRows { cache: &mut cache, rows: count }];
            let part = model.hidden(&tape, &ids[done..done + count], Input::Next(new)).unwrap();
            for offset in 0..count {
                for (a, b) in part.row_to_host(offset).iter().zip(whole.row_to_host(done + offset)) {
                    assert!((a - b).abs() < 1e-5, "position {}: {a} {b}", done + offset);
                }
            }
            done += count;
        }
    }
}

#[test]
fn a_document_is_not_changed_by_its_neighbour() {
    for model in families() {
        let tape = Tape::inference();
        let (first, second) = (ids(4), ids(6));
        let both = [&first[..], &second[..]].concat();
        let starts = [0, 0, 0, 0, 4, 4, 4, 4, 4, 4];
        let packed = Sequences::causal(1, 10).within_documents(&starts);
        let packed = model.hidden(&tape, &both, Input::Sequences(&packed)).unwrap();
        let alone = model.hidden(&tape, &second, Input::Sequences(&Sequences::causal(1, 6))).unwrap();
        for row in 0..6 {
            for (a, b) in packed.row_to_host(4 + row).iter().zip(alone.row_to_host(row)) {
                assert!((a - b).abs() < 1e-5, "row {row}: {a} {b}");
            }
        }
    }
}

#[test]
fn configurations_survive_a_round_trip() {
    for model in families() {
        let config = model.config();
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<ModelConfig>(&json).unwrap(), config);
    }
}

#[test]
fn a_configuration_that_makes_no_sense_names_the_field() {
    let of = |json: &str| {
        let config: ModelConfig = serde_json::from_str(json).unwrap();
        build(&config, 0).err().unwrap().to_string()
    };
    let gpt2 = r#"{"model_type": "gpt2", "vocab_size": 31, "n_embd": 12, "n_layer": 2, "n_head": 5}"#;
    assert_eq!(of(gpt2), "n_head = 5: expected a divisor of n_embd = 12");
    let gpt2 = r#"{"model_type": "gpt2", "vocab_size": 0, "n_embd": 12, "n_layer": 2, "n_head": 3}"#;
    assert_eq!(of(gpt2), "vocab_size = 0: expected a whole number of at least 1");
    let unknown = serde_json::from_str::<ModelConfig>(r#"{"model_type": "mamba"}"#).unwrap_err().to_string();
    assert!(unknown.starts_with("unknown variant `mamba`, expected `llama` or `gpt2`"), "{unknown}");
}

#[test]
fn names_tell_whole_shapes() {
    for model in families() {
        for name in model.names() {
            let parameter = model.parameters().get(&name.parameter).unwrap();
            let rows: usize = name.parts.iter().map(|(_, rows)| rows).sum();
            let mut shape = name.shape(rows);
            if name.transposed {
                shape.reverse();
            }
            assert_eq!(shape, parameter.shape().axes(), "{}", name.parameter);
        }
    }
}
