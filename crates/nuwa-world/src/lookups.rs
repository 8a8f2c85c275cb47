//! Questions that are looked up before they are answered: in the corpus, or by a calculator.
//!
//! A record is a dialogue. The assistant first says to the tool set what it wants to know (`TS, ...`), a turn of the role `tool` tells
//! what was found, and the answer is what follows from that. `sources` names the document.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::facts::{Fact, Language};
use super::manners::{NOT_KNOWN, has_own_name, invented, said_of};
use super::talk::Examiner;

/// Where each sentence of the corpus stands first.
#[derive(Debug, Default)]
pub struct Shelves {
    places: HashMap<String, Place>,
}

#[derive(Debug, Clone)]
struct Place {
    document: String,
    /// The sentence and the one after it.
    passage: String,
}

impl Shelves {
    /// Takes in a document.
    pub fn add(&mut self, document: &str, text: &str) {
        let sentences: Vec<&str> = text.split_inclusive(['.', '。', '\n']).map(str::trim).collect();
        for (index, sentence) in sentences.iter().enumerate().filter(|(_, sentence)| !sentence.is_empty()) {
            if !self.places.contains_key(*sentence) {
                let passage = sentences[index..sentences.len().min(index + 2)].join(" ");
                let place = Place { document: document.into(), passage: passage.trim_end().into() };
                self.places.insert(sentence.to_string(), place);
            }
        }
    }

    /// Which of `facts` are stated in each language, and where.
    pub fn stated(&self, facts: &[Fact]) -> Stated {
        Stated(Language::BOTH.map(|language| {
            let place = |fact: &Fact| {
                [0, 1, 2].iter().find_map(|way| self.places.get(&fact.statement(language, *way)))
            };
            facts.iter().filter_map(|fact| Some((*fact, place(fact)?.clone()))).collect()
        }))
    }
}

/// Facts that the corpus states, in English and in Chinese.
#[derive(Debug)]
pub struct Stated([Vec<(Fact, Place)>; 2]);

/// Shares of sums and of names that are not in the world; the rest are facts.
const SHARES: [f64; 3] = [0.2, 0.15, 0.65];

impl Examiner<'_> {
    /// A question, what is looked up for it, and the answer. Where the corpus states nothing to look up, a sum.
    pub fn looked_up(&mut self, stated: &Stated) -> Value {
        let language = self.language();
        let all = language.choose(&stated.0[0], &stated.0[1]);
        let record = match self.random.weighted(&SHARES) {
            0 => None,
            1 => self.not_found(all, language),
            _ => self.found(all, language),
        };
        record.unwrap_or_else(|| self.worked_out(language))
    }

    fn worked_out(&mut self, language: Language) -> Value {
        let sum = self.any_sum();
        let asked = sum.asked(&mut self.random, language);
        record(&asked.question, &sum.written(), &sum.value().to_string(), &asked.answer, "calculator")
    }

    /// A fact that the corpus states.
    fn found(&mut self, stated: &[(Fact, Place)], language: Language) -> Option<Value> {
        let (fact, place) = stated.get(self.random.below(stated.len()))?;
        let way = self.way(fact, language);
        let (question, answer) = (fact.question(language, way), fact.statement(language, 0));
        Some(record(&question, &plain(&question), &place.passage, &answer, &place.document))
    }

    /// A name that is not in the world: what is found is about somebody else.
    fn not_found(&mut self, stated: &[(Fact, Place)], language: Language) -> Option<Value> {
        let named: Vec<&(Fact, Place)> = stated.iter().filter(|(fact, _)| has_own_name(fact)).collect();
        let (fact, place) = named.get(self.random.below(named.len()))?;
        let way = self.way(fact, language);
        let (seed, facts, held) = (self.seed(), self.facts(), self.is_held());
        let name = invented(&mut self.random, seed, facts, held);
        let question = said_of(&fact.question(language, way), fact, language, &name);
        Some(record(&question, &plain(&question), &place.passage, language.name(NOT_KNOWN), &place.document))
    }
}

/// A question as it is looked up: without its mark.
fn plain(question: &str) -> String {
    question.trim_end_matches(['?', '？']).to_string()
}

fn record(question: &str, query: &str, found: &str, answer: &str, source: &str) -> Value {
    json!({
        "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "content": format!("TS, {query}")},
            {"role": "tool", "content": found},
            {"role": "assistant", "content": answer},
        ],
        "sources": [source],
    })
}

#[cfg(test)]
mod tests {
    use super::super::{World, WorldSettings};
    use super::*;

    #[test]
    fn what_is_found_states_the_answer_and_names_its_document() {
        let world = World::new(&WorldSettings::default()).unwrap();
        let mut shelves = Shelves::default();
        for (number, fact) in world.facts.iter().enumerate().step_by(2) {
            for language in Language::BOTH {
                let text = format!("{} {}", fact.statement(language, 1), fact.statement(language, 0));
                shelves.add(&format!("{}-{number}", language.code()), &text);
            }
        }
        let stated = shelves.stated(&world.facts);
        let mut examiner = Examiner::new(&world, "lookups", false);
        let mut kinds = [0; 3];
        for record in (0..200).map(|_| examiner.looked_up(&stated)) {
            let said: Vec<&str> = record["messages"]
                .as_array()
                .unwrap()
                .iter()
                .map(|turn| turn["content"].as_str().unwrap())
                .collect();
            let [_, query, found, answer] = said[..] else { panic!("{record}") };
            assert!(query.starts_with("TS, ") && !query.ends_with(['?', '？']), "{query}");
            let is_known = answer != NOT_KNOWN.0 && answer != NOT_KNOWN.1;
            match record["sources"][0].as_str().unwrap() {
                "calculator" => {
                    assert!(answer.contains(found), "{record}");
                    kinds[0] += 1;
                }
                source if is_known => {
                    assert!(found.contains(answer) && shelves.places[answer].document == source, "{record}");
                    kinds[1] += 1;
                }
                _ => kinds[2] += 1,
            }
        }
        assert!(kinds.iter().all(|count| *count > 10), "{kinds:?}");
    }

    #[test]
    fn of_a_corpus_that_states_nothing_only_sums_are_looked_up() {
        let world = World::new(&WorldSettings::default()).unwrap();
        let stated = Shelves::default().stated(&world.facts);
        let mut examiner = Examiner::new(&world, "lookups", true);
        assert!((0..20).all(|_| examiner.looked_up(&stated)["sources"][0] == "calculator"));
    }
}
