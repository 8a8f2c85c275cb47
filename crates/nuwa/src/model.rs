//! Text out of a model that is still in training.

use std::path::{Path, PathBuf};

use nuwa_files::quoted_path;
use nuwa_infer::{GenerateSettings, Sampler, Sequence};
use nuwa_models::Model;
use nuwa_tokenizer::Tokenizer;

use crate::failure::Problem;
use crate::machine::free_memory;
use crate::numbers::bytes;

/// Continues `prompt` with a model that is still in training.
pub fn continue_text(
    model: &dyn Model,
    tokenizer: &Tokenizer,
    prompt: &[u32],
    settings: &GenerateSettings,
) -> anyhow::Result<String> {
    let mut sequence = Sequence::new(model, prompt, settings.max_tokens)?;
    let unwritable: Vec<u32> =
        (0..model.vocabulary() as u32).filter(|id| tokenizer.id_to_token(*id).is_none()).collect();
    let mut sampler =
        Sampler::new(&settings.sampling, model.vocabulary(), settings.seed)?.without(unwritable);
    for _ in 0..settings.max_tokens {
        let id = sampler.choose(&sequence.next_scores()?.to_host())?;
        if Some(id) == tokenizer.end_of_text() {
            break;
        }
        sequence.push(id);
    }
    Ok(tokenizer.decode(&sequence.ids()[prompt.len()..])?)
}

/// Where a run or a stage keeps a model: the final one first, then, where a build was not finished, that of its last stage.
const WITHIN: [&str; 4] = ["model", "dpo/model", "sft/model", "pretrain/model"];

/// The model folder that a path means: itself, or what a run or a stage keeps.
pub fn folder(path: &Path) -> anyhow::Result<PathBuf> {
    if !path.exists() {
        let problem = Problem::new(format!("there is no {}", path.display()));
        return Err(problem.hint("name a model folder, or the folder of a run: runs/NAME").into());
    }
    if path.join("config.json").is_file() {
        check_memory(path)?;
        return Ok(path.to_path_buf());
    }
    if nuwa_format::is_adapter(path) || nuwa_format::is_adapter(&path.join("adapter")) {
        let problem = Problem::new(format!("{} holds adapters, not a model", path.display()));
        let hint = format!("merge them first: nuwa merge MODEL --adapter {} --out DIR", quoted_path(path));
        return Err(problem.hint(hint).into());
    }
    let within = WITHIN.map(|name| path.join(name));
    match within.into_iter().find(|folder| folder.join("config.json").is_file()) {
        Some(folder) => check_memory(&folder).map(|()| folder),
        None if path.is_dir() => Err(no_model(path).into()),
        None => Ok(path.to_path_buf()),
    }
}

/// Weights that take more memory than there is would end the program, or everything else on the machine.
fn check_memory(folder: &Path) -> anyhow::Result<()> {
    // What is wrong with the weights is told where they are read.
    let (Ok(needed), Some(free)) = (nuwa_format::weights_memory(folder), free_memory()) else {
        return Ok(());
    };
    if needed <= free {
        return Ok(());
    }
    let (needed, free) = (bytes(needed), bytes(free));
    let told = format!("the weights of {} take {needed} of memory, and {free} are free", folder.display());
    Err(Problem::new(told).hint("take a smaller model, or a machine with more memory").into())
}

fn no_model(path: &Path) -> Problem {
    let shown = path.display();
    let is_run = path.join("recipe.toml").is_file();
    let problem =
        Problem::new(format!("{shown} holds no model: neither config.json nor model/config.json is there"));
    problem.hint(match is_run {
        true => format!(
            "finish the run first: nuwa build {} --out {}",
            quoted_path(path.join("recipe.toml")),
            quoted_path(path)
        ),
        false => "name a model folder, or the folder of a run: runs/NAME".to_string(),
    })
}

/// The tokenizer that a path means: itself, or the one that the model of a run has beside it.
pub fn tokenizer(path: &Path) -> PathBuf {
    let has_one = |folder: &PathBuf| folder.join("tokenizer.json").is_file();
    let within = WITHIN.into_iter().chain(["tokenizer"]).map(|name| path.join(name));
    match path.join("tokenizer.json").is_file() {
        true => path.to_path_buf(),
        false => within.into_iter().find(has_one).unwrap_or_else(|| path.to_path_buf()),
    }
}

/// The path from the root, where it can be found.
pub fn absolute(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}
