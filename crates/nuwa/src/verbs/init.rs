use std::path::PathBuf;

use clap::Args;

use crate::console::{message, print};
use crate::failure::Problem;
use crate::recipe::documented;

/// Write a recipe with every setting, its default and what it means
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa init my.toml        write my.toml, to be changed and built: nuwa build my.toml
  nuwa init                show the recipe on standard output")]
pub struct Init {
    /// The file to write; left out, the recipe goes to standard output
    file: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

impl Init {
    pub fn run(self) -> anyhow::Result<()> {
        let Some(file) = self.file else { return print(&documented()) };
        if file.exists() && !self.force {
            let problem = Problem::new(format!("{} exists already", file.display()));
            return Err(problem.hint("choose another name, or add --force to replace it").into());
        }
        nuwa_files::write_atomically(&file, documented().as_bytes())?;
        message(&format!("wrote {0}; next: nuwa build {0} --from PATH", file.display()));
        Ok(())
    }
}
