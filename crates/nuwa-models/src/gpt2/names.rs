use super::Gpt2Config;
use crate::TensorName;
use crate::names::{matrix_name, vector_name};

/// GPT-2 stores the matrices of its blocks as `[in, out]`.
pub fn names(config: &Gpt2Config) -> Vec<TensorName> {
    let (width, inner) = (config.n_embd, config.inner());
    let mut names = vec![
        matrix_name("tokens.weight", "transformer.wte.weight", config.vocab_size, width),
        matrix_name("positions.weight", "transformer.wpe.weight", config.n_positions, width),
    ];
    for layer in 0..config.n_layer {
        let mut add = |here: &str, there: &str, rows: usize, columns: Option<usize>| {
            let name =
                vector_name(format!("layers.{layer}.{here}"), format!("transformer.h.{layer}.{there}"), rows);
            names.push(TensorName { columns, transposed: columns.is_some(), ..name });
        };
        for (here, there) in [("attention_norm", "ln_1"), ("feed_forward_norm", "ln_2")] {
            add(&format!("{here}.weight"), &format!("{there}.weight"), width, None);
            add(&format!("{here}.bias"), &format!("{there}.bias"), width, None);
        }
        for (here, there, rows, columns) in [
            ("attention.qkv", "attn.c_attn", 3 * width, width),
            ("attention.output", "attn.c_proj", width, width),
            ("feed_forward.up", "mlp.c_fc", inner, width),
            ("feed_forward.down", "mlp.c_proj", width, inner),
        ] {
            add(&format!("{here}.weight"), &format!("{there}.weight"), rows, Some(columns));
            add(&format!("{here}.bias"), &format!("{there}.bias"), rows, None);
        }
    }
    names.push(vector_name("norm.weight", "transformer.ln_f.weight", width));
    names.push(vector_name("norm.bias", "transformer.ln_f.bias", width));
    if !config.tie_word_embeddings {
        names.push(matrix_name("head.weight", "lm_head.weight", config.vocab_size, width));
    }
    names
}
