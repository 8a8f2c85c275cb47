use std::path::PathBuf;

use clap::{Args, ValueEnum};
use nuwa_report::numbers::grouped;

use crate::console::print_figures;
use crate::{model, provenance};

/// Export a model for other programs
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  nuwa export runs/book --format safetensors --out book-hf")]
pub struct Export {
    /// A model folder, or a run folder
    model: PathBuf,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Safetensors)]
    format: Format,
    /// The folder to write
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// A Hugging Face model folder, for transformers, vLLM and llama.cpp's converter
    Safetensors,
}

impl Export {
    pub fn run(self) -> anyhow::Result<()> {
        let Format::Safetensors = self.format;
        let folder = model::folder(&self.model)?;
        let exported = nuwa_format::export(&folder, &self.out)?;
        provenance::write_exported(&folder, &self.out)?;
        let figures = serde_json::json!({
            "out": self.out, "parameters": exported.parameters, "vocab_size": exported.tokenizer,
        });
        print_figures(self.json, &figures, || {
            format!("{} parameters in {}", grouped(exported.parameters as u64), self.out.display())
        })
    }
}
