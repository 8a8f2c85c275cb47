use nuwa_files::Progress;
use nuwa_tokenizer::{ChatText, Message};

use super::ask::{Asked, Asker};
use super::examples::{Examples, Sampler};
use super::items::Items;
use super::likelihood::{Pair, log_likelihoods};
use super::tally::{Outcome, Tally};
use super::templates::environment;
use super::written::compared;
use super::{Kind, Task};
use crate::result::Shown;
use crate::signature::yes_or_no;
use crate::{Result, Scorer, Signature, TaskResult};

/// Items whose options are scored together.
const GROUP: usize = 32;

/// How a task is run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Only the first so many items.
    pub limit: Option<usize>,
    /// Ask through the chat template, where the task and the model know how.
    pub chat: bool,
    /// Items with their answers that stand before each prompt.
    pub examples: Items,
    /// How many of them.
    pub shots: usize,
    /// How they are chosen; where it is not said, as the task says.
    pub sampler: Option<Sampler>,
}

impl Task {
    /// Runs the task.
    ///
    /// # Errors
    /// When a template fails on an item, an item has no right answer, or the model fails.
    pub fn evaluate(
        &self,
        scorer: &dyn Scorer,
        items: &Items,
        options: &Options,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<TaskResult> {
        if self.kind != Kind::Generate {
            scorer.check_scores()?;
        }
        let environment = environment();
        // An encoder reads the question alone, as a chat has it, and no template.
        let has_template = scorer.reads_sources() || (options.chat && scorer.tokenizer().chat_template().is_some());
        let as_chat = self.knows_chat() && has_template;
        let count = options.limit.unwrap_or(usize::MAX).min(items.all.len());
        let asker = |items| {
            let asker = Asker { task: self, environment: &environment, items, as_chat, by_text: false };
            Asker { by_text: asker.names_by_text(), ..asker }
        };
        let sampler = options.sampler.unwrap_or(self.sampler);
        let are_asked = options.examples.all == items.all;
        let mut examples = Examples::new(asker(&options.examples), options.shots, sampler, are_asked);
        let asker = asker(items);
        // All are written first: what is wrong with the last item is said before hours are spent on the others.
        let ask = |index: usize| asker.ask(index, &examples.before(&items.all[index].0)?);
        let asked = (0..count).map(ask).collect::<Result<Vec<_>>>()?;
        let hashed: String = asked.iter().map(Asked::text).collect();
        let tally = Run { task: self, scorer }.tally(&asked, progress)?;
        let settings =
            [("chat".to_string(), u64::from(as_chat)), ("shots".into(), options.shots as u64)].into();
        let mut result = tally.result(self.version, settings, nuwa_files::hash_bytes(hashed.as_bytes()));
        let signature =
            Signature::new(&self.name, self.version).with("shots", sampler.signed(options.shots, are_asked));
        let data = items.digest(count);
        result.sign(|metric| {
            let signature = signature.clone().with("norm", self.normalisation(metric));
            let bos = if as_chat { "template" } else { yes_or_no(self.starts(scorer)) };
            let signature = signature.with("bos", bos).with("chat", yes_or_no(as_chat));
            signature.with("n", count).with("data", &data)
        });
        Ok(result)
    }

    /// Whether its prompts stand after the token that begins a text.
    fn starts(&self, scorer: &dyn Scorer) -> bool {
        (self.begins_text || scorer.tokenizer().adds_bos()) && scorer.start_of_text().is_some()
    }

    /// What log-likelihoods are divided by for a figure.
    fn normalisation(&self, metric: &str) -> &'static str {
        match (metric, self.kind) {
            ("acc_norm", Kind::Preference) => "tokens",
            ("acc_norm", _) => "chars",
            _ => "none",
        }
    }
}

struct Run<'a> {
    task: &'a Task,
    scorer: &'a dyn Scorer,
}

impl Run<'_> {
    /// Puts all to the model.
    fn tally(&self, asked: &[Asked], progress: &mut dyn FnMut(Progress)) -> Result<Tally> {
        let mut tally = Tally::default();
        for some in asked.chunks(GROUP) {
            for outcome in self.judge(some)? {
                tally.add(outcome);
            }
            progress(Progress {
                task: "answering",
                done: tally.n as u64,
                total: Some(asked.len() as u64),
                unit: "items",
                bytes: None,
            });
        }
        tally.warn_of_cuts(self.scorer.context());
        Ok(tally)
    }

    fn judge(&self, asked: &[Asked]) -> Result<Vec<Outcome>> {
        match self.task.kind {
            Kind::Generate => self.written(asked),
            _ => self.scored(asked),
        }
    }

    fn scored(&self, asked: &[Asked]) -> Result<Vec<Outcome>> {
        let mut pairs = Vec::new();
        for asked in asked {
            for option in &asked.options {
                pairs.push(self.pair(asked, option)?);
            }
        }
        let mut found = log_likelihoods(self.scorer, &pairs)?.into_iter().zip(&pairs);
        let outcome = |asked: &Asked| {
            let own: Vec<(f64, &Pair)> = found.by_ref().take(asked.options.len()).collect();
            self.outcome(asked, &own)
        };
        Ok(asked.iter().map(outcome).collect())
    }

    fn pair(&self, asked: &Asked, option: &str) -> Result<Pair> {
        let delimiter = &self.task.delimiter;
        match (self.task.kind, &asked.chat) {
            (Kind::Partial, _) => {
                let context = format!("{}{option}", asked.prompt);
                Pair::new(self.scorer, self.task.begins_text, &context, &format!("{delimiter}{}", asked.text))
            }
            // Asked as chat, an option is the whole answer, the end of the turn included.
            (_, Some(turns)) => {
                let (opened, answer) = self.answered(turns, option)?;
                Ok(Pair::of_ids(self.scorer, &opened, &answer))
            }
            _ => {
                Pair::new(self.scorer, self.task.begins_text, &asked.prompt, &format!("{delimiter}{option}"))
            }
        }
    }

    /// A chat as the template writes it; `opened` ends it with the beginning of an answer.
    fn chat(&self, turns: &[Message], opened: bool) -> Result<ChatText> {
        let chat = self.scorer.tokenizer().chat(turns, None, opened);
        Ok(chat.map_err(nuwa_infer::Error::from)?)
    }

    /// The ids of a chat up to the opened answer.
    fn opened(&self, turns: &[Message]) -> Result<Vec<u32>> {
        self.ids_of(&self.chat(turns, true)?)
    }

    fn ids_of(&self, chat: &ChatText) -> Result<Vec<u32>> {
        let ids = self.scorer.tokenizer().encode_chat(chat);
        Ok(ids.map_err(nuwa_infer::Error::from)?)
    }

    /// The ids of a chat up to the opened answer, and those with which the template writes `answer` and ends the turn.
    fn answered(&self, turns: &[Message], answer: &str) -> Result<(Vec<u32>, Vec<u32>)> {
        let tokenizer = self.scorer.tokenizer();
        let mut all = turns.to_vec();
        all.push(Message::new("assistant", answer));
        let (whole, opened) = (self.chat(&all, false)?, self.chat(turns, true)?);
        let added = match whole.text().starts_with(opened.text()) {
            true => {
                let end = whole.text().trim_end().len().max(opened.text().len());
                self.ids_of(&whole.part(opened.text().len()..end))?
            }
            // A template that writes the turns before an answer otherwise once it is there.
            false => {
                let ids = tokenizer.encode(answer).map_err(nuwa_infer::Error::from)?;
                ids.into_iter().chain(tokenizer.end_of_turn()).collect()
            }
        };
        Ok((self.ids_of(&opened)?, added))
    }

    /// What the log-likelihoods of an item's options say, each with what was scored.
    fn outcome(&self, asked: &Asked, found: &[(f64, &Pair)]) -> Outcome {
        let plain: Vec<f64> = found.iter().map(|(value, _)| *value).collect();
        let chosen = best(&plain);
        let is_right = |index: usize| f64::from(u8::from(asked.right[index]));
        let mut metrics = Vec::new();
        match self.task.kind {
            _ if self.task.mass => metrics.push(("acc", mass(&plain, &asked.right))),
            Kind::Preference => {
                let normalised: Vec<f64> =
                    found.iter().map(|(value, pair)| value / pair.scored() as f64).collect();
                metrics.extend([("acc", is_right(chosen)), ("acc_norm", is_right(best(&normalised)))]);
            }
            _ => metrics.push(("acc", is_right(chosen))),
        }
        if self.task.normalised {
            let lengths = asked.options.iter().map(|option| option.chars().count().max(1) as f64);
            let normalised: Vec<f64> =
                plain.iter().zip(lengths).map(|(value, length)| value / length).collect();
            metrics.push(("acc_norm", is_right(best(&normalised))));
        }
        let right = asked.right.iter().position(|right| *right).unwrap_or_default();
        let shown = Shown {
            prompt: asked.question().into(),
            expected: asked.options[right].clone(),
            given: asked.options[chosen].clone(),
            is_right: asked.right[chosen],
            log_likelihoods: plain,
        };
        let classes = self.task.confusion.then_some([right, chosen]);
        let is_cut = found.iter().any(|(_, pair)| pair.is_cut());
        let rights = asked.right.iter().filter(|right| **right).count();
        let chance = Some(rights as f64 / asked.right.len() as f64);
        Outcome { metrics, group: asked.group.clone(), classes, shown, chance, is_cut, ..Outcome::default() }
    }

    /// Lets the model write, and compares.
    fn written(&self, asked: &[Asked]) -> Result<Vec<Outcome>> {
        let Task { max_tokens, stop, .. } = self.task;
        let tokenizer = self.scorer.tokenizer();
        let prompts = asked.iter().map(|asked| self.prompt(asked)).collect::<Result<Vec<_>>>()?;
        let answer = if self.scorer.reads_sources() { 0 } else { *max_tokens };
        let room = self.scorer.context().saturating_sub(answer).max(1);
        let cut = |ids: &Vec<u32>| ids[ids.len().saturating_sub(room)..].to_vec();
        // All are asked in the same way.
        let is_chat = asked.iter().any(|asked| asked.chat.is_some());
        let end_of_turn = tokenizer.end_of_turn().filter(|_| is_chat);
        let ends: Vec<u32> = end_of_turn.into_iter().chain(tokenizer.eos()).collect();
        let cut: Vec<Vec<u32>> = prompts.iter().map(cut).collect();
        let given = self.scorer.write(&cut, *max_tokens, stop, &ends)?;
        let is_cut = prompts.iter().map(|prompt| prompt.len() > room);
        Ok(asked
            .iter()
            .zip(given)
            .zip(is_cut)
            .map(|((asked, given), is_cut)| compared(self.task, asked, &given, is_cut))
            .collect())
    }

    /// The ids that an encoder reads: turns line by line, as fine-tuning on dialogues writes them.
    fn source(&self, asked: &Asked) -> Result<Vec<u32>> {
        let turns = asked.chat.iter().flatten().map(|turn| turn.content.as_str());
        let text = if asked.chat.is_some() { turns.collect::<Vec<_>>().join("\n") } else { asked.prompt.clone() };
        let tokenizer = self.scorer.tokenizer();
        let start = tokenizer.bos().filter(|_| tokenizer.adds_bos());
        let ids = tokenizer.encode(&text).map_err(nuwa_infer::Error::from)?;
        Ok(start.into_iter().chain(ids).chain(tokenizer.eos()).collect())
    }

    /// The ids that the model goes on from.
    fn prompt(&self, asked: &Asked) -> Result<Vec<u32>> {
        if self.scorer.reads_sources() {
            return self.source(asked);
        }
        if let Some(turns) = &asked.chat {
            return self.opened(turns);
        }
        let tokenizer = self.scorer.tokenizer();
        let starts = self.task.begins_text || tokenizer.adds_bos();
        let start = self.scorer.start_of_text().filter(|_| starts);
        let ids = tokenizer.encode(&asked.prompt).map_err(nuwa_infer::Error::from)?;
        Ok(start.into_iter().chain(ids).collect())
    }
}

/// The first of the largest.
fn best(values: &[f64]) -> usize {
    let mut best = 0;
    for (index, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = index;
        }
    }
    best
}

/// The share of probability that the right ones get.
fn mass(log_likelihoods: &[f64], right: &[bool]) -> f64 {
    let largest = log_likelihoods.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = log_likelihoods.iter().map(|value| (value - largest).exp()).collect();
    let of_right: f64 =
        weights.iter().zip(right).filter(|(_, right)| **right).map(|(weight, _)| weight).sum();
    of_right / weights.iter().sum::<f64>()
}
