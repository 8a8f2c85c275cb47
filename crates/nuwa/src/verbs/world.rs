use std::path::PathBuf;

use clap::Args;
use nuwa_world::{WorldSettings, write};

use super::settings::Settings;
use crate::console::{Display, print_figures};
use crate::failure::Problem;
use crate::stages::world::text;

/// Write the embedded world's data as files
///
/// A small bilingual world whose facts are all known: a corpus with planted noise, dialogues,
/// preferences, translations, reviews, and held-out items in the formats of ARC, HellaSwag, MMLU
/// and TruthfulQA. The same seed gives the same bytes. `nuwa build` without a source creates it by
/// itself.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  nuwa world --out world --seed 7 --size 2000")]
pub struct World {
    /// Output folder: a new one, an empty one, or that of an earlier world
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Seed of the world
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    seed: Option<i64>,
    /// Documents in the corpus
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    size: Option<i64>,
    #[command(flatten)]
    settings: Settings,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

impl World {
    pub fn run(self) -> anyhow::Result<()> {
        let mut draft = self.settings.draft()?;
        for (key, value) in [("world.seed", self.seed), ("world.documents", self.size)] {
            if let Some(value) = value {
                draft.put(key, toml::Value::Integer(value))?;
            }
        }
        let settings: WorldSettings = draft.recipe()?.world;
        self.refuse_foreign()?;
        let mut display = Display::new();
        let summary = write(&settings, &self.out, &mut |progress| display.show(progress))?;
        drop(display);
        print_figures(self.json, &summary, || text(&summary))
    }

    /// A folder with content of somebody else's is not touched.
    fn refuse_foreign(&self) -> anyhow::Result<()> {
        let is_empty = std::fs::read_dir(&self.out).map_or(true, |mut entries| entries.next().is_none());
        if is_empty || self.out.join("world.json").is_file() {
            return Ok(());
        }
        let problem = format!("{} holds files that are not of a world", self.out.display());
        Err(Problem::new(problem).hint("choose a new folder with --out").into())
    }
}
