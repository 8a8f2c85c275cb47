//! The labels of a model that tells them, as transformers has them in `config.json`: `problem_type`, `id2label`, `label2id`.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::config::{CONFIG, LARGEST};
use crate::{Error, Result};

/// What a head for labels tells of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Problem {
    /// Which one of the labels it has: the softmax of all.
    #[serde(rename = "single_label_classification")]
    One,
    /// Which of the labels it has, any number of them: a sigmoid each.
    #[serde(rename = "multi_label_classification")]
    Several,
    /// A number.
    #[serde(rename = "regression")]
    Number,
}

/// The labels of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels {
    /// What it tells.
    pub problem: Problem,
    /// The name of each output, in their order; of a number, what it is called.
    pub names: Vec<String>,
}

/// What an output is called where nobody named it.
fn unnamed(output: usize) -> String {
    format!("LABEL_{output}")
}

impl Labels {
    /// Outputs without names, as a reward model's.
    pub(crate) fn unnamed(outputs: usize) -> Self {
        let problem = if outputs == 1 { Problem::Number } else { Problem::One };
        Self { problem, names: (0..outputs).map(unnamed).collect() }
    }

    /// Those of the model in `folder` with so many outputs. Where `problem_type` is absent, one output is a number, and of more
    /// each text has one, as transformers has it.
    ///
    /// # Errors
    /// When there is no `config.json`, a name is no text, or names and outputs are not as many.
    pub(crate) fn load(folder: &Path, outputs: usize) -> Result<Self> {
        let path = folder.join(CONFIG);
        let config: Value = nuwa_files::read_json_at_most(&path, LARGEST)?;
        let usual = Self::unnamed(outputs);
        let problem = match &config["problem_type"] {
            Value::Null => usual.problem,
            given => Problem::deserialize(given).map_err(|_| {
                let known = "single_label_classification, multi_label_classification or regression";
                Error::config(&path, format!("problem_type is {given}, expected {known}"))
            })?,
        };
        let Some(named) = config["id2label"].as_object() else { return Ok(Self { problem, ..usual }) };
        if named.len() != outputs {
            let reason = format!("id2label names {} labels, the weights have {outputs}", named.len());
            return Err(Error::config(&path, reason));
        }
        let name = |output: usize| {
            let name = named.get(&output.to_string()).and_then(Value::as_str);
            name.map(String::from)
                .ok_or_else(|| Error::config(&path, format!("id2label has no text for label {output}")))
        };
        Ok(Self { problem, names: (0..outputs).map(name).collect::<Result<_>>()? })
    }

    /// What `config.json` says of them; `told` whether it names the problem.
    pub(crate) fn put_into(&self, config: &mut Map<String, Value>, told: bool) {
        let names = || self.names.iter().enumerate();
        let by_number = names().map(|(output, name)| (output.to_string(), json!(name)));
        let by_name = names().map(|(output, name)| (name.clone(), json!(output)));
        config.insert("id2label".into(), by_number.collect::<Map<_, _>>().into());
        config.insert("label2id".into(), by_name.collect::<Map<_, _>>().into());
        if told {
            config.insert("problem_type".into(), json!(self.problem));
        }
    }
}
