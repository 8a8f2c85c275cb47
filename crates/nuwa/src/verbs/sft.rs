use std::path::PathBuf;

use clap::Args;

use super::fine_tuning::FineTuningArguments;
use super::settings::Settings;
use crate::alignment::text;
use crate::console::{Display, print_figures};
use crate::stages::sft::ABOUT;

/// Fine-tune a model on dialogues (SFT)
///
/// Reads Alpaca (instruction, input, output), ShareGPT (conversations), chat (messages),
/// prompt/completion and question/answer records, as a JSON list, as JSON lines or as a table
/// (.csv, .tsv), compressed or not. Only the answers count in the loss, except those with a weight
/// of 0; records whose label is false are left out. A record with ratings teaches the model to rate
/// answers: {"context": TURNS, "response": TEXT, "ratings": {"sensible": 1, "specific": 0,
/// "interesting": 0, "safe": 1}}, each from 0 to 1 (`nuwa world` writes some). An encoder-decoder (marian, t5, bart) learns pairs:
/// records with source and target, with two texts that --columns names, or dialogues; or two files of lines. Writes DIR/model (with --lora: DIR/adapter) and
/// DIR/metrics.jsonl. Run the same command again to resume after an interruption.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa sft runs/book --data answers.jsonl --out tuned
  nuwa sft runs/book --data alpaca.json --out tuned --lora 16
  nuwa sft runs/world --data world/sft.jsonl world/ratings.jsonl --out rater
  nuwa sft marian --data translations.jsonl --columns source=en,target=zh --out en-zh
  nuwa sft marian --data train.en --target train.zh --out en-zh
  nuwa sft runs/book --data faq.jsonl --columns instruction=question,output=reply --out tuned")]
pub struct Sft {
    #[command(flatten)]
    tuning: FineTuningArguments,
    /// For an encoder-decoder: files of lines whose line N is what is written for line N of the
    /// data, which are lines too; as many files as --data
    #[arg(long, value_name = "FILE", num_args = 1..)]
    target: Vec<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

impl Sft {
    pub fn run(self) -> anyhow::Result<()> {
        let mut draft = self.settings.draft()?;
        self.tuning.put_into(&ABOUT, &mut draft)?;
        let recipe = draft.recipe()?;
        let mut display = Display::new();
        let outcome = self.tuning.with_targets(&ABOUT, recipe.seed, &self.target, |job| job.sft(&recipe.sft, &mut display))?;
        drop(display);
        let next = self.tuning.next_step(&outcome);
        print_figures(self.tuning.training.json, &outcome, || format!("{}\n{next}", text(&outcome)))
    }
}
