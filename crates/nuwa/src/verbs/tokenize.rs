use std::path::PathBuf;

use clap::Args;
use nuwa_shards::tokenize::tokenize;
use nuwa_tokenizer::Tokenizer;

use super::settings::Settings;
use crate::console::{Display, print_figures};
use crate::interrupt;
use crate::stages::tokenize::{ABOUT, text};

/// Tokenize documents into shards of token ids
///
/// Writes train-*.bin, val-*.bin and test-*.bin in llm.c's format, with document boundaries in .idx
/// files next to them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa tokenize cleaned --tokenizer tokenizer --out shards
  nuwa tokenize cleaned --tokenizer gpt2/ --set tokenize.split.validation_share=0.05 --out shards")]
pub struct Tokenize {
    /// Documents: a .jsonl file (also .gz, .zst) or a folder of them
    #[arg(value_name = "DOCS")]
    documents: PathBuf,
    /// The tokenizer: a folder or file
    #[arg(long)]
    tokenizer: PathBuf,
    /// The folder for the shards
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    settings: Settings,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

impl Tokenize {
    pub fn run(self) -> anyhow::Result<()> {
        let recipe = self.settings.recipe()?;
        let tokenizer = Tokenizer::load(&self.tokenizer)?;
        interrupt::begin(ABOUT.work(false))?;
        let mut display = Display::new();
        let mut observer = |progress| display.show(progress);
        let summary = tokenize(&self.documents, &tokenizer, &self.out, &recipe.tokenize, &mut observer)?;
        drop(display);
        // The shards are then all that training needs.
        tokenizer.save(&self.out)?;
        print_figures(self.json, &summary, || text(&summary))
    }
}
