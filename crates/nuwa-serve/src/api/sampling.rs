use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use nuwa_infer::{Engine, GenerateSettings, SamplingSettings};
use serde::Deserialize;

use super::error::ApiError;
use crate::settings::ServeSettings;

/// The most texts of one prompt.
pub const MOST_CHOICES: usize = 8;
const MOST_STOPS: usize = 4;
const LONGEST_STOP: usize = 256;
const MOST_BIASES: usize = 300;

/// How text is written, as chats and completions say it alike.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Sampling {
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_k: Option<usize>,
    min_p: Option<f64>,
    frequency_penalty: Option<f64>,
    presence_penalty: Option<f64>,
    #[serde(alias = "repeat_penalty")]
    repetition_penalty: Option<f64>,
    seed: Option<i64>,
    stop: Option<Stop>,
    n: Option<usize>,
    logit_bias: Option<BTreeMap<String, f32>>,
    pub stream: Option<bool>,
    stream_options: Option<StreamOptions>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a string or a list of strings")]
enum Stop {
    One(String),
    Several(Vec<String>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StreamOptions {
    include_usage: bool,
}

impl Sampling {
    /// The settings of `engine`; `most` is what the request allows, `prompt` the length of what is continued.
    ///
    /// # Errors
    /// When a value is out of its range; the message names the field.
    pub fn settings(&self, server: &ServeSettings, most: Option<usize>, room: usize) -> Result<GenerateSettings, ApiError> {
        if most == Some(0) {
            return Err(ApiError::field("max_tokens", "0: expected at least 1"));
        }
        let usual = &server.sampling;
        let sampling = SamplingSettings {
            temperature: self.temperature.unwrap_or(usual.temperature),
            top_k: self.top_k.unwrap_or(usual.top_k),
            top_p: self.top_p.unwrap_or(usual.top_p),
            min_p: self.min_p.unwrap_or(usual.min_p),
            repetition_penalty: self.repetition_penalty.unwrap_or(usual.repetition_penalty),
            frequency_penalty: self.frequency_penalty.unwrap_or(usual.frequency_penalty),
            presence_penalty: self.presence_penalty.unwrap_or(usual.presence_penalty),
        };
        let max_tokens = [most, server.most_tokens, Some(room)].into_iter().flatten().min().unwrap_or(room);
        // Without a seed each request has another one, as the interface says.
        let seed = self.seed.map_or_else(|| RandomState::new().hash_one(0), |seed| seed as u64);
        let settings = GenerateSettings { max_tokens, stop: self.stops()?, seed, sampling };
        settings.check().map_err(|error| ApiError::of_request(&error))?;
        Ok(settings)
    }

    fn stops(&self) -> Result<Vec<String>, ApiError> {
        let stops = match &self.stop {
            None => Vec::new(),
            Some(Stop::One(stop)) => vec![stop.clone()],
            Some(Stop::Several(stops)) => stops.clone(),
        };
        if stops.len() > MOST_STOPS {
            return Err(ApiError::field("stop", &format!("{} strings: expected at most {MOST_STOPS}", stops.len())));
        }
        match stops.iter().find(|stop| stop.is_empty() || stop.len() > LONGEST_STOP) {
            Some(stop) => Err(ApiError::field("stop", &format!("a string of {} bytes: expected 1 to {LONGEST_STOP}", stop.len()))),
            None => Ok(stops),
        }
    }

    /// How many texts are wanted.
    pub fn choices(&self) -> Result<usize, ApiError> {
        match self.n.unwrap_or(1) {
            count @ 1..=MOST_CHOICES => Ok(count),
            other => Err(ApiError::field("n", &format!("{other}: expected 1 to {MOST_CHOICES}"))),
        }
    }

    /// What is added to logits.
    pub fn bias(&self, engine: &Engine) -> Result<Vec<(u32, f32)>, ApiError> {
        let Some(bias) = &self.logit_bias else { return Ok(Vec::new()) };
        if bias.len() > MOST_BIASES {
            return Err(ApiError::field("logit_bias", &format!("{} ids: expected at most {MOST_BIASES}", bias.len())));
        }
        let known = engine.model().vocabulary() as u32;
        let read = |(id, bias): (&String, &f32)| {
            let id = id.parse().ok().filter(|id| *id < known);
            let id = id.ok_or_else(|| ApiError::field("logit_bias", &format!("expected ids from 0 to {}", known - 1)))?;
            let is_within = (-100.0..=100.0).contains(bias);
            let told = format!("{bias} for {id}: expected a number from -100 to 100");
            is_within.then_some((id, *bias)).ok_or_else(|| ApiError::field("logit_bias", &told))
        };
        bias.iter().map(read).collect()
    }

    /// Whether the last piece of a stream tells the usage.
    pub fn tells_usage(&self) -> bool {
        self.stream_options.as_ref().is_some_and(|options| options.include_usage)
    }

    pub fn is_streamed(&self) -> bool {
        self.stream.unwrap_or(false)
    }
}
