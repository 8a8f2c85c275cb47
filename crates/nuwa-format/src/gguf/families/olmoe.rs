//! OLMoE.

use nuwa_models::ModelConfig;
use serde_json::Value;

use super::Architecture;
use super::llama::{experts, read_decoder, write_decoder};
use crate::Result;
use crate::gguf::keys::Keys;
use crate::gguf::metadata::Metadata;
use crate::gguf::names::DECODER;

pub const OLMOE: Architecture = Architecture {
    name: "olmoe",
    read,
    is_of: |config| matches!(config, ModelConfig::Olmoe(_)),
    write,
    names: |_| &DECODER,
    turns_pairs: false,
};

fn read(metadata: &Metadata) -> Result<Value> {
    let mut fields = read_decoder(metadata, "olmoe")?;
    fields["num_experts"] = experts(metadata)?.into();
    fields["num_experts_per_tok"] = metadata.needed_size("expert_used_count")?.into();
    fields["norm_topk_prob"] = false.into();
    Ok(fields)
}

fn write(config: &ModelConfig, keys: &mut Keys) -> Result<Option<Vec<f32>>, String> {
    let ModelConfig::Olmoe(olmoe) = config else {
        return Err(format!("{} is no OLMoE", config.architecture()));
    };
    if olmoe.norm_topk_prob {
        return Err("the weights of a token's experts are made to sum to 1 (norm_topk_prob), which llama.cpp does not do in OLMoE".into());
    }
    keys.size("expert_count", olmoe.num_experts);
    keys.size("expert_used_count", olmoe.num_experts_per_tok);
    write_decoder(&olmoe.decoder, None, keys)
}
