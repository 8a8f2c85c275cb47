//! Which model, and which tokenizer, a path means.

use std::path::{Path, PathBuf};

use nuwa_files::gguf::is_gguf;
use nuwa_files::quoted_path;
use nuwa_report::numbers::bytes;

use crate::failure::Problem;
use crate::machine::free_memory;
use crate::stages;

/// Where a run or a stage keeps a model: the final one first, then, where a build was not finished, that of its last stage.
fn places_within(path: &Path) -> Vec<PathBuf> {
    let stages = stages::models().into_iter().rev();
    std::iter::once(path.to_path_buf())
        .chain(stages.map(|stage| path.join(stage.name)))
        .map(|place| place.join("model"))
        .collect()
}

/// The model that a path means: itself, a model folder or a GGUF file, or the folder that a run or a stage keeps.
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
    match places_within(path).into_iter().find(|folder| folder.join("config.json").is_file()) {
        Some(folder) => check_memory(&folder).map(|()| folder),
        None if path.is_dir() => Err(no_model(path).into()),
        None if is_gguf(path) => check_memory(path).map(|()| path.to_path_buf()),
        None => Ok(path.to_path_buf()),
    }
}

/// The model folder that a path means, to be trained further.
pub fn trainable(path: &Path) -> anyhow::Result<PathBuf> {
    let folder = folder(path)?;
    nuwa_format::check_trainable(&folder)?;
    Ok(folder)
}

/// Weights that take more memory than there is would end the program, or everything else on the machine.
fn check_memory(folder: &Path) -> anyhow::Result<()> {
    // What is wrong with the weights is told where they are read.
    let (Ok(needed), Some(free)) = (nuwa_format::weights_memory(folder, None), free_memory()) else {
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
    let within = places_within(path).into_iter().chain([path.join("tokenizer")]);
    let mut places = std::iter::once(path.to_path_buf()).chain(within);
    places.find(has_one).unwrap_or_else(|| path.to_path_buf())
}

/// The path from the root, where it can be found.
pub fn absolute(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}
