//! LLaMA, and what is written as it: Mistral, and with experts Mixtral. Queries and keys are turned in neighbouring pairs.

use nuwa_models::ModelConfig;
use nuwa_models::decoder::{DecoderConfig, GateActivation};
use serde_json::{Value, json};

use super::Architecture;
use crate::Result;
use crate::gguf::keys::Keys;
use crate::gguf::metadata::Metadata;
use crate::gguf::names::{DECODER, MIXTRAL};
use crate::gguf::rope;

pub const LLAMA: Architecture = Architecture {
    name: "llama",
    read,
    is_of: |config| {
        matches!(config, ModelConfig::Llama(_) | ModelConfig::Mistral(_) | ModelConfig::Mixtral(_))
    },
    write,
    names: |config| if matches!(config, ModelConfig::Mixtral(_)) { &MIXTRAL } else { &DECODER },
    turns_pairs: true,
};

fn read(metadata: &Metadata) -> Result<Value> {
    let mut fields = read_decoder(metadata, "llama")?;
    match metadata.size("expert_count")?.unwrap_or(0) {
        0 => {
            fields["attention_bias"] = metadata.has("blk.0.attn_q.bias").into();
            fields["mlp_bias"] = metadata.has("blk.0.ffn_gate.bias").into();
        }
        _ => {
            fields["model_type"] = "mixtral".into();
            fields["num_local_experts"] = experts(metadata)?.into();
            fields["num_experts_per_tok"] = metadata.needed_size("expert_used_count")?.into();
        }
    }
    Ok(fields)
}

/// The experts of a layer.
pub fn experts(metadata: &Metadata) -> Result<usize> {
    /// As many as llama.cpp computes with.
    const MOST: usize = 1024;
    match metadata.needed_size("expert_count")? {
        experts if experts <= MOST => Ok(experts),
        more => Err(metadata.unsupported("expert_count", more, &format!("at most {MOST}"))),
    }
}

/// The fields that LLaMA shares with those that follow it.
pub fn read_decoder(metadata: &Metadata, model_type: &str) -> Result<Value> {
    let (width, heads) =
        (metadata.needed_size("embedding_length")?, metadata.needed_size("attention.head_count")?);
    let head_dim = match metadata.size("attention.key_length")? {
        Some(head_dim) => head_dim,
        None => width.checked_div(heads).ok_or_else(|| metadata.fault("attention.head_count", "is 0"))?,
    };
    if let Some(other) = metadata.size("attention.value_length")?.filter(|&other| other != head_dim) {
        let expected = format!("{head_dim}, as attention.key_length is");
        return Err(metadata.unsupported("attention.value_length", other, &expected));
    }
    Ok(json!({
        "model_type": model_type,
        "vocab_size": metadata.vocabulary()?,
        "hidden_size": width,
        "intermediate_size": metadata.needed_size("feed_forward_length")?,
        "num_hidden_layers": metadata.needed_size("block_count")?,
        "num_attention_heads": heads,
        "num_key_value_heads": metadata.size("attention.head_count_kv")?.unwrap_or(heads),
        "head_dim": head_dim,
        "max_position_embeddings": metadata.needed_size("context_length")?,
        "rms_norm_eps": metadata.needed_number("attention.layer_norm_rms_epsilon")?,
        "rope_parameters": rope::read(metadata, head_dim)?,
        "tie_word_embeddings": !metadata.has("output.weight"),
        "bos_token_id": metadata.token("bos")?,
        "eos_token_id": metadata.token("eos")?,
    }))
}

fn write(config: &ModelConfig, keys: &mut Keys) -> Result<Option<Vec<f32>>, String> {
    match config {
        ModelConfig::Mistral(mistral) => write_decoder(&mistral.decoder, mistral.sliding_window, keys),
        ModelConfig::Mixtral(mixtral) => {
            keys.size("expert_count", mixtral.num_local_experts);
            keys.size("expert_used_count", mixtral.num_experts_per_tok);
            write_decoder(&mixtral.decoder, mixtral.sliding_window, keys)
        }
        ModelConfig::Llama(llama) => write_decoder(&llama.decoder, None, keys),
        other => Err(format!("{} is no LLaMA", other.architecture())),
    }
}

/// The keys that LLaMA shares with those that follow it. llama.cpp knows no sliding windows of these: a context that none is left in
/// is the same with and without.
pub fn write_decoder(
    decoder: &DecoderConfig,
    window: Option<usize>,
    keys: &mut Keys,
) -> Result<Option<Vec<f32>>, String> {
    if decoder.hidden_act != GateActivation::Silu {
        return Err(
            "its feed-forward layers have GELU for their gate, and llama.cpp computes SiLU there".into()
        );
    }
    let context = decoder.max_position_embeddings;
    keys.size("context_length", window.map_or(context, |window| window.min(context)));
    keys.size("embedding_length", decoder.hidden_size);
    keys.size("block_count", decoder.num_hidden_layers);
    keys.size("feed_forward_length", decoder.intermediate_size);
    keys.size("attention.head_count", decoder.num_attention_heads);
    keys.size("attention.head_count_kv", decoder.num_key_value_heads);
    keys.size("attention.key_length", decoder.head_dim);
    keys.size("attention.value_length", decoder.head_dim);
    keys.number("attention.layer_norm_rms_epsilon", decoder.rms_norm_eps.into());
    keys.size("vocab_size", decoder.vocab_size);
    rope::write(&decoder.rope, decoder.head_dim, keys)
}
