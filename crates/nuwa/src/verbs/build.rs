use std::path::PathBuf;

use clap::Args;
use toml::Value;

use crate::pipeline::Pipeline;
use crate::planning::DialArguments;
use crate::recipe::{Align, Draft};

/// Build a model: from raw text to a trained, evaluated model with a report
///
/// Without a source, it builds from the embedded world: a small bilingual corpus whose facts are
/// all known, so that the effect of each stage can be measured. Stages: (world,) collect, clean,
/// tokenizer, tokenize, plan, pretrain, sft, dpo or reward and ppo or grpo (if there are records for
/// them), eval, export, report. Each stage keeps its results and a manifest in its own folder inside the run folder. A
/// stage whose inputs and settings are unchanged is skipped. Run the same command again to resume a
/// build that was interrupted.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa build                                      the embedded world, in about five minutes, into runs/world
  nuwa build --from ~/documents                   about ten minutes, into runs/documents
  nuwa build --from book.txt --budget 1h30m       more time, a better model
  nuwa build --from book.txt --params 1M --tokens 2M
  nuwa build --align ppo --out runs/rlhf          with a reward model and PPO in place of DPO
  nuwa build --family t5 --from book.txt --answers pairs.jsonl
  nuwa build --family bert --from reviews.txt --answers labelled.csv
  nuwa build my.toml --seed 7 --out runs/second")]
pub struct BuildArguments {
    /// A recipe; `nuwa init` writes one with every setting
    #[arg(value_name = "RECIPE.toml")]
    recipe: Option<PathBuf>,
    /// Files and folders of text, as `nuwa collect` reads them, and data sets of the Hub: hf:OWNER/NAME
    #[arg(long, value_name = "PATH", num_args = 1..)]
    from: Vec<PathBuf>,
    /// What is learnt by supervised fine-tuning: files of records, as `nuwa sft` reads them: dialogues, pairs for
    /// an encoder-decoder, or texts with labels
    #[arg(long, value_name = "FILE", num_args = 1..)]
    answers: Vec<PathBuf>,
    /// Preference pairs for DPO: files of records, as `nuwa dpo` reads them
    #[arg(long, value_name = "FILE", num_args = 1..)]
    preferences: Vec<PathBuf>,
    /// Prompts for PPO or GRPO: files of records or of plain lines, as `nuwa ppo` reads them
    #[arg(long, value_name = "FILE", num_args = 1..)]
    prompts: Vec<PathBuf>,
    /// How the model learns which answers are preferred
    #[arg(long, value_enum, value_name = "METHOD")]
    align: Option<Align>,
    #[command(flatten)]
    dial: DialArguments,
    /// The run folder [default: runs/NAME, named after the source]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Random seed: the same seed and plan give the same weights
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    seed: Option<i64>,
    /// Override one setting, for example clean.samples=10; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl BuildArguments {
    pub fn run(self) -> anyhow::Result<()> {
        Pipeline::new(self.draft()?)?.run(self.json)
    }

    /// The recipe, then `--set`, then the flags.
    fn draft(&self) -> anyhow::Result<Draft> {
        let mut draft = self.recipe.as_deref().map_or(Ok(Draft::default()), Draft::read)?;
        self.set.iter().try_for_each(|assignment| draft.set(assignment))?;
        let text = |path: &PathBuf| Value::String(path.display().to_string());
        let lists = [
            ("from", &self.from),
            ("answers", &self.answers),
            ("preferences", &self.preferences),
            ("prompts", &self.prompts),
        ];
        for (key, paths) in lists.into_iter().filter(|(_, paths)| !paths.is_empty()) {
            draft.put(key, Value::Array(paths.iter().map(text).collect()))?;
        }
        if let Some(align) = self.align {
            draft.put("align", Value::try_from(align)?)?;
        }
        if let Some(out) = &self.out {
            draft.put("out", text(out))?;
        }
        self.dial.put_into(&mut draft)?;
        if let Some(seed) = self.seed {
            draft.put("seed", Value::Integer(seed))?;
        }
        Ok(draft)
    }
}
