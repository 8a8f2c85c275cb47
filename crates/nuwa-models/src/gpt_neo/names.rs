use super::GptNeoConfig;
use crate::TensorName;
use crate::names::{matrix_name, vector_name};

/// Queries, keys and values are three tensors there, one parameter here. Scores are not scaled there, so queries are: by
/// `1 / sqrt(head_dim)`.
pub fn names(config: &GptNeoConfig) -> Vec<TensorName> {
    let (width, inner) = (config.hidden_size, config.as_gpt2().inner());
    let mut names = vec![
        matrix_name("tokens.weight", "transformer.wte.weight", config.vocab_size, width),
        matrix_name("positions.weight", "transformer.wpe.weight", config.max_position_embeddings, width),
        vector_name("norm.weight", "transformer.ln_f.weight", width),
        vector_name("norm.bias", "transformer.ln_f.bias", width),
    ];
    if !config.tie_word_embeddings {
        names.push(matrix_name("head.weight", "lm_head.weight", config.vocab_size, width));
    }
    for layer in 0..config.num_layers {
        let here = |name: &str| format!("layers.{layer}.{name}");
        let there = |name: &str| format!("transformer.h.{layer}.{name}");
        for (norm, own) in [("attention_norm", "ln_1"), ("feed_forward_norm", "ln_2")] {
            for kind in ["weight", "bias"] {
                let (norm, own) = (format!("{norm}.{kind}"), format!("{own}.{kind}"));
                names.push(vector_name(here(&norm), there(&own), width));
            }
        }
        let qkv = ["q_proj", "k_proj", "v_proj"];
        names.push(TensorName {
            parts: qkv.iter().map(|own| (there(&format!("attn.attention.{own}.weight")), width)).collect(),
            first_factor: 1.0 / ((width / config.num_heads) as f32).sqrt(),
            ..matrix_name(here("attention.qkv.weight"), "", 0, width)
        });
        for (linear, own, [rows, columns]) in [
            ("attention.output", "attn.attention.out_proj", [width, width]),
            ("feed_forward.up", "mlp.c_fc", [inner, width]),
            ("feed_forward.down", "mlp.c_proj", [width, inner]),
        ] {
            let [weight, bias] =
                ["weight", "bias"].map(|kind| (format!("{linear}.{kind}"), format!("{own}.{kind}")));
            names.push(matrix_name(here(&weight.0), there(&weight.1), rows, columns));
            names.push(vector_name(here(&bias.0), there(&bias.1), rows));
        }
    }
    names
}
