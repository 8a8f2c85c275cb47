use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, ValueEnum};
use nuwa_eval::statistics::{Z95, wilson};
use nuwa_eval::tasks::Items;
use nuwa_files::compressed;
use nuwa_guard::{Guard, Side};
use nuwa_report::numbers::counted;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::console::print_figures;
use crate::failure::Problem;
use crate::input;
use crate::items::read_items;

/// Check a guard file, and measure its misses and false alarms
///
/// A guard says what must not be asked of a model and what it must not say: see `--guard` of nuwa
/// chat and nuwa generate, and docs/guard.md. Give texts of which it is known whether they are to be
/// stopped; each is judged whole. Files: JSON lines, JSON, CSV or TSV with a text in a field, else a
/// text on each line; compressed or not.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa guard guard.toml
  nuwa guard guard.toml --data labelled.jsonl       lines such as {\"text\": \"...\", \"blocked\": true}
  nuwa guard guard.toml --harmful requests.csv --harmless pages.jsonl --side prompt")]
pub struct GuardVerb {
    /// The guard file
    file: PathBuf,
    /// Texts whose field `blocked` says whether they are to be stopped
    #[arg(long, value_name = "FILE")]
    data: Vec<PathBuf>,
    /// Texts that are to be stopped
    #[arg(long, value_name = "FILE")]
    harmful: Vec<PathBuf>,
    /// Texts that are to be let through
    #[arg(long, value_name = "FILE")]
    harmless: Vec<PathBuf>,
    /// The field that holds the text [default: the first of text, prompt, goal, question]
    #[arg(long, value_name = "NAME")]
    text_field: Option<String>,
    /// Judge the texts as prompts or as answers
    #[arg(long, value_enum, default_value_t = JudgedSide::Prompt)]
    side: JudgedSide,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum JudgedSide {
    Prompt,
    Answer,
}

/// Texts of one kind.
#[derive(Debug, Default, Serialize)]
struct Rate {
    /// How many were wrong: missed, or stopped without need.
    wrong: u64,
    n: u64,
    share: Option<f64>,
    /// Wilson's 95 % interval of the share.
    interval: [f64; 2],
    /// Where the first wrong ones stand.
    first: Vec<String>,
}

/// The places of wrong texts that are told.
const TOLD: usize = 10;

impl Rate {
    fn add(&mut self, is_wrong: bool, place: &str) {
        self.n += 1;
        self.wrong += u64::from(is_wrong);
        if is_wrong && self.first.len() < TOLD {
            self.first.push(place.into());
        }
    }

    fn closed(self) -> Self {
        let share = (self.n > 0).then(|| self.wrong as f64 / self.n as f64);
        Self { share, interval: wilson(self.wrong as f64, self.n as f64, Z95), ..self }
    }

    fn text(&self, name: &str) -> String {
        let Some(share) = self.share else { return format!("{name:<13} no text to measure on") };
        let [low, high] = self.interval.map(|value| 100.0 * value);
        let percent = 100.0 * share;
        let rate = format!("{name:<13} {percent:.1} % [{low:.1}, {high:.1}], {} of {}", self.wrong, self.n);
        match self.first.is_empty() {
            true => rate,
            false => format!(
                "{rate}: {}{}",
                self.first.join(", "),
                if self.wrong > TOLD as u64 { ", ..." } else { "" }
            ),
        }
    }
}

#[derive(Debug, Serialize)]
struct Measured {
    categories: Vec<String>,
    misses: Rate,
    false_alarms: Rate,
    /// Texts stopped, by category.
    stopped: BTreeMap<String, u64>,
    microseconds_a_text: Option<f64>,
}

struct Sample {
    text: String,
    place: String,
    is_harmful: bool,
}

impl GuardVerb {
    pub fn run(self) -> anyhow::Result<()> {
        let guard = Guard::read(&self.file)?;
        let samples = self.samples()?;
        let side = match self.side {
            JudgedSide::Prompt => Side::Prompt,
            JudgedSide::Answer => Side::Answer,
        };
        let (mut misses, mut false_alarms) = (Rate::default(), Rate::default());
        let mut stopped = BTreeMap::new();
        let begun = Instant::now();
        for Sample { text, place, is_harmful } in &samples {
            let blocked = guard.check(text, side);
            match is_harmful {
                true => misses.add(blocked.is_none(), place),
                false => false_alarms.add(blocked.is_some(), place),
            }
            if let Some(blocked) = blocked {
                *stopped.entry(blocked.category).or_default() += 1;
            }
        }
        let spent = begun.elapsed().as_secs_f64() * 1e6;
        let measured = Measured {
            categories: guard.categories().into_iter().map(String::from).collect(),
            misses: misses.closed(),
            false_alarms: false_alarms.closed(),
            stopped,
            microseconds_a_text: (!samples.is_empty()).then(|| spent / samples.len() as f64),
        };
        print_figures(self.json, &measured, || self.text(&measured))
    }

    fn text(&self, measured: &Measured) -> String {
        let head = format!("{}: {}", self.file.display(), measured.categories.join(", "));
        let Some(microseconds) = measured.microseconds_a_text else { return head };
        let stopped: Vec<String> =
            measured.stopped.iter().map(|(category, count)| format!("{category} {count}")).collect();
        let stopped = if stopped.is_empty() { "nothing".into() } else { stopped.join(", ") };
        let count = counted(measured.misses.n + measured.false_alarms.n, "text");
        format!(
            "{head}\n{}\n{}\n{:<13} {stopped}\n{:<13} {microseconds:.0} microseconds a text, {count}",
            measured.misses.text("misses"),
            measured.false_alarms.text("false alarms"),
            "stopped",
            "time"
        )
    }

    fn samples(&self) -> anyhow::Result<Vec<Sample>> {
        let mut samples = Vec::new();
        for (paths, label) in [(&self.data, None), (&self.harmful, Some(true)), (&self.harmless, Some(false))]
        {
            for path in paths {
                self.read(path, label, &mut samples)?;
            }
        }
        Ok(samples)
    }

    fn read(&self, path: &Path, label: Option<bool>, samples: &mut Vec<Sample>) -> anyhow::Result<()> {
        let name = compressed::name_within(path);
        let is_items =
            [".jsonl", ".ndjson", ".json", ".csv", ".tsv"].iter().any(|ending| name.ends_with(ending));
        if let (false, Some(is_harmful)) = (is_items, label) {
            let text = input::file(path)?;
            let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
            samples.extend(lines.map(|(line, text)| Sample {
                text: text.into(),
                place: place(path, line),
                is_harmful,
            }));
            return Ok(());
        }
        let Items { all, .. } = read_items(path)?;
        for (fields, line) in &all {
            let place = place(path, *line);
            let is_harmful = label.map_or_else(|| labelled(fields, &place), Ok)?;
            samples.push(Sample { text: self.text_of(fields, &place)?, place, is_harmful });
        }
        Ok(())
    }

    fn text_of(&self, fields: &Map<String, Value>, place: &str) -> anyhow::Result<String> {
        let names = match &self.text_field {
            Some(name) => vec![name.as_str()],
            None => vec!["text", "prompt", "goal", "question"],
        };
        let found = names.iter().find_map(|name| fields.get(*name)?.as_str());
        found.map(String::from).ok_or_else(|| {
            let there: Vec<&str> = fields.keys().map(String::as_str).collect();
            let problem = format!("{place}: no text in the field {}", names.join(", "));
            Problem::new(problem)
                .hint(format!(
                    "name the field that holds the text (--text-field NAME); here: {}",
                    there.join(", ")
                ))
                .into()
        })
    }
}

fn place(path: &Path, line: usize) -> String {
    format!("{}:{line}", path.display())
}

fn labelled(fields: &Map<String, Value>, place: &str) -> anyhow::Result<bool> {
    let told = match fields.get("blocked") {
        Some(Value::Bool(value)) => return Ok(*value),
        Some(Value::String(text)) if text == "true" || text == "false" => return Ok(text == "true"),
        Some(other) => format!("{place}: `blocked` is {other}, expected true or false"),
        None => format!("{place}: no field `blocked`, expected true or false"),
    };
    let hint = "give texts without a label with --harmful FILE and --harmless FILE";
    Err(Problem::new(told).hint(hint).into())
}
