//! GPT-2. Its matrices are rows of outputs there, as everywhere else, and not GPT-2's own transposes.

use nuwa_models::ModelConfig;
use nuwa_models::gpt2::Gelu;
use serde_json::{Value, json};

use super::Architecture;
use crate::Result;
use crate::gguf::keys::Keys;
use crate::gguf::metadata::Metadata;
use crate::gguf::names::Names;

pub const GPT2: Architecture = Architecture {
    name: "gpt2",
    read,
    is_of: |config| matches!(config, ModelConfig::Gpt2(_)),
    write,
    names: |_| &NAMES,
    turns_pairs: false,
};

const NAMES: Names = Names {
    layer: "transformer.h.",
    parts: &[
        ("transformer.wte", "token_embd"),
        ("transformer.wpe", "position_embd"),
        ("transformer.ln_f", "output_norm"),
        ("lm_head", "output"),
        ("ln_1", "attn_norm"),
        ("ln_2", "ffn_norm"),
        ("attn.c_attn", "attn_qkv"),
        ("attn.c_proj", "attn_output"),
        ("mlp.c_fc", "ffn_up"),
        ("mlp.c_proj", "ffn_down"),
    ],
    experts: None,
};

fn read(metadata: &Metadata) -> Result<Value> {
    Ok(json!({
        "model_type": "gpt2",
        "vocab_size": metadata.vocabulary()?,
        "n_positions": metadata.needed_size("context_length")?,
        "n_embd": metadata.needed_size("embedding_length")?,
        "n_layer": metadata.needed_size("block_count")?,
        "n_head": metadata.needed_size("attention.head_count")?,
        "n_inner": metadata.needed_size("feed_forward_length")?,
        "layer_norm_epsilon": metadata.needed_number("attention.layer_norm_epsilon")?,
        "tie_word_embeddings": !metadata.has("output.weight"),
        "bos_token_id": metadata.token("bos")?,
        "eos_token_id": metadata.token("eos")?,
    }))
}

fn write(config: &ModelConfig, keys: &mut Keys) -> Result<Option<Vec<f32>>, String> {
    let ModelConfig::Gpt2(gpt2) = config else {
        return Err(format!("{} is no GPT-2", config.architecture()));
    };
    if gpt2.activation_function != Gelu::Tanh {
        return Err("it computes GELU by the error function, and llama.cpp by the tanh formula".into());
    }
    keys.size("context_length", gpt2.n_positions);
    keys.size("embedding_length", gpt2.n_embd);
    keys.size("block_count", gpt2.n_layer);
    keys.size("feed_forward_length", gpt2.inner());
    keys.size("attention.head_count", gpt2.n_head);
    keys.number("attention.layer_norm_epsilon", gpt2.layer_norm_epsilon.into());
    keys.size("vocab_size", gpt2.vocab_size);
    Ok(None)
}
