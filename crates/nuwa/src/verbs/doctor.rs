use clap::Args;

use crate::console::print_figures;
use crate::machine;

/// Show this machine's hardware and measured speed
///
/// Cores, instruction set, measured speed of matrix products and memory, free memory and disk
/// space, GPU if any. Takes about two seconds.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa doctor
  nuwa doctor --json | jq .product_gflops_f32")]
pub struct Doctor {
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub fn run(self) -> anyhow::Result<()> {
        let measured = machine::measured();
        print_figures(self.json, &measured, || machine::text(&measured))
    }
}
