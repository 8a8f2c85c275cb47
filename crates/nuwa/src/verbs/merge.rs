use std::path::PathBuf;

use clap::Args;
use nuwa_tokenizer::Tokenizer;

use crate::console::print_line;
use crate::failure::Problem;
use crate::model;

/// Put low-rank adapters into the model they were trained on
///
/// Reads adapters as `nuwa sft --lora`, `nuwa dpo --lora` and the peft library write them.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  nuwa merge runs/book/model --adapter tuned --out merged")]
pub struct Merge {
    /// The model that the adapters belong to
    model: PathBuf,
    /// The folder of the adapters
    #[arg(long, value_name = "DIR")]
    adapter: PathBuf,
    /// The folder for the merged model
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Merge {
    pub fn run(self) -> anyhow::Result<()> {
        let base = model::folder(&self.model)?;
        let within = self.adapter.join("adapter");
        let folder = if nuwa_format::is_adapter(&within) { within } else { self.adapter.clone() };
        if model::absolute(&base) == model::absolute(&self.out) {
            let problem = Problem::new(format!("--out {} is the model itself", self.out.display()));
            return Err(problem.hint("name another folder, so that the model stays as it is").into());
        }
        let adapter = nuwa_format::load_adapter(&folder)?;
        let merged = nuwa_format::load_model(&base)?;
        nuwa_format::merge(merged.as_ref(), &adapter, &folder)?;
        nuwa_format::save_model(merged.as_ref(), &self.out)?;
        // The template that was tuned with lies beside the adapters.
        let beside = if folder.join("tokenizer.json").is_file() { &folder } else { &base };
        Tokenizer::load(beside)?.save(&self.out)?;
        print_line(&format!("{} tensors merged\nmodel    {}", adapter.parts.len(), self.out.display()))
    }
}
