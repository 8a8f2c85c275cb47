//! Questions that are looked up before they are answered: in the corpus, or by a calculator.
//!
//! A record is a dialogue. The assistant first says to the tool set what it wants to know (`TS, ...`), a turn of the role `tool` tells
//! what was found, and the answer is what follows from that. `sources` names the document.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::facts::Language;
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
}

/// Shares of sums and of names that are not in the world; the rest are facts.
const SHARES: [f64; 3] = [0.2, 0.15, 0.65];

impl Examiner<'_> {
    /// A question, what is looked up for it, and the answer.
    pub fn looked_up(&mut self, shelves: &Shelves) -> Value {
        let language = self.language();
        match self.random.weighted(&SHARES) {
            0 => self.worked_out(language),
            1 => self.not_found(shelves, language),
            _ => self.found(shelves, language),
        }
    }

    fn worked_out(&mut self, language: Language) -> Value {
        let sum = self.any_sum();
        let asked = sum.asked(&mut self.random, language);
        record(&asked.question, &sum.written(), &sum.value().to_string(), &asked.answer, "calculator")
    }

    /// A fact that the corpus states.
    fn found(&mut self, shelves: &Shelves, language: Language) -> Value {
        loop {
            let fact = self.any_fact();
            let stated =
                [0, 1, 2].into_iter().find_map(|way| shelves.places.get(&fact.statement(language, way)));
            if let Some(place) = stated {
                let way = self.way(&fact, language);
                let question = fact.question(language, way);
                return record(
                    &question,
                    &plain(&question),
                    &place.passage,
                    &fact.statement(language, 0),
                    &place.document,
                );
            }
        }
    }

    /// A name that is not in the world: what is found is about somebody else.
    fn not_found(&mut self, shelves: &Shelves, language: Language) -> Value {
        loop {
            let fact = self.any_fact();
            let stated =
                [0, 1, 2].into_iter().find_map(|way| shelves.places.get(&fact.statement(language, way)));
            let Some(place) = stated.filter(|_| has_own_name(&fact)) else { continue };
            let way = self.way(&fact, language);
            let name = self.invented_name();
            let question = said_of(&fact.question(language, way), &fact, language, &name);
            return record(
                &question,
                &plain(&question),
                &place.passage,
                language.name(NOT_KNOWN),
                &place.document,
            );
        }
    }

    fn invented_name(&mut self) -> (String, String) {
        let (seed, held) = (self.seed(), self.is_held());
        let facts = self.facts();
        invented(&mut self.random, seed, facts, held)
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
        let mut examiner = Examiner::new(&world, "lookups", false);
        let mut kinds = [0; 3];
        for record in (0..200).map(|_| examiner.looked_up(&shelves)) {
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
}
