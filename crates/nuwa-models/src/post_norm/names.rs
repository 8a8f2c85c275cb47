use super::PostNormConfig;
use crate::TensorName;
use crate::names::{linear_names, matrix_name, norm_names, vector_name};

/// Those of Marian and BART, which have the same: queries, keys and values are three tensors there; here they are one parameter
/// within a sequence, and two from one to the other.
pub fn tensor_names(config: &PostNormConfig) -> Vec<TensorName> {
    let (width, vocabulary) = (config.d_model, config.vocab_size);
    let mut names = vec![matrix_name("tokens.weight", "model.shared.weight", vocabulary, width)];
    if !config.tells_labels {
        names.push(TensorName {
            axes: Some(vec![1, vocabulary]),
            ..vector_name("head.bias", "final_logits_bias", vocabulary)
        });
    }
    for layer in 0..config.encoder_layers {
        let [here, there] = [format!("encoder.layers.{layer}"), format!("model.encoder.layers.{layer}")];
        names.extend(block(&here, &there, [width, config.encoder_ffn_dim]));
    }
    for layer in 0..config.decoder_layers {
        let [here, there] = [format!("decoder.layers.{layer}"), format!("model.decoder.layers.{layer}")];
        names.extend(block(&here, &there, [width, config.decoder_ffn_dim]));
        names.extend(source(&here, &there, width));
    }
    names
}

/// Self-attention and feed-forward layer of a block.
fn block(here: &str, there: &str, [width, inner]: [usize; 2]) -> Vec<TensorName> {
    let qkv = ["q", "k", "v"].map(|part| format!("{there}.self_attn.{part}_proj"));
    let one = |part: &str| [format!("{there}.{part}")];
    [
        linear_names(&format!("{here}.attention.qkv"), &qkv, [width, width], true),
        linear_names(&format!("{here}.attention.output"), &one("self_attn.out_proj"), [width, width], true),
        norm_names(&format!("{here}.attention_norm"), &format!("{there}.self_attn_layer_norm"), width).into(),
        linear_names(&format!("{here}.feed_forward.up"), &one("fc1"), [inner, width], true),
        linear_names(&format!("{here}.feed_forward.down"), &one("fc2"), [width, inner], true),
        norm_names(&format!("{here}.feed_forward_norm"), &format!("{there}.final_layer_norm"), width).into(),
    ]
    .concat()
}

/// Attention to the encoder.
fn source(here: &str, there: &str, width: usize) -> Vec<TensorName> {
    let parts = |parts: &[&str]| -> Vec<String> {
        parts.iter().map(|part| format!("{there}.encoder_attn.{part}_proj")).collect()
    };
    let square = [width, width];
    [
        linear_names(&format!("{here}.source.queries"), &parts(&["q"]), square, true),
        linear_names(&format!("{here}.source.memory"), &parts(&["k", "v"]), square, true),
        linear_names(&format!("{here}.source.output"), &parts(&["out"]), square, true),
        norm_names(&format!("{here}.source_norm"), &format!("{there}.encoder_attn_layer_norm"), width).into(),
    ]
    .concat()
}
