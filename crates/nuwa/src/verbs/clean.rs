use std::path::PathBuf;

use clap::Args;
use nuwa_clean::clean;

use super::settings::Settings;
use crate::console::{Display, print_figures};
use crate::interrupt;
use crate::stages::clean::{ABOUT, text};

/// Repair, filter and deduplicate documents
///
/// Kept documents go to documents-*.jsonl.zst, rejected ones with step and reason to
/// rejected.jsonl.zst, and the counts of every step to clean.json.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa clean documents --out cleaned --memory 2GB
  nuwa clean documents --set 'clean.steps=[\"unicode\", \"exact-duplicates\"]' --out cleaned
  nuwa clean documents --set clean.mix.languages.en=2 --set clean.mix.languages.zh=1 --out mixed")]
pub struct Clean {
    /// Documents: .jsonl files (also .gz, .zst) or folders of them, as `nuwa collect` writes them
    #[arg(required = true, value_name = "FILE_OR_FOLDER")]
    documents: Vec<PathBuf>,
    /// Output folder for kept and rejected documents and the counts
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Memory limit, such as 500MB or 2GB (the setting clean.memory)
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    #[command(flatten)]
    settings: Settings,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

impl Clean {
    pub fn run(self) -> anyhow::Result<()> {
        let mut recipe = self.settings.recipe()?;
        recipe.clean.memory = self.memory.unwrap_or(recipe.clean.memory);
        interrupt::begin(ABOUT.work(false))?;
        let mut display = Display::new();
        let summary =
            clean(&self.documents, &self.out, &recipe.clean, &mut |progress| display.show(progress))?;
        drop(display);
        print_figures(self.json, &summary, || text(&summary))
    }
}
