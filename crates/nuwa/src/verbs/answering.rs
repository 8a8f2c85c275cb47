use std::path::Path;

use nuwa_infer::{
    BeamSettings, Engine, Finish, Flow, GenerateSettings, Generation, Hypothesis, MORE_TOKENS,
    MaskedBeginning, MaskedWriter, Request, SLOTS,
};
use nuwa_models::Prediction;

use super::weights::WeightArguments;
use crate::alignment::learns_pairs;

/// A model that answers sources.
pub enum Answering {
    /// An encoder reads the source, and a decoder writes.
    Decoded(Engine),
    /// One model fills in one mask after the other behind the source.
    Masked(MaskedWriter),
}

impl Answering {
    /// Reads the model in `folder`; a model that answers nothing is refused.
    pub fn load(folder: &Path, weights: &WeightArguments) -> anyhow::Result<Self> {
        let config = nuwa_format::load_config(folder)?;
        let predicts = config.predicts();
        match learns_pairs(&config) {
            false => Err(nuwa_infer::Error::Predicts { wanted: Prediction::Answer, predicts }.into()),
            true if config.is_encoder_decoder() => Ok(Self::Decoded(weights.load_any(folder)?)),
            true => Ok(Self::Masked(MaskedWriter::load(folder)?)),
        }
    }

    /// The ids of a source.
    pub fn ids(&self, source: &str) -> nuwa_infer::Result<Vec<u32>> {
        match self {
            Self::Decoded(engine) => engine.source_ids(source),
            Self::Masked(writer) => writer.source_ids(source),
        }
    }

    /// Those of as much of its beginning as the model reads.
    pub fn first_ids(&self, source: &str) -> nuwa_infer::Result<Vec<u32>> {
        match self {
            Self::Decoded(engine) => engine.first_source_ids(source),
            Self::Masked(writer) => writer.first_source_ids(source),
        }
    }

    /// The most tokens of a source.
    pub fn context(&self) -> usize {
        match self {
            Self::Decoded(engine) => engine.model().config().source_context().unwrap_or(usize::MAX),
            Self::Masked(writer) => writer.source_context(),
        }
    }

    /// The likeliest answers to each source.
    pub fn searched(
        &self,
        ids: &[Vec<u32>],
        beams: &BeamSettings,
        most: Option<usize>,
    ) -> nuwa_infer::Result<Vec<Vec<Hypothesis>>> {
        match self {
            Self::Decoded(engine) => engine.answers(ids, beams, most),
            Self::Masked(writer) => writer.answers(ids, beams, most),
        }
    }

    /// A drawn answer to each source; `settings` says how that of a place is drawn.
    pub fn sampled(
        &self,
        ids: &[Vec<u32>],
        most: Option<usize>,
        settings: impl Fn(usize) -> GenerateSettings,
    ) -> nuwa_infer::Result<Vec<Vec<Hypothesis>>> {
        let asked = ids.iter().enumerate().map(|(place, ids)| {
            let max_tokens = most.unwrap_or(ids.len() + MORE_TOKENS);
            (ids.clone(), GenerateSettings { max_tokens, ..settings(place) })
        });
        let written: nuwa_infer::Result<Vec<Generation>> = match self {
            Self::Decoded(engine) => {
                let start = engine.model().config().decoder_start().unwrap_or_default();
                let ends = engine.ends_of_text();
                let request = |(ids, settings): (Vec<u32>, GenerateSettings)| {
                    Request::answer(ids, start, &settings, &ends)
                };
                engine.scheduler(SLOTS)?.write_all(asked.map(request).collect())?.into_iter().collect()
            }
            Self::Masked(writer) => {
                let write = |(ids, settings): (Vec<u32>, GenerateSettings)| {
                    let mut goes_on = || Flow::Continue(());
                    writer.write(&MaskedBeginning::of_source(ids), &settings, &mut goes_on, &mut |_| {})
                };
                asked.map(write).collect()
            }
        };
        Ok(written?.into_iter().map(|written| vec![hypothesis(written)]).collect())
    }

    /// The text of what was found, without special tokens.
    pub fn text_of(&self, tokens: &[u32]) -> nuwa_infer::Result<String> {
        match self {
            Self::Decoded(engine) => engine.text_of(tokens),
            Self::Masked(writer) => writer.text_of(tokens),
        }
    }
}

/// What was sampled, as a search gives it.
fn hypothesis(written: Generation) -> Hypothesis {
    let of_tokens = written.log_probabilities.iter().map(|&one| f64::from(one)).sum::<f64>();
    let log_probability = of_tokens + written.ended_by.map_or(0.0, |end| f64::from(end.log_probability));
    let ended = written.finish == Finish::EndOfText;
    Hypothesis { tokens: written.tokens, ended, log_probability, score: log_probability }
}
