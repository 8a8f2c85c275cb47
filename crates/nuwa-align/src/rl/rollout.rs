//! Rollouts: answers that the policy samples to prompts, to learn from.
//!
//! They are sampled at temperature 1 from all tokens, since only then is the probability of a token that of the model: any other
//! sampling makes ratios and KL wrong. Which numbers are drawn follows from the seed, the round and the answer's place in it, so
//! a run that is resumed samples what it would have sampled.

use nuwa_infer::{
    Engine, Finish, GenerateSettings, Prompt as PromptIds, Request, SamplingSettings, SchedulerSettings,
};
use nuwa_infer::{SLOTS, Scheduler};
use nuwa_models::{Model, build_for_inference};
use nuwa_tensor::{DType, Random};
use nuwa_tokenizer::Tokenizer;

use crate::data::Prompt;
use crate::pack::Example;
use crate::{Error, Result};

/// An answer that was sampled.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollout {
    /// Which of the prompts it answers.
    pub prompt: usize,
    /// Prompt and answer, of which the answer with what ended it counts as trained on.
    pub example: Example,
    /// The answer's text.
    pub text: String,
    /// Whether the model ended it, rather than the limit of tokens.
    pub ended: bool,
    /// The logarithm of the probability that each token of the answer was sampled with.
    pub sampled: Vec<f32>,
}

impl Rollout {
    /// Tokens of the answer, with the one that ended it.
    pub fn length(&self) -> usize {
        self.sampled.len()
    }
}

/// Prompts as the model reads them.
#[derive(Debug, Clone)]
pub struct Prompts {
    /// The prompts.
    pub prompts: Vec<Prompt>,
    /// The ids of each, up to the opened answer.
    pub ids: Vec<Vec<u32>>,
    /// Prompts that leave less room for an answer than was asked for, and are not used.
    pub too_long: u64,
}

impl Prompts {
    /// Renders `prompts` by the chat template, for a model of `context` that answers in up to `most` tokens.
    ///
    /// # Errors
    /// When the template fails, or no prompt leaves room for an answer.
    pub fn new(tokenizer: &Tokenizer, prompts: Vec<Prompt>, context: usize, most: usize) -> Result<Self> {
        let (all, mut fitting) = (prompts.len(), Self { prompts: Vec::new(), ids: Vec::new(), too_long: 0 });
        for prompt in prompts {
            let ids = tokenizer.encode_chat(&tokenizer.chat(&prompt.messages, None, true)?)?;
            match ids.len() + most <= context {
                true => {
                    fitting.prompts.push(prompt);
                    fitting.ids.push(ids);
                }
                false => fitting.too_long += 1,
            }
        }
        if fitting.ids.is_empty() {
            return Err(Error::LongPrompts { prompts: all, context, most });
        }
        Ok(fitting)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

/// Samples answers from a copy of the policy that is packed for inference.
pub struct Actor {
    engine: Engine,
    ends: Vec<u32>,
    most: usize,
    seed: u64,
}

impl std::fmt::Debug for Actor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Actor {{ most: {}, seed: {} }}", self.most, self.seed)
    }
}

impl Actor {
    /// An actor for models like `model`, whose answers have up to `most` tokens.
    ///
    /// # Errors
    /// When the tokenizer does not fit the model.
    pub fn new(model: &dyn Model, tokenizer: Tokenizer, most: usize, seed: u64) -> Result<Self> {
        let copy = build_for_inference(&model.config(), DType::F32).expect("the model was built so");
        let ends = tokenizer.end_of_turn().into_iter().chain(tokenizer.eos()).collect();
        let actor = Self { engine: Engine::new(copy, tokenizer)?, ends, most, seed };
        actor.follow(model);
        Ok(actor)
    }

    /// Takes over the weights of the policy as they are now.
    pub fn follow(&self, model: &dyn Model) {
        for own in self.engine.model().parameters().iter() {
            let path = own.entry().path();
            let source = model.parameters().get(path).expect("both are the same kind of model");
            own.from_host(&source.to_host());
        }
    }

    /// The most tokens of an answer.
    pub fn most(&self) -> usize {
        self.most
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        self.engine.tokenizer()
    }

    /// `group` answers to each of the prompts `wanted`, those of one prompt after each other.
    ///
    /// # Errors
    /// When the model fails.
    pub fn sample(
        &self,
        prompts: &Prompts,
        wanted: &[usize],
        group: usize,
        round: Random,
    ) -> Result<Vec<Rollout>> {
        let settings = |number: usize| GenerateSettings {
            max_tokens: self.most,
            seed: seed(round, number),
            sampling: SamplingSettings { temperature: 1.0, top_p: 1.0, ..SamplingSettings::default() },
            ..GenerateSettings::default()
        };
        let numbered = || wanted.iter().flat_map(|&prompt| (0..group).map(move |_| prompt)).enumerate();
        let request = |(number, prompt): (usize, usize)| {
            Request::new(PromptIds::of(prompts.ids[prompt].clone()), &settings(number), &self.ends)
        };
        let slots = (wanted.len() * group).clamp(1, MOST_SLOTS);
        let mut scheduler =
            Scheduler::new(&self.engine, SchedulerSettings { slots, ..SchedulerSettings::default() })?;
        let written = scheduler.write_all(numbered().map(request).collect())?;
        let rollout = |((_, prompt), written): ((usize, usize), nuwa_infer::Result<_>)| {
            Ok(rollout(prompt, &prompts.ids[prompt], written?))
        };
        numbered().zip(written).map(rollout).collect()
    }

    /// The generator of a round of rollouts.
    pub fn round(&self, number: u64) -> Random {
        Random::new(self.seed).named("rollouts").stream(number)
    }
}

/// Sequences that are sampled at one time: more keep the products fuller, and take memory for their caches.
const MOST_SLOTS: usize = 4 * SLOTS;

/// What an answer's sampler draws from.
fn seed(round: Random, number: usize) -> u64 {
    let [high, low, ..] = round.words(number as u64);
    u64::from(high) << 32 | u64::from(low)
}

fn rollout(prompt: usize, ids: &[u32], written: nuwa_infer::Generation) -> Rollout {
    let ended = written.finish == Finish::EndOfText;
    let end = written.ended_by.filter(|_| ended);
    let answer = written.tokens.iter().copied().chain(end.map(|end| end.id));
    let all: Vec<u32> = ids.iter().copied().chain(answer).collect();
    let trained = (0..all.len()).map(|at| at >= ids.len()).collect();
    let last = end.map(|end| end.log_probability);
    Rollout {
        prompt,
        example: Example::of(all, trained),
        text: written.text.trim_start().to_string(),
        ended,
        sampled: written.log_probabilities.into_iter().chain(last).collect(),
    }
}
