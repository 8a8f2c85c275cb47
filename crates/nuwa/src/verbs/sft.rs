use std::path::PathBuf;

use clap::Args;

use super::fine_tuning::FineTuningArguments;
use super::label_columns::{HEADING, LabelArguments};
use super::language::LanguageArgument;
use super::settings::Settings;
use crate::alignment::{Alignment, AskedLabels, text};
use crate::console::{Display, print_figures};
use crate::failure::Problem;
use crate::stages::sft::ABOUT;

/// Fine-tune a model on dialogues (SFT), or on texts with labels
///
/// Reads Alpaca (instruction, input, output), ShareGPT (conversations), chat (messages),
/// prompt/completion and question/answer records, as a JSON list, as JSON lines or as a table
/// (.csv, .tsv), compressed or not. Only the answers count in the loss, except those with a weight
/// of 0; records whose label is false are left out. A record with ratings teaches the model to rate
/// answers: {"context": TURNS, "response": TEXT, "ratings": {"sensible": 1, "specific": 0,
/// "interesting": 0, "safe": 1}}, each from 0 to 1 (`nuwa world` writes some). An encoder-decoder (marian, t5, bart) or unilm learns pairs:
/// records with source and target, with two texts that --columns names, or dialogues; or two files of lines. Writes DIR/model (with --lora: DIR/adapter) and
/// DIR/metrics.jsonl. Run the same command again to resume after an interruption.
///
/// Records with a text and a label and nothing of a dialogue (or any, where --label names a column) make a classifier of
/// the model: a linear head on the row of the first token of an encoder, through its pooler where it has one, or on that of
/// the last token of a decoder, of XLNet or of an encoder-decoder, whose decoder reads the text once more. A label is one of several (softmax cross-entropy), any number of several (a sigmoid each), or a number
/// (squared error). Writes DIR/model, which transformers loads as ...ForSequenceClassification and `nuwa classify` runs
/// (with --lora too: the adapters are merged), DIR/sft.json with the figures on held-out texts, and DIR/labels.html with the
/// confusion matrix.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa sft runs/book --data answers.jsonl --out tuned
  nuwa sft runs/book --data alpaca.json --out tuned --lora 16
  nuwa sft runs/world --data world/sft.jsonl world/ratings.jsonl --out rater
  nuwa sft marian --data translations.jsonl --columns source=en,target=zh --out en-zh
  nuwa sft marian --data train.en --target train.zh --out en-zh
  nuwa sft runs/book --data faq.jsonl --columns instruction=question,output=reply --out tuned
  nuwa sft runs/bert --data reviews.csv --out classifier
  nuwa sft runs/bert --data pairs.tsv --text premise --pair hypothesis --label verdict --out classifier")]
pub struct Sft {
    #[command(flatten)]
    tuning: FineTuningArguments,
    /// For a model that learns pairs: files of lines whose line N is what is written for line N of the
    /// data, which are lines too; as many files as --data
    #[arg(long, value_name = "FILE", num_args = 1..)]
    target: Vec<PathBuf>,
    #[command(flatten)]
    labels: LabelArguments,
    /// Texts with labels to judge a classifier by, in place of a share of the data
    #[arg(long, value_name = "FILE", num_args = 1.., help_heading = HEADING)]
    held_out: Vec<PathBuf>,
    #[command(flatten)]
    language: LanguageArgument,
    #[command(flatten)]
    settings: Settings,
}

impl Sft {
    pub fn run(self) -> anyhow::Result<()> {
        let mut draft = self.settings.draft()?;
        self.tuning.put_into(&ABOUT, &mut draft)?;
        let recipe = draft.recipe()?;
        let mut display = Display::new();
        let outcome = self.tuning.with_targets(&ABOUT, recipe.seed, &self.target, |job| {
            match self.learns_labels(job)? {
                true => {
                    let asked = AskedLabels {
                        columns: self.labels.columns(),
                        held_out: &self.held_out,
                        language: self.language.number(job.model)?,
                    };
                    job.label(&recipe.sft, &asked, &mut display)
                }
                false => job.sft(&recipe.sft, &mut display),
            }
        })?;
        drop(display);
        let next = match &outcome.labels {
            Some(_) => {
                let written = nuwa_files::quoted_path(&outcome.written);
                format!("model    {}\ntry      nuwa classify {written} TEXT", outcome.written.display())
            }
            None => self.tuning.next_step(&outcome),
        };
        print_figures(self.tuning.training.json, &outcome, || format!("{}\n{next}", text(&outcome)))
    }

    fn learns_labels(&self, job: &Alignment<'_>) -> anyhow::Result<bool> {
        let is_said = self.labels.columns().is_said() || !self.held_out.is_empty();
        let is_other = !self.target.is_empty() || !(is_said || job.holds_labels());
        if is_other {
            return Ok(false);
        }
        if self.tuning.training.shards.is_some() {
            let problem = Problem::new("--shards: a classifier writes nothing, so it forgets no text");
            return Err(problem.hint("leave --shards out").into());
        }
        Ok(true)
    }
}
