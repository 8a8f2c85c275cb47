//! Falcon. Its queries, keys and values are all queries, then all keys, then all values there, and not in groups of heads.

use nuwa_models::ModelConfig;
use serde_json::{Value, json};

use super::Architecture;
use crate::Result;
use crate::gguf::keys::Keys;
use crate::gguf::metadata::Metadata;
use crate::gguf::names::Names;
use crate::gguf::rope;

pub const FALCON: Architecture = Architecture {
    name: "falcon",
    read,
    is_of: |config| matches!(config, ModelConfig::Falcon(_)),
    write,
    names: |_| &NAMES,
    turns_pairs: false,
};

/// The layout of `attn_qkv` that files name.
const LAYOUT: &str = "jploski";

const NAMES: Names = Names {
    layer: "transformer.h.",
    parts: &[
        ("transformer.word_embeddings", "token_embd"),
        ("transformer.ln_f", "output_norm"),
        ("lm_head", "output"),
        ("input_layernorm", "attn_norm"),
        ("ln_mlp", "attn_norm"),
        ("ln_attn", "attn_norm_2"),
        ("self_attention.query_key_value", "attn_qkv"),
        ("self_attention.dense", "attn_output"),
        ("mlp.dense_h_to_4h", "ffn_up"),
        ("mlp.dense_4h_to_h", "ffn_down"),
    ],
    experts: None,
};

fn read(metadata: &Metadata) -> Result<Value> {
    let (width, heads) =
        (metadata.needed_size("embedding_length")?, metadata.needed_size("attention.head_count")?);
    let kv_heads = metadata.size("attention.head_count_kv")?.unwrap_or(heads);
    if let Some(other) = metadata.text("tensor_data_layout")?.filter(|layout| *layout != LAYOUT) {
        return Err(metadata.unsupported("tensor_data_layout", format_args!("{other:?}"), LAYOUT));
    }
    let two_norms = metadata.has("blk.0.attn_norm_2.weight");
    let head_dim = width.checked_div(heads).ok_or_else(|| metadata.fault("attention.head_count", "is 0"))?;
    let mut fields = json!({
        "model_type": "falcon",
        "vocab_size": metadata.vocabulary()?,
        "hidden_size": width,
        "num_hidden_layers": metadata.needed_size("block_count")?,
        "num_attention_heads": heads,
        "num_kv_heads": kv_heads,
        "new_decoder_architecture": two_norms || kv_heads > 1,
        "multi_query": kv_heads == 1,
        "parallel_attn": true,
        "ffn_hidden_size": metadata.size("feed_forward_length")?.unwrap_or(4 * width),
        "max_position_embeddings": metadata.needed_size("context_length")?,
        "layer_norm_epsilon": metadata.needed_number("attention.layer_norm_epsilon")?,
        "rope_parameters": rope::read(metadata, head_dim)?,
        "tie_word_embeddings": !metadata.has("output.weight"),
        "bos_token_id": metadata.token("bos")?,
        "eos_token_id": metadata.token("eos")?,
    });
    if kv_heads > 1 && !two_norms {
        fields["num_ln_in_parallel_attn"] = 1.into();
    }
    Ok(fields)
}

fn write(config: &ModelConfig, keys: &mut Keys) -> Result<Option<Vec<f32>>, String> {
    let ModelConfig::Falcon(falcon) = config else {
        return Err(format!("{} is no Falcon", config.architecture()));
    };
    let lacking = [
        (falcon.alibi, "its positions are ALiBi's"),
        (falcon.bias, "its projections have biases"),
        (!falcon.is_parallel(), "its feed-forward layers read what attention gives"),
    ];
    if let Some((_, what)) = lacking.into_iter().find(|(is, _)| *is) {
        return Err(format!("{what}, which llama.cpp does not compute in Falcon"));
    }
    keys.text("tensor_data_layout", LAYOUT);
    keys.size("context_length", falcon.max_position_embeddings);
    keys.size("embedding_length", falcon.hidden_size);
    keys.size("block_count", falcon.num_hidden_layers);
    keys.size("feed_forward_length", falcon.inner());
    keys.size("attention.head_count", falcon.num_attention_heads);
    keys.size("attention.head_count_kv", falcon.kv_heads());
    keys.number("attention.layer_norm_epsilon", falcon.layer_norm_epsilon.into());
    keys.size("vocab_size", falcon.vocab_size);
    rope::write(&nuwa_models::Rope::plain(falcon.rope_parameters.rope_theta), falcon.head_dim(), keys)
}
