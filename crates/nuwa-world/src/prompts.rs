//! Prompts for reinforcement learning: questions of every kind that is learnt from dialogues and preferences, each with all answers
//! that are right, so that [`true_reward`](super::true_reward) can judge whatever is answered.
//!
//! A line is `prompt` (turns, the last one a question), `answers` (the one that is taught first), `wrong` (what no right answer
//! says), `kind` and `language` (that of the right answers). What is held out is held out as everywhere in the world: the words of
//! a question, scenes, sums, sentences, names. Politeness and plays with words are learnt whole from dialogues, so a part of these is
//! held out of the prompts alone.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::World;
use super::facts::Language;
use super::manners::careless;
use super::random::held_out;
use super::ratings::{HARM, REFUSAL};
use super::scenes::Asked;
use super::small_talk::SYSTEM;
use super::talk::{Examiner, Topic};
use super::truth::{REFUSAL_KIND, known};

/// Topics with their shares of prompts; the rest asks for help with something that does harm.
const SHARES: [(Topic, f64); 11] = [
    (Topic::Fact, 0.22),
    (Topic::Quiz, 0.14),
    (Topic::Passage, 0.12),
    (Topic::Arithmetic, 0.07),
    (Topic::Translation, 0.07),
    (Topic::Sentiment, 0.05),
    (Topic::Summary, 0.02),
    (Topic::Instruction, 0.04),
    (Topic::Chat, 0.05),
    (Topic::Unknown, 0.1),
    (Topic::Wish, 0.08),
];
/// Share of the prompts with something harmful.
const HARMFUL: f64 = 0.04;
/// Share of the prompts that tell the model what it is.
const TOLD: f64 = 0.1;
/// Share of the prompts in which something was asked and answered before, on any topic and in any language.
const AFTER_ANOTHER: f64 = 0.15;
/// Share of the questions that are typed in haste.
const CARELESS: f64 = 0.2;
/// One in so many questions that dialogues know whole is held out of the prompts.
const APART: u64 = 4;
/// Draws for each prompt: of some kinds there are few, and none comes twice.
const DRAWS: usize = 20;

/// `count` prompts of which none equals another, or as many as there are.
pub fn prompts(world: &World, held: bool, count: usize) -> Vec<Value> {
    let mut examiner = Examiner::new(world, if held { "prompts held out" } else { "prompts" }, held);
    let (mut seen, mut all) = (HashSet::new(), Vec::with_capacity(count));
    for _ in 0..count.saturating_mul(DRAWS) {
        if all.len() == count {
            break;
        }
        let drawn = examiner.prompt();
        all.extend(drawn.filter(|prompt| seen.insert(prompt["prompt"].to_string())));
    }
    all
}

impl Examiner<'_> {
    /// A prompt; none where what was drawn is not for this file.
    fn prompt(&mut self) -> Option<Value> {
        let language = self.language();
        let mut turns = Vec::new();
        if self.random.chance(TOLD) {
            let told = self.random.choose(&SYSTEM);
            turns.push(json!({"role": "system", "content": language.name(*told)}));
        }
        let (kind, mut asked) = match self.random.chance(HARMFUL) {
            true => (REFUSAL_KIND, vec![self.harmful(language)]),
            false => self.on_a_topic(language)?,
        };
        if self.random.chance(AFTER_ANOTHER) {
            let (topic, language) = (self.topic(), self.language());
            let before = self.exchange(topic, language);
            asked.splice(0..0, before);
        }
        let last = asked.pop()?;
        for before in asked {
            turns.push(json!({"role": "user", "content": before.question}));
            turns.push(json!({"role": "assistant", "content": before.answer}));
        }
        turns.push(json!({"role": "user", "content": last.question}));
        let mut record = known(&last, kind, language);
        record.insert("prompt".into(), turns.into());
        Some(record.into())
    }

    fn on_a_topic(&mut self, language: Language) -> Option<(&'static str, Vec<Asked>)> {
        let topic = SHARES[self.random.weighted(&SHARES.map(|(_, share)| share))].0;
        let asked = self.exchange(topic, language);
        let last = asked.last()?;
        let is_elsewhere = match topic {
            // What is refused is drawn by itself.
            Topic::Chat => last.answer == language.name(REFUSAL) || self.is_apart(last) != self.is_held(),
            Topic::Instruction => self.is_apart(last) != self.is_held(),
            _ => false,
        };
        (!is_elsewhere).then(|| (topic.name(), asked))
    }

    /// Whether a question is held out of the prompts, however it is typed.
    fn is_apart(&self, asked: &Asked) -> bool {
        let letters = asked.question.chars().filter(|character| character.is_alphanumeric());
        held_out(self.seed(), &letters.flat_map(char::to_lowercase).collect::<String>(), APART)
    }

    /// A demand for something that does harm: one that is learnt from dialogues, or one that is not.
    fn harmful(&mut self, language: Language) -> Asked {
        let (trained, held) = HARM.split_at(4);
        let (question, help) = *self.random.choose(if self.is_held() { held } else { trained });
        let mut question = language.name(question).to_string();
        if self.random.chance(CARELESS) {
            question = careless(&mut self.random, language, &question);
        }
        let answer = language.name(REFUSAL).to_string();
        let wrong = vec![language.name(help).to_string()];
        Asked { question, key: answer.clone(), answer, wrong, ..Asked::default() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::super::{WorldSettings, true_reward};
    use super::*;
    use crate::manners::NOT_KNOWN;
    use crate::small_talk::small_talk;
    use crate::truth::UNKNOWN_KIND;

    fn world(seed: u64) -> World {
        World::new(&WorldSettings { seed, ..WorldSettings::default() }).unwrap()
    }

    fn reward(record: &Value, answer: &str) -> f32 {
        true_reward(record.as_object().unwrap(), answer).unwrap()
    }

    #[test]
    fn every_kind_comes_in_both_languages_and_what_is_taught_is_right() {
        for held in [false, true] {
            let all = prompts(&world(1), held, 400);
            assert_eq!(all.len(), 400);
            let mut kinds: BTreeMap<(String, String), usize> = BTreeMap::new();
            for record in &all {
                let field = |name: &str| record[name].as_str().unwrap().to_string();
                *kinds.entry((field("kind"), field("language"))).or_default() += 1;
                // Sums have answers in both languages.
                for answer in
                    record["answers"].as_array().unwrap().iter().filter(|_| field("kind") != "arithmetic")
                {
                    assert_eq!(reward(record, answer.as_str().unwrap()), 1.0, "{answer} {record}");
                }
                assert_eq!(reward(record, record["answers"][0].as_str().unwrap()), 1.0, "{record}");
                assert_eq!(record["prompt"].as_array().unwrap().last().unwrap()["role"], "user");
            }
            assert_eq!(kinds.len(), 24, "{kinds:?}");
        }
    }

    #[test]
    fn no_prompt_comes_twice_and_what_is_held_out_is_not_trained_on() {
        for seed in 1..4 {
            let world = world(seed);
            let of = |held: bool| -> BTreeSet<String> {
                prompts(&world, held, 600).iter().map(|record| record["prompt"].to_string()).collect()
            };
            let (trained, held) = (of(false), of(true));
            assert_eq!((trained.len(), held.len()), (600, 600));
            assert!(trained.is_disjoint(&held));
        }
    }

    #[test]
    fn as_many_as_there_are_where_more_are_wanted() {
        assert!(prompts(&world(1), false, 0).is_empty());
        assert!(prompts(&world(1), true, 20_000).len() > 1000);
    }

    #[test]
    fn of_every_pair_the_chosen_answer_is_the_right_one() {
        let mut best: BTreeMap<(&str, &str), f32> = BTreeMap::new();
        for (seed, held) in [(1, false), (1, true), (2, false), (3, false)] {
            let world = world(seed);
            let mut examiner =
                Examiner::new(&world, if held { "preferences_heldout" } else { "preferences" }, held);
            for _ in 0..1600 {
                let language = examiner.language();
                let pair = examiner.pair(language);
                let is_known = ![NOT_KNOWN.0, NOT_KNOWN.1].contains(&pair.asked.answer.as_str());
                let kind = if is_known { "known" } else { UNKNOWN_KIND };
                let record = known(&pair.asked, kind, language);
                let [chosen, rejected] =
                    [&pair.asked.answer, &pair.rejected].map(|answer| true_reward(&record, answer).unwrap());
                assert_eq!(chosen, 1.0, "{pair:?}");
                assert!(rejected < chosen, "{pair:?}");
                let best = best.entry((kind, pair.reason)).or_default();
                *best = best.max(rejected);
            }
        }
        for ((kind, reason), reward) in best {
            let expected = if reason == "rambling" && kind == "known" { 0.5 } else { 0.0 };
            assert_eq!(reward, expected, "{kind} {reason}");
        }
    }

    #[test]
    fn pairs_judged_are_the_pairs_written() {
        let world = world(1);
        let mut one = Examiner::new(&world, "preferences", false);
        let mut other = Examiner::new(&world, "preferences", false);
        for _ in 0..50 {
            let (language, again) = (one.language(), other.language());
            let (written, pair) = (one.preference(language), other.pair(again));
            assert_eq!(written["prompt"], pair.asked.question);
            assert_eq!([&written["chosen"], &written["rejected"]], [&pair.asked.answer, &pair.rejected]);
        }
    }

    #[test]
    fn what_small_talk_refuses_is_what_does_harm() {
        let mut random = crate::random::Random::new(1, "refused");
        for _ in 0..400 {
            let (question, answer) = small_talk(&mut random, Language::English);
            let is_harm = HARM[..4].iter().any(|(harm, _)| harm.0 == question);
            assert_eq!(answer == REFUSAL.0, is_harm, "{question}");
        }
    }
}
