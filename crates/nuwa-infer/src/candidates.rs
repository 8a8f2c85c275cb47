//! Several answers to one turn, of which the best is given (Thoppilan et al., "LaMDA", 2022, section 6.1).
//!
//! `k` answers are sampled together, so their prompt is read once. The model that wrote them rates each ([`rate`]): those that are
//! not safe are put last, the others in the order of `3 P(sensible) + P(specific) + P(interesting)`.

use crate::ratings::{end_of_answer, rate, taught};
use crate::{
    Conversation, Error, Finish, Flow, GenerateSettings, Generation, Prompt, Ratings, Request, Result,
    Scheduler,
};

/// How answers are chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CandidateSettings {
    /// How many answers are sampled, at least 1.
    pub count: usize,
    /// Answers whose probability of being safe is below this are not given, 0 to 1. The paper's is not published.
    pub least_safe: f64,
    /// Whether they are rated; if not, they stand in the order in which they were drawn.
    pub rated: bool,
}

impl Default for CandidateSettings {
    fn default() -> Self {
        Self { count: 16, least_safe: 0.5, rated: true }
    }
}

impl CandidateSettings {
    /// Refuses what no answer can be chosen with.
    ///
    /// # Errors
    /// When a setting is out of its range; the message names it.
    pub fn check(&self) -> Result<()> {
        let wrong = |name, value: String, expected| Err(Error::Setting { name, value, expected });
        if self.count == 0 {
            return wrong("candidates", "0".into(), "expected at least 1");
        }
        if !(0.0..=1.0).contains(&self.least_safe) {
            return wrong("least_safe", self.least_safe.to_string(), "expected a number from 0 to 1");
        }
        Ok(())
    }
}

/// One of several answers.
#[derive(Debug, Clone, PartialEq)]
pub struct RatedAnswer {
    /// Its text.
    pub text: String,
    /// Its ids, without the one that ended it.
    pub tokens: Vec<u32>,
    /// Why it ended.
    pub finish: Finish,
    /// How often it was drawn.
    pub times: usize,
    /// What the model finds of it.
    pub ratings: Ratings,
    /// Whether it is safe enough to be given.
    pub is_safe: bool,
}

/// Different answers to one turn, the best first and those that are not safe last.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidates {
    /// The answers.
    pub answers: Vec<RatedAnswer>,
    /// How many of the oldest turns the model did not see.
    pub forgotten: usize,
    /// Whether the listener had enough before all were written and rated.
    pub interrupted: bool,
}

impl Candidates {
    /// The best answer; none where none is safe.
    pub fn best(&self) -> Option<&RatedAnswer> {
        self.answers.first().filter(|answer| answer.is_safe)
    }
}

/// The share of the context that is kept for an answer before turns are left out, as a divisor.
const RESERVED: usize = 8;

impl Conversation {
    /// Several answers to the last turn; `goes_on` is asked before each pass. None is added to the turns.
    ///
    /// # Errors
    /// When a setting makes no sense, the model was not taught to rate although it is asked to, or as [`Conversation::prompt`].
    pub fn candidates(
        &self,
        scheduler: &mut Scheduler,
        generate: &GenerateSettings,
        settings: &CandidateSettings,
        goes_on: &mut dyn FnMut() -> Flow,
    ) -> Result<Candidates> {
        settings.check()?;
        let engine = scheduler.engine().clone();
        let attributes = if settings.rated { taught(engine.tokenizer())? } else { Vec::new() };
        let context = engine.model().context();
        let reserve = generate.max_tokens.min((context / RESERVED).max(1));
        let Prompt { ids, forgotten, .. } = self.prompt(&engine, reserve)?;
        let generate =
            GenerateSettings { max_tokens: generate.max_tokens.min(context - ids.len()), ..generate.clone() };
        let ends: Vec<u32> =
            engine.tokenizer().end_of_turn().into_iter().chain(engine.tokenizer().eos()).collect();
        let requests = Request::new(Prompt::of(ids.clone()), &generate, &ends).candidates(settings.count);
        let written: Vec<Generation> =
            scheduler.write_all_while(requests, goes_on)?.into_iter().collect::<Result<_>>()?;
        let interrupted = written.iter().any(|written| written.finish == Finish::Interrupted);
        let mut answers = different(written);
        if interrupted {
            return Ok(Candidates { answers, forgotten, interrupted });
        }
        let end = end_of_answer(engine.tokenizer());
        let whole = |answer: &RatedAnswer| ids.iter().chain(&answer.tokens).copied().chain(end).collect();
        let answered: Vec<Vec<u32>> = answers.iter().map(whole).collect();
        let ratings = rate(scheduler, &answered, &attributes, goes_on)?;
        let interrupted = ratings.iter().any(|ratings| ratings.0.values().any(|value| value.is_nan()));
        for (answer, ratings) in answers.iter_mut().zip(ratings) {
            answer.is_safe = ratings.is_safe(settings.least_safe);
            answer.ratings = ratings;
        }
        answers.sort_by(|one, other| {
            let quality = |answer: &RatedAnswer| answer.ratings.quality();
            other.is_safe.cmp(&one.is_safe).then(quality(other).total_cmp(&quality(one)))
        });
        Ok(Candidates { answers, forgotten, interrupted })
    }
}

/// Answers of one text once, with how often they were drawn, in the order in which they were first drawn; without those that say
/// nothing where others say something.
fn different(written: Vec<Generation>) -> Vec<RatedAnswer> {
    let mut answers: Vec<RatedAnswer> = Vec::new();
    for Generation { text, tokens, finish, .. } in written {
        let text = text.trim().to_string();
        match answers.iter_mut().find(|answer| answer.text == text) {
            Some(answer) => answer.times += 1,
            None => {
                let ratings = Ratings::default();
                answers.push(RatedAnswer { text, tokens, finish, times: 1, ratings, is_safe: true });
            }
        }
    }
    if answers.iter().any(|answer| !answer.text.is_empty()) {
        answers.retain(|answer| !answer.text.is_empty());
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_answer_comes_once_and_an_empty_one_only_alone() {
        let texts = |texts: &[&str]| {
            let written = texts.iter().map(|text| Generation {
                text: text.to_string(),
                tokens: Vec::new(),
                log_probabilities: Vec::new(),
                top: Vec::new(),
                reused: 0,
                ended_by: None,
                finish: Finish::EndOfText,
            });
            let answers = different(written.collect());
            answers.into_iter().map(|answer| (answer.text, answer.times)).collect::<Vec<_>>()
        };
        let pair = |text: &str, times: usize| (text.to_string(), times);
        assert_eq!(texts(&[" a", "b", "", "a "]), [pair("a", 2), pair("b", 1)]);
        assert_eq!(texts(&["", " "]), [pair("", 2)]);
    }
}
