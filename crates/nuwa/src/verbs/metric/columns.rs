//! Columns of a table: CSV, TSV, JSON lines or a JSON list, compressed or not.

use std::path::Path;

use nuwa_eval::tasks::Items;
use serde_json::Value;
use strsim::normalized_damerau_levenshtein;

use crate::failure::Problem;
use crate::items::read_items;

/// A table with a name for each column.
pub struct Table(Items);

impl Table {
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let told = |error: anyhow::Error| match error.downcast_ref::<nuwa_eval::Error>() {
            Some(item @ nuwa_eval::Error::Item { .. }) => {
                let problem = Problem::new(item.to_string());
                problem.hint("a table is CSV or TSV with a header, JSON lines or a JSON list").into()
            }
            _ => error,
        };
        read_items(path).map(Self).map_err(told)
    }

    pub fn rows(&self) -> usize {
        self.0.all.len()
    }

    /// The values of a column, each with its place for messages.
    pub fn column(&self, name: &str) -> anyhow::Result<Vec<(Value, String)>> {
        let file = self.0.path.display();
        if !self.0.all.iter().any(|(fields, _)| fields.contains_key(name)) {
            return Err(self.missing(name));
        }
        let value = |(fields, line): &(serde_json::Map<String, Value>, usize)| -> anyhow::Result<_> {
            let place = format!("{file}:{line}");
            let value = fields.get(name).cloned();
            let value = value.ok_or_else(|| {
                let problem = Problem::new(format!("{place}: {name} is missing"));
                problem.hint("give every row a value, or leave the row out")
            });
            Ok((value?, place))
        };
        self.0.all.iter().map(value).collect()
    }

    fn missing(&self, name: &str) -> anyhow::Error {
        let mut known: Vec<&str> = Vec::new();
        for key in self.0.all.iter().flat_map(|(fields, _)| fields.keys()) {
            if !known.contains(&key.as_str()) {
                known.push(key);
            }
        }
        let problem = Problem::new(format!("{} has no column {name:?}", self.0.path.display()));
        problem.hint(format!("{}its columns are: {}", meant(name, &known), known.join(", "))).into()
    }
}

/// What was probably meant, with what to say about it.
pub fn meant(name: &str, known: &[&str]) -> String {
    let near = |known: &&&str| normalized_damerau_levenshtein(&known.to_lowercase(), &name.to_lowercase());
    let nearest = known.iter().max_by(|one, other| near(one).total_cmp(&near(other)));
    nearest.filter(|known| near(known) > 0.5).map_or(String::new(), |known| format!("did you mean {known}? "))
}

/// A value as a text.
pub fn text_of(value: &Value, column: &str, place: &str) -> anyhow::Result<String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        other => {
            let problem = Problem::new(format!("{place}: {column} is {}, expected a text", clipped(other)));
            Err(problem.hint("a column holds one text in each row").into())
        }
    }
}

/// The name of a class, without blanks around it.
pub fn label_of(value: &Value, column: &str, place: &str) -> anyhow::Result<String> {
    let text = text_of(value, column, place)?.trim().to_string();
    match text.is_empty() {
        true => {
            let problem = Problem::new(format!("{place}: {column} is empty, expected the name of a class"));
            Err(problem.hint("give every row a value, or leave the row out").into())
        }
        false => Ok(text),
    }
}

/// A finite number.
pub fn number_of(value: &Value, column: &str, place: &str) -> anyhow::Result<f64> {
    let number = match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    };
    number.filter(|number: &f64| number.is_finite()).ok_or_else(|| {
        let problem = Problem::new(format!("{place}: {column} is {}, expected a number", clipped(value)));
        problem.hint("numbers have a point before their decimals, such as 0.25, and no unit").into()
    })
}

fn clipped(value: &Value) -> String {
    nuwa_text::clip(&value.to_string(), 60)
}
