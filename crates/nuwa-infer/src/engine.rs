use std::path::Path;
use std::sync::{Arc, OnceLock};

use nuwa_models::{Model, ModelConfig, Prediction};
use nuwa_tensor::DType;
use nuwa_tokenizer::Tokenizer;

use crate::schema::Spelling;
use crate::{
    Error, Flow, GenerateSettings, Generation, Prompt, Request, Result, Scheduler, SchedulerSettings, Window,
    score_shared,
};

/// An error unless `model` predicts the next token, which writing, scoring and tuning need.
///
/// # Errors
/// Saying what it does instead.
pub fn check_writes(model: &dyn Model) -> Result<()> {
    check_config_writes(&model.config())
}

/// As [`check_writes`], of the model that a configuration is of.
///
/// # Errors
/// As there.
pub fn check_config_writes(config: &ModelConfig) -> Result<()> {
    match config.predicts() {
        predicts if predicts.writes() => Ok(()),
        predicts => Err(Error::Predicts { wanted: Prediction::NextToken, predicts }),
    }
}

/// An error unless `model` writes: continues texts, or answers sources.
fn check_writes_or_answers(model: &dyn Model) -> Result<()> {
    match model.config().is_encoder_decoder() {
        true => Ok(()),
        false => check_writes(model),
    }
}

/// The ids that only stand around the answers of an encoder-decoder: what they begin with, and what fills them up. One that also ends
/// them is written.
fn around_answers(tokenizer: &Tokenizer, model: &dyn Model) -> [Option<u32>; 2] {
    let start = model.config().decoder_start();
    let padding = tokenizer.token_of_role("pad_token").filter(|_| start.is_some());
    [start, padding].map(|id| id.filter(|_| id != tokenizer.eos()))
}

/// A model with its tokenizer; clones share both.
#[derive(Clone)]
pub struct Engine {
    model: Arc<dyn Model>,
    tokenizer: Arc<Tokenizer>,
    adds_beginning: bool,
    /// The dtype of its sequences' key-value caches.
    cache: DType,
    /// Ids that the model knows and the tokenizer has no token for, and those that only stand around answers.
    unwritable: Arc<[u32]>,
    /// The bytes of its tokens, once a text is held to a schema.
    spelling: Arc<OnceLock<Arc<Spelling>>>,
}

impl Engine {
    /// Reads the model folder `folder`, configuration, weights and tokenizer, for inference alone: weights are kept in numbers of
    /// the file.
    ///
    /// # Errors
    /// When a file is missing or damaged, or the files do not belong together.
    pub fn load(folder: &Path) -> Result<Self> {
        Self::load_in(folder, None)
    }

    /// As [`Engine::load`], with weights and key-value caches in `dtype` where one is named; see
    /// [`nuwa_format::load_for_inference`].
    ///
    /// # Errors
    /// As there.
    pub fn load_in(folder: &Path, dtype: Option<DType>) -> Result<Self> {
        let engine = Self::load_any(folder, dtype)?;
        check_writes(engine.model())?;
        Ok(engine)
    }

    /// As [`Engine::load_in`], of a model that continues texts or one that answers sources: [`Engine::request`] is for both.
    ///
    /// # Errors
    /// As there.
    pub fn load_any(folder: &Path, dtype: Option<DType>) -> Result<Self> {
        let model = nuwa_format::load_for_inference(folder, dtype)?;
        let engine = Self::of_any(model, Tokenizer::load(folder)?)?;
        Ok(Self { cache: dtype.unwrap_or(engine.cache), ..engine })
    }

    /// Puts a model and its tokenizer together.
    ///
    /// # Errors
    /// When the model does not predict the next token, or the tokenizer has ids that the model does not know.
    pub fn new(model: impl Into<Arc<dyn Model>>, tokenizer: Tokenizer) -> Result<Self> {
        let engine = Self::of_any(model, tokenizer)?;
        check_writes(engine.model())?;
        Ok(engine)
    }

    /// As [`Engine::new`], of a model that continues texts or one that answers sources.
    ///
    /// # Errors
    /// As there.
    pub fn of_any(model: impl Into<Arc<dyn Model>>, tokenizer: Tokenizer) -> Result<Self> {
        let model = model.into();
        check_writes_or_answers(model.as_ref())?;
        let (known, written) = (model.vocabulary(), tokenizer.vocab_size());
        if written > known {
            return Err(Error::Vocabulary { tokenizer: written, model: known });
        }
        let adds_beginning = tokenizer.adds_bos();
        let around = around_answers(&tokenizer, model.as_ref());
        let is_unwritable = |id: &u32| tokenizer.id_to_token(*id).is_none() || around.contains(&Some(*id));
        let unwritable = (0..known as u32).filter(is_unwritable).collect();
        let (tokenizer, spelling) = (Arc::new(tokenizer), Arc::default());
        Ok(Self { model, tokenizer, adds_beginning, cache: DType::F32, unwritable, spelling })
    }

    /// The model.
    pub fn model(&self) -> &dyn Model {
        self.model.as_ref()
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Ids that are never written: those that the model knows and the tokenizer has no token for, and those that only stand around
    /// answers.
    pub(crate) fn unwritable(&self) -> &Arc<[u32]> {
        &self.unwritable
    }

    /// The model, to be shared.
    pub(crate) fn shared_model(&self) -> Arc<dyn Model> {
        Arc::clone(&self.model)
    }

    /// The bytes of its tokens.
    pub(crate) fn spelling(&self) -> Arc<Spelling> {
        let spelt = || Spelling::new(&self.tokenizer, &self.unwritable, self.model.vocabulary()).into();
        Arc::clone(self.spelling.get_or_init(spelt))
    }

    /// The dtype of key-value caches.
    pub fn cache(&self) -> DType {
        self.cache
    }

    /// The ids that end a text by itself, not a turn.
    pub fn ends_of_text(&self) -> Vec<u32> {
        self.tokenizer.eos().into_iter().collect()
    }

    /// A scheduler of this many slots.
    ///
    /// # Errors
    /// When `slots` is 0.
    pub fn scheduler(&self, slots: usize) -> Result<Scheduler> {
        Scheduler::new(self, SchedulerSettings { slots, cache: self.cache, ..SchedulerSettings::default() })
    }

    /// The id that a text stands after: the tokenizer's beginning of a text where the model expects one, else the end
    /// of the text before.
    pub fn start_of_text(&self) -> Option<u32> {
        let (begin, end) = (self.tokenizer.bos(), self.tokenizer.eos());
        if self.adds_beginning { begin.or(end) } else { end.or(begin) }
    }

    /// The ids of a prompt as the model expects them: after the beginning of a text where the tokenizer puts one, or
    /// where the prompt is empty.
    ///
    /// # Errors
    /// When the prompt is empty and the tokenizer names no token to begin with.
    pub fn prompt_ids(&self, prompt: &str) -> Result<Vec<u32>> {
        let text = self.tokenizer.encode(prompt)?;
        let start = self.start_of_text().filter(|_| self.adds_beginning || text.is_empty());
        let ids: Vec<u32> = start.into_iter().chain(text).collect();
        if ids.is_empty() { Err(Error::EmptyPrompt) } else { Ok(ids) }
    }

    /// The ids of a source as the model expects them: after the beginning of a text where the tokenizer puts one, and before the end
    /// of a text.
    ///
    /// # Errors
    /// When it holds nothing but blanks.
    pub fn source_ids(&self, source: &str) -> Result<Vec<u32>> {
        if source.trim().is_empty() {
            return Err(Error::NoSource);
        }
        let start = self.tokenizer.bos().filter(|_| self.adds_beginning);
        Ok(start.into_iter().chain(self.tokenizer.encode(source)?).chain(self.tokenizer.eos()).collect())
    }

    /// A request of `text`: to continue it or, of an encoder-decoder, to answer it.
    ///
    /// # Errors
    /// As [`Engine::prompt_ids`] and [`Engine::source_ids`].
    pub fn request(&self, text: &str, settings: &GenerateSettings) -> Result<Request> {
        let ends = self.ends_of_text();
        Ok(match self.model.config().decoder_start() {
            None => Request::new(Prompt::of(self.prompt_ids(text)?), settings, &ends),
            Some(start) => Request::answer(self.source_ids(text)?, start, settings, &ends),
        })
    }

    /// Continues `prompt`, or answers it; `on_text` is given the text as it comes, in whole characters.
    ///
    /// # Errors
    /// When a setting makes no sense, or the prompt is longer than the model's context.
    pub fn generate(
        &self,
        prompt: &str,
        settings: &GenerateSettings,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Generation> {
        let request = self.request(prompt, settings)?;
        self.scheduler(1)?.write(request, &mut || Flow::Continue(()), on_text)
    }

    /// As [`Engine::generate`], for a prompt of ids that nothing is added to.
    ///
    /// # Errors
    /// As there, and when `prompt` is empty or an id is unknown.
    pub fn generate_from_ids(
        &self,
        prompt: &[u32],
        settings: &GenerateSettings,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Generation> {
        let request = Request::new(Prompt::of(prompt.to_vec()), settings, &self.ends_of_text());
        self.scheduler(1)?.write(request, &mut || Flow::Continue(()), on_text)
    }

    /// The negative log-likelihood of given ids; see [`score_shared`].
    ///
    /// # Errors
    /// When a window is longer than the context, or an id is unknown.
    pub fn score(&self, windows: &[Window<'_>]) -> Result<Vec<Vec<f32>>> {
        score_shared(self.model(), windows)
    }
}
