//! The counting: how often each group's terms stand in the text, and which words stand near them.
//!
//! Memory: at most [`MOST_WORDS`] words with a count for each group; beyond that the rarest are forgotten.
//! Time: a large corpus is counted in a sample. The first [`LEVEL_BYTES`] of text are counted whole; of as much again
//! and more every second document counts double, then every fourth counts fourfold, and so on; which ones follows from
//! their ids. So the counts stay true on average (Horvitz and Thompson 1952), and the work grows as the logarithm of the
//! corpus.

use std::collections::HashMap;
use std::sync::Arc;

use nuwa_files::Document;
use nuwa_text::mix;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::groups::Groups;
use super::report::{Beside, GroupReport, Report, TermCount};
use super::words::Token;

const MOST_WORDS: usize = 200_000;
const LEVEL_BYTES: u64 = 1 << 22;
/// Seen beside a group more rarely, a word says nothing about it.
const LEAST_BESIDE: u64 = 5;

/// What has been counted so far.
pub(super) struct Census {
    groups: Arc<Groups>,
    window: usize,
    tally: Tally,
}

/// The counts, which may be written down and taken up again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Tally {
    documents: u64,
    bytes: u64,
    analysed_bytes: u64,
    level: u32,
    counts: Counts,
}

/// Counts of one document or of many.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Counts {
    /// Words, or characters in scripts without blanks.
    tokens: u64,
    /// By term.
    terms: Vec<u64>,
    /// By group: the documents that have a term of it.
    documents: Vec<u64>,
    /// By group: words counted near its terms.
    near: Vec<u64>,
    words: HashMap<u64, Word>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Word {
    text: Box<str>,
    total: u64,
    /// By group.
    near: Box<[u32]>,
}

impl Census {
    pub fn new(groups: Arc<Groups>, window: usize) -> Self {
        let counts = Counts::new(&groups);
        let tally = Tally { documents: 0, bytes: 0, analysed_bytes: 0, level: 0, counts };
        Self { groups, window, tally }
    }

    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Goes on from counts of earlier.
    pub fn resume(&mut self, tally: Tally) {
        self.tally = tally;
    }

    pub fn observe(&mut self, batch: &[&Document]) {
        let mut chosen = Vec::new();
        let tally = &mut self.tally;
        for document in batch {
            tally.documents += 1;
            tally.bytes += document.text.len() as u64;
            if is_chosen(document, tally.level) {
                tally.analysed_bytes += document.text.len() as u64;
                chosen.push((*document, 1 << tally.level));
            }
            tally.level = level(tally.bytes);
        }
        let counted: Vec<(Counts, u64)> = chosen
            .par_iter()
            .map(|(document, weight)| (Counts::of(document, &self.groups, self.window), *weight))
            .collect();
        counted.into_iter().for_each(|(counts, weight)| self.tally.counts.add(counts, weight));
        self.tally.counts.forget_rare();
    }

    pub fn report(&self, top: usize) -> Report {
        let groups = self.groups.names.iter().enumerate();
        Report {
            documents: self.tally.documents,
            bytes: self.tally.bytes,
            analysed_bytes: self.tally.analysed_bytes,
            words: self.tally.counts.tokens,
            groups: groups.map(|(group, name)| self.group(group, name, top)).collect(),
        }
    }

    fn group(&self, group: usize, name: &str, top: usize) -> GroupReport {
        let counts = &self.tally.counts;
        let own = self.groups.terms().zip(&counts.terms).filter(|(term, _)| term.group == Some(group));
        let mut terms: Vec<TermCount> =
            own.map(|(term, count)| TermCount { term: term.text.clone(), count: *count }).collect();
        terms.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.term.cmp(&b.term)));
        terms.retain(|term| term.count > 0);
        let count: u64 = terms.iter().map(|term| term.count).sum();
        GroupReport {
            name: name.into(),
            count,
            per_million_words: count as f64 * 1e6 / counts.tokens.max(1) as f64,
            documents: counts.documents[group],
            terms,
            beside: self.beside(group, top),
        }
    }

    /// The words that the group attracts most.
    fn beside(&self, group: usize, top: usize) -> Vec<Beside> {
        let near = self.tally.counts.near[group] as f64;
        let all: u64 = self.tally.counts.words.values().map(|word| word.total).sum();
        let is_own = |hash: u64| self.groups.terms().any(|term| term.group == Some(group) && term.has(hash));
        let mut found: Vec<(f64, Beside)> = Vec::new();
        for (hash, word) in &self.tally.counts.words {
            let count = u64::from(word.near[group]);
            if count < LEAST_BESIDE || is_own(*hash) {
                continue;
            }
            let pmi = ((count as f64 / near) / (word.total as f64 / all as f64)).log2();
            // Pantel and Lin 2002 discount what is rare, which chance alone can bring to the top.
            let discounted = pmi * count as f64 / (count as f64 + LEAST_BESIDE as f64);
            found.push((discounted, Beside { word: word.text.to_string(), count, pmi }));
        }
        found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.word.cmp(&b.1.word)));
        found.truncate(top);
        found.into_iter().map(|(_, beside)| beside).collect()
    }
}

/// How often the corpus has doubled since the first level was full.
fn level(bytes: u64) -> u32 {
    (bytes / LEVEL_BYTES + 1).ilog2()
}

fn is_chosen(document: &Document, level: u32) -> bool {
    xxh3_64(document.id.as_bytes()) & ((1 << level) - 1) == 0
}

impl Counts {
    fn new(groups: &Groups) -> Self {
        let names = groups.names.len();
        Self {
            terms: vec![0; groups.terms().count()],
            documents: vec![0; names],
            near: vec![0; names],
            ..Self::default()
        }
    }

    fn of(document: &Document, groups: &Groups, window: usize) -> Self {
        let mut counts = Self::new(groups);
        let text = &document.text;
        let tokens = Token::all(text);
        counts.tokens = tokens.len() as u64;
        let found = found(&tokens, groups, document.lang.as_deref());
        for (number, _) in &found {
            counts.terms[*number as usize] += 1;
        }
        for (group, documents) in counts.documents.iter_mut().enumerate() {
            *documents = u64::from(found.iter().any(|(number, _)| groups.term(*number).group == Some(group)));
        }
        counts.words(text, &tokens, &found, groups, window);
        counts
    }

    /// Counts every word, in all and near the groups.
    fn words(
        &mut self,
        text: &str,
        tokens: &[Token],
        found: &[(u32, usize)],
        groups: &Groups,
        window: usize,
    ) {
        let names = self.near.len();
        // Up to which token each group reaches, and the terms that are still to come.
        let mut reach = vec![0; names];
        let mut coming = found.iter().peekable();
        for (at, token) in tokens.iter().enumerate() {
            while let Some((number, start)) = coming.next_if(|(_, start)| *start <= at + window) {
                let term = groups.term(*number);
                if let Some(group) = term.group {
                    reach[group] = start + term.len() + window;
                }
            }
            let Some((hash, end)) = unit(tokens, at) else { continue };
            let word = self.words.entry(hash).or_insert_with(|| Word {
                text: text[token.start..end].to_lowercase().into(),
                total: 0,
                near: vec![0; names].into(),
            });
            word.total += 1;
            for (group, _) in reach.iter().enumerate().filter(|(_, reach)| at < **reach) {
                word.near[group] += 1;
                self.near[group] += 1;
            }
        }
    }

    fn add(&mut self, other: Self, weight: u64) {
        let add = |into: &mut [u64], from: &[u64]| {
            into.iter_mut().zip(from).for_each(|(into, from)| *into += weight * from);
        };
        self.tokens += weight * other.tokens;
        add(&mut self.terms, &other.terms);
        add(&mut self.documents, &other.documents);
        add(&mut self.near, &other.near);
        for (hash, word) in other.words {
            let fresh = || Word { text: word.text, total: 0, near: vec![0; word.near.len()].into() };
            let own = self.words.entry(hash).or_insert_with(fresh);
            own.total += weight * word.total;
            let near = own.near.iter_mut().zip(&word.near);
            near.for_each(|(own, more)| *own = own.saturating_add(more.saturating_mul(weight as u32)));
        }
    }

    fn forget_rare(&mut self) {
        let mut least = 1;
        while self.words.len() > MOST_WORDS {
            self.words.retain(|_, word| word.total > least);
            least *= 2;
        }
    }
}

/// The terms with the tokens at which they begin; a token belongs to one term.
fn found(tokens: &[Token], groups: &Groups, language: Option<&str>) -> Vec<(u32, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match groups.at(&tokens[at..], language) {
            Some(number) => {
                found.push((number, at));
                at += groups.term(number).len();
            }
            None => at += 1,
        }
    }
    found
}

/// What is counted as a word: a word, or two characters side by side in a script without blanks. With its end.
fn unit(tokens: &[Token], at: usize) -> Option<(u64, usize)> {
    let token = tokens[at];
    if !token.unspaced {
        return Some((token.hash, token.end));
    }
    let next = tokens.get(at + 1).filter(|next| next.unspaced && next.start == token.end)?;
    Some((mix(token.hash, next.hash), next.end))
}
