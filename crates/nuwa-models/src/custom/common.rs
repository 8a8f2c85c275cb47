//! The settings with which such a model is a GPT-2 or a LLaMA, which other programs know.

use nuwa_nn::Rope;

use super::CustomConfig;
use super::settings::{
    ActivationKind, BlockKind, CustomSettings, FeedForwardKind, NormKind, NormPlace, PositionKind,
};
use crate::ModelConfig;
use crate::decoder::{DecoderConfig, GateActivation};
use crate::gpt2::{Gelu, Gpt2Config};
use crate::llama::LlamaConfig;

/// The configuration of the same model in that family, whose parameters have the same paths; none where it is neither.
pub fn common_family(config: &CustomConfig) -> Option<ModelConfig> {
    let CustomSettings { blocks, feed_forward, norm_place, scale_embedding, .. } = &config.custom;
    let is_plain = blocks.iter().all(|block| *block == BlockKind::Attention)
        && feed_forward.iter().all(|kind| *kind == FeedForwardKind::Dense)
        && *norm_place == NormPlace::Before
        && !scale_embedding;
    if !is_plain {
        return None;
    }
    gpt2(config).map(ModelConfig::Gpt2).or_else(|| llama(config).map(ModelConfig::Llama))
}

fn gpt2(config: &CustomConfig) -> Option<Gpt2Config> {
    let (heads, own) = (config.head_layout(), &config.custom);
    let fits = config.positions() == PositionKind::Learned
        && own.norm == NormKind::Layer
        && !own.gated
        && own.biases
        && heads.kv_heads == heads.heads
        && heads.query_width() == config.hidden_size;
    let activation_function = match own.activation {
        ActivationKind::GeluTanh => Gelu::Tanh,
        ActivationKind::Gelu => Gelu::Exact,
        ActivationKind::Silu | ActivationKind::Relu | ActivationKind::Tanh => return None,
    };
    fits.then(|| Gpt2Config {
        vocab_size: config.vocab_size,
        n_positions: config.max_position_embeddings,
        n_embd: config.hidden_size,
        n_layer: config.num_hidden_layers,
        n_head: config.num_attention_heads,
        n_inner: Some(config.inner()),
        activation_function,
        layer_norm_epsilon: own.epsilon,
        initializer_range: config.initializer_range,
        tie_word_embeddings: config.tie_word_embeddings,
        bos_token_id: config.bos_token_id,
        eos_token_id: config.eos_token_id,
    })
}

fn llama(config: &CustomConfig) -> Option<LlamaConfig> {
    let (heads, own) = (config.head_layout(), &config.custom);
    let fits = config.positions() == PositionKind::Rotary && own.norm == NormKind::Rms && own.gated;
    let hidden_act = match own.activation {
        ActivationKind::Silu => GateActivation::Silu,
        ActivationKind::Gelu => GateActivation::Gelu,
        ActivationKind::GeluTanh => GateActivation::GeluTanh,
        ActivationKind::Relu | ActivationKind::Tanh => return None,
    };
    fits.then(|| LlamaConfig {
        decoder: DecoderConfig {
            vocab_size: config.vocab_size,
            hidden_size: config.hidden_size,
            intermediate_size: config.inner(),
            num_hidden_layers: config.num_hidden_layers,
            num_attention_heads: heads.heads,
            num_key_value_heads: heads.kv_heads,
            head_dim: heads.head_dim,
            max_position_embeddings: config.max_position_embeddings,
            rms_norm_eps: own.epsilon,
            rope: Rope::plain(own.theta),
            hidden_act,
            tie_word_embeddings: config.tie_word_embeddings,
            initializer_range: config.initializer_range,
            bos_token_id: config.bos_token_id,
            eos_token_id: config.eos_token_id,
        },
        attention_bias: own.biases,
        mlp_bias: own.biases,
    })
}
