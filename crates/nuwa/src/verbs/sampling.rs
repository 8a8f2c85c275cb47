use clap::Args;
use nuwa_infer::SamplingSettings;

/// How `generate` and `chat` choose tokens, besides the temperature.
#[derive(Debug, Args)]
pub struct SamplingArguments {
    /// Top-k sampling: keep the k most likely tokens; 0 keeps all [default: 0]
    #[arg(long, value_name = "N")]
    top_k: Option<usize>,
    /// Top-p (nucleus) sampling: keep the most likely tokens up to this total probability, above 0
    /// up to 1 [default: 0.95]
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    top_p: Option<f64>,
    /// Min-p sampling: drop tokens below this share of the most likely token's probability, 0 to 1
    /// [default: 0]
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    min_p: Option<f64>,
    /// Repetition penalty: above 1 discourages tokens that already occurred, including in the
    /// prompt [default: 1]
    #[arg(long, alias = "repeat-penalty", value_name = "X", allow_negative_numbers = true)]
    repetition_penalty: Option<f64>,
    /// Frequency penalty: subtracted from a token's logit for every time it was generated, -2 to 2
    /// [default: 0]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    frequency_penalty: Option<f64>,
    /// Presence penalty: subtracted from a token's logit once it was generated, -2 to 2 [default:
    /// 0]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    presence_penalty: Option<f64>,
}

impl SamplingArguments {
    /// The settings, with the usual value for what was not said; `top_k` stands for what was not said of it.
    pub fn settings(&self, temperature: f64, top_k: usize) -> SamplingSettings {
        self.settings_over(&SamplingSettings { temperature, top_k, ..SamplingSettings::default() })
    }

    /// The settings, with those of `usual` for what was not said.
    pub fn settings_over(&self, usual: &SamplingSettings) -> SamplingSettings {
        SamplingSettings {
            temperature: usual.temperature,
            top_k: self.top_k.unwrap_or(usual.top_k),
            top_p: self.top_p.unwrap_or(usual.top_p),
            min_p: self.min_p.unwrap_or(usual.min_p),
            repetition_penalty: self.repetition_penalty.unwrap_or(usual.repetition_penalty),
            frequency_penalty: self.frequency_penalty.unwrap_or(usual.frequency_penalty),
            presence_penalty: self.presence_penalty.unwrap_or(usual.presence_penalty),
        }
    }
}
