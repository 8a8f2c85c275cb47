//! Qwen2, Qwen3 and Qwen3 with experts.

use nuwa_models::ModelConfig;
use nuwa_models::decoder::Windows;
use serde_json::Value;

use super::Architecture;
use super::llama::{experts, read_decoder, write_decoder};
use crate::Result;
use crate::gguf::keys::Keys;
use crate::gguf::metadata::Metadata;
use crate::gguf::names::DECODER;

pub const QWEN2: Architecture = Architecture {
    name: "qwen2",
    read: |metadata| read_decoder(metadata, "qwen2"),
    is_of: |config| matches!(config, ModelConfig::Qwen2(_)),
    write: write_qwen2,
    names: |_| &DECODER,
    turns_pairs: false,
};

pub const QWEN3: Architecture = Architecture {
    name: "qwen3",
    read: |metadata| {
        let mut fields = read_decoder(metadata, "qwen3")?;
        fields["attention_bias"] = metadata.has("blk.0.attn_q.bias").into();
        Ok(fields)
    },
    is_of: |config| matches!(config, ModelConfig::Qwen3(_)),
    write: write_qwen3,
    names: |_| &DECODER,
    turns_pairs: false,
};

pub const QWEN3_MOE: Architecture = Architecture {
    name: "qwen3moe",
    read: read_moe,
    is_of: |config| matches!(config, ModelConfig::Qwen3Moe(_)),
    write: write_moe,
    names: |_| &DECODER,
    turns_pairs: false,
};

/// The smallest window that a layer attends within.
fn window(windows: &Windows, layers: usize) -> Option<usize> {
    (0..layers).filter_map(|layer| windows.of(layer)).min()
}

fn write_qwen2(config: &ModelConfig, keys: &mut Keys) -> Result<Option<Vec<f32>>, String> {
    let ModelConfig::Qwen2(qwen) = config else {
        return Err(format!("{} is no Qwen2", config.architecture()));
    };
    write_decoder(&qwen.decoder, window(&qwen.windows, config.layers()), keys)
}

fn write_qwen3(config: &ModelConfig, keys: &mut Keys) -> Result<Option<Vec<f32>>, String> {
    let ModelConfig::Qwen3(qwen) = config else {
        return Err(format!("{} is no Qwen3", config.architecture()));
    };
    if qwen.attention_bias {
        return Err("its attention has biases, which llama.cpp does not have in Qwen3".into());
    }
    write_decoder(&qwen.decoder, window(&qwen.windows, config.layers()), keys)
}

fn read_moe(metadata: &Metadata) -> Result<Value> {
    let mut fields = read_decoder(metadata, "qwen3_moe")?;
    fields["num_experts"] = experts(metadata)?.into();
    fields["num_experts_per_tok"] = metadata.needed_size("expert_used_count")?.into();
    fields["moe_intermediate_size"] = metadata.needed_size("expert_feed_forward_length")?.into();
    fields["norm_topk_prob"] = true.into();
    Ok(fields)
}

fn write_moe(config: &ModelConfig, keys: &mut Keys) -> Result<Option<Vec<f32>>, String> {
    let ModelConfig::Qwen3Moe(qwen) = config else {
        return Err(format!("{} is no Qwen3 with experts", config.architecture()));
    };
    if (0..config.layers()).any(|layer| !qwen.has_experts(layer)) {
        return Err("some of its layers have no experts, and llama.cpp expects them in each layer".into());
    }
    if !qwen.norm_topk_prob {
        return Err("the weights of a token's experts do not sum to 1 (norm_topk_prob = false), as llama.cpp makes them".into());
    }
    keys.size("expert_count", qwen.num_experts);
    keys.size("expert_used_count", qwen.num_experts_per_tok);
    keys.size("expert_feed_forward_length", qwen.moe_intermediate_size);
    write_decoder(&qwen.decoder, None, keys)
}
