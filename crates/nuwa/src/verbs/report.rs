use std::path::PathBuf;

use clap::Args;

use crate::console::print_figures;
use crate::stages;

/// Write a run's report again: RUN/report.html and, if there is a model, its model card
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  nuwa report runs/book")]
pub struct Report {
    /// The run folder
    run: PathBuf,
    /// Print the paths as JSON
    #[arg(long)]
    json: bool,
}

impl Report {
    pub fn run(self) -> anyhow::Result<()> {
        let page = nuwa_report::write(&self.run, &stages::reported())?;
        if self.run.join("model").is_dir() {
            nuwa_report::model_card(&self.run, &stages::reported())?;
        }
        print_figures(self.json, &serde_json::json!({ "report": page }), || page.display().to_string())
    }
}
