//! Search by words: BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009).
//!
//! For a query of terms `q`, a passage of length `l` (in terms) in which `q` stands `f` times, `n` of `N` passages that hold `q`, and
//! the mean length `m`: `score = sum over q of ln(1 + (N - n + 0.5) / (n + 0.5)) f (k + 1) / (f + k (1 - b + b l / m))` with
//! `k = 1.2`, `b = 0.75`. A term is a word in any case; in scripts without blanks, two characters that stand side by side.

use std::collections::HashMap;

use crate::{Word, for_each_word_at, mix};

const K: f64 = 1.2;
const B: f64 = 0.75;

/// Where each term stands.
#[derive(Debug, Clone, Default)]
pub struct SearchIndex {
    /// For each term the passages that hold it, and how often.
    places: HashMap<u64, Vec<(u32, u32)>>,
    /// Terms of each passage.
    lengths: Vec<u32>,
    terms: u64,
}

/// A passage that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Its number, in the order in which passages were added.
    pub passage: usize,
    /// Its BM25 score, above 0.
    pub score: f64,
}

impl SearchIndex {
    /// Takes in the next passage.
    pub fn add(&mut self, passage: &str) {
        let number = self.lengths.len() as u32;
        let mut counts: HashMap<u64, u32> = HashMap::new();
        let found = terms(passage);
        found.iter().for_each(|term| *counts.entry(*term).or_default() += 1);
        for (term, count) in counts {
            self.places.entry(term).or_default().push((number, count));
        }
        self.lengths.push(found.len() as u32);
        self.terms += found.len() as u64;
    }

    /// How many passages it holds.
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// At most `count` passages that hold a term of `query`, the best first; of equally good ones the earlier first.
    pub fn search(&self, query: &str, count: usize) -> Vec<Hit> {
        let mut scores: HashMap<u32, f64> = HashMap::new();
        let mut asked = terms(query);
        asked.sort_unstable();
        asked.dedup();
        for places in asked.iter().filter_map(|term| self.places.get(term)) {
            let weight = self.weight(places.len());
            for &(passage, found) in places {
                *scores.entry(passage).or_default() += weight * self.saturation(passage, found);
            }
        }
        let mut hits: Vec<Hit> =
            scores.into_iter().map(|(passage, score)| Hit { passage: passage as usize, score }).collect();
        hits.sort_by(|one, other| other.score.total_cmp(&one.score).then(one.passage.cmp(&other.passage)));
        hits.truncate(count);
        hits
    }

    /// What a term counts that stands in `holding` passages.
    fn weight(&self, holding: usize) -> f64 {
        let (all, holding) = (self.len() as f64, holding as f64);
        (1.0 + (all - holding + 0.5) / (holding + 0.5)).ln()
    }

    fn saturation(&self, passage: u32, found: u32) -> f64 {
        let mean = self.terms as f64 / self.len() as f64;
        let length = f64::from(self.lengths[passage as usize]) / mean;
        f64::from(found) * (K + 1.0) / (f64::from(found) + K * (1.0 - B + B * length))
    }
}

/// The terms of a text: words, and pairs of characters of scripts without blanks; such a character that stands alone is one itself.
fn terms(text: &str) -> Vec<u64> {
    let mut terms = Vec::new();
    // The last character of such a script, where it ends, and whether a pair holds it.
    let mut open: Option<(Word, usize, bool)> = None;
    for_each_word_at(text, |word, place| {
        let before = open.take_if(|(_, end, _)| !word.unspaced || *end != place.start);
        terms.extend(before.and_then(alone));
        if !word.unspaced {
            terms.push(word.hash);
            return;
        }
        if let Some((first, _, _)) = open {
            terms.push(mix(first.hash, word.hash));
        }
        open = Some((word, place.end, open.is_some()));
    });
    terms.extend(open.and_then(alone));
    terms
}

fn alone((word, _, is_paired): (Word, usize, bool)) -> Option<u64> {
    (!is_paired).then_some(word.hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(passages: &[&str]) -> SearchIndex {
        let mut index = SearchIndex::default();
        passages.iter().for_each(|passage| index.add(passage));
        index
    }

    #[test]
    fn rare_words_and_short_passages_count_more() {
        let index = index(&[
            "Mina lives in Dorn, and Dorn is a town.",
            "Tarek lives in Vell.",
            "A town is a town is a town, and people live in towns of many kinds.",
            "Mina plays the flute.",
        ]);
        let found = |query: &str| index.search(query, 9).iter().map(|hit| hit.passage).collect::<Vec<_>>();
        assert_eq!(found("where does MINA live?"), [3, 2, 0]);
        assert_eq!(found("Mina lives")[0], 0);
        assert!(found("Zabo?").is_empty());
        assert_eq!(index.search("Mina", 1).len(), 1);
        assert!(SearchIndex::default().search("Mina", 3).is_empty());
    }

    #[test]
    fn the_formula_is_that_of_the_paper() {
        let index = index(&["clay clay water", "water"]);
        let [hit] = index.search("clay", 5)[..] else { panic!() };
        let expected = (1.0_f64 + 1.5 / 1.5).ln() * 2.0 * 2.2 / (2.0 + 1.2 * (0.25 + 0.75 * 3.0 / 2.0));
        assert!((hit.score - expected).abs() < 1e-12 && hit.passage == 0);
    }

    #[test]
    fn chinese_is_found_by_pairs_of_characters() {
        let index = index(&["米娜住在多恩。", "塔里克住在维尔。", "娜米住多恩在。", "水"]);
        let found = |query: &str| index.search(query, 9).iter().map(|hit| hit.passage).collect::<Vec<_>>();
        assert_eq!(found("米娜住在哪里？"), [0, 1]);
        assert_eq!(found("水"), [3]);
        assert_eq!(terms("米娜 ok 住").len(), 3);
    }
}
