use nuwa_nn::RecurrentBlockSizes;

use super::{RecurrentGemmaConfig, TemporalBlock};
use crate::TensorName;
use crate::names::{linear_names, matrix_name, vector_name};

/// Queries, keys and values are three tensors there, one parameter here; so are gate and up.
pub fn names(config: &RecurrentGemmaConfig) -> Vec<TensorName> {
    let (width, vocabulary) = (config.hidden_size, config.vocab_size);
    let mut names = vec![
        matrix_name("tokens.weight", "model.embed_tokens.weight", vocabulary, width),
        vector_name("norm.weight", "model.final_norm.weight", width),
    ];
    for layer in 0..config.num_hidden_layers {
        let (here, there) = (format!("layers.{layer}"), format!("model.layers.{layer}"));
        for (own, other) in
            [("temporal_norm", "temporal_pre_norm"), ("feed_forward_norm", "channel_pre_norm")]
        {
            let other = format!("{there}.{other}.weight");
            names.push(vector_name(format!("{here}.{own}.weight"), other, width));
        }
        let temporal = format!("{there}.temporal_block");
        names.extend(match config.block(layer) {
            TemporalBlock::Recurrent => recurrent(config, &format!("{here}.recurrent"), &temporal),
            TemporalBlock::Attention => attention(config, &format!("{here}.attention"), &temporal),
        });
        let part = |name: &str| format!("{there}.mlp_block.{name}_proj");
        let (own, inner) = (format!("{here}.feed_forward"), config.inner());
        let gate_up = [part("gate"), part("up")];
        names.extend(linear_names(&format!("{own}.gate_up"), &gate_up, [inner, width], true));
        names.extend(linear_names(&format!("{own}.down"), &[part("down")], [width, inner], true));
    }
    if !config.tie_word_embeddings {
        names.push(matrix_name("head.weight", "lm_head.weight", vocabulary, width));
    }
    names
}

fn recurrent(config: &RecurrentGemmaConfig, here: &str, there: &str) -> Vec<TensorName> {
    let RecurrentBlockSizes { width, inner, groups, taps } = config.recurrence();
    let size = inner / groups;
    let mut names = Vec::new();
    for (own, other, shape) in [
        ("gate", "linear_y", [inner, width]),
        ("input", "linear_x", [inner, width]),
        ("output", "linear_out", [width, inner]),
    ] {
        names.extend(linear_names(&format!("{here}.{own}"), &[format!("{there}.{other}")], shape, true));
    }
    let mut add = |own: &str, other: &str, rows: usize, axes: Vec<usize>| {
        let name = vector_name(format!("{here}.{own}"), format!("{there}.{other}"), rows);
        names.push(TensorName { axes: Some(axes), ..name });
    };
    add("conv.weight", "conv_1d.weight", inner, vec![inner, 1, taps]);
    add("conv.bias", "conv_1d.bias", inner, vec![inner]);
    for gate in ["input_gate", "recurrent_gate"] {
        let other = format!("rg_lru.{gate}");
        add(&format!("{gate}.weight"), &format!("{other}_weight"), groups, vec![groups, size, size]);
        add(&format!("{gate}.bias"), &format!("{other}_bias"), inner, vec![groups, size]);
    }
    add("decay", "rg_lru.recurrent_param", inner, vec![inner]);
    names
}

fn attention(config: &RecurrentGemmaConfig, here: &str, there: &str) -> Vec<TensorName> {
    let (width, heads) = (config.hidden_size, config.head_layout());
    let parts = [("q", heads.query_width()), ("k", heads.key_width()), ("v", heads.key_width())];
    let kinds = [("weight", Some(width)), ("bias", None)];
    let kinds = kinds.into_iter().take(if config.attention_bias { 2 } else { 1 });
    let qkv = |(kind, columns): (&str, Option<usize>)| {
        let part = |(part, rows): (&str, usize)| (format!("{there}.{part}_proj.{kind}"), rows);
        let parts = parts.into_iter().map(part).collect();
        TensorName { parts, columns, ..vector_name(format!("{here}.qkv.{kind}"), "", 0) }
    };
    let output = [format!("{there}.o_proj")];
    let output = linear_names(&format!("{here}.output"), &output, [width, heads.query_width()], true);
    kinds.map(qkv).chain(output).collect()
}
