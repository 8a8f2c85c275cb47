//! Beam search: at each place the likeliest beginnings of an answer are kept, and of the finished answers the best one is given.
//!
//! With `log p(y)` the sum of the log-probabilities of an answer's `n` tokens, the one that ends it among them, answers are ranked by
//! `log p(y) / ((5 + n) / 6)^a` (Wu et al. 2016, equation 14; Vaswani et al. 2017 have `a` = 0.6): with `a` = 0 by their probability
//! alone, which favours short ones. transformers divides by `n^a` in place of it, where `a` = 1 is the mean: an `a` there and an `a`
//! here are not the same. An answer that was cut off at its longest ranks with the others.

use std::cmp::Ordering;
use std::sync::Arc;

use nuwa_models::Model;
use nuwa_tensor::{Tape, log_sum_exp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sequence::PROMPT_CHUNK;
use crate::slot::{Slot, Work, pass};
use crate::{Error, Result};

/// How a beam search goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BeamSettings {
    /// Beam width: hypotheses that are kept at each place, 1 to 1000; 1 is greedy decoding.
    pub beams: usize,
    /// Length penalty `a`: scores are divided by ((5 + tokens) / 6)^a. 0 ranks by probability alone;
    /// larger values favour longer answers.
    pub length_penalty: f64,
    /// Stop as soon as as many hypotheses have ended as the beam is wide; else only when no other
    /// one can become better.
    pub early_stopping: bool,
    /// How many hypotheses are given, at most the beam width.
    pub returned: usize,
}

impl Default for BeamSettings {
    fn default() -> Self {
        Self { beams: 4, length_penalty: 0.6, early_stopping: false, returned: 1 }
    }
}

impl BeamSettings {
    /// Refuses what nothing can be searched with.
    ///
    /// # Errors
    /// When a setting is out of its range; the message names it.
    pub fn check(&self) -> Result<()> {
        let refused = |name, value: String, expected| Err(Error::Setting { name, value, expected });
        if !(1..=1000).contains(&self.beams) {
            return refused("beams", self.beams.to_string(), "expected a whole number from 1 to 1000");
        }
        if !(-10.0..=10.0).contains(&self.length_penalty) {
            return refused(
                "length_penalty",
                self.length_penalty.to_string(),
                "expected a number from -10 to 10",
            );
        }
        if !(1..=self.beams).contains(&self.returned) {
            return refused(
                "returned",
                self.returned.to_string(),
                "expected at least 1, at most the beam width",
            );
        }
        Ok(())
    }

    /// What a hypothesis of so many tokens ranks by.
    fn score(&self, log_probability: f64, tokens: usize) -> f64 {
        log_probability / ((5.0 + tokens as f64) / 6.0).powf(self.length_penalty)
    }
}

/// An answer that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hypothesis {
    /// Its tokens, without the one that ended it.
    pub tokens: Vec<u32>,
    /// Whether it ended by itself, rather than being cut off.
    pub ended: bool,
    /// The sum of the log-probabilities of all its tokens, the end among them, in nats.
    pub log_probability: f64,
    /// What it ranks by.
    pub score: f64,
}

/// Tokens that have a part in a search.
#[derive(Debug, Clone)]
pub(crate) struct Marks {
    /// Those that end an answer.
    pub ends: Vec<u32>,
    /// Those that are never written, in ascending order.
    pub forbidden: Arc<[u32]>,
}

/// Where an answer begins: what the model has seen, the ids it sees next, and the most tokens that are written.
pub(crate) struct Begun<S = Slot> {
    pub slot: S,
    pub ids: Vec<u32>,
    pub most: usize,
}

impl Begun {
    /// Lets the model see all ids but the last.
    pub fn read(&mut self, model: &dyn Model, tape: &Tape) -> Result<()> {
        let last = self.ids.pop().ok_or(Error::EmptyPrompt)?;
        for ids in self.ids.chunks(PROMPT_CHUNK) {
            pass(model, tape, &mut [Work { slot: &mut self.slot, ids, wanted: false }])?;
        }
        self.ids = vec![last];
        Ok(())
    }
}

/// The best answers from each place, the best first; all places go through the model together.
pub(crate) fn search(
    model: &dyn Model,
    tape: &Tape,
    mut begun: Vec<Begun>,
    settings: &BeamSettings,
    marks: &Marks,
) -> Result<Vec<Vec<Hypothesis>>> {
    begun.iter_mut().try_for_each(|begun| begun.read(model, tape))?;
    search_by(begun, settings, marks, |beams| {
        let mut work: Vec<Work<'_>> = beams
            .iter_mut()
            .map(|beam| Work { slot: &mut beam.slot, ids: &beam.next, wanted: true })
            .collect();
        let logits = pass(model, tape, &mut work)?;
        Ok(logits
            .map_or_else(Vec::new, |logits| (0..logits.rows()).map(|row| logits.row_to_host(row)).collect()))
    })
}

/// The same, where `next` gives the logits of what follows each of some beams.
pub(crate) fn search_by<S: Clone>(
    begun: Vec<Begun<S>>,
    settings: &BeamSettings,
    marks: &Marks,
    mut next: impl FnMut(&mut [&mut Beam<S>]) -> Result<Vec<Vec<f32>>>,
) -> Result<Vec<Vec<Hypothesis>>> {
    let mut searches: Vec<Search<'_, S>> =
        begun.into_iter().map(|begun| Search::new(begun, settings, marks)).collect();
    loop {
        let mut beams: Vec<&mut Beam<S>> = searches.iter_mut().flat_map(|search| &mut search.beams).collect();
        if beams.is_empty() {
            break;
        }
        let mut rows = next(&mut beams)?.into_iter();
        for search in searches.iter_mut().filter(|search| !search.beams.is_empty()) {
            let own: Vec<Vec<f32>> = rows.by_ref().take(search.beams.len()).collect();
            search.advance(&own)?;
        }
    }
    Ok(searches.into_iter().map(Search::finish).collect())
}

/// A beginning of an answer.
pub(crate) struct Beam<S> {
    /// What is remembered of it.
    pub slot: S,
    /// The ids that the model has not seen.
    next: Vec<u32>,
    /// What was written.
    pub tokens: Vec<u32>,
    log_probability: f64,
}

/// A token that may follow a beam.
#[derive(Debug, Clone, Copy)]
struct Following {
    beam: usize,
    id: u32,
    /// Of the beam with it.
    log_probability: f64,
}

impl Following {
    /// The likelier first; of equal ones the earlier.
    fn order(&self, other: &Self) -> Ordering {
        let by_place = (self.beam, self.id).cmp(&(other.beam, other.id));
        other.log_probability.total_cmp(&self.log_probability).then(by_place)
    }
}

struct Search<'a, S> {
    settings: &'a BeamSettings,
    marks: &'a Marks,
    most: usize,
    beams: Vec<Beam<S>>,
    /// The best that have ended, the best first, at most as many as beams.
    ended: Vec<Hypothesis>,
}

impl<'a, S: Clone> Search<'a, S> {
    fn new(begun: Begun<S>, settings: &'a BeamSettings, marks: &'a Marks) -> Self {
        let Begun { slot, ids, most } = begun;
        let first = Beam { slot, next: ids, tokens: Vec::new(), log_probability: 0.0 };
        let mut search = Self { settings, marks, most, beams: Vec::new(), ended: Vec::new() };
        match most {
            0 => search.end(Vec::new(), 0.0, false),
            _ => search.beams.push(first),
        }
        search
    }

    /// Goes on by one token, given the logits after each beam.
    fn advance(&mut self, logits: &[Vec<f32>]) -> Result<()> {
        let (width, mut chosen) = (self.settings.beams, Vec::with_capacity(self.settings.beams));
        for (rank, following) in self.following(logits)?.into_iter().enumerate() {
            match self.marks.ends.contains(&following.id) {
                // An end that is less likely than a whole beam of others is none that beam search would choose.
                true if rank < width => {
                    let tokens = self.beams[following.beam].tokens.clone();
                    self.end(tokens, following.log_probability, true);
                }
                true => {}
                false if chosen.len() < width => chosen.push(following),
                false => {}
            }
        }
        self.follow(&chosen);
        if self.is_decided() {
            self.beams.clear();
        }
        Ok(())
    }

    /// The likeliest tokens after all beams, enough of them to go on with a whole beam even where some end.
    fn following(&self, logits: &[Vec<f32>]) -> Result<Vec<Following>> {
        let count = self.settings.beams * (1 + self.marks.ends.len());
        let mut all = Vec::new();
        for (beam, logits) in logits.iter().enumerate() {
            if let Some(id) = logits.iter().position(|logit| !logit.is_finite()) {
                return Err(Error::NotFinite { value: logits[id], id });
            }
            let log_sum = log_sum_exp(logits);
            let before = self.beams[beam].log_probability;
            let of = |(id, logit): (u32, &f32)| {
                let log_probability = before + f64::from(logit - log_sum);
                Following { beam, id, log_probability }
            };
            let writable =
                (0..).zip(logits).filter(|(id, _)| self.marks.forbidden.binary_search(id).is_err());
            let mut own: Vec<Following> = writable.map(of).collect();
            keep_first(&mut own, count);
            all.append(&mut own);
        }
        keep_first(&mut all, count);
        all.sort_unstable_by(Following::order);
        Ok(all)
    }

    /// Makes beams of what was chosen. What a beam remembers is copied for each that follows it but the last.
    fn follow(&mut self, chosen: &[Following]) {
        let mut uses = vec![0; self.beams.len()];
        chosen.iter().for_each(|following| uses[following.beam] += 1);
        let before: Vec<Beam<S>> = std::mem::take(&mut self.beams);
        let (mut slots, tokens): (Vec<Option<S>>, Vec<Vec<u32>>) =
            before.into_iter().map(|beam| (Some(beam.slot), beam.tokens)).unzip();
        for &Following { beam, id, log_probability } in chosen {
            uses[beam] -= 1;
            let slot = if uses[beam] == 0 { slots[beam].take() } else { slots[beam].clone() };
            let tokens: Vec<u32> = tokens[beam].iter().copied().chain([id]).collect();
            match slot {
                Some(slot) if tokens.len() < self.most => {
                    self.beams.push(Beam { slot, next: vec![id], tokens, log_probability });
                }
                _ => self.end(tokens, log_probability, false),
            }
        }
    }

    fn end(&mut self, tokens: Vec<u32>, log_probability: f64, ended: bool) {
        let score = self.settings.score(log_probability, tokens.len() + usize::from(ended));
        let place = self.ended.partition_point(|other| other.score >= score);
        self.ended.insert(place, Hypothesis { tokens, ended, log_probability, score });
        self.ended.truncate(self.settings.beams);
    }

    /// Whether nothing better can come: the longer an answer, the less likely it is, so that the best it can come to is what it has
    /// now over the penalty of the length that is best for it.
    fn is_decided(&self) -> bool {
        let BeamSettings { beams, early_stopping, returned, .. } = *self.settings;
        if early_stopping && self.ended.len() >= beams {
            return true;
        }
        let Some(last) = self.ended.get(returned - 1) else { return false };
        let attainable = |beam: &Beam<S>| {
            let lengths = [beam.tokens.len() + 1, self.most];
            lengths
                .map(|tokens| self.settings.score(beam.log_probability, tokens))
                .into_iter()
                .fold(f64::MIN, f64::max)
        };
        self.beams.iter().all(|beam| attainable(beam) <= last.score)
    }

    fn finish(mut self) -> Vec<Hypothesis> {
        self.ended.truncate(self.settings.returned);
        self.ended
    }
}

/// Leaves the first `count`, in any order.
fn keep_first(following: &mut Vec<Following>, count: usize) {
    if count < following.len() {
        following.select_nth_unstable_by(count, Following::order);
        following.truncate(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_named() {
        let told = |settings: BeamSettings| settings.check().unwrap_err().to_string();
        let usual = BeamSettings::default();
        assert!(usual.check().is_ok());
        assert_eq!(
            told(BeamSettings { beams: 0, ..usual.clone() }),
            "beams = 0: expected a whole number from 1 to 1000"
        );
        assert!(
            told(BeamSettings { length_penalty: f64::NAN, ..usual.clone() })
                .starts_with("length_penalty = NaN")
        );
        assert!(told(BeamSettings { returned: 5, ..usual }).starts_with("returned = 5"));
    }

    #[test]
    fn the_penalty_is_that_of_the_paper() {
        let settings = BeamSettings::default();
        assert!((settings.score(-6.0, 7) + 6.0 / 2.0_f64.powf(0.6)).abs() < 1e-12);
        assert_eq!(BeamSettings { length_penalty: 0.0, ..settings.clone() }.score(-6.0, 7), -6.0);
        assert_eq!(settings.score(-6.0, 1), -6.0);
    }
}
