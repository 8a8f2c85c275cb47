use std::path::PathBuf;

use clap::Args;

use crate::recipe::{Draft, Recipe};

/// Where a verb's settings come from.
#[derive(Debug, Args)]
pub struct Settings {
    /// Read settings from this recipe (`nuwa init` writes one)
    #[arg(long, value_name = "RECIPE.toml")]
    recipe: Option<PathBuf>,
    /// Override one setting, for example tokenizer.min_frequency=3; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl Settings {
    /// The recipe, then the overrides.
    pub fn draft(&self) -> anyhow::Result<Draft> {
        let mut draft = self.recipe.as_deref().map_or(Ok(Draft::default()), Draft::read)?;
        self.set.iter().try_for_each(|assignment| draft.set(assignment))?;
        Ok(draft)
    }

    /// The whole recipe, with defaults for what was not said.
    pub fn recipe(&self) -> anyhow::Result<Recipe> {
        self.draft()?.recipe()
    }
}
