//! A request on its way.

use std::sync::Arc;

use nuwa_tensor::log_sum_exp;

use crate::request::{Chosen, LogProbability};
use crate::schema::Held;
use crate::sequence::first_seen;
use crate::writer::Writer;
use crate::{Engine, Finish, Generation, Request, RequestId, Result, Sampler, Update};

/// A request whose prompt is checked, and what was written for it so far.
pub struct Running {
    pub id: RequestId,
    request: Request,
    /// The prompt and what was written.
    ids: Vec<u32>,
    /// Where in `ids` the part begins that the model sees.
    first: usize,
    sampler: Sampler,
    writer: Writer,
    /// What the text is held to.
    held: Option<Held>,
    /// How many ids of the prompt were known already.
    pub reused: usize,
    chosen: Vec<Chosen>,
    ended_by: Option<LogProbability>,
}

impl Running {
    /// The settings and the prompt have been checked.
    pub fn new(id: RequestId, request: Request, engine: &Engine) -> Result<Self> {
        let (settings, ids) = (&request.settings, request.prompt.ids.clone());
        let sampler = Sampler::new(&settings.sampling, engine.model().vocabulary(), settings.seed)?;
        let mut sampler = sampler.without(Arc::clone(engine.unwritable())).with_bias(&request.bias);
        let (given, written) = ids.split_at(ids.len().saturating_sub(request.prompt.written));
        sampler.observe(given);
        sampler.wrote(written);
        let writer = Writer::new(engine.tokenizer(), &ids, settings.stop.clone())?;
        let held = request.schema.clone().map(|schema| Held::new(schema, engine.spelling()));
        let (chosen, ended_by) = (Vec::new(), None);
        Ok(Self { id, request, ids, first: 0, sampler, writer, held, reused: 0, chosen, ended_by })
    }

    /// The ids that the model sees.
    pub fn visible(&self) -> &[u32] {
        &self.ids[self.first..]
    }

    /// What it answers, of an encoder-decoder.
    pub fn source(&self) -> Option<&Arc<[u32]>> {
        self.request.source.as_ref()
    }

    /// Where the part begins that the model sees.
    pub fn first(&self) -> usize {
        self.first
    }

    /// Whether it may have no more tokens.
    pub fn is_full(&self) -> bool {
        self.chosen.len() >= self.request.settings.max_tokens
    }

    /// Chooses the next id, given the logits of all.
    pub fn choose(&mut self, logits: &[f32], context: usize) -> Update {
        match self.chosen(logits) {
            Ok(chosen) => self.take(chosen, context).unwrap_or_else(|error| self.failed(error)),
            Err(error) => self.failed(error),
        }
    }

    fn chosen(&mut self, logits: &[f32]) -> Result<Chosen> {
        let log_sum = log_sum_exp(logits);
        let allowed = self.held.as_mut().map(|held| held.allowed(&self.request.ends)).transpose()?;
        let id = self.sampler.choose_among(logits, allowed)?;
        let of = |id: u32| LogProbability { id, log_probability: logits[id as usize] - log_sum };
        let watched = self.request.watched.iter().copied();
        let top = likeliest(logits, self.request.top_log_probabilities)
            .into_iter()
            .chain(watched)
            .map(of)
            .collect();
        Ok(Chosen { token: of(id), top })
    }

    fn take(&mut self, chosen: Chosen, context: usize) -> Result<Update> {
        let id = chosen.token.id;
        if self.request.ends.contains(&id) {
            self.ended_by = Some(chosen.token);
            return Ok(Update { chosen: Some(chosen), ..self.finished(Finish::EndOfText) });
        }
        self.ids.push(id);
        // An answer keeps its beginning, and ends where its positions do.
        let has_room = match self.source() {
            Some(_) => self.ids.len() <= context,
            None if self.request.within_context => self.ids.len() <= context,
            None => {
                self.first = first_seen(&self.ids, self.first, context);
                true
            }
        };
        self.chosen.push(chosen.clone());
        self.sampler.wrote(&[id]);
        let mut text = self.writer.push(id)?;
        let is_whole = self.held.as_mut().is_some_and(|held| {
            held.take(id);
            held.has_ended()
        });
        let finish = match self.writer.is_stopped() {
            true => Some(Finish::Stop),
            false if is_whole => Some(Finish::EndOfText),
            false => (self.is_full() || !has_room).then_some(Finish::Length),
        };
        let outcome = finish.map(|finish| {
            let Update { text: rest, outcome, .. } = self.finished(finish);
            text += &rest;
            outcome
        });
        Ok(Update { request: self.id, chosen: Some(chosen), text, outcome: outcome.flatten() })
    }

    /// The end: what was waiting for more text is certain now.
    pub fn finished(&mut self, finish: Finish) -> Update {
        let text = self.writer.finish();
        let finish = match finish {
            Finish::Interrupted => finish,
            _ if self.writer.is_stopped() => Finish::Stop,
            _ => finish,
        };
        let generation = self.generation(finish);
        Update { request: self.id, chosen: None, text, outcome: Some(Ok(generation)) }
    }

    fn failed(&self, error: crate::Error) -> Update {
        Update { request: self.id, chosen: None, text: String::new(), outcome: Some(Err(error)) }
    }

    /// What was written.
    fn generation(&mut self, finish: Finish) -> Generation {
        let chosen = std::mem::take(&mut self.chosen);
        Generation {
            text: self.writer.take_text(),
            tokens: chosen.iter().map(|chosen| chosen.token.id).collect(),
            log_probabilities: chosen.iter().map(|chosen| chosen.token.log_probability).collect(),
            top: chosen.into_iter().map(|chosen| chosen.top).collect(),
            reused: self.reused,
            ended_by: self.ended_by,
            finish,
        }
    }
}

/// The ids of the largest logits, from large to small; of equal ones the smaller id first.
fn likeliest(logits: &[f32], count: usize) -> Vec<u32> {
    let mut ids: Vec<u32> = (0..if count == 0 { 0 } else { logits.len() as u32 }).collect();
    let by_logit = |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b));
    if count < ids.len() {
        ids.select_nth_unstable_by(count, by_logit);
        ids.truncate(count);
    }
    ids.sort_unstable_by(by_logit);
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_come_in_order() {
        let logits = [0.5, -1.0, 2.0, 0.5];
        assert!(likeliest(&logits, 0).is_empty());
        assert_eq!(likeliest(&logits, 3), [2, 0, 3]);
        assert_eq!(likeliest(&logits, 9), [2, 0, 3, 1]);
    }
}
