use super::BertConfig;
use crate::TensorName;
use crate::names::{matrix_name, vector_name};

/// Queries, keys and values are three tensors there, one parameter here.
pub fn names(config: &BertConfig) -> Vec<TensorName> {
    let (width, inner) = (config.hidden_size, config.intermediate_size);
    let mut names = Vec::new();
    let tables = [
        ("tokens", "word_embeddings", config.vocab_size),
        ("positions", "position_embeddings", config.max_position_embeddings),
        ("segments", "token_type_embeddings", config.type_vocab_size),
    ];
    for (here, there, rows) in tables {
        let there = format!("bert.embeddings.{there}.weight");
        names.push(matrix_name(format!("{here}.weight"), there, rows, width));
    }
    norm(&mut names, "embedding_norm", "bert.embeddings.LayerNorm", width);
    for layer in 0..config.num_hidden_layers {
        let [here, there] = [format!("layers.{layer}"), format!("bert.encoder.layer.{layer}")];
        let qkv = ["query", "key", "value"].map(|part| format!("{there}.attention.self.{part}"));
        linear(&mut names, &format!("{here}.attention.qkv"), &qkv, [width, width]);
        let mut one = |own: &str, theirs: &str, shape| {
            linear(&mut names, &format!("{here}.{own}"), &[format!("{there}.{theirs}")], shape);
        };
        one("attention.output", "attention.output.dense", [width, width]);
        one("feed_forward.up", "intermediate.dense", [inner, width]);
        one("feed_forward.down", "output.dense", [width, inner]);
        for (own, theirs) in [("attention_norm", "attention.output"), ("feed_forward_norm", "output")] {
            norm(&mut names, &format!("{here}.{own}"), &format!("{there}.{theirs}.LayerNorm"), width);
        }
    }
    heads(&mut names, config);
    names
}

fn heads(names: &mut Vec<TensorName>, config: &BertConfig) {
    let width = config.hidden_size;
    if config.heads.pooler {
        linear(names, "pooler", &["bert.pooler.dense".into()], [width, width]);
    }
    if config.heads.words {
        let transform = "cls.predictions.transform";
        linear(names, "head.transform.dense", &[format!("{transform}.dense")], [width, width]);
        norm(names, "head.transform.norm", &format!("{transform}.LayerNorm"), width);
        names.push(vector_name("head.bias", "cls.predictions.bias", config.vocab_size));
    }
    if config.heads.next {
        linear(names, "next", &["cls.seq_relationship".into()], [2, width]);
    }
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
