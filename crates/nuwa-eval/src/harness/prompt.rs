//! Documents as they are put to a model: lm-evaluation-harness's `fewshot_context`, without a chat template.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::config::{Form, TaskConfig, Template};
use super::jinja::Templates;
use super::python;

/// The fields of a document.
pub type Fields = Map<String, Value>;

/// Turns the documents of a task into questions.
pub struct Prompter<'a> {
    pub config: &'a TaskConfig,
    pub templates: Templates,
    /// The columns of the documents that are asked.
    pub columns: BTreeSet<String>,
}

/// A document as it is put to the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// One for all choices, or one for each where beginnings compete.
    pub contexts: Vec<String>,
    /// What the model may go on with.
    pub choices: Vec<String>,
    /// What follows the beginnings, where those compete.
    pub continuation: Option<String>,
    /// `doc_to_target`.
    pub target: Value,
    /// The numbers of the right choices.
    pub right: Vec<usize>,
}

impl Prompter<'_> {
    /// A document with its examples before it.
    ///
    /// # Errors
    /// In words, when a template fails or what it gives is of the wrong kind.
    pub fn ask(&self, document: &Fields, examples: &[&Fields]) -> Result<Question, String> {
        let form = &self.config.form;
        let mut before = self.resolved("description", &self.config.description, document)?;
        for example in examples {
            before += &self.example(example)?;
        }
        let text = self.text(form, document)?;
        let choices = self.choices(form, document)?.unwrap_or_default();
        let prefix = self.prefix(form, document)?;
        let target = self.target(form, document)?;
        let (contexts, continuation, gold) = match (&text, &form.choice) {
            (Value::Number(_), Some(_)) => {
                let contexts = choices.iter().map(|choice| format!("{before}{choice}{prefix}")).collect();
                (contexts, Some(python::text(&target)), text)
            }
            _ => {
                let text = python::text(&text);
                let delimiter =
                    if needs_delimiter(&text, &prefix) { form.target_delimiter.as_str() } else { "" };
                (vec![format!("{before}{text}{delimiter}{prefix}")], None, target.clone())
            }
        };
        let right = right_choices(&gold, &choices);
        Ok(Question { contexts, choices, continuation, target, right })
    }

    /// A document with its answer.
    fn example(&self, document: &Fields) -> Result<String, String> {
        let form = &self.config.fewshot.form;
        let choices = self.choices(form, document)?;
        let text = self.text(form, document)?;
        let (question, choices) = match (text.as_u64(), choices) {
            (Some(number), Some(choices)) if text.is_number() => {
                let chosen = choices.get(number as usize).cloned();
                (
                    chosen.ok_or_else(|| {
                        format!("doc_to_text is {number}, there are {} choices", choices.len())
                    })?,
                    None,
                )
            }
            (_, choices) => (python::text(&text), choices),
        };
        let prefix = match &form.prefix {
            Some(prefix) => self.resolved("gen_prefix", prefix, document)?,
            None => String::new(),
        };
        let target = self.target(form, document)?;
        let answer = match (&choices, target.as_u64()) {
            (Some(choices), Some(number)) => choices
                .get(number as usize)
                .cloned()
                .ok_or_else(|| format!("doc_to_target is {number}, there are {} choices", choices.len()))?,
            _ => match &target {
                Value::Array(several) => several.first().map(python::text).unwrap_or_default(),
                other => python::text(other),
            },
        };
        let Form { target_delimiter, fewshot_delimiter, .. } = form;
        if answer.is_empty() {
            let delimiter = if needs_delimiter(&question, &prefix) { target_delimiter.as_str() } else { "" };
            return Ok(format!("{question}{delimiter}{prefix}"));
        }
        let is_delimited = prefix.is_empty() || needs_delimiter(&question, &prefix);
        let delimiter = if is_delimited { target_delimiter.as_str() } else { "" };
        let blank = if !prefix.is_empty() && meets(&prefix, &answer) { " " } else { "" };
        Ok(format!("{question}{delimiter}{prefix}{blank}{answer}{fewshot_delimiter}"))
    }

    /// What stands before an answer that the model is to go on with.
    fn prefix(&self, form: &Form, document: &Fields) -> Result<String, String> {
        form.prefix.as_ref().map_or(Ok(String::new()), |prefix| self.resolved("gen_prefix", prefix, document))
    }

    /// A column of this name, or the template.
    fn resolved(&self, key: &str, source: &str, document: &Fields) -> Result<String, String> {
        if self.columns.contains(source) {
            return Ok(document.get(source).map(python::text).unwrap_or_default());
        }
        self.templates.fill(source, &self.whole(document)).map_err(|reason| format!("{reason} ({key})"))
    }

    /// A document with `None` for the columns it lacks.
    fn whole(&self, document: &Fields) -> Fields {
        let mut whole = document.clone();
        for column in &self.columns {
            whole.entry(column.clone()).or_insert(Value::Null);
        }
        whole
    }

    fn text(&self, form: &Form, document: &Fields) -> Result<Value, String> {
        let found = self.value("doc_to_text", &form.text, document)?;
        Ok(match found {
            Found::Column(value) | Found::Given(value) => value,
            Found::Filled(value) => self.counted(python::text(&value)),
        })
    }

    /// Digits are a number where there are choices.
    fn counted(&self, text: String) -> Value {
        let number =
            (self.config.form.choice.is_some() && python::is_digits(&text)).then(|| text.parse::<u64>());
        match number {
            Some(Ok(number)) => number.into(),
            _ => text.into(),
        }
    }

    fn target(&self, form: &Form, document: &Fields) -> Result<Value, String> {
        Ok(match self.value("doc_to_target", &form.target, document)? {
            Found::Column(value) | Found::Given(value) => value,
            Found::Filled(list @ Value::Array(_)) => list,
            Found::Filled(value) => {
                let text = python::text(&value);
                match text.starts_with('[') && text.ends_with(']') {
                    true => python::literal(&text).unwrap_or(Value::String(text)),
                    false => self.counted(text),
                }
            }
        })
    }

    fn choices(&self, form: &Form, document: &Fields) -> Result<Option<Vec<String>>, String> {
        let Some(template) = &form.choice else { return Ok(None) };
        let value = match self.value("doc_to_choice", template, document)? {
            Found::Filled(Value::String(text)) => python::literal(&text).unwrap_or(Value::String(text)),
            Found::Column(value) | Found::Given(value) | Found::Filled(value) => value,
        };
        match value {
            Value::Array(list) => Ok(Some(list.iter().map(python::text).collect())),
            other => Err(format!("doc_to_choice is {}, expected a list", python::repr(&other))),
        }
    }

    fn value(&self, key: &str, template: &Template, document: &Fields) -> Result<Found, String> {
        match template {
            Template::Fixed(value) => Ok(Found::Given(value.clone())),
            Template::Twin(twin) => twin.apply(document).map(Found::Given),
            Template::Text(column) if self.columns.contains(column) => {
                Ok(Found::Column(document.get(column).cloned().unwrap_or_default()))
            }
            Template::Text(source) => {
                let value = self.templates.value(source, &self.whole(document));
                value.map(Found::Filled).map_err(|reason| format!("{reason} ({key}: {source})"))
            }
        }
    }
}

/// Where a value comes from.
enum Found {
    Column(Value),
    Given(Value),
    Filled(Value),
}

/// Whether two texts meet without white space between them.
fn meets(before: &str, after: &str) -> bool {
    !before.ends_with(python::is_space) && !after.starts_with(python::is_space)
}

fn needs_delimiter(text: &str, prefix: &str) -> bool {
    !prefix.is_empty() && !text.is_empty() && meets(text, prefix)
}

/// The numbers of the right choices; none where a number or a text is of no choice.
fn right_choices(gold: &Value, choices: &[String]) -> Vec<usize> {
    let place = |value: &Value| match value {
        Value::String(text) => choices.iter().position(|choice| choice == text),
        Value::Bool(is) => Some(usize::from(*is)),
        other => other.as_u64().map(|number| number as usize),
    };
    let found = match gold {
        Value::Array(several) => several.iter().filter_map(place).collect(),
        one => place(one).into_iter().collect::<Vec<_>>(),
    };
    found.into_iter().filter(|number| *number < choices.len()).collect()
}
