//! The rotary fields of `config.json`: `rope_parameters` as transformers 5 writes them, `rope_theta` and `rope_scaling` as
//! transformers 4 does.

use nuwa_nn::{Llama3, Rope, RopeScaling, Yarn};
use serde::{Deserialize, Serialize};

use crate::config::{Result, above_zero, ensure, positive};

/// The base where a configuration does not say.
pub(crate) const DEFAULT_THETA: f64 = 10_000.0;

/// The rotary settings under either name; `rope_type` decides which of them count.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WrittenRope {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rope_theta: Option<f64>,
    #[serde(flatten)]
    kind: Kind,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "rope_type", rename_all = "lowercase")]
enum Kind {
    Default,
    Linear { factor: f64 },
    Dynamic { factor: f64 },
    Yarn(WrittenYarn),
    Llama3(WrittenLlama3),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct WrittenYarn {
    factor: f64,
    original_max_position_embeddings: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    beta_fast: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    beta_slow: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    truncate: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attention_factor: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mscale: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mscale_all_dim: Option<f64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct WrittenLlama3 {
    factor: f64,
    low_freq_factor: f64,
    high_freq_factor: f64,
    original_max_position_embeddings: usize,
}

impl From<Kind> for RopeScaling {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Default => Self::None,
            Kind::Linear { factor } => Self::Linear { factor },
            Kind::Dynamic { factor } => Self::Dynamic { factor },
            Kind::Yarn(yarn) => Self::Yarn(yarn.into()),
            Kind::Llama3(WrittenLlama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original_max_position_embeddings: original,
            }) => Self::Llama3(Llama3 { factor, low_freq_factor, high_freq_factor, original }),
        }
    }
}

impl From<RopeScaling> for Kind {
    fn from(scaling: RopeScaling) -> Self {
        match scaling {
            RopeScaling::None => Self::Default,
            RopeScaling::Linear { factor } => Self::Linear { factor },
            RopeScaling::Dynamic { factor } => Self::Dynamic { factor },
            RopeScaling::Yarn(yarn) => Self::Yarn(yarn.into()),
            RopeScaling::Llama3(Llama3 { factor, low_freq_factor, high_freq_factor, original }) => {
                let original_max_position_embeddings = original;
                Self::Llama3(WrittenLlama3 {
                    factor,
                    low_freq_factor,
                    high_freq_factor,
                    original_max_position_embeddings,
                })
            }
        }
    }
}

/// YaRN's own bounds, where a configuration has none or 0.
const BETAS: [f64; 2] = [32.0, 1.0];

impl From<WrittenYarn> for Yarn {
    fn from(written: WrittenYarn) -> Self {
        let beta = |given: Option<f64>, own| given.filter(|&beta| beta != 0.0).unwrap_or(own);
        Self {
            factor: written.factor,
            original: written.original_max_position_embeddings,
            beta_fast: beta(written.beta_fast, BETAS[0]),
            beta_slow: beta(written.beta_slow, BETAS[1]),
            truncate: written.truncate.unwrap_or(true),
            attention_factor: written.attention_factor,
            mscale: [written.mscale, written.mscale_all_dim],
        }
    }
}

impl From<Yarn> for WrittenYarn {
    fn from(yarn: Yarn) -> Self {
        Self {
            factor: yarn.factor,
            original_max_position_embeddings: yarn.original,
            beta_fast: Some(yarn.beta_fast),
            beta_slow: Some(yarn.beta_slow),
            truncate: Some(yarn.truncate),
            attention_factor: yarn.attention_factor,
            mscale: yarn.mscale[0],
            mscale_all_dim: yarn.mscale[1],
        }
    }
}

/// The settings out of the fields `rope_parameters`, `rope_scaling` and `rope_theta`, which agree.
pub(crate) fn read(
    parameters: Option<WrittenRope>,
    scaling: Option<WrittenRope>,
    theta: Option<f64>,
) -> Rope {
    let rope = parameters.or(scaling);
    let inner = rope.as_ref().and_then(|rope| rope.rope_theta);
    Rope {
        theta: inner.or(theta).unwrap_or(DEFAULT_THETA),
        scaling: rope.map_or(RopeScaling::None, |rope| rope.kind.into()),
    }
}

/// `rope_parameters` and `rope_scaling`, so that older and newer readers find what they look for.
pub(crate) fn write(rope: &Rope) -> [Option<WrittenRope>; 2] {
    let kind = || Kind::from(rope.scaling.clone());
    let scales = rope.scaling != RopeScaling::None;
    [
        Some(WrittenRope { rope_theta: Some(rope.theta), kind: kind() }),
        scales.then(|| WrittenRope { rope_theta: None, kind: kind() }),
    ]
}

/// An error about the first setting that makes no sense.
pub(crate) fn validate(rope: &Rope) -> Result<()> {
    above_zero("rope_theta", rope.theta)?;
    match &rope.scaling {
        RopeScaling::None => Ok(()),
        RopeScaling::Linear { factor } | RopeScaling::Dynamic { factor } => above_zero("factor", *factor),
        RopeScaling::Yarn(yarn) => {
            above_zero("factor", yarn.factor)?;
            above_zero("beta_slow", yarn.beta_slow)?;
            let expected = format!("expected a number of at least beta_slow = {}", yarn.beta_slow);
            ensure(yarn.beta_fast >= yarn.beta_slow, "beta_fast", yarn.beta_fast, expected)?;
            above_zero("attention_factor", yarn.attention_factor.unwrap_or(1.0))?;
            let expected = "expected a number other than 1 with rope_type yarn";
            ensure(rope.theta != 1.0, "rope_theta", rope.theta, expected)?;
            positive("original_max_position_embeddings", yarn.original)
        }
        RopeScaling::Llama3(scaling) => {
            above_zero("factor", scaling.factor)?;
            above_zero("low_freq_factor", scaling.low_freq_factor)?;
            let expected = format!("expected a number above low_freq_factor = {}", scaling.low_freq_factor);
            let ordered = scaling.high_freq_factor > scaling.low_freq_factor;
            ensure(ordered, "high_freq_factor", scaling.high_freq_factor, expected)?;
            positive("original_max_position_embeddings", scaling.original)
        }
    }
}
