//! A tokenizer and models small enough for a test, with random weights.

use nuwa_infer::{Engine, GenerateSettings, SamplingSettings};
use nuwa_models::{Context, Input, Model, ModelConfig, Text, build};
use nuwa_tensor::Tape;
use nuwa_tokenizer::{Tokenizer, TrainSettings, train};

pub const VOCABULARY: usize = 320;
pub const CONTEXT: usize = 24;

/// A model that knows some more ids than [`tokenizer`] has. Its weights are large, so that its logits differ.
pub fn model(seed: u64) -> Box<dyn Model> {
    let config = format!(
        r#"{{"model_type": "llama", "vocab_size": {VOCABULARY}, "hidden_size": 24, "intermediate_size": 40,
            "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": 0.3,
            "max_position_embeddings": {CONTEXT}}}"#
    );
    build(&serde_json::from_str::<ModelConfig>(&config).unwrap(), seed).unwrap()
}

/// Models whose caches carry a state along: recurrent layers alone, and beside attention within a window.
pub fn carrying() -> Vec<Box<dyn Model>> {
    let configs = [
        format!(
            r#"{{"model_type": "lstm", "vocab_size": {VOCABULARY}, "hidden_size": 24, "num_hidden_layers": 2,
                "initializer_range": 1.5, "n_positions": {CONTEXT}}}"#
        ),
        format!(
            r#"{{"model_type": "recurrent_gemma", "vocab_size": {VOCABULARY}, "hidden_size": 24, "intermediate_size": 96,
                "num_hidden_layers": 3, "num_attention_heads": 2, "w_init_variance_scale": 1.0,
                "attention_window_size": 7, "max_position_embeddings": {CONTEXT}}}"#
        ),
    ];
    configs
        .iter()
        .map(|config| build(&serde_json::from_str::<ModelConfig>(config).unwrap(), 3).unwrap())
        .collect()
}

pub fn tokenizer() -> Tokenizer {
    let texts =
        ["Nuwa shaped people out of clay, and mended the sky. 女娲抟黄土作人，炼石补天。".to_string()];
    let settings = TrainSettings { vocab_size: 300, min_frequency: 1, ..TrainSettings::default() };
    train(texts.into_iter(), &settings, &mut |_| ()).unwrap()
}

pub fn engine(seed: u64) -> Engine {
    Engine::new(model(seed), tokenizer()).unwrap()
}

pub fn greedy(max_tokens: usize) -> GenerateSettings {
    GenerateSettings { max_tokens, sampling: SamplingSettings::greedy(), ..GenerateSettings::default() }
}

pub fn sampled(max_tokens: usize, seed: u64) -> GenerateSettings {
    GenerateSettings { max_tokens, seed, ..GenerateSettings::default() }
}

/// The logits of the id after `ids`, by a pass over all of them.
pub fn logits_without_cache(model: &dyn Model, ids: &[u32]) -> Vec<f32> {
    let tape = Tape::inference();
    let hidden =
        model.hidden(&Context::new(&tape), Input::Text(&Text::causal(ids.to_vec(), 1))).unwrap().hidden;
    let logits = model.head().logits(&tape, &hidden).unwrap();
    logits.row_to_host(ids.len() - 1)
}

pub fn argmax(logits: &[f32]) -> u32 {
    (0..logits.len()).reduce(|best, id| if logits[id] > logits[best] { id } else { best }).unwrap() as u32
}
