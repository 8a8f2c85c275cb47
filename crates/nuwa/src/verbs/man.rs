use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_mangen::Man;

use super::Program;
use crate::console::{message, print};

/// Print the manual page, or write one for each command
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa man | man -l -
  nuwa man --out ~/.local/share/man/man1       afterwards: man nuwa-build")]
pub struct Manual {
    /// Output folder for nuwa.1 and a page for each command
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Manual {
    pub fn run(self) -> anyhow::Result<()> {
        let Some(out) = self.out else {
            let mut page = Vec::new();
            Man::new(Program::command()).render(&mut page)?;
            return print(std::str::from_utf8(&page)?);
        };
        std::fs::create_dir_all(&out).map_err(nuwa_files::Error::write(&out))?;
        clap_mangen::generate_to(Program::command(), &out).map_err(nuwa_files::Error::write(&out))?;
        message(&format!("wrote nuwa.1 and a page for each verb into {}", out.display()));
        Ok(())
    }
}
