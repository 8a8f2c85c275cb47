use super::XlnetConfig;
use crate::TensorName;
use crate::names::{matrix_name, vector_name};

/// Projections are `[width, heads, head_dim]` there: those of queries, keys, values and distances transposed, with the input first;
/// that of the output as it is. Keys and values are two tensors there, one parameter here.
pub fn names(config: &XlnetConfig) -> Vec<TensorName> {
    let (width, inner, vocabulary) = (config.d_model, config.d_inner, config.vocab_size);
    let mut names = vec![
        matrix_name("tokens.weight", "transformer.word_embedding.weight", vocabulary, width),
        TensorName {
            axes: Some(vec![1, 1, width]),
            ..matrix_name("query.weight", "transformer.mask_emb", 1, width)
        },
    ];
    for layer in 0..config.n_layer {
        let [here, there] = [format!("layers.{layer}"), format!("transformer.layer.{layer}")];
        attention(&mut names, config, &format!("{here}.attention"), &format!("{there}.rel_attn"));
        norm(&mut names, &format!("{here}.attention_norm"), &format!("{there}.rel_attn.layer_norm"), width);
        for (own, theirs, [rows, columns]) in
            [("up", "layer_1", [inner, width]), ("down", "layer_2", [width, inner])]
        {
            let [own, theirs] = [format!("{here}.feed_forward.{own}"), format!("{there}.ff.{theirs}")];
            names.push(matrix_name(format!("{own}.weight"), format!("{theirs}.weight"), rows, columns));
            names.push(vector_name(format!("{own}.bias"), format!("{theirs}.bias"), rows));
        }
        norm(&mut names, &format!("{here}.feed_forward_norm"), &format!("{there}.ff.layer_norm"), width);
    }
    if config.head.tokens {
        names.push(vector_name("head.bias", "lm_loss.bias", vocabulary));
    }
    names
}

fn attention(names: &mut Vec<TensorName>, config: &XlnetConfig, here: &str, there: &str) {
    let (width, heads, head_dim) = (config.d_model, config.n_head, config.head_dim());
    let own = heads * head_dim;
    for (parameter, parts, transposed) in [
        ("queries", &["q"][..], true),
        ("memory", &["k", "v"], true),
        ("distances", &["r"], true),
        ("output", &["o"], false),
    ] {
        let [rows, columns] = if transposed { [own, width] } else { [width, own] };
        names.push(TensorName {
            parts: parts.iter().map(|part| (format!("{there}.{part}"), rows)).collect(),
            transposed,
            axes: Some(vec![width, heads, head_dim]),
            ..matrix_name(format!("{here}.{parameter}.weight"), "", rows, columns)
        });
    }
    for (parameter, theirs) in
        [("content_bias", "r_w_bias"), ("distance_bias", "r_r_bias"), ("segment_bias", "r_s_bias")]
    {
        let name = vector_name(format!("{here}.{parameter}"), format!("{there}.{theirs}"), own);
        names.push(TensorName { axes: Some(vec![heads, head_dim]), ..name });
    }
    let name = matrix_name(format!("{here}.segments"), format!("{there}.seg_embed"), 2, own);
    names.push(TensorName { axes: Some(vec![2, heads, head_dim]), ..name });
}

fn norm(names: &mut Vec<TensorName>, here: &str, there: &str, width: usize) {
    for kind in ["weight", "bias"] {
        names.push(vector_name(format!("{here}.{kind}"), format!("{there}.{kind}"), width));
    }
}
