//! Items as they are put to a model: templates filled in, examples and their answers before them.

use std::borrow::Cow;

use minijinja::value::{Serde, Value, ValueKind};
use minijinja::{Environment, ErrorKind};
use nuwa_tokenizer::{Message, template};
use serde_json::Map;

use super::items::{Items, short};
use super::right::{Readings, expected, mark};
use super::{Kind, Task, fields};
use crate::{Error, Result};

/// Fills a task's templates with items.
#[derive(Clone, Copy)]
pub struct Asker<'a> {
    pub task: &'a Task,
    pub environment: &'a Environment<'a>,
    pub items: &'a Items,
    /// Whether it is asked through the chat template.
    pub as_chat: bool,
    /// Whether the items name their right option by its text.
    pub by_text: bool,
}

/// An item with its answer.
#[derive(Debug, Clone)]
pub struct Example {
    /// As text, up to where the next begins.
    pub text: String,
    /// As turns of a chat.
    pub turns: Vec<Message>,
}

/// An item as it is put to the model.
#[derive(Debug, Default)]
pub struct Asked {
    /// Description, examples and prompt; for a partial task what stands before each beginning.
    pub prompt: String,
    /// The turns up to the user's question, where it is asked as chat.
    pub chat: Option<Vec<Message>>,
    /// Options, beginnings, or the answers of a preference.
    pub options: Vec<String>,
    /// What follows beginnings, or the right answer.
    pub text: String,
    /// All texts that are right answers.
    pub answers: Vec<String>,
    pub contains: Option<String>,
    pub right: Vec<bool>,
    pub group: Option<String>,
}

impl Asked {
    /// All that is put to the model, for the hash.
    pub fn text(&self) -> String {
        let turns = self.chat.iter().flatten().map(|turn| turn.content.as_str());
        let parts: Vec<&str> = [self.prompt.as_str(), &self.text]
            .into_iter()
            .chain(turns)
            .chain(self.options.iter().map(String::as_str))
            .collect();
        parts.join("\u{0}") + "\u{1}"
    }

    /// What is asked, without the examples where it is asked as chat.
    pub fn question(&self) -> &str {
        let turn = self.chat.as_ref().and_then(|turns| turns.last());
        turn.map_or(&self.prompt, |turn| &turn.content)
    }

    /// The right option.
    pub fn answer(&self) -> Option<&String> {
        self.right.iter().position(|right| *right).and_then(|place| self.options.get(place))
    }
}

impl Asker<'_> {
    /// The item as it is put to the model, with examples before it.
    pub fn ask(&self, index: usize, before: &[Example]) -> Result<Asked> {
        let mut asked = self.bare(index)?;
        let description = self.render("description", &self.task.description, index)?;
        let shown: String = before.iter().map(|example| example.text.as_str()).collect();
        asked.prompt = format!("{description}{shown}{}", asked.prompt);
        asked.chat = asked.chat.map(|question| dialogue(&description, before, question));
        Ok(asked)
    }

    /// The item without description and examples.
    fn bare(&self, index: usize) -> Result<Asked> {
        let task = self.task;
        let group = task.group.as_ref().and_then(|field| self.items.all[index].0.get(field));
        let mut asked = Asked {
            prompt: self.render("prompt", &task.prompt, index)?,
            group: group.map(|value| value.as_str().map_or_else(|| value.to_string(), String::from)),
            ..Asked::default()
        };
        self.fill(&mut asked, index)?;
        if let Some(question) = task.question.as_ref().filter(|_| self.as_chat) {
            let mut turns = self.said_before(index)?;
            turns.push(Message::new("user", self.render("question", question, index)?));
            asked.chat = Some(turns);
        }
        Ok(asked)
    }

    /// The turns of the item before its question.
    fn said_before(&self, index: usize) -> Result<Vec<Message>> {
        let Some(expression) = &self.task.before else { return Ok(Vec::new()) };
        let texts = self.list("before", expression, index)?;
        let roles = ["user", "assistant"].into_iter().cycle();
        Ok(texts.into_iter().zip(roles).map(|(text, role)| Message::new(role, text.to_string())).collect())
    }

    /// What a task of its kind compares.
    fn fill(&self, asked: &mut Asked, index: usize) -> Result<()> {
        let task = self.task;
        match task.kind {
            Kind::MultipleChoice => {
                asked.options = self.texts("choices", &task.choices, index)?;
                asked.right = self.right(index, &asked.options)?;
            }
            Kind::Partial => {
                asked.options = self.texts("contexts", &task.contexts, index)?;
                asked.text = self.filled("continuation", &task.continuation, index)?;
                asked.right = self.right(index, &asked.options)?;
            }
            Kind::Generate => {
                asked.text = self.filled("answer", &task.answer, index)?;
                asked.answers = self.right_answers(&asked.text, index)?;
                let contains = task.contains.as_ref();
                asked.contains =
                    contains.map(|template| self.render("contains", template, index)).transpose()?;
            }
            Kind::Preference => {
                asked.options = vec![self.answer(index, "chosen")?, self.answer(index, "rejected")?];
                asked.right = vec![true, false];
            }
        }
        Ok(())
    }

    /// All answers that are right: those that are listed, or the one.
    fn right_answers(&self, answer: &str, index: usize) -> Result<Vec<String>> {
        let Some(expression) = &self.task.answers else { return Ok(vec![answer.to_string()]) };
        let answers: Vec<String> =
            self.list("answers", expression, index)?.iter().map(Value::to_string).collect();
        match answers.is_empty() {
            true => {
                Err(self.wrong(index, format!("answers is empty, expected a text or more ({expression})")))
            }
            false => Ok(answers),
        }
    }

    /// The item with its answer, as it stands before others.
    pub fn example(&self, index: usize) -> Result<Example> {
        let asked = self.bare(index)?;
        let right = asked.answer().unwrap_or(&asked.text);
        let (question, answer) = match self.task.kind {
            Kind::Partial => (right, &asked.text),
            _ => (&asked.prompt, right),
        };
        let text = format!("{question}{}{answer}\n\n", self.task.delimiter);
        let turns = asked.chat.clone().unwrap_or_default().into_iter();
        let turns = turns.chain([Message::new("assistant", answer)]).collect();
        Ok(Example { text, turns })
    }

    fn render(&self, name: &str, template: &str, index: usize) -> Result<String> {
        let fields = self.fields(index)?;
        let wrong = |error: minijinja::Error| self.failed(index, name, template, &error);
        let prepared = template::prepare(template).map_err(|reason| self.too_much(index, name, reason))?;
        self.environment.render_str(&prepared.text, Value::from(Serde(&*fields))).map_err(wrong)
    }

    /// An error about a template that goes deeper or is longer than one may.
    fn too_much(&self, index: usize, name: &str, reason: String) -> Error {
        self.wrong(index, format!("{reason} ({name} of task {})", self.task.name))
    }

    fn expression(&self, name: &str, expression: &str, index: usize) -> Result<Value> {
        let fields = self.fields(index)?;
        let wrong = |error: minijinja::Error| self.failed(index, name, expression, &error);
        template::expression(expression).map_err(|reason| self.too_much(index, name, reason))?;
        let compiled = self.environment.compile_expression(expression).map_err(wrong)?;
        let value = compiled.eval(Value::from(Serde(&*fields))).map_err(wrong)?;
        match value.is_undefined() {
            true => Err(wrong(ErrorKind::UndefinedError.into())),
            false => Ok(value),
        }
    }

    /// The fields of an item, lists that were written as text read.
    fn fields(&self, index: usize) -> Result<Cow<'_, Map<String, serde_json::Value>>> {
        let mut fields = Cow::Borrowed(&self.items.all[index].0);
        for (name, count) in &self.task.lists {
            let Some(value) = fields.get(name) else { continue };
            let read = value.as_str().and_then(|text| serde_json::from_str(text).ok());
            let list = read.as_ref().unwrap_or(value);
            if let Some(problem) = wrong_list(list, *count) {
                return Err(self.wrong(index, format!("{name}{problem}")));
            }
            if let Some(read) = read {
                fields.to_mut().insert(name.clone(), read);
            }
        }
        Ok(fields)
    }

    fn failed(&self, index: usize, name: &str, template: &str, error: &minijinja::Error) -> Error {
        let problem = fields::problem(self.environment, template, &self.items.all[index].0, error);
        let source = if template.contains('\n') { String::new() } else { format!(": {template}") };
        let error = self.wrong(index, format!("{problem} ({name} of task {}{source})", self.task.name));
        if name == "target" { unlabelled(error) } else { error }
    }

    fn list(&self, name: &str, expression: &str, index: usize) -> Result<Vec<Value>> {
        let value = self.expression(name, expression, index)?;
        let wrong =
            || self.wrong(index, format!("{name} is {}, expected a list ({expression})", shown(&value)));
        // Texts and objects could be gone through as well, by letters and by keys.
        match (value.kind(), value.try_iter()) {
            (ValueKind::Seq | ValueKind::Iterable, Ok(entries)) => Ok(entries.collect()),
            _ => Err(wrong()),
        }
    }

    /// The options, which must be several texts.
    fn texts(&self, name: &str, expression: &str, index: usize) -> Result<Vec<String>> {
        let values = self.list(name, expression, index)?;
        if values.len() < 2 {
            let told = format!("{name} has length {}, expected two or more ({expression})", values.len());
            return Err(self.wrong(index, told));
        }
        let is_empty = |value: &Value| value.is_none() || value.to_string().trim().is_empty();
        if let Some(place) = values.iter().position(is_empty) {
            let told = format!("entry {place} of {name} is empty, expected a text ({expression})");
            return Err(self.wrong(index, told));
        }
        Ok(values.into_iter().map(|value| value.to_string()).collect())
    }

    fn wrong(&self, index: usize, problem: String) -> Error {
        self.items.wrong(self.items.all[index].1, problem)
    }

    fn answer(&self, index: usize, name: &str) -> Result<String> {
        let value = self.items.all[index].0.get(name);
        let text = value.and_then(|value| value.as_str().or_else(|| value[0]["content"].as_str()));
        text.map(String::from).ok_or_else(|| self.wrong(index, format!("{name} is missing or no text")))
    }

    /// A text that must not be empty.
    fn filled(&self, name: &str, template: &str, index: usize) -> Result<String> {
        let text = self.render(name, template, index)?;
        match text.trim().is_empty() {
            true => Err(self.wrong(index, format!("{name} is empty, expected a text ({template})"))),
            false => Ok(text),
        }
    }

    /// Which of the options are right.
    fn right(&self, index: usize, options: &[String]) -> Result<Vec<bool>> {
        match (&self.task.labels, &self.task.target) {
            (Some(labels), _) => self.marked(index, labels, options.len()),
            (None, target) => {
                let target = target.as_deref().unwrap_or_default();
                let value = self.expression("target", target, index)?;
                let right = self.readings(index, &value, options)?.option(self.by_text);
                let right = right.ok_or_else(|| self.no_option(index, target, &value, options.len()))?;
                Ok((0..options.len()).map(|option| option == right).collect())
            }
        }
    }

    /// Which of the options are marked with 1.
    fn marked(&self, index: usize, labels: &str, options: usize) -> Result<Vec<bool>> {
        let marks = self.list("labels", labels, index)?;
        let right: Option<Vec<bool>> = marks.iter().map(mark).collect();
        match right {
            Some(right) if right.len() == options && right.contains(&true) => Ok(right),
            _ => {
                let found: Vec<String> = marks.iter().map(shown).collect();
                let told = format!(
                    "labels are {}, expected 1 or 0 for each of {options} options, at least one of them 1 ({labels})",
                    found.join(", ")
                );
                Err(self.wrong(index, told))
            }
        }
    }

    fn readings(&self, index: usize, value: &Value, options: &[String]) -> Result<Readings> {
        let named = self.task.names.as_ref();
        let named = named.map(|names| self.list("names", names, index)).transpose()?;
        let named = named.map(|names| names.iter().map(Value::to_string).collect::<Vec<_>>());
        let names = named.as_deref().unwrap_or(options);
        Ok(Readings::of(value, self.task.counts_from, names, options.len()))
    }

    /// Whether the items of the file name their right option by its text: one does that can be read in no other way.
    pub fn names_by_text(&self) -> bool {
        let Some(target) = self.task.target.as_deref() else { return false };
        let list = if self.task.kind == Kind::Partial { &self.task.contexts } else { &self.task.choices };
        let is_text_only = |index: &usize| {
            let value = self.expression("target", target, *index).ok()?;
            let options = self.texts("choices", list, *index).ok()?;
            Some(self.readings(*index, &value, &options).ok()?.is_text_only())
        };
        (0..self.items.all.len()).any(|index| is_text_only(&index) == Some(true))
    }

    fn no_option(&self, index: usize, target: &str, value: &Value, options: usize) -> Error {
        let item = &self.items.all[index].0;
        let mut names = fields::names(self.environment, target).into_iter();
        let of_options = fields::names(self.environment, &self.task.choices);
        let field = names.find(|name| item.contains_key(name) && !of_options.contains(name));
        let field = field.unwrap_or_else(|| "target".into());
        let expected = expected(self.task.counts_from, options);
        unlabelled(self.wrong(index, format!("{field} is {}, {expected}", shown(value))))
    }
}

/// A value as it stands in the file.
fn shown(value: &Value) -> String {
    short(&serde_json::to_value(value).unwrap_or_default())
}

/// What is wrong with a list, if something is.
fn wrong_list(list: &serde_json::Value, count: usize) -> Option<String> {
    let expected = if count == 0 { "two or more".to_string() } else { count.to_string() };
    let Some(entries) = list.as_array() else {
        return Some(format!(" is {}, expected a list of {expected}", short(list)));
    };
    let fits = if count == 0 { entries.len() > 1 } else { entries.len() == count };
    let empty = |entry: &serde_json::Value| {
        entry.is_null() || entry.as_str().is_some_and(|text| text.trim().is_empty())
    };
    match entries.iter().position(empty) {
        _ if !fits => Some(format!(" has length {}, expected {expected}", entries.len())),
        Some(place) => Some(format!("[{place}] is {}, expected a text", entries[place])),
        None => None,
    }
}

/// With what to do about items whose answers are kept secret.
fn unlabelled(error: Error) -> Error {
    const HINT: &str = "benchmarks often publish their test half without answers: take the validation half";
    match error {
        Error::Item { path, place, problem, .. } => Error::Item { path, place, problem, hint: Some(HINT) },
        other => other,
    }
}

/// The turns of a chat up to the question: the description as the system's, then each example as a question with its answer.
fn dialogue(description: &str, before: &[Example], question: Vec<Message>) -> Vec<Message> {
    let system = (!description.trim().is_empty()).then(|| Message::new("system", description));
    let examples = before.iter().flat_map(|example| example.turns.clone());
    system.into_iter().chain(examples).chain(question).collect()
}
