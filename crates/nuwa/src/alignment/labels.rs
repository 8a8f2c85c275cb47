//! Fine-tuning of a head for labels as the program does it.

use std::path::PathBuf;
use std::sync::Arc;

use nuwa_align::data::{LabelColumns, LabelledTexts, is_labelled, plain_texts};
use nuwa_align::labelling::LabelStats;
use nuwa_align::{BadRecords, Labelling, Labels, LoraAdapters, Problem, RecordSteps, SftSettings, trainer};
use nuwa_infer::TextReader;
use nuwa_models::Model;
use nuwa_report::classes::Classified;
use nuwa_report::numbers;
use nuwa_report::records::{FineTuningOutcome, LabelFigures, LabelOutcome};
use nuwa_text::language::identify;

use super::{Accounts, Alignment, FineTuner};
use crate::console::Display;
use crate::matrix::matrix;

/// The page on what was taken for what.
const PAGE: &str = "labels.html";

/// Labels as they were asked for.
pub struct AskedLabels<'a> {
    /// Which columns hold what.
    pub columns: LabelColumns,
    /// Files of texts to judge the model by; where there are none, a share of the data.
    pub held_out: &'a [PathBuf],
    /// The language of the texts by its number, of models that tell languages apart.
    pub language: Option<u32>,
}

impl Alignment<'_> {
    /// Whether the first record is a text with a label, and no dialogue. What cannot be read is told of by who learns from it, where it
    /// may be left out.
    pub fn holds_labels(&self) -> bool {
        let Some(first) = self.data.first() else { return false };
        let records = nuwa_align::data::records(first, self.columns);
        records.is_ok_and(|records| records.first().is_some_and(is_labelled))
    }

    /// The language that most of the texts are in, by its number, of a model that is told languages; the first of those that it knows
    /// where they are in none of them.
    pub fn language_of_labels(&self, columns: &LabelColumns) -> anyhow::Result<Option<u32>> {
        const LOOKED_AT: usize = 1000;
        let known = nuwa_format::load_config(self.model)?.languages();
        if known.is_empty() {
            return Ok(None);
        }
        let (texts, _) = plain_texts(self.data, columns, BadRecords::Skip)?;
        let mut counts = vec![0_usize; known.len()];
        for text in texts.iter().take(LOOKED_AT) {
            let code = identify(&text.text, 1, 0.0);
            if let Some(place) = known.iter().position(|own| Some(own.as_str()) == code) {
                counts[place] += 1;
            }
        }
        let most = counts.iter().copied().max().unwrap_or_default();
        Ok(counts.iter().position(|count| *count == most).map(|place| place as u32))
    }

    /// Fine-tuning of a head for the labels of texts, with the model below it.
    pub fn label(
        &self,
        settings: &SftSettings,
        asked: &AskedLabels<'_>,
        display: &mut Display,
    ) -> anyhow::Result<FineTuningOutcome> {
        settings.check()?;
        let bad = settings.tuning.bad_records;
        let (texts, reading) = LabelledTexts::read(self.data, self.columns, &asked.columns, bad)?;
        let labels = texts.labels.clone();
        let held_out = match asked.held_out {
            [] => None,
            files => Some(LabelledTexts::read_by(&labels, files, self.columns, &texts.columns, bad)?.0),
        };
        display.note(&found_text(&texts));
        let tokenizer = self.tokenizer()?;
        let model = nuwa_format::labelled_from(self.model, &labels, self.seed)?;
        let settings = &settings.for_labels(model.parameters().count());
        let base = nuwa_format::weights_hash(&model);
        let reader = TextReader::new(&model, &tokenizer)?.in_language(asked.language);
        let tokenizer = reader.tokenizer_for_others()?;
        let mut objective = Labelling::new(reader, &texts, held_out.as_ref(), settings, self.seed)?;
        drop((texts, held_out));
        display.note(&course_text(&objective));
        let adapters = match settings.lora.rank {
            0 => None,
            _ => Some(Arc::new(LoraAdapters::new(&model, &settings.lora, self.seed)?)),
        };
        let rate = settings.rate(model.parameters().count());
        let trainer = trainer(Box::new(model), adapters, &settings.tuning, self.seed);
        // The head belongs to no adapter, so the whole model is written.
        let mut tuner = FineTuner { trainer, adapters: None, base };
        let job = self.job(&settings.tuning, rate, &tuner.base);
        let (summary, memory) = self.run(&job, &mut tuner.trainer, &mut objective, display)?;
        let judged = objective.judged(&mut tuner.trainer)?;
        let measured = (!judged.is_empty()).then(|| LabelFigures::of(&labels, &judged));
        if let Some(figures) = &measured {
            self.write_page(figures)?;
        }
        let labels = LabelOutcome { labels, texts: objective.stats().clone(), held_out: measured };
        let accounts =
            Accounts { held_out: objective.held_out(), labels: Some(labels), reading, ..Accounts::default() };
        self.finish("sft.json", tuner, &tokenizer, accounts, summary, memory)
    }

    /// A page with the confusion matrix, where there is one.
    fn write_page(&self, figures: &LabelFigures) -> anyhow::Result<()> {
        let Some(confusion) = &figures.confusion else { return Ok(()) };
        let classified = Classified {
            source: self.data.first().map(|path| path.display().to_string()).unwrap_or_default(),
            confusion,
            figures: figures.figures.clone(),
            calibration: None,
            signature: format!("classes:{}|nuwa:{}", confusion.classes.len(), env!("CARGO_PKG_VERSION")),
        };
        Ok(nuwa_report::classes::write(&self.out.join(PAGE), &classified)?)
    }
}

/// `872 texts (sentence), one of 2 labels each (label)`.
fn found_text(texts: &LabelledTexts) -> String {
    let count = numbers::counted(texts.texts.len() as u64, "text");
    let (own, pair) = (&texts.columns.text, &texts.columns.pair);
    let columns: Vec<&str> = own.iter().chain(pair).map(String::as_str).collect();
    let label = texts.columns.label.as_deref().unwrap_or_default();
    format!("{count} ({}), {} ({label})", columns.join(" and "), problem_text(&texts.labels))
}

fn problem_text(labels: &Labels) -> String {
    let count = labels.names.len();
    match labels.problem {
        Problem::One => format!("one of {count} labels each"),
        Problem::Several => format!("any of {count} labels each"),
        Problem::Number => "a number each".into(),
    }
}

fn course_text(objective: &Labelling) -> String {
    let LabelStats { texts, cut, epochs, .. } = objective.stats();
    let [texts, epochs] = [numbers::counted(*texts, "text"), numbers::counted(*epochs, "epoch")];
    let steps = numbers::counted(objective.count(), "step");
    let held = numbers::grouped(objective.held_out() as u64);
    let mut told = format!("{texts} to learn from: {epochs}, {steps}; {held} held out");
    if *cut > 0 {
        told += &format!("; {} cut to the context", numbers::grouped(*cut));
    }
    told
}

/// What was learnt, in a line or a few.
pub fn labels_text(outcome: &LabelOutcome) -> String {
    let LabelOutcome { labels, texts, held_out } = outcome;
    let count = numbers::counted(texts.texts, "text");
    let mut lines = vec![format!("{count}, {}", problem_text(labels))];
    lines.extend(held_out.as_ref().map(|figures| format!("  held out: {}", figures_text(figures, "  "))));
    lines.join("\n")
}

/// `accuracy 0.912 (0.88 to 0.94), ... of 400 texts`, and the matrix below.
pub fn figures_text(figures: &LabelFigures, indent: &str) -> String {
    let told = figures.figures.iter().map(|(name, value, interval)| {
        let sure = interval.map_or(String::new(), |[low, high]| format!(" ({low:.3} to {high:.3})"));
        format!("{} {value:.3}{sure}", name.replace('_', " "))
    });
    let count = numbers::counted(figures.texts as u64, "text");
    let mut text = format!("{}, of {count}", told.collect::<Vec<_>>().join(", "));
    if let Some(confusion) = &figures.confusion {
        text += &format!("\n{}", matrix(confusion, indent));
    }
    text
}
