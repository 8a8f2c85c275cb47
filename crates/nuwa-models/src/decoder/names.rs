//! The names of LLaMA's tensors, which its followers have too.

use super::DecoderConfig;
use crate::TensorName;
use crate::names::{matrix_name, vector_name};

/// Embedding, last norm and head.
pub(crate) fn outer(config: &DecoderConfig) -> Vec<TensorName> {
    let (width, vocabulary) = (config.hidden_size, config.vocab_size);
    let mut names = vec![
        matrix_name("tokens.weight", "model.embed_tokens.weight", vocabulary, width),
        vector_name("norm.weight", "model.norm.weight", width),
    ];
    if !config.tie_word_embeddings {
        names.push(matrix_name("head.weight", "lm_head.weight", vocabulary, width));
    }
    names
}

/// Attention of a layer and the norms before it and before what follows; `biases` as in [`DecoderConfig::attention`].
/// Queries, keys and values are three tensors there, one parameter here.
pub(crate) fn attention(config: &DecoderConfig, layer: usize, biases: [bool; 2]) -> Vec<TensorName> {
    let (width, heads) = (config.hidden_size, config.head_layout());
    let qkv = [
        ("self_attn.q_proj", heads.query_width()),
        ("self_attn.k_proj", heads.key_width()),
        ("self_attn.v_proj", heads.key_width()),
    ];
    let mut names = linear(layer, "attention.qkv", &qkv, width, biases[0]);
    let output = [("self_attn.o_proj", width)];
    names.extend(linear(layer, "attention.output", &output, heads.query_width(), biases[1]));
    names.push(norm(layer, "attention_norm", "input_layernorm", width));
    names.push(norm(layer, "feed_forward_norm", "post_attention_layernorm", width));
    names
}

/// The norms of query and key heads of a layer, of these widths.
pub(crate) fn head_norms(layer: usize, [queries, keys]: [usize; 2]) -> [TensorName; 2] {
    [
        norm(layer, "attention.query_norm", "self_attn.q_norm", queries),
        norm(layer, "attention.key_norm", "self_attn.k_norm", keys),
    ]
}

/// The gated feed-forward layer of a layer. Gate and up are two tensors there, one parameter here.
pub(crate) fn feed_forward(config: &DecoderConfig, layer: usize, bias: bool) -> Vec<TensorName> {
    let (width, inner) = (config.hidden_size, config.intermediate_size);
    let gate_up = [("mlp.gate_proj", inner), ("mlp.up_proj", inner)];
    let mut names = linear(layer, "feed_forward.gate_up", &gate_up, width, bias);
    names.extend(linear(layer, "feed_forward.down", &[("mlp.down_proj", width)], inner, bias));
    names
}

/// The weight of a norm of a layer.
pub(crate) fn norm(layer: usize, here: &str, there: &str, width: usize) -> TensorName {
    let there = format!("model.layers.{layer}.{there}.weight");
    vector_name(format!("layers.{layer}.{here}.weight"), there, width)
}

/// A matrix of a layer, and its bias where it has one, of `parts` one upon the other.
fn linear(layer: usize, here: &str, parts: &[(&str, usize)], columns: usize, bias: bool) -> Vec<TensorName> {
    let name = |kind: &str, columns| TensorName {
        parameter: format!("layers.{layer}.{here}.{kind}"),
        parts: parts
            .iter()
            .map(|&(part, rows)| (format!("model.layers.{layer}.{part}.{kind}"), rows))
            .collect(),
        columns,
        ..vector_name("", "", 0)
    };
    let mut names = vec![name("weight", Some(columns))];
    if bias {
        names.push(name("bias", None));
    }
    names
}
