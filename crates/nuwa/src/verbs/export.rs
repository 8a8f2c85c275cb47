use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use nuwa_format::{MODELFILE, Mixture};
use nuwa_report::numbers::{bytes, grouped};

use super::weight_type::{WeightType, fallback_notes, file_name};
use crate::console::{message, print_figures};
use crate::failure::Problem;
use crate::{model, provenance};

/// Export a model for other programs
///
/// A GGUF file is read again before it gets its name, and only kept if it gives the same logits. A Modelfile for ollama is
/// written beside it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa export runs/book --format safetensors --out book-hf
  nuwa export runs/world --format gguf --type Q8_0 --out world-gguf
  nuwa export qwen --format gguf --type BF16 --out qwen.gguf      then: llama-cli -m qwen.gguf
  ollama create book -f world-gguf/Modelfile                      what ollama needs of it")]
pub struct Export {
    /// A model folder, a run folder or a GGUF file
    model: PathBuf,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Safetensors)]
    format: Format,
    /// How weights are kept in a GGUF file: F32, F16, BF16, Q8_0, Q6_K, Q5_K_M, Q4_K_M or Q4_0 [default: Q8_0]; nuwa quantize
    /// writes several and measures them
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<WeightType>,
    /// The folder to write, or a file ending in .gguf
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A Hugging Face model folder, for transformers, vLLM and llama.cpp's converter
    Safetensors,
    /// A GGUF file, for llama.cpp, ollama and LM Studio
    Gguf,
}

impl Export {
    pub fn run(self) -> anyhow::Result<()> {
        let folder = model::folder(&self.model)?;
        match self.format {
            Format::Safetensors => self.safetensors(&folder),
            Format::Gguf => self.gguf(&folder),
        }
    }

    fn safetensors(&self, folder: &Path) -> anyhow::Result<()> {
        if let Some(WeightType(kind)) = self.kind {
            let problem = Problem::new(format!("--type {} is for GGUF files", kind.name()));
            return Err(problem.hint("add --format gguf, or leave --type out: safetensors are f32").into());
        }
        let exported = nuwa_format::export(folder, &self.out)?;
        if folder.is_dir() {
            provenance::write_exported(folder, &self.out)?;
        }
        let figures = serde_json::json!({
            "out": self.out, "parameters": exported.parameters, "vocab_size": exported.tokenizer,
        });
        print_figures(self.json, &figures, || {
            format!("{} parameters in {}", grouped(exported.parameters as u64), self.out.display())
        })
    }

    fn gguf(&self, folder: &Path) -> anyhow::Result<()> {
        let mixture = self.kind.map_or(Mixture::Q8_0, |kind| kind.0);
        let is_file = self.out.extension().is_some_and(|ending| ending == "gguf");
        let out = if is_file { self.out.clone() } else { self.out.join(file_name(folder, mixture)) };
        let written = nuwa_format::export_gguf(folder, &out, mixture, None)?;
        fallback_notes(&written).iter().for_each(|note| message(&format!("note: {note}")));
        let modelfile = out.with_file_name(MODELFILE);
        let figures = serde_json::json!({
            "out": out, "type": mixture.name(), "parameters": written.parameters, "bytes": written.bytes,
            "bits_per_weight": written.bits, "modelfile": modelfile,
        });
        print_figures(self.json, &figures, || {
            format!(
                "{} parameters in {}: {}, {:.2} bits a weight\nfor ollama: ollama create NAME -f {}",
                grouped(written.parameters as u64),
                out.display(),
                bytes(written.bytes),
                written.bits,
                modelfile.display()
            )
        })
    }
}
