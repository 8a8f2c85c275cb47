use std::path::PathBuf;

use clap::Args;
use nuwa_report::numbers::counted;

use crate::console::{message, print_figures};
use crate::failure::Problem;
use crate::provenance::{Verified, verify};

/// Check a run or a model against its provenance.json
///
/// Recomputes the SHA-256 of every file that provenance.json names. Of a run: what each stage wrote,
/// its manifest, the recipe, the model, the user's sources where they still lie on this machine, and
/// whether each stage was made from what the stages before it hand on. Of a model folder: its files.
/// The exit code is 1 if anything differs. What this does not show: who made the file (nothing is
/// signed), and whether the record was true when it was written.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa verify runs/book
  nuwa verify downloaded-model --json")]
pub struct Verify {
    /// A run folder or a model folder
    folder: PathBuf,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub fn run(self) -> anyhow::Result<()> {
        let verified = verify(&self.folder)?;
        verified.remarks.iter().for_each(|remark| message(&format!("note: {remark}")));
        if self.json || verified.differences.is_empty() {
            print_figures(self.json, &verified, || text(&verified))?;
        }
        match verified.differences.is_empty() {
            true => Ok(()),
            false => Err(self.refusal(&verified).into()),
        }
    }

    fn refusal(&self, verified: &Verified) -> Problem {
        let folder = self.folder.display();
        let told = match verified.differences.as_slice() {
            [only] => format!("{folder} is not as its provenance.json says: {only}"),
            several => {
                let lines: String = several.iter().map(|line| format!("\n  {line}")).collect();
                format!("{folder} is not as its provenance.json says:{lines}")
            }
        };
        Problem::new(told).hint("get the files again from where they came; in a run of your own, nuwa build makes anew what changed")
    }
}

fn text(verified: &Verified) -> String {
    let Verified { model, files, links, source_files, .. } = verified;
    let of_run = match links {
        0 => String::new(),
        links => format!(
            ", {} between stages and {} of the sources",
            counted(*links, "link"),
            counted(*source_files, "file")
        ),
    };
    format!("{}{of_run}: all as provenance.json says\nmodel sha256 {model}", counted(*files, "file"))
}
