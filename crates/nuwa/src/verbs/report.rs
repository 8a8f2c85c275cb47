use std::path::PathBuf;

use clap::Args;
use nuwa_report::CardSettings;

use crate::console::print_figures;
use crate::recipe::Draft;
use crate::stages;

/// Write a run's report again, with the cards of its data and of its model
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
        let recipe = self.run.join("recipe.toml");
        let answers =
            if recipe.is_file() { Draft::read(&recipe)?.recipe()?.card } else { CardSettings::default() };
        if self.run.join("model").is_dir() {
            nuwa_report::model_card(&self.run, &stages::reported(), &answers)?;
        }
        nuwa_report::data_card(&self.run, &stages::reported(), &answers)?;
        print_figures(self.json, &serde_json::json!({ "report": page }), || page.display().to_string())
    }
}
