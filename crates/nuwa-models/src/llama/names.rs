use super::LlamaConfig;
use crate::TensorName;
use crate::names::{matrix_name, vector_name};

/// Queries, keys and values are three tensors there, one parameter here; so are gate and up.
pub fn names(config: &LlamaConfig) -> Vec<TensorName> {
    let (width, inner, heads) = (config.hidden_size, config.intermediate_size, config.head_layout());
    let mut names = vec![matrix_name("tokens.weight", "model.embed_tokens.weight", config.vocab_size, width)];
    for layer in 0..config.num_hidden_layers {
        let mut add = |here: &str, kind: &str, parts: &[(&str, usize)], columns: usize| {
            let there = |part: &str| format!("model.layers.{layer}.{part}.{kind}");
            names.push(TensorName {
                parameter: format!("layers.{layer}.{here}.{kind}"),
                parts: parts.iter().map(|&(part, rows)| (there(part), rows)).collect(),
                columns: (kind == "weight").then_some(columns),
                transposed: false,
            });
        };
        let qkv = [
            ("self_attn.q_proj", heads.query_width()),
            ("self_attn.k_proj", heads.key_width()),
            ("self_attn.v_proj", heads.key_width()),
        ];
        let gate_up = [("mlp.gate_proj", inner), ("mlp.up_proj", inner)];
        for kind in ["weight", "bias"] {
            if kind == "weight" || config.attention_bias {
                add("attention.qkv", kind, &qkv, width);
                add("attention.output", kind, &[("self_attn.o_proj", width)], heads.query_width());
            }
            if kind == "weight" || config.mlp_bias {
                add("feed_forward.gate_up", kind, &gate_up, width);
                add("feed_forward.down", kind, &[("mlp.down_proj", width)], inner);
            }
        }
        let norms =
            [("attention_norm", "input_layernorm"), ("feed_forward_norm", "post_attention_layernorm")];
        for (here, there) in norms {
            let there = format!("model.layers.{layer}.{there}.weight");
            names.push(vector_name(format!("layers.{layer}.{here}.weight"), there, width));
        }
    }
    names.push(vector_name("norm.weight", "model.norm.weight", width));
    if !config.tie_word_embeddings {
        names.push(matrix_name("head.weight", "lm_head.weight", config.vocab_size, width));
    }
    names
}
