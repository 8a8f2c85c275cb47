use std::collections::BTreeSet;

use anyhow::bail;
use nuwa_infer::{CandidateSettings, Engine, Finish, Flow, GenerateSettings, RatedAnswer, SLOTS, Scheduler};
use nuwa_tensor::Random;
use serde::Serialize;

use crate::prompts::PromptToJudge;

/// How often a prompt is drawn for where too few of its answers differ.
const ROUNDS: u64 = 4;

/// An answer, as the person is shown it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownAnswer {
    pub text: String,
    /// Whether it ended only because it may not be longer.
    pub is_cut_off: bool,
}

/// Draws the answers of prompts.
pub struct Drawing {
    scheduler: Scheduler,
    settings: GenerateSettings,
    /// How many different answers are wanted, and how many at least.
    wanted: usize,
    least: usize,
}

impl Drawing {
    /// Draws `wanted` answers of a model, or as many as differ but no fewer than `least`.
    pub fn new(
        engine: &Engine,
        settings: GenerateSettings,
        wanted: usize,
        least: usize,
    ) -> anyhow::Result<Self> {
        Ok(Self { scheduler: engine.scheduler(wanted.min(SLOTS))?, settings, wanted, least })
    }

    /// Different answers to a prompt, in an order that says nothing. They follow from the seed and the prompt alone.
    pub fn answers(&mut self, prompt: &PromptToJudge) -> anyhow::Result<Vec<ShownAnswer>> {
        let random = Random::new(self.settings.seed).named(&prompt.key);
        let (mut answers, mut texts) = (Vec::new(), BTreeSet::new());
        for round in 0..ROUNDS {
            let seed = random.named("answers").below(round, u64::MAX);
            let drawn = self.draw(prompt, seed)?.into_iter();
            answers.extend(drawn.filter(|answer| texts.insert(answer.text.clone())));
            if answers.len() >= self.wanted {
                break;
            }
        }
        answers.truncate(self.wanted);
        if answers.len() < self.least {
            let drawn = ROUNDS as usize * self.wanted;
            bail!("the model gives it {} in {drawn} tries", different(answers.len()));
        }
        let order = random.named("order").permutation(answers.len());
        Ok(order.into_iter().map(|place| shown(&answers[place])).collect())
    }

    /// Answers of one seed, without empty ones.
    fn draw(&mut self, prompt: &PromptToJudge, seed: u64) -> anyhow::Result<Vec<RatedAnswer>> {
        let settings = GenerateSettings { seed, ..self.settings.clone() };
        let rules = CandidateSettings { count: self.wanted, rated: false, ..CandidateSettings::default() };
        let mut goes_on = || Flow::Continue(());
        let drawn = prompt.conversation().candidates(&mut self.scheduler, &settings, &rules, &mut goes_on)?;
        if drawn.forgotten > 0 {
            bail!("it is longer than the model's context");
        }
        Ok(drawn.answers.into_iter().filter(|answer| !answer.text.is_empty()).collect())
    }
}

fn different(count: usize) -> &'static str {
    match count {
        0 => "no answer that says anything",
        _ => "too few answers that differ",
    }
}

fn shown(answer: &RatedAnswer) -> ShownAnswer {
    ShownAnswer { text: answer.text.clone(), is_cut_off: answer.finish == Finish::Length }
}
