use super::LamdaConfig;
use crate::TensorName;
use crate::names::{matrix_name, vector_name};

/// Those of T5's decoder, whose second layer (attention to an encoder) is absent. Queries, keys and values are three tensors there,
/// one parameter here; so are gate and up.
pub fn names(config: &LamdaConfig) -> Vec<TensorName> {
    let (width, inner, queries) = (config.d_model, config.d_ff, config.head_layout().query_width());
    let first = "decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight";
    let buckets = config.relative_attention_num_buckets;
    let mut names = vec![
        matrix_name("tokens.weight", "decoder.embed_tokens.weight", config.vocab_size, width),
        matrix_name("distances.weight", first, buckets, config.num_heads),
    ];
    for layer in 0..config.num_layers {
        let (here, there) = (format!("layers.{layer}"), format!("decoder.block.{layer}.layer"));
        let attention = |part: &str| format!("{there}.0.SelfAttention.{part}.weight");
        let feed_forward = |part: &str| format!("{there}.2.DenseReluDense.{part}.weight");
        let mut add = |own: &str, parts: Vec<(String, usize)>, columns: usize| {
            let name = vector_name(format!("{here}.{own}.weight"), "", 0);
            names.push(TensorName { parts, columns: Some(columns), ..name });
        };
        add("attention.qkv", ["q", "k", "v"].map(|part| (attention(part), queries)).into(), width);
        add("attention.output", vec![(attention("o"), width)], queries);
        add("feed_forward.gate_up", ["wi_0", "wi_1"].map(|part| (feed_forward(part), inner)).into(), width);
        add("feed_forward.down", vec![(feed_forward("wo"), width)], inner);
        for (own, number) in [("attention_norm", 0), ("feed_forward_norm", 2)] {
            let other = format!("{there}.{number}.layer_norm.weight");
            names.push(vector_name(format!("{here}.{own}.weight"), other, width));
        }
    }
    names.push(vector_name("norm.weight", "decoder.final_layer_norm.weight", width));
    if !config.tie_word_embeddings {
        names.push(matrix_name("head.weight", "lm_head.weight", config.vocab_size, width));
    }
    names
}
