use std::path::PathBuf;

use clap::Args;
use nuwa_report::numbers::grouped;

use crate::console::print_figures;

/// Convert another program's model into a model folder
///
/// Reads Hugging Face folders of the GPT-2 and LLaMA families, GGUF files, and llama2.c's .bin files with the
/// tok*.bin next to them. Quantised weights become the f32 numbers that they stand for.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa import stories260K/stories260K.bin --out stories
  nuwa import ~/models/gpt2 --out gpt2
  nuwa import SmolLM2-135M-Instruct.Q4_1.gguf --out smollm2")]
pub struct Import {
    /// A model file or folder
    #[arg(value_name = "FILE_OR_FOLDER")]
    model: PathBuf,
    /// The model folder to write
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

impl Import {
    pub fn run(self) -> anyhow::Result<()> {
        let imported = nuwa_format::import(&self.model, &self.out)?;
        let figures = serde_json::json!({
            "out": self.out, "parameters": imported.parameters, "vocab_size": imported.tokenizer,
        });
        print_figures(self.json, &figures, || {
            let parameters = grouped(imported.parameters as u64);
            match imported.tokenizer {
                Some(size) => format!("{parameters} parameters, a vocabulary of {}", grouped(size as u64)),
                None => format!("{parameters} parameters; no tokenizer was found beside the model"),
            }
        })
    }
}
