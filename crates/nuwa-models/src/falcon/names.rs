use std::ops::Range;

use nuwa_tensor::HeadLayout;

use super::FalconConfig;
use crate::TensorName;
use crate::names::{RowOrder, matrix_name, vector_name};

/// Queries, keys and values are one tensor there too, in another order of rows.
pub fn names(config: &FalconConfig) -> Vec<TensorName> {
    let (width, inner, heads) = (config.hidden_size, config.inner(), config.head_layout());
    let mut names =
        vec![matrix_name("tokens.weight", "transformer.word_embeddings.weight", config.vocab_size, width)];
    for layer in 0..config.num_hidden_layers {
        let (here, there) = (format!("layers.{layer}"), format!("transformer.h.{layer}"));
        for (own, other, rows, columns) in [
            ("attention.qkv", "self_attention.query_key_value", heads.width(), width),
            ("attention.output", "self_attention.dense", width, heads.query_width()),
            ("feed_forward.up", "mlp.dense_h_to_4h", inner, width),
            ("feed_forward.down", "mlp.dense_4h_to_h", width, inner),
        ] {
            let order = if own == "attention.qkv" { by_group(heads) } else { RowOrder::default() };
            let mut add = |kind: &str, columns: Option<usize>| {
                let name =
                    vector_name(format!("{here}.{own}.{kind}"), format!("{there}.{other}.{kind}"), rows);
                names.push(TensorName { columns, order: order.clone(), ..name });
            };
            add("weight", Some(columns));
            if config.bias {
                add("bias", None);
            }
        }
        for (own, other) in norms(config) {
            for kind in ["weight", "bias"] {
                names.push(vector_name(
                    format!("{here}.{own}.{kind}"),
                    format!("{there}.{other}.{kind}"),
                    width,
                ));
            }
        }
    }
    for kind in ["weight", "bias"] {
        names.push(vector_name(format!("norm.{kind}"), format!("transformer.ln_f.{kind}"), width));
    }
    if !config.tie_word_embeddings {
        names.push(matrix_name("head.weight", "lm_head.weight", config.vocab_size, width));
    }
    names
}

fn norms(config: &FalconConfig) -> &'static [(&'static str, &'static str)] {
    match (config.is_parallel(), config.has_two_norms()) {
        (true, true) => &[("attention_norm", "ln_attn"), ("feed_forward_norm", "ln_mlp")],
        (true, false) => &[("attention_norm", "input_layernorm")],
        (false, _) => {
            &[("attention_norm", "input_layernorm"), ("feed_forward_norm", "post_attention_layernorm")]
        }
    }
}

/// For each key-value head there: the query heads that share it, the key, the value. One such group is the layout of `multi_query`,
/// groups of one query that of neither flag.
fn by_group(heads: HeadLayout) -> RowOrder {
    let HeadLayout { kv_heads, head_dim, .. } = heads;
    let (queries, group) = (heads.group() * head_dim, (heads.group() + 2) * head_dim);
    let part = |first: usize, rows: usize| {
        (0..kv_heads).map(move |head| head * group + first..head * group + first + rows)
    };
    let order: Vec<Range<usize>> =
        part(0, queries).chain(part(queries, head_dim)).chain(part(queries + head_dim, head_dim)).collect();
    RowOrder(order)
}
