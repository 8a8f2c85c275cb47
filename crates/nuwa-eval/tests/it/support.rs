//! A tokenizer, a tiny engine, and a scorer whose figures can be worked out by hand.

use std::cell::{Cell, RefCell};

use nuwa_eval::{Result, Scorer, TextError};
use nuwa_infer::{Engine, Window};
use nuwa_models::{Model, ModelConfig, build};
use nuwa_tokenizer::{Tokenizer, TrainSettings, train};

pub const VOCABULARY: usize = 320;
pub const CONTEXT: usize = 16;

pub fn tokenizer(vocab_size: usize) -> Tokenizer {
    let texts =
        ["Nuwa shaped people out of clay, and mended the sky. 女娲抟黄土作人，炼石补天。".to_string()];
    let settings = TrainSettings { vocab_size, min_frequency: 1, ..TrainSettings::default() };
    train(texts.into_iter(), &settings, &mut |_| ()).unwrap()
}

pub fn model() -> Box<dyn Model> {
    let config = format!(
        r#"{{"model_type": "llama", "vocab_size": {VOCABULARY}, "hidden_size": 24, "intermediate_size": 40,
            "num_hidden_layers": 1, "num_attention_heads": 2, "initializer_range": 0.3,
            "max_position_embeddings": {CONTEXT}}}"#
    );
    build(&serde_json::from_str::<ModelConfig>(&config).unwrap(), 1).unwrap()
}

pub fn engine() -> Engine {
    Engine::new(model(), tokenizer(300)).unwrap()
}

/// Costs each id `cost(id)` nats, whatever stands before it, and remembers how long its windows were.
pub struct ByHand {
    pub tokenizer: Tokenizer,
    pub context: usize,
    pub cost: fn(u32) -> f32,
    pub windows: RefCell<Vec<(usize, usize)>>,
    pub calls: Cell<usize>,
}

impl ByHand {
    pub fn new(tokenizer: Tokenizer, context: usize, cost: fn(u32) -> f32) -> Self {
        Self { tokenizer, context, cost, windows: RefCell::default(), calls: Cell::default() }
    }
}

impl Scorer for ByHand {
    fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    fn start_of_text(&self) -> Option<u32> {
        self.tokenizer.eos()
    }

    fn context(&self) -> usize {
        self.context
    }

    fn score(&self, windows: &[Window<'_>]) -> Result<Vec<Vec<f32>>> {
        self.calls.set(self.calls.get() + 1);
        let scores = windows.iter().map(|window| {
            self.windows.borrow_mut().push((window.ids.len(), window.scored_from));
            window.ids[window.scored_from..].iter().map(|&id| (self.cost)(id)).collect()
        });
        Ok(scores.collect())
    }

    fn write(&self, prompts: &[Vec<u32>], max_tokens: usize, _: &[String], _: &[u32]) -> Result<Vec<String>> {
        let answer = |prompt: &Vec<u32>| {
            let ids: Vec<u32> = prompt.iter().rev().take(max_tokens).copied().collect();
            self.tokenizer.decode(&ids).unwrap_or_default()
        };
        Ok(prompts.iter().map(answer).collect())
    }
}

/// Texts as the program hands them on.
pub fn texts(texts: &[&str]) -> impl Iterator<Item = std::result::Result<String, TextError>> {
    texts.iter().map(|text| Ok(text.to_string())).collect::<Vec<_>>().into_iter()
}
