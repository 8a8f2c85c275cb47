use std::path::PathBuf;

use clap::Args;
use nuwa_files::quoted_path;

use crate::console::{message, print};
use crate::failure::Problem;
use crate::recipe::{documented, short};

/// Write a recipe with every setting, its default and its description
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa init my.toml        write my.toml, to be changed and built: nuwa build my.toml
  nuwa init my.toml --short
  nuwa init                show the recipe on standard output")]
pub struct Init {
    /// The file to write [default: standard output]
    file: Option<PathBuf>,
    /// Only the ten settings that matter most
    #[arg(long)]
    short: bool,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

impl Init {
    pub fn run(self) -> anyhow::Result<()> {
        let recipe = if self.short { short() } else { documented() };
        let Some(file) = self.file else { return print(&recipe) };
        if file.exists() && !self.force {
            let problem = Problem::new(format!("{} exists already", file.display()));
            return Err(problem.hint("choose another name, or add --force to replace it").into());
        }
        nuwa_files::write_atomically(&file, recipe.as_bytes())?;
        let argument = quoted_path(&file);
        message(&format!("wrote {}; next: nuwa build {argument} --from PATH", file.display()));
        Ok(())
    }
}
