use std::path::{Path, PathBuf};

use clap::Args;
use nuwa_files::quoted_path;
use nuwa_format::{Base, weights_hash};
use nuwa_models::Model;
use nuwa_tokenizer::Tokenizer;

use crate::console::{message, print_line};
use crate::failure::Problem;
use crate::model;

/// Merge LoRA adapters into the model they were trained on
///
/// Reads adapters as `nuwa sft --lora`, `nuwa dpo --lora` and the peft library write them.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  nuwa merge runs/book --adapter tuned --out merged")]
pub struct Merge {
    /// The base model of the adapters: a model folder, or a run folder
    model: PathBuf,
    /// The folder of the adapters
    #[arg(long, value_name = "DIR")]
    adapter: PathBuf,
    /// The folder for the merged model
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Merge even if the adapters were trained on another model of the same shape
    #[arg(long)]
    force: bool,
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
        self.check_base(&folder, merged.as_ref())?;
        nuwa_format::merge(merged.as_ref(), &adapter, &folder)?;
        // The template that was used in training lies beside the adapters.
        let beside = if folder.join("tokenizer.json").is_file() { &folder } else { &base };
        nuwa_format::save_with_tokenizer(merged.as_ref(), &Tokenizer::load(beside)?, &self.out)?;
        print_line(&format!("{} tensors merged\nmodel    {}", adapter.parts.len(), self.out.display()))
    }

    /// Adapters change the weights that they were trained on, and spoil all others.
    fn check_base(&self, adapter: &Path, model: &dyn Model) -> anyhow::Result<()> {
        let (adapter_name, model_name) = (adapter.display(), self.model.display());
        let Some(base) = Base::of_adapter(adapter)? else {
            message(&format!(
                "warning: {adapter_name} does not say which weights it was trained on; only shapes are compared with {model_name}"
            ));
            return Ok(());
        };
        if self.force || base.weights == weights_hash(model) {
            return Ok(());
        }
        let called =
            if base.name.is_empty() { String::new() } else { format!(" (it was called {})", base.name) };
        let problem = format!(
            "{adapter_name} was trained on another model{called}: the weights of {model_name} differ"
        );
        let hint = format!(
            "name the model that it was trained on, or merge all the same: nuwa merge {} --adapter {} --out {} --force",
            quoted_path(&self.model),
            quoted_path(adapter),
            quoted_path(&self.out)
        );
        Err(Problem::new(problem).hint(hint).into())
    }
}
