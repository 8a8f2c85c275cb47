use nuwa_infer::{Engine, GenerateSettings, Prompt, Request, SLOTS, SamplingSettings, Window};
use nuwa_tokenizer::Tokenizer;

use crate::Result;

/// What a task needs of a model: how likely it finds given ids.
pub trait Scorer {
    /// The tokenizer that the ids belong to.
    fn tokenizer(&self) -> &Tokenizer;

    /// The id that a text stands after, if there is one.
    fn start_of_text(&self) -> Option<u32>;

    /// The largest number of ids that the model sees at one time: of an encoder-decoder, of a source.
    fn context(&self) -> usize;

    /// Whether it is an encoder-decoder: what it is asked is read by the encoder, and nothing is scored.
    fn reads_sources(&self) -> bool {
        false
    }

    /// An error where it cannot score a text.
    ///
    /// # Errors
    /// Saying what it does instead.
    fn check_scores(&self) -> Result<()> {
        Ok(())
    }

    /// The negative log-likelihood, in nats, of each scored id of each window.
    ///
    /// # Errors
    /// When a window is longer than the context, or an id is unknown.
    fn score(&self, windows: &[Window<'_>]) -> Result<Vec<Vec<f32>>>;

    /// What the model writes after each prompt, or as the answer to each source, when it always takes the likeliest token: up to an id of `ends`, before a
    /// string of `stops`, at most `max_tokens`.
    ///
    /// # Errors
    /// When a prompt is longer than the context, or an id is unknown.
    fn write(
        &self,
        prompts: &[Vec<u32>],
        max_tokens: usize,
        stops: &[String],
        ends: &[u32],
    ) -> Result<Vec<String>>;
}

impl Scorer for Engine {
    fn tokenizer(&self) -> &Tokenizer {
        Engine::tokenizer(self)
    }

    fn start_of_text(&self) -> Option<u32> {
        Engine::start_of_text(self)
    }

    fn context(&self) -> usize {
        let model = self.model();
        model.config().source_context().unwrap_or(model.context())
    }

    fn reads_sources(&self) -> bool {
        self.model().config().is_encoder_decoder()
    }

    fn check_scores(&self) -> Result<()> {
        Ok(nuwa_infer::check_writes(self.model())?)
    }

    fn score(&self, windows: &[Window<'_>]) -> Result<Vec<Vec<f32>>> {
        Ok(Engine::score(self, windows)?)
    }

    fn write(
        &self,
        prompts: &[Vec<u32>],
        max_tokens: usize,
        stops: &[String],
        ends: &[u32],
    ) -> Result<Vec<String>> {
        let sampling = SamplingSettings::greedy();
        let settings =
            GenerateSettings { max_tokens, stop: stops.to_vec(), sampling, ..GenerateSettings::default() };
        let start = self.model().config().decoder_start();
        let request = |ids: &Vec<u32>| match start {
            Some(start) => Request::answer(ids.clone(), start, &settings, ends),
            None => Request::new(Prompt::of(ids.clone()), &settings, ends),
        };
        let mut scheduler = self.scheduler(SLOTS)?;
        let written = scheduler.write_all(prompts.iter().map(request).collect())?;
        written.into_iter().map(|written| Ok(written?.text)).collect()
    }
}
