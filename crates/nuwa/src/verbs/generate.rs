use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::Args;
use nuwa_infer::{Engine, GenerateSettings, SamplingSettings};

use crate::console::print;
use crate::numbers::Count;

/// Let a model continue a text
///
/// The continuation, and nothing else, goes to standard output, as it is written.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa generate runs/book/model --prompt \"Once upon a time\"
  nuwa generate runs/book/model --prompt \"Q:\" --temperature 0 --stop \"Q:\" --max-tokens 50")]
pub struct Generate {
    /// A model folder
    model: PathBuf,
    /// The text to continue; empty: the model begins a text of its own
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    prompt: String,
    /// The most tokens to write [default: 200]
    #[arg(long, value_name = "N")]
    max_tokens: Option<Count>,
    /// 0 always takes the likeliest token, 1 follows the model's own probabilities [default: 0.8]
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    temperature: Option<f64>,
    /// Choose among this many of the likeliest tokens only; 0 for all [default: 0]
    #[arg(long, value_name = "N")]
    top_k: Option<usize>,
    /// Choose among the likeliest tokens that together reach this probability [default: 0.95]
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    top_p: Option<f64>,
    /// Leave out tokens less likely than this share of the likeliest [default: 0]
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    min_p: Option<f64>,
    /// Above 1 discourages tokens that occurred already [default: 1]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    repetition_penalty: Option<f64>,
    /// End before this text; may come several times
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    stop: Vec<String>,
    /// The same seed gives the same text
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

impl Generate {
    pub fn run(self) -> anyhow::Result<()> {
        let engine = Engine::load(&self.model)?;
        let mut written = Ok(());
        let mut on_text = |text: &str| {
            if written.is_ok() {
                written = print(text);
            }
        };
        engine.generate(&self.prompt, &self.settings(), &mut on_text)?;
        written?;
        if io::stdout().is_terminal() { print("\n") } else { Ok(()) }
    }

    fn settings(&self) -> GenerateSettings {
        let usual = GenerateSettings::default();
        let sampling = SamplingSettings {
            temperature: self.temperature.unwrap_or(usual.sampling.temperature),
            top_k: self.top_k.unwrap_or(usual.sampling.top_k),
            top_p: self.top_p.unwrap_or(usual.sampling.top_p),
            min_p: self.min_p.unwrap_or(usual.sampling.min_p),
            repetition_penalty: self.repetition_penalty.unwrap_or(usual.sampling.repetition_penalty),
        };
        let max_tokens = self.max_tokens.map_or(usual.max_tokens, |count| count.0 as usize);
        GenerateSettings { max_tokens, stop: self.stop.clone(), seed: self.seed, sampling }
    }
}
