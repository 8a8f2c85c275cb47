use std::path::{Path, PathBuf};

use clap::Args;
use nuwa_align::data::{Columns, LabelColumns, LabelledTexts, PlainText, plain_texts};
use nuwa_align::labelling::JudgedText;
use nuwa_align::{BadRecords, Labels, Problem};
use nuwa_infer::{Engine, LabelTeller, likeliest_label};
use nuwa_models::Prediction;
use nuwa_report::records::LabelFigures;
use nuwa_text::clip;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::by_likelihood::{LabelWeigher, labels_of};
use super::label_columns::LabelArguments;
use super::language::LanguageArgument;
use super::prompting::PromptArguments;
use crate::alignment::figures_text;
use crate::console::{print_figures, print_line};
use crate::failure::Problem as Failure;
use crate::prompted::Task;
use crate::{input, model, texts};

/// Tell the labels of texts, with probabilities
///
/// Runs a model with a head for labels, as `nuwa sft` makes one of texts with labels, or transformers'
/// ...ForSequenceClassification; or, with --labels, any model that writes: each label is weighed by how much likelier the model finds it
/// as an answer than it does without the text, and nothing is trained. Prints a line a text: the label, its probability, the text. With a
/// file that has labels of its own, prints how well they are told: accuracy, F1, the confusion matrix. Not to be mistaken for `nuwa
/// classifier`, which trains a bag-of-words classifier of two classes for the cleaning of text: this is a whole language model.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa classify classifier \"What a lovely film.\" \"Too long by half.\"
  nuwa classify classifier --file reviews.txt --json
  nuwa classify classifier --file test.csv
  nuwa classify classifier --file test.csv --out predictions.jsonl
  nuwa classify runs/world --labels positive,negative \"What a lovely film.\"
  nuwa classify smollm2 --labels sports,politics,science --file headlines.txt --prompt-file topic.jinja")]
pub struct Classify {
    /// The model folder, as `nuwa sft` writes it; with --labels of any model that writes
    model: PathBuf,
    /// Texts; `-` reads standard input, a text a line
    texts: Vec<String>,
    /// Texts in files: plain text, a text a line, or records (.csv, .tsv, .json, .jsonl) with or without labels; may be
    /// repeated
    #[arg(long, value_name = "FILE", num_args = 1..)]
    file: Vec<PathBuf>,
    /// Choose among these labels by their likelihood, without training: names with commas between
    #[arg(long, value_name = "A,B,...", value_delimiter = ',')]
    labels: Vec<String>,
    #[command(flatten)]
    prompt: PromptArguments,
    #[command(flatten)]
    columns: LabelArguments,
    #[command(flatten)]
    language: LanguageArgument,
    /// Write what is told of each text to this file, a JSON object a line
    #[arg(long, value_name = "FILE.jsonl")]
    out: Option<PathBuf>,
    /// Print a JSON object a line; of texts with labels, the figures as JSON
    #[arg(long)]
    json: bool,
}

/// Texts, and what is right of them where that is known.
struct Asked {
    texts: Vec<PlainText>,
    labelled: Option<LabelledTexts>,
}

/// What is written of a text.
#[derive(Debug, Serialize)]
struct Line<'a> {
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pair: Option<&'a str>,
    #[serde(flatten)]
    told: Map<String, Value>,
}

impl Classify {
    pub fn run(self) -> anyhow::Result<()> {
        let folder = model::folder(&self.model)?;
        if !self.labels.is_empty() {
            return self.weigh(&folder);
        }
        if let Some(name) = self.prompt.given() {
            let problem =
                Failure::new(format!("{name} goes with --labels: a model with a head is asked nothing"));
            return Err(problem.hint("name labels with --labels, or leave it out").into());
        }
        let teller = LabelTeller::load(&folder)?.in_language(self.language.number(&folder)?);
        let asked = self.asked(teller.labels())?;
        let told = teller.tell(&texts::whole(teller.reader(), &asked.texts)?)?;
        self.print(teller.labels(), &asked, &told)
    }

    /// Weighs the labels that were named.
    fn weigh(&self, folder: &Path) -> anyhow::Result<()> {
        let labels = labels_of(&self.labels)?;
        let config = nuwa_format::load_config(folder)?;
        if config.predicts() == Prediction::Nothing {
            let problem = Failure::new(format!("{} has a head with labels of its own", folder.display()));
            return Err(problem.hint("leave --labels out").into());
        }
        let template = self.prompt.template(Task::Classify)?;
        let asked = self.asked(&labels)?;
        let engine = Engine::load(folder)?;
        let weigher = LabelWeigher::new(engine, folder, &template, self.prompt.system(), &labels)?;
        let told = weigher.weigh(&asked.texts)?;
        self.print(&labels, &asked, &told)
    }

    fn print(&self, labels: &Labels, asked: &Asked, told: &[Vec<f64>]) -> anyhow::Result<()> {
        let lines: Vec<Line<'_>> =
            asked.texts.iter().zip(told).map(|(text, told)| line(labels, text, told)).collect();
        if let Some(out) = &self.out {
            nuwa_files::write_atomically(out, &nuwa_files::documents::to_lines(&lines))?;
        }
        if let Some(labelled) = &asked.labelled {
            let judged = labelled.truths.iter().zip(told);
            let judged: Vec<JudgedText> =
                judged.map(|(truth, told)| JudgedText { truth: truth.clone(), told: told.clone() }).collect();
            let figures = LabelFigures::of(labels, &judged);
            return print_figures(self.json, &figures, || figures_text(&figures, ""));
        }
        for (line, told) in lines.iter().zip(told) {
            match self.json {
                true => print_line(&serde_json::to_string(line)?)?,
                false => print_line(&format!("{}\t{}", shown(labels, told), clip(line.text, 80)))?,
            }
        }
        Ok(())
    }

    fn asked(&self, labels: &Labels) -> anyhow::Result<Asked> {
        let (mut all, mut records) = (texts::given(&self.texts)?, Vec::new());
        for file in &self.file {
            match texts::is_plain(file) {
                true => all.extend(texts::of_lines(&file.display().to_string(), &input::file(file)?)),
                false => records.push(file.clone()),
            }
        }
        let columns = self.columns.columns();
        if all.is_empty() && !records.is_empty() && self.has_labels(&columns, &records)? {
            let bad = BadRecords::Error;
            let (labelled, _) = LabelledTexts::read_by(labels, &records, &Columns::new(), &columns, bad)?;
            return Ok(Asked { texts: labelled.texts.clone(), labelled: Some(labelled) });
        }
        if !records.is_empty() {
            all.extend(plain_texts(&records, &columns, BadRecords::Error)?.0);
        }
        if all.is_empty() {
            let problem = Failure::new("there is no text to tell the label of");
            return Err(problem.hint("give one, or a file with --file").into());
        }
        Ok(Asked { texts: all, labelled: None })
    }

    /// Whether records have labels, by their first one.
    fn has_labels(&self, columns: &LabelColumns, records: &[PathBuf]) -> anyhow::Result<bool> {
        if columns.label.is_some() {
            return Ok(true);
        }
        let first = nuwa_align::data::records(&records[0], &Columns::new())?;
        Ok(first.first().is_some_and(|record| columns.found_in(record).is_ok()))
    }
}

fn line<'a>(labels: &Labels, text: &'a PlainText, told: &[f64]) -> Line<'a> {
    let each: Map<String, Value> =
        labels.names.iter().cloned().zip(told.iter().map(|told| json!(told))).collect();
    let own = match labels.problem {
        Problem::One => {
            let best = likeliest_label(told);
            json!({"label": labels.names[best], "probability": told[best], "probabilities": each})
        }
        Problem::Several => json!({"labels": taken(labels, told), "probabilities": each}),
        Problem::Number => Value::Object(each),
    };
    Line { text: &text.text, pair: text.pair.as_deref(), told: own.as_object().cloned().unwrap_or_default() }
}

/// The labels that a text is taken to have, of any number of them.
fn taken<'a>(labels: &'a Labels, told: &[f64]) -> Vec<&'a str> {
    let taken = labels.names.iter().zip(told).filter(|(_, told)| **told >= 0.5);
    taken.map(|(name, _)| name.as_str()).collect()
}

fn shown(labels: &Labels, told: &[f64]) -> String {
    match labels.problem {
        Problem::One => {
            let best = likeliest_label(told);
            format!("{}\t{:.4}", labels.names[best], told[best])
        }
        Problem::Several => {
            let each = labels.names.iter().zip(told).filter(|(_, told)| **told >= 0.5);
            let each: Vec<String> = each.map(|(name, told)| format!("{name} {told:.4}")).collect();
            if each.is_empty() { "-".into() } else { each.join(", ") }
        }
        Problem::Number => format!("{:.4}", told[0]),
    }
}
