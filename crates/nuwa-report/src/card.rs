//! A run as its model card shows it.

use nuwa_files::quoted;
use serde::Serialize;

use nuwa_clean::survey;

use crate::Result;
use crate::card_settings::CardSettings;
use crate::chat_form::{self, ChatForm};
use crate::facts::{self, Fact, Figure};
use crate::numbers;
use crate::run::Run;
use crate::scores::{self, Scores};
use crate::words::Text;
use crate::words::card::{self as words, Words};

/// What `templates/model_card.md` is given.
#[derive(Debug, Serialize)]
pub struct ModelCard {
    words: Words,
    title: String,
    /// The prompt of the sample, in one line of Markdown.
    prompt: String,
    /// The same as a word of a shell, and as a literal of Python.
    shell_prompt: String,
    python_prompt: String,
    sample: Option<String>,
    shape: Vec<Fact>,
    data: Vec<Fact>,
    training: Vec<Fact>,
    machine: Vec<Fact>,
    /// Whether it was fine-tuned to answer.
    answers: bool,
    /// How it is talked to.
    chat: Option<ChatForm>,
    /// The same question as a literal of Python, and as a word of a shell.
    python_question: String,
    shell_question: String,
    /// Languages of the text with their shares, and the codes of those that matter.
    languages: Vec<Fact>,
    language_codes: Vec<String>,
    /// What fine-tuning gained and lost.
    stage_scores: Option<Scores>,
    scores: Vec<Figure>,
    remarks: Vec<Text>,
    at_most: Option<Text>,
    /// The licence, as a value of YAML.
    licence: String,
    /// Whether its maker named one.
    has_licence: bool,
    uses: Option<String>,
    misuses: Option<String>,
    risks: Option<String>,
    contact: Option<String>,
    /// Its name, as a value of YAML.
    yaml_name: String,
    index: Vec<IndexedTask>,
}

/// A task with its figures, as Hugging Face's `model-index` lists them; all values of YAML.
#[derive(Debug, Serialize)]
struct IndexedTask {
    name: String,
    /// Names the data: its hash.
    args: Option<String>,
    metrics: Vec<IndexedMetric>,
}

#[derive(Debug, Serialize)]
struct IndexedMetric {
    kind: String,
    value: String,
    stderr: Option<String>,
}

impl ModelCard {
    /// Words the figures of `run`.
    pub fn of(run: &Run, told: &CardSettings) -> Result<Self> {
        let sample = run.metrics.samples.iter().next_back();
        let prompt = sample.map_or("Once", |((_, prompt), _)| prompt.as_str());
        let answers = facts::is_fine_tuned(run);
        let chat = chat_form::of(run).filter(|_| answers);
        let question = chat.as_ref().map_or("", |chat| chat.question.as_str());
        let counted = survey::languages(&run.folder.join("clean")).unwrap_or_default();
        Ok(Self {
            words: Words::ALL,
            python_question: serde_json::to_string(question)?,
            shell_question: for_shell(question),
            languages: languages(&counted),
            language_codes: codes(&counted),
            stage_scores: scores::of(run),
            chat: chat.map(|chat| ChatForm {
                example: fenced(&chat.example),
                special: cells(chat.special),
                ..chat
            }),
            title: line(&run.name),
            prompt: cell(prompt),
            shell_prompt: for_shell(prompt),
            python_prompt: serde_json::to_string(prompt)?,
            sample: sample.map(|((_, prompt), text)| fenced(&whole_sample(prompt, text))),
            shape: cells(facts::shape(run)),
            data: cells(facts::data(run)),
            training: cells(facts::training(run)),
            machine: cells(facts::machine(run)),
            answers,
            scores: facts::final_scores(run),
            remarks: facts::final_remarks(run),
            at_most: run
                .config
                .as_ref()
                .and_then(|config| config.max_position_embeddings)
                .map(words::at_most),
            licence: serde_json::to_string(told.licence.as_deref().unwrap_or("unknown"))?,
            has_licence: told.licence.is_some(),
            uses: told.uses.clone(),
            misuses: told.misuses.clone(),
            risks: told.risks.clone(),
            contact: told.contact.as_deref().map(cell),
            yaml_name: serde_json::to_string(&line(&run.name))?,
            index: index(run)?,
        })
    }
}

/// The figures that the card shows, with the hash of what they were measured on.
fn index(run: &Run) -> Result<Vec<IndexedTask>> {
    let mut tasks = Vec::new();
    for (name, task) in facts::final_tasks(run) {
        let mut metrics = Vec::new();
        for (kind, metric) in &task.metrics {
            let shown = facts::stands(task, kind) && metric.value.is_finite();
            if shown {
                metrics.push(IndexedMetric {
                    kind: serde_json::to_string(kind)?,
                    value: serde_json::to_string(&metric.value)?,
                    stderr: metric.stderr.map(|stderr| serde_json::to_string(&stderr)).transpose()?,
                });
            }
        }
        if !metrics.is_empty() {
            let args = (!task.data_hash.is_empty()).then(|| serde_json::to_string(&task.data_hash));
            tasks.push(IndexedTask { name: serde_json::to_string(name)?, args: args.transpose()?, metrics });
        }
    }
    Ok(tasks)
}

/// Languages below this share of the text are told together, and do not name the model's.
const LEAST_SHARE: f64 = 0.01;

fn share(counted: &survey::Languages, part: &survey::Share) -> f64 {
    let all: u64 = counted.shares.values().map(|share| share.bytes).sum();
    part.bytes as f64 / all.max(1) as f64
}

/// From the largest to the smallest.
pub fn languages(counted: &survey::Languages) -> Vec<Fact> {
    let mut all: Vec<_> = counted.shares.iter().collect();
    all.sort_by_key(|(_, part)| std::cmp::Reverse(part.bytes));
    let is_large = |part: &survey::Share| share(counted, part) >= LEAST_SHARE;
    let told =
        |part: &survey::Share| words::share(&numbers::percent(share(counted, part), 1.0), part.documents);
    let mut rows: Vec<Fact> = all
        .iter()
        .filter(|(_, part)| is_large(part))
        .map(|(name, part)| Fact::new(Text::same(name.as_str()), told(part)))
        .collect();
    let small: Vec<_> = all.iter().filter(|(_, part)| !is_large(part)).collect();
    if !small.is_empty() {
        let sum = small.iter().fold(survey::Share::default(), |sum, (_, part)| survey::Share {
            documents: sum.documents + part.documents,
            bytes: sum.bytes + part.bytes,
        });
        rows.push(Fact::new(words::more_languages(small.len()), told(&sum)));
    }
    cells(rows)
}

/// What Hugging Face's front matter names: the codes of known languages.
pub fn codes(counted: &survey::Languages) -> Vec<String> {
    let is_code =
        |name: &str| (2..=3).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_lowercase());
    let named =
        counted.shares.iter().filter(|(name, part)| is_code(name) && share(counted, part) >= LEAST_SHARE);
    named.map(|(name, _)| name.clone()).collect()
}

fn for_shell(text: &str) -> String {
    quoted(line(text))
}

pub fn cells(facts: Vec<Fact>) -> Vec<Fact> {
    facts.into_iter().map(|fact| Fact { value: fact.value.map(cell), ..fact }).collect()
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
pub fn cell(value: &str) -> String {
    line(value).replace('|', r"\|")
}

pub fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
