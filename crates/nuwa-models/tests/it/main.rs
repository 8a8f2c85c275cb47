//! What every family must do: train all its parameters, name them all, decode as it scores.

mod custom;
mod encoder_decoders;
mod recurrent;
mod xlnet;

use nuwa_models::{
    Batch, Classes, Input, Losses, Model, ModelConfig, NewRows, Prediction, Targets, Text, backward, build,
    losses,
};
use nuwa_nn::Context;
use nuwa_tensor::{AttentionMask, DType, Precision, Random, Tape};

fn built(configurations: &[&str]) -> Vec<Box<dyn Model>> {
    let model = |json: &&str| build(&serde_json::from_str::<ModelConfig>(json).unwrap(), 5).unwrap();
    configurations.iter().map(model).inspect(|model| fill_buffers(&**model)).collect()
}

/// Running means and variances as training leaves them: those of no two features are alike.
fn fill_buffers(model: &dyn Model) {
    for buffer in model.parameters().iter().filter(|parameter| parameter.entry().is_buffer()) {
        let random = Random::new(7).named(buffer.entry().path());
        let least = if buffer.entry().path().ends_with("running_var") { 0.2 } else { -0.1 };
        buffer.set(|values| {
            for (value, index) in values.iter_mut().zip(0..) {
                *value = least + 0.2 * random.uniform(index) as f32;
            }
        });
    }
}

fn families() -> Vec<Box<dyn Model>> {
    built(&[
        r#"{"model_type": "gpt2", "vocab_size": 31, "n_positions": 16, "n_embd": 12, "n_layer": 2, "n_head": 3}"#,
        r#"{"model_type": "llama", "vocab_size": 31, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 16}"#,
        r#"{"model_type": "llama", "vocab_size": 31, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1,
            "num_attention_heads": 2, "head_dim": 6, "tie_word_embeddings": true, "attention_bias": true,
            "mlp_bias": true, "max_position_embeddings": 16}"#,
        r#"{"model_type": "mixtral", "vocab_size": 31, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 16, "num_local_experts": 4}"#,
        r#"{"model_type": "olmoe", "vocab_size": 31, "hidden_size": 16, "intermediate_size": 12, "num_hidden_layers": 2,
            "num_attention_heads": 4, "max_position_embeddings": 16, "num_experts": 5, "num_experts_per_tok": 3}"#,
        r#"{"model_type": "qwen3_moe", "vocab_size": 31, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 3,
            "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 6, "max_position_embeddings": 16,
            "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 10, "norm_topk_prob": true,
            "mlp_only_layers": [1]}"#,
        r#"{"model_type": "bert", "vocab_size": 31, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
            "num_attention_heads": 4, "max_position_embeddings": 10}"#,
        r#"{"model_type": "bert", "vocab_size": 31, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1,
            "num_attention_heads": 2, "max_position_embeddings": 10, "hidden_act": "gelu_new",
            "architectures": ["BertForMaskedLM"]}"#,
        r#"{"model_type": "unilm", "vocab_size": 31, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1,
            "num_attention_heads": 2, "max_position_embeddings": 10, "type_vocab_size": 6}"#,
        r#"{"model_type": "xlm", "vocab_size": 31, "emb_dim": 16, "n_layers": 2, "n_heads": 4, "n_langs": 3,
            "max_position_embeddings": 10}"#,
        r#"{"model_type": "xlm", "vocab_size": 31, "emb_dim": 16, "n_layers": 2, "n_heads": 4, "n_langs": 3, "causal": true,
            "max_position_embeddings": 16}"#,
        r#"{"model_type": "mistral", "vocab_size": 31, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 16, "sliding_window": 3}"#,
        r#"{"model_type": "qwen2", "vocab_size": 31, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 16,
            "use_sliding_window": true, "sliding_window": 4, "max_window_layers": 1}"#,
        r#"{"model_type": "qwen3", "vocab_size": 31, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 6, "max_position_embeddings": 16,
            "rope_parameters": {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 8}}"#,
        r#"{"model_type": "gpt_neo", "vocab_size": 31, "max_position_embeddings": 16, "hidden_size": 12, "num_layers": 3,
            "num_heads": 3, "window_size": 3, "attention_types": [[["global", "local"], 1], [["global"], 1]]}"#,
        r#"{"model_type": "falcon", "vocab_size": 31, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4,
            "max_position_embeddings": 16}"#,
        r#"{"model_type": "falcon", "vocab_size": 31, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4,
            "num_kv_heads": 2, "new_decoder_architecture": true, "max_position_embeddings": 16}"#,
        r#"{"model_type": "falcon", "vocab_size": 31, "hidden_size": 18, "num_hidden_layers": 2, "num_attention_heads": 6,
            "multi_query": false, "parallel_attn": false, "bias": true, "alibi": true, "max_position_embeddings": 16}"#,
        r#"{"model_type": "lamda", "vocab_size": 31, "d_model": 12, "d_kv": 5, "d_ff": 24, "num_layers": 2, "num_heads": 3,
            "relative_attention_num_buckets": 6, "relative_attention_max_distance": 8, "n_positions": 16}"#,
        r#"{"model_type": "lamda", "vocab_size": 31, "d_model": 12, "d_kv": 4, "d_ff": 24, "num_layers": 1, "num_heads": 3,
            "relative_attention_num_buckets": 6, "relative_attention_max_distance": 8, "n_positions": 16,
            "tie_word_embeddings": true}"#,
        r#"{"model_type": "xlnet", "vocab_size": 31, "d_model": 16, "d_inner": 24, "n_layer": 2, "n_head": 4,
            "n_positions": 16}"#,
        r#"{"model_type": "marian", "vocab_size": 31, "d_model": 12, "encoder_layers": 2, "decoder_layers": 2,
            "encoder_attention_heads": 3, "decoder_attention_heads": 2, "encoder_ffn_dim": 24, "decoder_ffn_dim": 20,
            "max_position_embeddings": 16, "activation_function": "relu", "scale_embedding": true,
            "decoder_start_token_id": 0}"#,
        r#"{"model_type": "t5", "vocab_size": 31, "d_model": 12, "d_kv": 5, "d_ff": 24, "num_layers": 2,
            "num_decoder_layers": 1, "num_heads": 3, "relative_attention_num_buckets": 8,
            "relative_attention_max_distance": 10, "n_positions": 16, "decoder_start_token_id": 0}"#,
        r#"{"model_type": "t5", "vocab_size": 31, "d_model": 12, "d_kv": 4, "d_ff": 20, "num_layers": 1,
            "num_decoder_layers": 2, "num_heads": 3, "relative_attention_num_buckets": 8,
            "relative_attention_max_distance": 10, "n_positions": 16, "decoder_start_token_id": 0,
            "feed_forward_proj": "gated-gelu", "tie_word_embeddings": false}"#,
        r#"{"model_type": "bart", "vocab_size": 31, "d_model": 12, "encoder_layers": 1, "decoder_layers": 2,
            "encoder_attention_heads": 3, "decoder_attention_heads": 3, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24,
            "max_position_embeddings": 16, "decoder_start_token_id": 2}"#,
        r#"{"model_type": "lstm", "vocab_size": 31, "embedding_dim": 8, "hidden_size": 12, "num_hidden_layers": 2, "n_positions": 16}"#,
        r#"{"model_type": "lstm", "vocab_size": 31, "hidden_size": 12, "num_hidden_layers": 1, "tie_word_embeddings": true}"#,
        r#"{"model_type": "gru", "vocab_size": 31, "hidden_size": 12, "num_hidden_layers": 2, "n_positions": 16}"#,
        r#"{"model_type": "recurrent_gemma", "vocab_size": 31, "hidden_size": 16, "intermediate_size": 48,
            "num_hidden_layers": 4, "num_attention_heads": 2, "num_key_value_heads": 1, "attention_window_size": 3,
            "max_position_embeddings": 16}"#,
        r#"{"model_type": "recurrent_gemma", "vocab_size": 31, "hidden_size": 16, "intermediate_size": 48, "lru_width": 12,
            "num_hidden_layers": 2, "num_attention_heads": 4, "block_types": ["attention", "recurrent"],
            "attention_bias": true, "tie_word_embeddings": false, "conv1d_width": 2, "max_position_embeddings": 16}"#,
        custom::AFTER,
        custom::CELLS,
        custom::LINEAR,
        custom::SINUSOIDS,
        custom::BATCH,
    ])
}

/// Those that answer a source.
fn encoder_decoders() -> Vec<Box<dyn Model>> {
    let mut all = families();
    all.retain(|model| model.config().is_encoder_decoder());
    all
}

/// Those that go on with a text.
fn decoders() -> Vec<Box<dyn Model>> {
    let mut all = families();
    all.retain(|model| model.config().predicts().writes());
    all
}

fn ids(count: usize) -> Vec<u32> {
    (0..count as u32).map(|i| (i * 7 + 3) % 31).collect()
}

/// Two texts of `length`, as `model` is trained on them: every token, of an answer that is shorter than its source where there is
/// one, or every third and a class for each text.
fn batch(model: &dyn Model, length: usize) -> Batch {
    let ids = ids(2 * length);
    let targets: Vec<u32> = ids.iter().map(|id| (id * 11 + 5) % model.vocabulary() as u32).collect();
    if model.config().predicts() == Prediction::NextToken {
        let weights = vec![1.0 / targets.len() as f32; targets.len()];
        return Batch::of_every_row(Text::causal(ids, 2), targets, weights);
    }
    if model.config().predicts() == Prediction::AnyOrder {
        return xlnet::batch(ids, targets, 2);
    }
    if model.config().is_encoder_decoder() {
        let answer = Text::causal(ids[4..].to_vec(), 2);
        let targets = Targets { rows: None, ids: targets[4..].to_vec(), weights: vec![0.05; 2 * length - 4] };
        return Batch { source: Text::bidirectional(ids, 2), answer: Some(answer), targets, classes: None };
    }
    let rows: Vec<u32> = (0..2 * length as u32).step_by(3).collect();
    let targets: Vec<u32> = rows.iter().map(|&row| targets[row as usize]).collect();
    let weights = vec![1.0 / rows.len() as f32; rows.len()];
    let segments = (0..2 * length as u32).map(|row| u32::from(row % 10 >= 5)).collect();
    Batch {
        source: Text { segments, ..Text::bidirectional(ids, 2) },
        answer: None,
        targets: Targets { rows: Some(rows), ids: targets, weights },
        classes: model.class_head().map(|_| Classes {
            texts: None,
            labels: vec![1, 1],
            weights: vec![0.5; 2],
        }),
    }
}

fn gradients(model: &dyn Model) -> Vec<Vec<f32>> {
    let gradients = model.parameters().iter().map(|parameter| parameter.gradient()).collect();
    model.parameters().clear_gradients();
    gradients
}

#[test]
fn every_parameter_gets_a_gradient() {
    for model in families() {
        let tape = Tape::training();
        backward(&*model, &Context::new(&tape).with_dropout(0.1), &batch(&*model, 10)).unwrap();
        for parameter in model.parameters().iter() {
            let path = parameter.entry().path();
            let gradient = parameter.gradient();
            if !parameter.entry().is_trainable() {
                assert!(path == "head.bias" || parameter.entry().is_buffer(), "{path} is not trained");
                assert!(gradient.iter().all(|&g| g == 0.0), "{path} is not trained and got a gradient");
                continue;
            }
            assert!(gradient.iter().any(|&g| g != 0.0), "{path} got no gradient");
            assert!(gradient.iter().all(|g| g.is_finite()), "{path} got a gradient that is not finite");
        }
    }
}

/// Wide enough that rounding averages out as it does in a real model.
fn wider_families() -> Vec<Box<dyn Model>> {
    built(&[
        r#"{"model_type": "gpt2", "vocab_size": 301, "n_positions": 80, "n_embd": 96, "n_layer": 2, "n_head": 3}"#,
        r#"{"model_type": "llama", "vocab_size": 301, "hidden_size": 96, "intermediate_size": 256, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 80}"#,
        r#"{"model_type": "mixtral", "vocab_size": 301, "hidden_size": 96, "intermediate_size": 128, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 80}"#,
        r#"{"model_type": "bert", "vocab_size": 301, "hidden_size": 96, "intermediate_size": 256, "num_hidden_layers": 2,
            "num_attention_heads": 3, "max_position_embeddings": 80}"#,
        r#"{"model_type": "qwen3", "vocab_size": 301, "hidden_size": 96, "intermediate_size": 256, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 80,
            "use_sliding_window": true, "sliding_window": 20, "max_window_layers": 1}"#,
        r#"{"model_type": "falcon", "vocab_size": 301, "hidden_size": 96, "num_hidden_layers": 2, "num_attention_heads": 6,
            "max_position_embeddings": 80}"#,
        r#"{"model_type": "falcon", "vocab_size": 301, "hidden_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
            "multi_query": false, "parallel_attn": false, "bias": true, "alibi": true, "max_position_embeddings": 80}"#,
        r#"{"model_type": "lamda", "vocab_size": 301, "d_model": 96, "d_kv": 24, "d_ff": 256, "num_layers": 2, "num_heads": 4,
            "n_positions": 80}"#,
        r#"{"model_type": "xlnet", "vocab_size": 301, "d_model": 96, "d_inner": 256, "n_layer": 2, "n_head": 4, "n_positions": 80}"#,
        r#"{"model_type": "marian", "vocab_size": 301, "d_model": 96, "encoder_layers": 2, "decoder_layers": 2,
            "encoder_attention_heads": 3, "decoder_attention_heads": 3, "encoder_ffn_dim": 256, "decoder_ffn_dim": 256,
            "max_position_embeddings": 80, "activation_function": "relu", "scale_embedding": true,
            "decoder_start_token_id": 0}"#,
        r#"{"model_type": "t5", "vocab_size": 301, "d_model": 96, "d_kv": 24, "d_ff": 256, "num_layers": 2,
            "num_decoder_layers": 2, "num_heads": 4, "n_positions": 80, "decoder_start_token_id": 0}"#,
        r#"{"model_type": "bart", "vocab_size": 301, "d_model": 96, "encoder_layers": 2, "decoder_layers": 2,
            "encoder_attention_heads": 3, "decoder_attention_heads": 3, "encoder_ffn_dim": 256, "decoder_ffn_dim": 256,
            "max_position_embeddings": 80, "decoder_start_token_id": 2}"#,
        r#"{"model_type": "lstm", "vocab_size": 301, "hidden_size": 96, "num_hidden_layers": 2, "n_positions": 80}"#,
        r#"{"model_type": "gru", "vocab_size": 301, "hidden_size": 96, "num_hidden_layers": 2, "n_positions": 80}"#,
        r#"{"model_type": "recurrent_gemma", "vocab_size": 301, "hidden_size": 96, "intermediate_size": 512,
            "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 1, "attention_window_size": 20,
            "max_position_embeddings": 80}"#,
        custom::WIDE_AFTER,
        custom::WIDE_CELLS,
        custom::WIDE_BATCH,
    ])
}

/// The losses, every gradient and the most memory in use of one pass.
fn pass(
    model: &dyn Model,
    precision: Precision,
    dropout: f32,
    recompute: bool,
) -> (Losses, Vec<Vec<f32>>, usize) {
    let tape = Tape::training().with_precision(precision);
    tape.set_random(Random::new(3));
    let context = Context::new(&tape).with_dropout(dropout).with_recompute(recompute);
    let losses = backward(model, &context, &batch(model, 80)).unwrap();
    (losses, gradients(model), tape.peak_bytes())
}

/// f32 itself is held against PyTorch elsewhere.
#[test]
fn bf16_points_where_f32_points() {
    for model in wider_families() {
        let (loss, exact, _) = pass(&*model, Precision::F32, 0.0, false);
        let (narrow_loss, narrow, _) = pass(&*model, Precision::Bf16, 0.0, false);
        let off = (loss.total() - narrow_loss.total()).abs();
        assert!(off < 5e-3, "{} against {}", loss.total(), narrow_loss.total());
        let both = exact.iter().zip(&narrow).zip(model.parameters().iter());
        for ((a, b), parameter) in both.filter(|(_, parameter)| parameter.entry().is_trainable()) {
            let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| f64::from(x * y)).sum::<f64>();
            let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
            // Of experts that are nearly alike, rounding chooses another one for a row now and then.
            let least = if loss.shares.is_empty() { 0.9999 } else { 0.99 };
            // What reaches an encoder has gone through every layer of a decoder.
            let least = if model.config().is_encoder_decoder() { 0.9995 } else { least };
            assert!(cosine > least, "{}: cosine {cosine}", parameter.entry().path());
        }
    }
}

#[test]
fn bf16_gives_the_same_bits_again() {
    for model in wider_families() {
        let (losses, gradients, _) = pass(&*model, Precision::Bf16, 0.0, false);
        let (again, gradients_again, _) = pass(&*model, Precision::Bf16, 0.0, false);
        assert!((losses, gradients) == (again, gradients_again));
    }
}

#[test]
fn what_is_computed_again_has_the_same_bits_and_takes_less_memory() {
    for precision in [Precision::F32, Precision::Bf16] {
        for model in wider_families() {
            let (loss, gradients, memory) = pass(&*model, precision, 0.2, false);
            let (again, gradients_again, less) = pass(&*model, precision, 0.2, true);
            assert_eq!(loss.total().to_bits(), again.total().to_bits());
            assert!(gradients == gradients_again, "gradients differ");
            assert!(gradients.iter().flatten().any(|&g| g != 0.0));
            assert!(less < memory, "{less} bytes instead of {memory}");
        }
    }
}

#[test]
fn weights_learn_though_the_input_of_a_block_is_frozen() {
    for model in wider_families() {
        for parameter in model.parameters().iter() {
            parameter.entry().set_trainable(parameter.entry().path().contains("layers"));
        }
        let (losses, gradients, _) = pass(&*model, Precision::F32, 0.0, false);
        let (again, gradients_again, _) = pass(&*model, Precision::F32, 0.0, true);
        assert!((losses, gradients) == (again, gradients_again));
    }
}

#[test]
fn losses_without_a_gradient_are_the_same() {
    for model in families() {
        let tape = Tape::training();
        let batch = batch(&*model, 10);
        let trained = backward(&*model, &Context::new(&tape), &batch).unwrap();
        let silent = tape.for_inference();
        assert_eq!(losses(&*model, &Context::new(&silent), &batch).unwrap(), trained);
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
    for model in decoders() {
        let tape = Tape::inference();
        let context = Context::new(&tape);
        let ids = ids(12);
        let whole = model.hidden(&context, Input::Text(&Text::causal(ids.clone(), 1))).unwrap().hidden;
        let mut cache = model.new_cache(12, DType::F32);
        let mut done = 0;
        for count in [5, 1, 1, 5] {
            let next = Input::Next(vec![NewRows { cache: &mut cache, ids: &ids[done..done + count] }]);
            let part = model.hidden(&context, next).unwrap().hidden;
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
fn an_encoder_refuses_a_cache() {
    let tape = Tape::inference();
    for model in families() {
        let mut cache = model.new_cache(12, DType::F32);
        let refused = model
            .hidden(&Context::new(&tape), Input::Next(vec![NewRows { cache: &mut cache, ids: &ids(3) }]))
            .is_err();
        assert_eq!(refused, !model.config().predicts().writes());
    }
}

#[test]
fn a_document_is_not_changed_by_its_neighbour() {
    for model in decoders() {
        let tape = Tape::inference();
        let hidden = |text: Text| model.hidden(&Context::new(&tape), Input::Text(&text)).unwrap().hidden;
        let (first, second) = (ids(4), ids(6));
        let both = [&first[..], &second[..]].concat();
        let starts = vec![0, 0, 0, 0, 4, 4, 4, 4, 4, 4];
        let packed = hidden(Text::causal(both, 1).within_documents(starts));
        let alone = hidden(Text::causal(second, 1));
        for row in 0..6 {
            for (a, b) in packed.row_to_host(4 + row).iter().zip(alone.row_to_host(row)) {
                assert!((a - b).abs() < 1e-5, "row {row}: {a} {b}");
            }
        }
    }
}

#[test]
fn padding_changes_no_text() {
    for model in families().into_iter().filter(|model| model.class_head().is_some()) {
        let tape = Tape::inference();
        let rows = |text: Text| model.hidden(&Context::new(&tape), Input::Text(&text)).unwrap();
        let alone = rows(Text::bidirectional(ids(6), 1));
        let ranges = (0..20).map(|row| [0, if row < 10 { 6 } else { 10 }]).collect();
        let mask = AttentionMask::new(2, 10, ranges).unwrap();
        let filled = rows(Text { mask, ..Text::bidirectional(ids(20), 2) });
        for row in 0..6 {
            for (a, b) in filled.hidden.row_to_host(row).iter().zip(alone.hidden.row_to_host(row)) {
                assert!((a - b).abs() < 1e-5, "row {row}: {a} {b}");
            }
        }
        let [filled, alone] = [filled, alone].map(|rows| rows.pooled.unwrap().row_to_host(0));
        assert!(filled.iter().zip(&alone).all(|(a, b)| (a - b).abs() < 1e-5), "{filled:?} {alone:?}");
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
    let falcon = |fields: &str| {
        of(&format!(
            r#"{{"model_type": "falcon", "vocab_size": 31, "hidden_size": 24, "num_hidden_layers": 1, {fields}}}"#
        ))
    };
    assert_eq!(
        falcon(r#""num_attention_heads": 4, "num_kv_heads": 3, "new_decoder_architecture": true"#),
        "num_kv_heads = 3: expected a divisor of num_attention_heads = 4"
    );
    assert_eq!(
        falcon(r#""num_attention_heads": 4, "num_kv_heads": 2, "multi_query": false"#),
        "num_kv_heads = 2: expected 4, as many as query heads: query_key_value has groups of heads with \
         new_decoder_architecture alone"
    );
    assert_eq!(
        falcon(r#""num_attention_heads": 4, "parallel_attn": false, "new_decoder_architecture": true"#),
        "parallel_attn = false: expected true with new_decoder_architecture"
    );
    assert_eq!(
        falcon(r#""num_attention_heads": 4, "num_ln_in_parallel_attn": 2"#),
        "num_ln_in_parallel_attn = 2: expected 1, or 2 with new_decoder_architecture"
    );
    assert_eq!(
        falcon(r#""num_attention_heads": 5"#),
        "num_attention_heads = 5: expected a divisor of hidden_size = 24"
    );
    assert_eq!(
        falcon(r#""num_attention_heads": 8"#),
        "num_attention_heads = 8: expected a number that leaves each head (here 3) an even number of features: rotary \
         positions turn pairs"
    );
    let lamda = r#"{"model_type": "lamda", "vocab_size": 31, "d_model": 12, "d_kv": 4, "d_ff": 24, "num_layers": 1,
        "num_heads": 3, "relative_attention_max_distance": 16}"#;
    assert_eq!(
        of(lamda),
        "relative_attention_max_distance = 16: expected a number above 16, half of relative_attention_num_buckets"
    );
    let unknown = serde_json::from_str::<ModelConfig>(r#"{"model_type": "mamba"}"#).unwrap_err().to_string();
    assert!(
        unknown.starts_with("unknown variant `mamba`, expected one of `llama`, `gpt2`, `bert`, `gpt_neo`, `mistral`, `qwen2`, `qwen3`"),
        "{unknown}"
    );
}

/// The messages about configurations in which one field makes no sense.
#[test]
fn windows_and_layers_that_make_no_sense_are_named() {
    let of = |model_type: &str, fields: &str| {
        let sizes = r#""vocab_size": 31, "hidden_size": 12, "intermediate_size": 24, "num_hidden_layers": 2, "num_layers": 2,
            "num_attention_heads": 2, "num_heads": 2"#;
        let json = format!(r#"{{"model_type": "{model_type}", {sizes}, {fields}}}"#);
        build(&serde_json::from_str::<ModelConfig>(&json).unwrap(), 0).err().unwrap().to_string()
    };
    let told = [
        of("mistral", r#""sliding_window": 0"#),
        of("qwen2", r#""use_sliding_window": true, "sliding_window": 0"#),
        of("qwen3", r#""use_sliding_window": true, "sliding_window": 4, "layer_types": ["full_attention"]"#),
        of("qwen3", r#""layer_types": ["full_attention", "sliding_attention"]"#),
        of("gpt_neo", r#""window_size": 0, "attention_types": [[["global"], 2]]"#),
        of("gpt_neo", r#""attention_types": [[["global", "local"], 2]]"#),
        of("gpt_neo", r#""attention_types": [[["global"], 1]]"#),
    ];
    let expected = [
        "sliding_window = 0: expected a whole number of at least 1",
        "sliding_window = 0: expected a whole number of at least 1",
        "layer_types = 1 types: expected one for each of num_hidden_layers = 2",
        "layer_types = sliding_attention: expected full_attention alone where use_sliding_window is false or sliding_window null",
        "window_size = 0: expected a whole number of at least 1",
        "attention_types = more than 2 layers: expected as many as num_layers = 2",
        "attention_types = 1 layers: expected as many as num_layers = 2",
    ];
    assert_eq!(told, expected);
}

/// Of layers that attend within a window, the mask is made once, and the last row sees what lies in it alone.
#[test]
fn a_window_hides_what_lies_further_back() {
    let one_layer = built(&[
        r#"{"model_type": "mistral", "vocab_size": 31, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1,
            "num_attention_heads": 4, "max_position_embeddings": 16, "sliding_window": 3}"#,
        r#"{"model_type": "gpt_neo", "vocab_size": 31, "max_position_embeddings": 16, "hidden_size": 12, "num_layers": 1,
            "num_heads": 3, "window_size": 3, "attention_types": [[["local"], 1]]}"#,
    ]);
    for model in one_layer {
        let tape = Tape::inference();
        let last = |ids: Vec<u32>| {
            let text = Text::causal(ids, 1);
            model.hidden(&Context::new(&tape), Input::Text(&text)).unwrap().hidden.row_to_host(9)
        };
        let (mut beyond, mut within) = (ids(10), ids(10));
        (beyond[6], within[7]) = (1, 1);
        assert_eq!(last(beyond), last(ids(10)));
        assert_ne!(last(within), last(ids(10)));
    }
}

#[test]
fn names_tell_whole_shapes() {
    for model in families() {
        for name in model.names() {
            let parameter = model.parameters().get(&name.parameter).unwrap();
            let rows: usize = name.parts.iter().map(|(_, rows)| rows).sum();
            let mut shape = name.shape(rows);
            if name.axes.is_some() {
                // The axes are those of each part.
                let elements = name.parts.len() * shape.iter().product::<usize>();
                assert_eq!(elements, parameter.shape().elements(), "{}", name.parameter);
                continue;
            }
            if name.transposed {
                shape.reverse();
            }
            assert_eq!(shape, parameter.shape().axes(), "{}", name.parameter);
        }
    }
}

/// The config of a small model with experts, changed by `fields`.
fn mixtral(fields: &str) -> Result<ModelConfig, serde_json::Error> {
    serde_json::from_str(&format!(
        r#"{{"model_type": "mixtral", "vocab_size": 31, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
            "num_attention_heads": 4, "max_position_embeddings": 16{fields}}}"#
    ))
}

#[test]
fn experts_that_make_no_sense_are_named() {
    let told = |fields: &str| build(&mixtral(fields).unwrap(), 0).err().unwrap().to_string();
    let too_many = r#", "num_local_experts": 4, "num_experts_per_tok": 5"#;
    assert_eq!(told(too_many), "num_experts_per_tok = 5: expected a number from 1 to num_local_experts = 4");
    let none = r#", "num_experts_per_tok": 0"#;
    assert_eq!(told(none), "num_experts_per_tok = 0: expected a number from 1 to num_local_experts = 8");
    assert_eq!(
        told(r#", "num_local_experts": 0"#),
        "num_local_experts = 0: expected a whole number of at least 1"
    );
    let pushes = r#", "router_aux_loss_coef": -0.1"#;
    assert_eq!(told(pushes), "router_aux_loss_coef = -0.1: expected a number of at least 0");
}

/// The losses of the router are in the gradient and not in what is measured; passes of half a step count half.
#[test]
fn losses_of_a_router_join_the_objective_alone() {
    let run = |fields: &str, share: f32| {
        let model = build(&mixtral(fields).unwrap(), 5).unwrap();
        let mut batch = batch(&*model, 10);
        batch.targets.weights.iter_mut().for_each(|weight| *weight *= share);
        let losses = backward(&*model, &Context::new(&Tape::training()), &batch).unwrap();
        (losses, gradients(&*model))
    };
    let off = r#", "router_aux_loss_coef": 0.0, "router_z_loss_coef": 0.0"#;
    let (on, off) = (run("", 1.0), run(off, 1.0));
    assert_eq!(on.0.total(), off.0.total());
    let auxiliary = on.0.auxiliary.unwrap();
    // Balance is 2 at its best; untrained, the logarithm of the sum over 8 experts is that of 8.
    let expected = 0.001 * 2.0 + 0.001 * 8_f32.ln().powi(2);
    assert!((auxiliary - expected).abs() < 3e-4, "{auxiliary}, expected {expected}");
    assert_eq!((on.0.objective(), off.0.auxiliary), (on.0.total() + auxiliary, Some(0.0)));
    assert!(on.1 != off.1, "the losses of the router have no gradient");
    assert!((run("", 0.5).0.auxiliary.unwrap() - 0.5 * auxiliary).abs() < 1e-8);
    for shares in on.0.shares.iter().flatten() {
        assert_eq!((shares.rows, shares.counts.iter().sum::<u32>()), (20, 40));
    }
    assert_eq!(on.0.shares.iter().flatten().count(), 2);
}

/// Sequences that are decoded beside each other have the bits that they have alone, and so do rows that are many.
#[test]
fn experts_decode_a_row_with_the_same_bits_whatever_is_beside_it() {
    for model in
        decoders().into_iter().filter(|model| model.names().iter().any(|n| n.parameter.contains("moe")))
    {
        let tape = Tape::inference().batch_invariant();
        let context = Context::new(&tape);
        let mut caches = [0, 1, 2, 3, 4, 5].map(|_| model.new_cache(12, DType::F32));
        let ids = ids(12);
        let next = caches.iter_mut().enumerate().map(|(i, cache)| NewRows { cache, ids: &ids[i..i + 3] });
        let together = model.hidden(&context, Input::Next(next.collect())).unwrap().hidden;
        for first in 0..6 {
            let mut cache = model.new_cache(12, DType::F32);
            for offset in 0..3 {
                let one = &ids[first + offset..=first + offset];
                let next = Input::Next(vec![NewRows { cache: &mut cache, ids: one }]);
                let alone = model.hidden(&context, next).unwrap().hidden;
                assert_eq!(alone.row_to_host(0), together.row_to_host(3 * first + offset), "row {first}");
            }
        }
    }
}
