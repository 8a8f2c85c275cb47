use std::collections::BTreeMap;

use minijinja::Environment;
use minijinja::value::{Serde, Value};
use nuwa_files::Progress;
use nuwa_tokenizer::{ChatText, Message};

use super::items::Items;
use super::likelihood::{Pair, log_likelihoods};
use super::templates::environment;
use super::{Kind, Task};
use crate::result::{Confusion, Metric, Shown};
use crate::{Error, Result, Scorer, TaskResult};

/// Items whose options are scored together.
const GROUP: usize = 32;
/// Items that are shown in results.
const SHOWN: usize = 3;

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
}

/// What one item came to.
#[derive(Debug, Default)]
struct Outcome {
    metrics: Vec<(&'static str, f64)>,
    group: Option<String>,
    /// The class that is right and the one that was chosen.
    classes: Option<[usize; 2]>,
    shown: Shown,
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
        let environment = environment();
        let run = Run { task: self, scorer, environment: &environment, items, options };
        let count = options.limit.unwrap_or(usize::MAX).min(items.all.len());
        let (mut tally, mut hashed) = (Tally::default(), String::new());
        let before = run.examples()?;
        for start in (0..count).step_by(GROUP) {
            let asked = (start..count.min(start + GROUP))
                .map(|index| run.ask(index, &before))
                .collect::<Result<Vec<_>>>()?;
            asked.iter().for_each(|asked| hashed += &asked.text());
            for outcome in run.judge(&asked)? {
                tally.add(outcome);
            }
            let done = tally.n as u64;
            progress(Progress {
                task: "answering",
                done,
                total: Some(count as u64),
                unit: "items",
                bytes: None,
            });
        }
        Ok(tally.result(self, options, nuwa_files::hash_bytes(hashed.as_bytes())))
    }
}

struct Run<'a> {
    task: &'a Task,
    scorer: &'a dyn Scorer,
    environment: &'a Environment<'a>,
    items: &'a Items,
    options: &'a Options,
}

/// An item as it is put to the model.
#[derive(Debug, Default)]
struct Asked {
    /// The prompt, or for a partial task nothing.
    prompt: String,
    /// The user's turn, where it is asked as chat.
    chat: Option<Vec<Message>>,
    /// Options, beginnings, or the answers of a preference.
    options: Vec<String>,
    /// What follows beginnings, or the right answer.
    text: String,
    contains: Option<String>,
    right: Vec<bool>,
    group: Option<String>,
}

impl Asked {
    /// All that is put to the model, for the hash.
    fn text(&self) -> String {
        let turns = self.chat.iter().flatten().map(|turn| turn.content.as_str());
        let parts: Vec<&str> = [self.prompt.as_str(), &self.text]
            .into_iter()
            .chain(turns)
            .chain(self.options.iter().map(String::as_str))
            .collect();
        parts.join("\u{0}") + "\u{1}"
    }
}

impl Run<'_> {
    fn render(&self, name: &str, template: &str, index: usize, of: &Items) -> Result<String> {
        let (fields, place) = &of.all[index];
        let wrong =
            |error: minijinja::Error| of.wrong(*place, format!("{name} of task {}: {error}", self.task.name));
        self.environment.render_str(template, Value::from(Serde(fields))).map_err(wrong)
    }

    fn expression(&self, name: &str, expression: &str, index: usize) -> Result<Value> {
        let (fields, place) = &self.items.all[index];
        let wrong = |error: minijinja::Error| {
            self.items.wrong(*place, format!("{name} of task {}: {error}", self.task.name))
        };
        let compiled = self.environment.compile_expression(expression).map_err(wrong)?;
        compiled.eval(Value::from(Serde(fields))).map_err(wrong)
    }

    fn list(&self, name: &str, expression: &str, index: usize) -> Result<Vec<Value>> {
        let value = self.expression(name, expression, index)?;
        let items = value.try_iter().map_err(|error| self.wrong(index, format!("{name}: {error}")))?;
        Ok(items.collect())
    }

    fn texts(&self, name: &str, expression: &str, index: usize) -> Result<Vec<String>> {
        Ok(self.list(name, expression, index)?.into_iter().map(|value| value.to_string()).collect())
    }

    fn wrong(&self, index: usize, problem: String) -> Error {
        self.items.wrong(self.items.all[index].1, problem)
    }

    /// Examples with their answers, as text before each prompt.
    fn examples(&self) -> Result<String> {
        let shots = self.options.shots.min(self.options.examples.all.len());
        let of = &self.options.examples;
        let inner = Run { items: of, ..*self };
        let mut text = String::new();
        for index in 0..shots {
            let asked = inner.ask(index, "")?;
            let right =
                asked.right.iter().position(|right| *right).and_then(|place| asked.options.get(place));
            let answer = right.map_or(asked.text.as_str(), String::as_str);
            let prompt = self.render("prompt", &self.task.prompt, index, of)?;
            text += &format!("{prompt}{}{answer}\n\n", self.task.delimiter);
        }
        Ok(text)
    }

    fn ask(&self, index: usize, examples: &str) -> Result<Asked> {
        let (task, of) = (self.task, self.items);
        let group = task.group.as_ref().and_then(|field| self.items.all[index].0.get(field));
        let mut asked = Asked {
            group: group.map(|value| value.as_str().map_or_else(|| value.to_string(), String::from)),
            ..Asked::default()
        };
        let description = self.render("description", &task.description, index, of)?;
        asked.prompt = format!("{description}{examples}{}", self.render("prompt", &task.prompt, index, of)?);
        match task.kind {
            Kind::MultipleChoice => {
                asked.options = self.texts("choices", &task.choices, index)?;
                asked.right = self.right(index, asked.options.len())?;
            }
            Kind::Partial => {
                asked.options = self.texts("contexts", &task.contexts, index)?;
                asked.text = self.render("continuation", &task.continuation, index, of)?;
                asked.right = self.right(index, asked.options.len())?;
            }
            Kind::Generate => {
                asked.text = self.render("answer", &task.answer, index, of)?;
                let contains = task.contains.as_ref();
                asked.contains =
                    contains.map(|template| self.render("contains", template, index, of)).transpose()?;
            }
            Kind::Preference => {
                asked.options = vec![self.answer(index, "chosen")?, self.answer(index, "rejected")?];
                asked.right = vec![true, false];
            }
        }
        if let Some(question) = task.question.as_ref().filter(|_| self.asks_as_chat()) {
            asked.chat = Some(vec![Message::new("user", self.render("question", question, index, of)?)]);
        }
        Ok(asked)
    }

    fn asks_as_chat(&self) -> bool {
        self.options.chat && self.scorer.tokenizer().chat_template().is_some()
    }

    fn answer(&self, index: usize, name: &str) -> Result<String> {
        let value = self.items.all[index].0.get(name);
        let text = value.and_then(|value| value.as_str().or_else(|| value[0]["content"].as_str()));
        text.map(String::from).ok_or_else(|| self.wrong(index, format!("{name} is missing or no text")))
    }

    /// Which of the options are right.
    fn right(&self, index: usize, options: usize) -> Result<Vec<bool>> {
        let right: Vec<bool> = match (&self.task.labels, &self.task.target) {
            (Some(labels), _) => self.list("labels", labels, index)?.iter().map(Value::is_true).collect(),
            (None, Some(target)) => {
                let value = self.expression("target", target, index)?;
                (0..options)
                    .map(|option| usize::try_from(value.clone()).is_ok_and(|right| right == option))
                    .collect()
            }
            (None, None) => Vec::new(),
        };
        if right.len() == options && right.iter().any(|right| *right) {
            return Ok(right);
        }
        Err(self.wrong(index, format!("none of its {options} options is marked as right")))
    }

    fn judge(&self, asked: &[Asked]) -> Result<Vec<Outcome>> {
        match self.task.kind {
            Kind::Generate => asked.iter().map(|asked| self.written(asked)).collect(),
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
            let own: Vec<(f64, usize)> = found
                .by_ref()
                .take(asked.options.len())
                .map(|(value, pair)| (value, pair.scored()))
                .collect();
            self.outcome(asked, &own)
        };
        Ok(asked.iter().map(outcome).collect())
    }

    fn pair(&self, asked: &Asked, option: &str) -> Result<Pair> {
        let delimiter = &self.task.delimiter;
        match (self.task.kind, &asked.chat) {
            (Kind::Partial, _) => {
                Pair::new(self.scorer, self.task.begins_text, option, &format!("{delimiter}{}", asked.text))
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

    /// What the log-likelihoods of an item's options say, each with its number of tokens.
    fn outcome(&self, asked: &Asked, found: &[(f64, usize)]) -> Outcome {
        let plain: Vec<f64> = found.iter().map(|(value, _)| *value).collect();
        let chosen = best(&plain);
        let is_right = |index: usize| f64::from(u8::from(asked.right[index]));
        let mut metrics = Vec::new();
        match self.task.kind {
            _ if self.task.mass => metrics.push(("acc", mass(&plain, &asked.right))),
            Kind::Preference => {
                let normalised: Vec<f64> =
                    found.iter().map(|(value, tokens)| value / *tokens as f64).collect();
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
            prompt: asked.chat.as_ref().map_or(&asked.prompt, |turns| &turns[0].content).clone(),
            expected: asked.options[right].clone(),
            given: asked.options[chosen].clone(),
            is_right: asked.right[chosen],
            log_likelihoods: plain,
        };
        let classes = self.task.confusion.then_some([right, chosen]);
        Outcome { metrics, group: asked.group.clone(), classes, shown }
    }

    /// Lets the model write, and compares.
    fn written(&self, asked: &Asked) -> Result<Outcome> {
        let tokenizer = self.scorer.tokenizer();
        let (prompt, ends) = match &asked.chat {
            Some(turns) => (self.opened(turns)?, tokenizer.end_of_turn()),
            None => {
                let start = self.scorer.start_of_text();
                let starts = self.task.begins_text || tokenizer.adds_beginning_of_text();
                let ids = tokenizer.encode(&asked.prompt).map_err(nuwa_infer::Error::from)?;
                (start.into_iter().filter(|_| starts).chain(ids).collect(), None)
            }
        };
        let room = self.scorer.context().saturating_sub(self.task.max_tokens).max(1);
        let prompt = &prompt[prompt.len().saturating_sub(room)..];
        let ends: Vec<u32> = ends.into_iter().chain(tokenizer.end_of_text()).collect();
        let given = self.scorer.write(prompt, self.task.max_tokens, &self.task.stop, &ends)?;
        let given = given.trim().to_string();
        let is_right = given == asked.text.trim();
        let share = |holds: bool| f64::from(u8::from(holds));
        let mut metrics = vec![("exact_match", share(is_right))];
        if let Some(part) = &asked.contains {
            metrics.push(("contains", share(given.contains(part.as_str()))));
        }
        let prompt = asked.chat.as_ref().map_or(&asked.prompt, |turns| &turns[0].content).clone();
        let shown =
            Shown { prompt, expected: asked.text.clone(), given, is_right, log_likelihoods: Vec::new() };
        Ok(Outcome { metrics, group: asked.group.clone(), classes: None, shown })
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

/// Means with their standard errors, over all items and over those of each group.
#[derive(Debug, Default)]
struct Tally {
    n: usize,
    values: BTreeMap<&'static str, Vec<f64>>,
    groups: BTreeMap<String, BTreeMap<&'static str, Vec<f64>>>,
    classes: Vec<[usize; 2]>,
    names: Vec<String>,
    shown: Vec<Shown>,
}

impl Tally {
    fn add(&mut self, outcome: Outcome) {
        self.n += 1;
        for (name, value) in outcome.metrics {
            self.values.entry(name).or_default().push(value);
            if let Some(group) = &outcome.group {
                self.groups.entry(group.clone()).or_default().entry(name).or_default().push(value);
            }
        }
        if let Some(classes) = outcome.classes {
            self.note_class(classes[0], &outcome.shown.expected);
            self.note_class(classes[1], &outcome.shown.given);
            self.classes.push(classes);
        }
        if self.shown.len() < SHOWN {
            self.shown.push(outcome.shown);
        }
    }

    fn note_class(&mut self, class: usize, name: &str) {
        self.names.resize(self.names.len().max(class + 1), String::new());
        self.names[class] = name.to_string();
    }

    fn result(self, task: &Task, options: &Options, hash: String) -> TaskResult {
        let confusion = (!self.classes.is_empty()).then(|| Confusion::new(self.names, &self.classes));
        let mut metrics = means(&self.values);
        metrics.extend(confusion.iter().flat_map(Confusion::metrics));
        TaskResult {
            version: task.version,
            n: self.n as u64,
            metrics,
            settings: [("chat".to_string(), u64::from(options.chat)), ("shots".into(), options.shots as u64)]
                .into(),
            standard_errors: "of a mean over items: sample deviation / sqrt(n)".into(),
            data_hash: hash,
            groups: self.groups.iter().map(|(name, values)| (name.clone(), means(values))).collect(),
            confusion,
            shown: self.shown,
            ..TaskResult::default()
        }
    }
}

fn means(values: &BTreeMap<&'static str, Vec<f64>>) -> BTreeMap<String, Metric> {
    values.iter().map(|(name, values)| (name.to_string(), mean(values))).collect()
}

/// The mean and `sample deviation / sqrt(n)`.
fn mean(values: &[f64]) -> Metric {
    let n = values.len() as f64;
    let value = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|one| (one - value).powi(2)).sum();
    Metric { value, stderr: (n > 1.0).then(|| (squares / (n - 1.0) / n).sqrt()) }
}
