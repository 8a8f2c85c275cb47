use super::{T5Config, T5FeedForward};
use crate::TensorName;
use crate::names::{linear_names, matrix_name, vector_name};

/// Queries, keys and values are three tensors there; here they are one parameter within a sequence, and two from one to the other. So
/// are gate and up. A class with a head for labels has the model within it, one with a head for tokens is the model.
pub fn names(config: &T5Config) -> Vec<TensorName> {
    let (width, vocabulary) = (config.d_model, config.vocab_size);
    let mut names = vec![matrix_name("tokens.weight", "shared.weight", vocabulary, width)];
    for (stack, layers) in [("encoder", config.num_layers), ("decoder", config.num_decoder_layers)] {
        let table = format!("{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight");
        let (buckets, heads) = (config.relative_attention_num_buckets, config.num_heads);
        names.push(matrix_name(format!("{stack}.distances.weight"), table, buckets, heads));
        for layer in 0..layers {
            names.extend(block(config, stack, layer));
        }
        names.push(norm(format!("{stack}.norm"), format!("{stack}.final_layer_norm"), width));
    }
    if config.has_own_head() {
        names.push(matrix_name("head.weight", "lm_head.weight", vocabulary, width));
    }
    if config.tells_labels {
        let tensors = names.iter_mut().flat_map(|name| &mut name.parts);
        tensors.for_each(|(tensor, _)| tensor.insert_str(0, "transformer."));
    }
    names
}

fn block(config: &T5Config, stack: &str, layer: usize) -> Vec<TensorName> {
    let (width, inner, queries) = (config.d_model, config.d_ff, config.head_layout().query_width());
    let here = |own: &str| format!("{stack}.layers.{layer}.{own}");
    let there = |number: usize, part: &str| format!("{stack}.block.{layer}.layer.{number}.{part}");
    let parts = |number: usize, layer: &str, parts: &[&str]| -> Vec<String> {
        parts.iter().map(|part| there(number, &format!("{layer}.{part}"))).collect()
    };
    let linear =
        |own: &str, parts: &[String], shape: [usize; 2]| linear_names(&here(own), parts, shape, false);
    let mut names = linear("attention.qkv", &parts(0, "SelfAttention", &["q", "k", "v"]), [queries, width]);
    names.extend(linear("attention.output", &parts(0, "SelfAttention", &["o"]), [width, queries]));
    names.push(norm(here("attention_norm"), there(0, "layer_norm"), width));
    let last = if stack == "decoder" { 2 } else { 1 };
    if last == 2 {
        names.extend(linear("source.queries", &parts(1, "EncDecAttention", &["q"]), [queries, width]));
        names.extend(linear("source.memory", &parts(1, "EncDecAttention", &["k", "v"]), [queries, width]));
        names.extend(linear("source.output", &parts(1, "EncDecAttention", &["o"]), [width, queries]));
        names.push(norm(here("source_norm"), there(1, "layer_norm"), width));
    }
    let (up, matrices): (&str, &[&str]) = match config.feed_forward_proj {
        T5FeedForward::Relu => ("feed_forward.up", &["wi"]),
        T5FeedForward::GatedGelu => ("feed_forward.gate_up", &["wi_0", "wi_1"]),
    };
    names.extend(linear(up, &parts(last, "DenseReluDense", matrices), [inner, width]));
    names.extend(linear("feed_forward.down", &parts(last, "DenseReluDense", &["wo"]), [width, inner]));
    names.push(norm(here("feed_forward_norm"), there(last, "layer_norm"), width));
    names
}

fn norm(here: String, there: String, width: usize) -> TensorName {
    vector_name(format!("{here}.weight"), format!("{there}.weight"), width)
}
