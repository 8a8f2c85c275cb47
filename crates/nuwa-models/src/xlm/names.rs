use super::XlmConfig;
use crate::TensorName;
use crate::names::{matrix_name, vector_name};

/// Attention, norms and feed-forward layers are lists side by side there; queries, keys and values are three tensors.
pub fn names(config: &XlmConfig) -> Vec<TensorName> {
    let (width, inner) = (config.emb_dim, 4 * config.emb_dim);
    let mut names = Vec::new();
    let tables = [
        ("tokens", "embeddings", config.vocab_size),
        ("positions", "position_embeddings", config.max_position_embeddings),
    ];
    let languages = config.has_languages().then_some(("languages", "lang_embeddings", config.n_langs));
    for (here, there, rows) in tables.into_iter().chain(languages) {
        let there = format!("transformer.{there}.weight");
        names.push(matrix_name(format!("{here}.weight"), there, rows, width));
    }
    norm(&mut names, "embedding_norm", "transformer.layer_norm_emb", width);
    for layer in 0..config.n_layers {
        let attention = |part: &str| format!("transformer.attentions.{layer}.{part}_lin");
        let feed_forward = |part: &str| vec![format!("transformer.ffns.{layer}.{part}")];
        let layers = [
            ("attention.qkv", ["q", "k", "v"].map(attention).to_vec(), [width, width]),
            ("attention.output", vec![attention("out")], [width, width]),
            ("feed_forward.up", feed_forward("lin1"), [inner, width]),
            ("feed_forward.down", feed_forward("lin2"), [width, inner]),
        ];
        for (own, parts, shape) in layers {
            linear(&mut names, &format!("layers.{layer}.{own}"), &parts, shape);
        }
        for (own, number) in [("attention_norm", 1), ("feed_forward_norm", 2)] {
            let there = format!("transformer.layer_norm{number}.{layer}");
            norm(&mut names, &format!("layers.{layer}.{own}"), &there, width);
        }
    }
    if config.head.words {
        names.push(vector_name("head.bias", "pred_layer.proj.bias", config.vocab_size));
    }
    names
}

/// A layer of `parts`, each with `rows` outputs.
fn linear(names: &mut Vec<TensorName>, here: &str, parts: &[String], [rows, columns]: [usize; 2]) {
    for (kind, columns) in [("weight", Some(columns)), ("bias", None)] {
        let parts = parts.iter().map(|part| (format!("{part}.{kind}"), rows)).collect();
        names.push(TensorName { parts, columns, ..vector_name(format!("{here}.{kind}"), "", 0) });
    }
}

fn norm(names: &mut Vec<TensorName>, here: &str, there: &str, width: usize) {
    for kind in ["weight", "bias"] {
        names.push(vector_name(format!("{here}.{kind}"), format!("{there}.{kind}"), width));
    }
}
