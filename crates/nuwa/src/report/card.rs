//! A run as its model card shows it.

use anyhow::Result;
use serde::Serialize;

use super::facts::{self, Fact, Score};
use super::run::{Run, number};
use crate::numbers::grouped;

/// What `templates/model_card.md` is given.
#[derive(Debug, Serialize)]
pub struct Card {
    title: String,
    /// The prompt of the sample, in one line of Markdown.
    prompt: String,
    /// The same inside double quotes of a shell, and as a literal of Python.
    shell_prompt: String,
    python_prompt: String,
    sample: Option<String>,
    shape: Vec<Fact>,
    data: Vec<Fact>,
    training: Vec<Fact>,
    machine: Vec<Fact>,
    /// Whether it was tuned to answer.
    answers: bool,
    scores: Vec<Score>,
    remarks: Vec<String>,
    context_length: Option<String>,
}

impl Card {
    /// Words the figures of `run`.
    pub fn of(run: &Run) -> Result<Self> {
        let sample = run.metrics.samples.iter().next_back();
        let prompt = sample.map_or("Once", |((_, prompt), _)| prompt.as_str());
        Ok(Self {
            title: line(&run.name),
            prompt: cell(prompt),
            shell_prompt: line(prompt).replace(['"', '\\', '$', '`', '!'], ""),
            python_prompt: serde_json::to_string(prompt)?,
            sample: sample.map(|((_, prompt), text)| fenced(&whole_sample(prompt, text))),
            shape: cells(facts::shape(run)),
            data: cells(facts::data(run)),
            training: cells(facts::training(run)),
            machine: cells(facts::machine(run)),
            answers: !run.manifest("sft").is_null(),
            scores: facts::scores(run),
            remarks: facts::remarks(run),
            context_length: number(&run.config, &["/max_position_embeddings", "/n_positions"])
                .map(|length| grouped(length as u64)),
        })
    }
}

fn cells(facts: Vec<Fact>) -> Vec<Fact> {
    facts.into_iter().map(|fact| Fact { value: cell(&fact.value), ..fact }).collect()
}

fn whole_sample(prompt: &str, text: &str) -> String {
    if text.starts_with(prompt) { text.to_string() } else { format!("{prompt}{text}") }
}

/// A block of code in Markdown, with a fence longer than any in the text.
fn fenced(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{text}\n{fence}")
}

/// A value in a cell of a Markdown table.
fn cell(value: &str) -> String {
    line(value).replace('|', r"\|")
}

fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
