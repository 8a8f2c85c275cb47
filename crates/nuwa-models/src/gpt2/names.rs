use super::Gpt2Config;
use crate::{TensorName, tensor_name};

/// GPT-2 stores the matrices of its blocks as `[in, out]`.
pub fn names(config: &Gpt2Config) -> Vec<TensorName> {
    let (width, inner) = (config.n_embd, config.inner());
    let mut names = vec![
        tensor_name("tokens.weight", "transformer.wte.weight", config.vocab_size),
        tensor_name("positions.weight", "transformer.wpe.weight", config.n_positions),
    ];
    for layer in 0..config.n_layer {
        let mut add = |here: &str, there: &str, rows: usize, transposed: bool| {
            let name =
                tensor_name(format!("layers.{layer}.{here}"), format!("transformer.h.{layer}.{there}"), rows);
            names.push(TensorName { transposed, ..name });
        };
        for (here, there) in [("attention_norm", "ln_1"), ("feed_forward_norm", "ln_2")] {
            add(&format!("{here}.weight"), &format!("{there}.weight"), width, false);
            add(&format!("{here}.bias"), &format!("{there}.bias"), width, false);
        }
        for (here, there, rows) in [
            ("attention.qkv", "attn.c_attn", 3 * width),
            ("attention.output", "attn.c_proj", width),
            ("feed_forward.up", "mlp.c_fc", inner),
            ("feed_forward.down", "mlp.c_proj", width),
        ] {
            add(&format!("{here}.weight"), &format!("{there}.weight"), rows, true);
            add(&format!("{here}.bias"), &format!("{there}.bias"), rows, false);
        }
    }
    names.push(tensor_name("norm.weight", "transformer.ln_f.weight", width));
    names.push(tensor_name("norm.bias", "transformer.ln_f.bias", width));
    if !config.tie_word_embeddings {
        names.push(tensor_name("head.weight", "lm_head.weight", config.vocab_size));
    }
    names
}
